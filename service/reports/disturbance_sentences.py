"""A disturbance in sentences: what happened when, to whom, and whether it is over."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from ingest.documents import RunbookFacts, SourceKind
from service.causes.disturbances import Disturbance
from service.causes.ranking import changed_components
from service.metrics.kinds import Nature
from service.metrics.labels import component_of
from service.metrics.seasons import Season
from service.metrics.signals import Signal
from service.metrics.source import Change
from service.reports.cause_sentences import moved
from service.reports.cite import alert_citation, change_citation, metric_citation, quotation
from service.reports.draft import DraftClaim, Findings
from service.reports.phrases import Clock, capital, flat, name_of, sentences, title_of, value_of
from service.scope import mentioned

_SYMPTOMS = 2
"""Symptoms shown at the top."""
_TIMELINE_ROWS = 20
_CUSTOMER_SENTENCES = 3


class DisturbanceSentences:
    """The disturbances among the findings, in words."""

    def __init__(self, findings: Findings, clock: Clock) -> None:
        self._findings = findings
        self._clock = clock

    def summary(self, disturbance: Disturbance) -> tuple[DraftClaim, ...]:
        claims: list[DraftClaim] = []
        asked = self._findings.scope.services
        alarmed = {component_of(alert.labels) for alert in disturbance.alerts}
        symptoms = sorted(
            disturbance.symptoms,
            key=lambda s: (
                component_of(s.labels) not in asked,
                component_of(s.labels) not in alarmed,
                -abs(s.strength),
                s.onset,
            ),
        )
        claims.extend(moved(signal, self._clock) for signal in symptoms[:_SYMPTOMS])
        if disturbance.alerts:
            alerts = disturbance.alerts
            names = ", ".join(dict.fromkeys(alert.name for alert in alerts))
            claims.append(
                DraftClaim(
                    text=f"Alerts that fired, the first at "
                    f"{self._clock(alerts[0].started)}: {names}.",
                    citations=tuple(alert_citation(alert) for alert in alerts),
                )
            )
        return (*claims, *self.ending(disturbance))

    def ending(self, disturbance: Disturbance) -> list[DraftClaim]:
        """What brought it back, and whether it is coming back: what a morning needs to know."""
        window = self._findings.scope.window
        if disturbance.ended is None or not disturbance.symptoms:
            return []
        claims = []
        last = max(disturbance.symptoms, key=lambda s: (s.ended or window.end, s.query))
        helped = [
            change
            for change in self._findings.observation.changes
            if disturbance.started < change.at <= (last.ended or window.end)
            and self._touches(change, disturbance)
        ]
        if helped and last.ended is not None:
            change = helped[-1]
            claims.append(
                DraftClaim(
                    text=f"The last symptom ({name_of(last)}) was back to normal at "
                    f"{self._clock(last.ended)}, after “{change.text}” at "
                    f"{self._clock(change.at)}.",
                    citations=(change_citation(change), metric_citation(last, last.last)),
                )
            )
        elif last.ended is not None:
            claims.append(
                DraftClaim(
                    text=f"The last symptom ({name_of(last)}) was back to normal at "
                    f"{self._clock(last.ended)}.",
                    citations=(metric_citation(last, last.last),),
                )
            )
        returning = self._returning(disturbance)
        if returning:
            rising = "; ".join(
                f"{name_of(signal)} left its baseline again at {self._clock(signal.onset)} and "
                f"was at {value_of(signal, signal.last)} at {self._clock(signal.last.at)}"
                for signal in returning
            )
            claims.append(
                DraftClaim(
                    text=f"It is coming back: {rising}.",
                    citations=tuple(metric_citation(s, s.start, s.last) for s in returning),
                )
            )
        return claims

    def _returning(self, disturbance: Disturbance) -> list[Signal]:
        involved = {
            (s.metric, tuple(sorted(s.labels.items())))
            for cause in self._findings.causes
            for s in cause.signals
            if s.nature is Nature.SATURATION
        }
        return [
            s
            for s in self._findings.observation.signals
            if s.bad
            and s.ended is None
            and disturbance.ended is not None
            and s.last.value > s.before.value
            and s.onset > disturbance.started
            and (s.metric, tuple(sorted(s.labels.items()))) in involved
            and all(s.onset > c.first for c in self._findings.causes if c.first is not None)
        ]

    def impact(self, disturbance: Disturbance) -> list[DraftClaim]:
        """One sentence for each suffering component, by its clearest symptom."""
        clearest: dict[str, Signal] = {}
        for signal in disturbance.symptoms:
            component = component_of(signal.labels)
            if component is not None and (
                component not in clearest
                or abs(signal.strength) > abs(clearest[component].strength)
            ):
                clearest[component] = signal
        claims: list[DraftClaim] = []
        for component in disturbance.components:
            found = clearest.get(component)
            where = f" in {disturbance.region}" if disturbance.region else ""
            if found is None:
                claims.extend(
                    DraftClaim(
                        text=f"{component}{where}: {alert.name} fired at "
                        f"{self._clock(alert.started)}.",
                        citations=(alert_citation(alert),),
                    )
                    for alert in disturbance.alerts
                    if component_of(alert.labels) == component
                )
                continue
            until = (
                f"until {self._clock(found.ended)}"
                if found.ended is not None
                else f"and not back by {self._clock(found.last.at)}"
            )
            claims.append(
                DraftClaim(
                    text=f"{component}{where}: {title_of(found)} "
                    f"{'up' if found.strength > 0 else 'down'} to "
                    f"{value_of(found, found.peak)}, from {self._clock(found.onset)} {until}.",
                    citations=(metric_citation(found, found.start, found.peak, found.last),),
                )
            )
        return claims

    def customers(self, disturbance: Disturbance) -> list[DraftClaim]:
        """Sentences of the alerts' runbooks and the glossary that name a suffering customer."""
        claims: list[DraftClaim] = []
        covered: set[str] = set()
        fired = {alert.name for alert in disturbance.alerts}
        documents = self._findings.documents
        for chunk in itertools.chain.from_iterable(documents.values()):
            facts = chunk.facts
            about = isinstance(facts, RunbookFacts) and bool(fired & set(facts.alerts))
            if not about and chunk.kind is not SourceKind.GLOSSARY:
                continue
            for sentence in sentences(chunk.text):
                names = mentioned(sentence, self._findings.vocabulary.customers)
                if not set(names) - covered:
                    continue
                cited = quotation(documents, chunk.document_id, sentence)
                if cited is not None and (about or mentioned(sentence, disturbance.components)):
                    covered |= set(names)
                    text = f"{', '.join(names)}: “{flat(sentence)}”"
                    claims.append(DraftClaim(text=text, citations=(cited,)))
        return claims[:_CUSTOMER_SENTENCES]

    def timeline(self, disturbance: Disturbance) -> tuple[DraftClaim, ...]:
        """What happened when: changes, first moves of each component, alerts."""
        end = disturbance.ended or self._findings.scope.window.end
        start = min(
            [disturbance.started, *(c.first for c in self._findings.causes if c.first)]
        ) - timedelta(minutes=5)
        rows: list[tuple[datetime, int, DraftClaim]] = []
        for change in self._findings.observation.changes:
            if start - timedelta(minutes=30) <= change.at <= end and self._touches(
                change, disturbance
            ):
                text = f"{self._clock(change.at)} “{change.text}”"
                rows.append(
                    (change.at, 0, DraftClaim(text=text, citations=(change_citation(change),)))
                )
        firsts: dict[str, Signal] = {}
        moved = [s for c in self._findings.causes for s in c.signals] + [*disturbance.symptoms]
        for signal in sorted(moved, key=lambda s: (s.onset, -abs(s.strength))):
            firsts.setdefault(component_of(signal.labels) or "", signal)
        for signal in firsts.values():
            text = f"{self._clock(signal.onset)} {name_of(signal)} leaves its baseline"
            citation = metric_citation(signal, signal.start)
            rows.append((signal.onset, 1, DraftClaim(text=text, citations=(citation,))))
        for alert in disturbance.alerts:
            text = f"{self._clock(alert.started)} {alert.name} fires"
            if target := component_of(alert.labels):
                text += f" for {target}"
            rows.append(
                (alert.started, 2, DraftClaim(text=text, citations=(alert_citation(alert),)))
            )
        over = [signal for signal in disturbance.symptoms if signal.ended is not None]
        if over and disturbance.ended is not None:
            signal = max(over, key=lambda s: (s.last.at, s.query))
            text = f"{self._clock(signal.last.at)} {name_of(signal)} is back, the last of all"
            citation = metric_citation(signal, signal.last)
            rows.append((signal.last.at, 3, DraftClaim(text=text, citations=(citation,))))
        rows.sort(key=lambda row: (row[0], row[1], row[2].text))
        return tuple(claim for _, _, claim in rows[:_TIMELINE_ROWS])

    def other(self, disturbance: Disturbance) -> DraftClaim:
        where = f" in {disturbance.region}" if disturbance.region else ""
        what = ", ".join(disturbance.components) or "a component without a name"
        until = (
            f"until {self._clock(disturbance.ended)}"
            if disturbance.ended is not None
            else "and not over"
        )
        names = ", ".join(dict.fromkeys(alert.name for alert in disturbance.alerts))
        text = f"{what}{where}, from {self._clock(disturbance.started)} {until}"
        text += f" ({names})." if names else "."
        return DraftClaim(
            text=text,
            citations=(
                *(alert_citation(alert) for alert in disturbance.alerts),
                *(metric_citation(s, s.start, s.last) for s in disturbance.symptoms),
            ),
        )

    def usual(self, season: Season) -> DraftClaim:
        """A change that is none: the series does it at that hour."""
        signal = season.signal
        went = "rose" if signal.strength > 0 else "fell"
        then = "; ".join(
            f"{value_of(signal, period.peak)} at {period.peak.at:%Y-%m-%d %H:%M}"
            for period in season.alike
        )
        return DraftClaim(
            text=f"{capital(name_of(signal))} {went} to {value_of(signal, signal.peak)} at "
            f"{self._clock(signal.peak.at)}, as usual at that hour: {then}.",
            citations=(metric_citation(signal, signal.peak, *(one.peak for one in season.alike)),),
        )

    def _touches(self, change: Change, disturbance: Disturbance) -> bool:
        """Whether a change is about the disturbed region and one of the components involved."""
        involved = {
            *disturbance.components,
            *(cause.component for cause in self._findings.causes),
        }
        names = self._findings.vocabulary.services
        regions = mentioned(
            f"{change.text} {' '.join(change.tags)}", self._findings.vocabulary.regions
        )
        return bool(involved & set(changed_components(change, names))) and (
            disturbance.region is None or not regions or disturbance.region in regions
        )
