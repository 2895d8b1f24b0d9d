"""A trouble in sentences that a manager understands, each with its evidence.

Templates filled with samples, times and names, as the extractive writer does it for reports; the
words are plainer, and the clock is the reader's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import ConfigDict

from ingest.documents import Frozen
from service.briefing.night import NightPolicy, Trouble, returning
from service.briefing.plain import (
    LocalClock,
    listed,
    measured,
    sentence,
    strain_of,
    trouble_of,
    whose,
)
from service.causes.ranking import changed_components
from service.metrics.labels import component_of, region_of
from service.metrics.observe import Observation
from service.metrics.signals import Signal
from service.metrics.source import Alert, Change
from service.reports.cite import alert_citation, change_citation, metric_citation
from service.reports.draft import DraftClaim
from service.reports.model import Citation
from service.reports.phrases import value_of
from service.scope import Vocabulary, mentioned

_LEAD = timedelta(minutes=30)
"""How long before a trouble a change may have begun it."""
_ROWS = 16


class Scene(Frozen):
    """What the sentences of a night are made from."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    observation: Observation
    vocabulary: Vocabulary
    clock: LocalClock
    policy: NightPolicy


class TroubleSentences:
    """A trouble that metrics or alerts know of. ``suspects``: components its report suspects."""

    def __init__(self, trouble: Trouble, scene: Scene, suspects: Sequence[str] = ()) -> None:
        self._trouble = trouble
        self._scene = scene
        self._clock = scene.clock
        self._suspects = tuple(suspects)
        self.again = returning(trouble, scene.observation, scene.policy)
        felt = trouble.symptoms or tuple(self._strains())
        self.first = min(felt, key=lambda s: (s.onset, s.query), default=None)
        """The signal with which it began."""
        lasting = [signal for signal in felt if signal.ended is None]
        self.last = max(
            lasting or felt, key=lambda s: (s.ended or s.last.at, s.query), default=None
        )
        """The last signal to come back, or one that did not."""
        self._felt = felt

    def what(self) -> DraftClaim:
        """What happened, in one sentence."""
        trouble = self._trouble
        names = [name for name in trouble.components if self._evidence(name)]
        shown = names if len(names) <= 4 else names[:3]
        cited = [citation for name in shown for citation in self._evidence(name)]
        strains = [words for signal in self._felt if (words := strain_of(signal))]
        word = trouble_of(trouble.symptoms) or next(iter(strains), "")
        if names and word and self._felt:
            text = f"{sentence(listed(names))} {'were' if len(names) > 1 else 'was'} {word}"
        else:
            fired = list(dict.fromkeys(alert.name for alert in trouble.alerts))
            text = f"{listed(fired)} fired" + (f" for {listed(names)}" if names else "")
            cited = [alert_citation(alert) for alert in trouble.alerts]
        where = f" in {trouble.region}" if trouble.region else ""
        return self._timed(f"{text}{where}", cited)

    def state(self) -> list[DraftClaim]:
        """Whether it is over, what brought it back, and whether it is coming back."""
        claims = []
        for alert in self._trouble.alerts:
            if alert.ended is None:
                text = f"{alert.name} still fires, since {self._clock(alert.started)}."
                claims.append(DraftClaim(text=text, citations=(alert_citation(alert),)))
        last = self.last
        if last is not None and last.ended is None:
            text = (
                f"Not back at {self._clock(last.last.at)}: {whose(last)}, still "
                f"{value_of(last, last.last)}, usually {value_of(last, last.before)}."
            )
            cited = metric_citation(last, last.before, last.last)
            claims.append(DraftClaim(text=text, citations=(cited,)))
        elif last is not None and last.ended is not None and not claims:
            claims.append(self._back(last, last.ended))
        elif last is None and not claims and (over := self._alerts_over()) is not None:
            claims.append(over[1])
        if self.again:
            rising = "; ".join(
                f"{whose(signal)}, unusual again since {self._clock(signal.onset)}, "
                f"{value_of(signal, signal.last)} at {self._clock(signal.last.at)}"
                for signal in self.again
            )
            claims.append(
                DraftClaim(
                    text=f"It is coming back: {rising}.",
                    citations=tuple(metric_citation(s, s.start, s.last) for s in self.again),
                )
            )
        return claims

    def impact(self) -> list[DraftClaim]:
        """One sentence for each component that suffered, by its clearest symptom."""
        claims = []
        where = f" in {self._trouble.region}" if self._trouble.region else ""
        for component in self._trouble.components:
            signal = self._clearest(component)
            if signal is None:
                continue
            until = (
                f"until {self._clock(signal.ended)}"
                if signal.ended is not None
                else f"and not back by {self._clock(signal.last.at)}"
            )
            claims.append(
                DraftClaim(
                    text=f"{component}{where}: {measured(signal)} "
                    f"{'up' if signal.strength > 0 else 'down'} to "
                    f"{value_of(signal, signal.peak)}, usually {value_of(signal, signal.before)}; "
                    f"from {self._clock(signal.onset)} {until}.",
                    citations=(
                        metric_citation(
                            signal, signal.before, signal.start, signal.peak, signal.last
                        ),
                    ),
                )
            )
        return claims

    def timeline(self) -> list[tuple[datetime, DraftClaim]]:
        """What happened when: changes, first moves of each component, alerts, the end."""
        rows: list[tuple[datetime, DraftClaim]] = []
        for change in self.changes():
            text = f"{self._clock(change.at)} “{change.text}”"
            rows.append((change.at, DraftClaim(text=text, citations=(change_citation(change),))))
        for signal in self._firsts():
            went = "up" if signal.strength > 0 else "down"
            text = f"{self._clock(signal.onset)} {_labelled(signal)} {went}"
            citation = metric_citation(signal, signal.start)
            rows.append((signal.onset, DraftClaim(text=text, citations=(citation,))))
        for alert in self._alerts_once():
            text = f"{self._clock(alert.started)} {alert.name} fires"
            if target := component_of(alert.labels):
                text += f" for {target}"
            rows.append((alert.started, DraftClaim(text=text, citations=(alert_citation(alert),))))
        last = self.last
        if last is not None and last.ended is not None:
            text = f"{self._clock(last.last.at)} {_labelled(last)} back to normal, the last of all"
            citation = metric_citation(last, last.last)
            rows.append((last.last.at, DraftClaim(text=text, citations=(citation,))))
        for signal in self.again:
            text = f"{self._clock(signal.onset)} {_labelled(signal)} unusual again"
            citation = metric_citation(signal, signal.start)
            rows.append((signal.onset, DraftClaim(text=text, citations=(citation,))))
        return sorted(rows, key=lambda row: (row[0], row[1].text))[:_ROWS]

    def to_detect(self) -> tuple[int, DraftClaim] | None:
        """Minutes from the onset to the first alert."""
        first, alert = self.first, self._first_alert()
        if first is None or alert is None or alert.started < first.onset:
            return None
        minutes = round((alert.started - first.onset).total_seconds() / 60)
        text = (
            f"The first alert, {alert.name}, fired at {self._clock(alert.started)}, "
            f"{_minutes(minutes)} after the first sign of it, {whose(first)}."
        )
        cited = (metric_citation(first, first.start), alert_citation(alert))
        return minutes, DraftClaim(text=text, citations=cited)

    def to_resolve(self) -> tuple[int, DraftClaim] | None:
        """Minutes from the onset until everything was back; None while something is not."""
        first, last = self.first, self.last
        if self._trouble.ended is None:
            return None
        if first is None or last is None or last.ended is None:
            return self._alerts_over()
        minutes = round((last.last.at - first.onset).total_seconds() / 60)
        text = f"Everything was back to normal at {self._clock(last.last.at)}, "
        text += f"{_minutes(minutes)} after it began."
        cited = (metric_citation(first, first.start), metric_citation(last, last.last))
        return minutes, DraftClaim(text=text, citations=cited)

    def actions(self) -> list[tuple[datetime, DraftClaim]]:
        """Changes made after it began: what was done about it, as far as it was annotated."""
        return [
            (
                change.at,
                DraftClaim(
                    text=f"At {self._clock(change.at)}: “{change.text}”.",
                    citations=(change_citation(change),),
                ),
            )
            for change in self.changes()
            if change.at > self._trouble.started
        ]

    def changes(self) -> list[Change]:
        """Changes of what suffers or is suspected, from shortly before until the night's end."""
        involved = {*self._trouble.components, *self._suspects}
        names = tuple(dict.fromkeys([*self._scene.vocabulary.services, *involved]))
        regions = self._scene.vocabulary.regions
        start = min([self._trouble.started, *(s.onset for s in self._felt)]) - _LEAD
        found = []
        for change in self._scene.observation.changes:
            there = mentioned(f"{change.text} {' '.join(change.tags)}", regions)
            here = self._trouble.region is None or not there or self._trouble.region in there
            about = involved & set(changed_components(change, names))
            if here and about and start <= change.at <= self._scene.observation.window.end:
                found.append(change)
        return found

    # -- evidence ------------------------------------------------------------------------------

    def _strains(self) -> Iterator[Signal]:
        """What moved on the components that only alerts speak for."""
        trouble, policy = self._trouble, self._scene.policy.disturbances
        end = trouble.ended or self._scene.observation.window.end
        about = {component_of(alert.labels) for alert in trouble.alerts}
        for signal in self._scene.observation.signals:
            if (
                signal.bad
                and component_of(signal.labels) in about
                and region_of(signal.labels) in (trouble.region, None)
                and trouble.started - policy.lead <= signal.onset <= end
            ):
                yield signal

    def _timed(self, text: str, cited: Sequence[Citation]) -> DraftClaim:
        first, last, alert = self.first, self.last, self._first_alert()
        citations = [*cited]
        if first is not None and last is not None:
            citations += [metric_citation(first, first.start), metric_citation(last, last.last)]
            began, ended = first.onset, last.ended
        elif alert is not None:
            citations += [alert_citation(one) for one in self._trouble.alerts]
            began, ended = alert.started, self._trouble.ended
        else:
            return DraftClaim(text=f"{text}.", citations=tuple(citations))
        if self._trouble.ended is None or ended is None:
            text += f" since {self._clock(began)}, and it is not over"
        else:
            text += f" from {self._clock(began)} to {self._clock(ended)}"
        if self.again:
            text += ", and it is coming back"
            citations += [metric_citation(s, s.start, s.last) for s in self.again]
        return DraftClaim(text=f"{text}.", citations=tuple(citations))

    def _back(self, last: Signal, ended: datetime) -> DraftClaim:
        helped = [c for c in self.changes() if self._trouble.started < c.at <= ended]
        text = f"Last to be back to normal, at {self._clock(ended)}: {whose(last)}"
        cited: list[Citation] = [metric_citation(last, last.last)]
        if helped:
            text += f", after “{helped[-1].text}” at {self._clock(helped[-1].at)}"
            cited.append(change_citation(helped[-1]))
        return DraftClaim(text=f"{text}.", citations=tuple(cited))

    def _alerts_over(self) -> tuple[int, DraftClaim] | None:
        """Where only alerts tell: minutes from the first that fired to the end of the last."""
        first, ended = self._first_alert(), self._trouble.ended
        last = next((alert for alert in self._trouble.alerts if alert.ended == ended), None)
        if first is None or last is None or ended is None:
            return None
        minutes = round((ended - first.started).total_seconds() / 60)
        text = (
            f"{last.name} stopped firing at {self._clock(ended)}, {_minutes(minutes)} after "
            f"{first.name} fired."
        )
        return minutes, DraftClaim(
            text=text, citations=(alert_citation(first), alert_citation(last))
        )

    def _evidence(self, component: str) -> list[Citation]:
        signal = self._clearest(component)
        found: list[Citation] = [
            alert_citation(alert)
            for alert in self._trouble.alerts
            if component_of(alert.labels) == component
        ]
        if signal is not None:
            found.append(metric_citation(signal, signal.start, signal.peak, signal.last))
        return found

    def _clearest(self, component: str) -> Signal | None:
        of_it = [s for s in self._felt if component_of(s.labels) == component]
        return max(of_it, key=lambda s: (abs(s.strength), s.query), default=None)

    def _firsts(self) -> list[Signal]:
        """The first signal of each component that suffers or is suspected."""
        involved = {*self._trouble.components, *self._suspects}
        start = self._trouble.started - self._scene.policy.disturbances.lead
        end = self._trouble.ended or self._scene.observation.window.end
        firsts: dict[str, Signal] = {}
        for signal in sorted(
            self._scene.observation.signals, key=lambda s: (s.onset, -abs(s.strength), s.query)
        ):
            component = component_of(signal.labels)
            if (
                signal.bad
                and component in involved
                and region_of(signal.labels) in (self._trouble.region, None)
                and start <= signal.onset <= end
            ):
                firsts.setdefault(component or "", signal)
        return list(firsts.values())

    def _alerts_once(self) -> list[Alert]:
        """The first firing of each alert: flapping is told once."""
        once: dict[str, Alert] = {}
        for alert in sorted(self._trouble.alerts, key=lambda a: (a.started, a.name)):
            once.setdefault(f"{alert.name} {component_of(alert.labels)}", alert)
        return list(once.values())

    def _first_alert(self) -> Alert | None:
        return min(self._trouble.alerts, key=lambda a: (a.started, a.name), default=None)


def _labelled(signal: Signal) -> str:
    component = component_of(signal.labels)
    return f"{component}: {measured(signal)}" if component else measured(signal)


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"
