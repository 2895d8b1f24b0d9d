"""A ranked cause in sentences: what was changed, what moved, what is known, what to check."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.documents import AlertRuleFacts, Chunk, RunbookFacts
from service.causes.knowledge import KnownCause
from service.causes.ranking import RankedCause
from service.linked_runbooks import openable
from service.metrics.signals import Signal
from service.metrics.source import Change
from service.reports.cite import (
    change_citation,
    metric_citation,
    passage_citation,
    quotation,
)
from service.reports.draft import DraftCause, DraftClaim, Findings
from service.reports.model import ChangeCitation, MetricCitation, RunbookLink
from service.reports.phrases import FOLLOWING, Clock, capital, flat, name_of, value_of, worded

_SIGNALS = 2
"""Metrics shown for a cause."""


class CauseSentences:
    """The causes among the findings, in words."""

    def __init__(self, findings: Findings, clock: Clock) -> None:
        self._findings = findings
        self._clock = clock

    def verdict(self) -> list[DraftClaim]:
        """The first cause in one sentence: what one reads before anything else."""
        for cause in self._findings.causes[:1]:
            if cause.changes:
                claim = self.change(cause.changes[0], cause)
            elif cause.signals:
                claim = moved(cause.signals[0], self._clock)
            else:
                return []
            text = f"Most likely {cause.component}: {claim.text}"
            return [DraftClaim(text=text, citations=claim.citations)]
        return []

    def cause(self, cause: RankedCause, causes: Sequence[RankedCause]) -> DraftCause:
        evidence: list[DraftClaim] = []
        for change in cause.changes[:1]:
            evidence.append(self.change(change, cause))
        by_metric = {signal.metric: signal for signal in reversed(cause.signals)}
        strongest = [signal for signal in cause.signals if by_metric[signal.metric] is signal]
        evidence.extend(moved(signal, self._clock) for signal in strongest[:_SIGNALS])
        evidence.extend(self.precedents(cause))
        runbook, check = self.runbook(cause)
        return DraftCause(
            ranked=cause,
            evidence=tuple(evidence),
            against=self.against(cause, causes),
            next_check=check,
            runbook=runbook,
        )

    def precedents(self, cause: RankedCause) -> list[DraftClaim]:
        """The best incident and the best runbook that name such a cause, one sentence each."""
        found: dict[bool, DraftClaim] = {}
        for known in cause.known:
            quoted = self.known(known)
            if quoted is not None:
                found.setdefault(known.incident, quoted)
        return list(found.values())

    def change(self, change: Change, cause: RankedCause) -> DraftClaim:
        text = f"“{change.text}” at {self._clock(change.at)}"
        citations: list[ChangeCitation | MetricCitation] = [change_citation(change)]
        first = min(cause.signals, key=lambda s: (s.onset, s.query), default=None)
        if first is not None and first.onset >= change.at:
            minutes = round((first.onset - change.at).total_seconds() / 60)
            after = "1 minute" if minutes == 1 else f"{minutes} minutes"
            text += f"; {name_of(first)} left its baseline {after} later"
            citations.append(metric_citation(first, first.start))
        return DraftClaim(text=text + ".", citations=tuple(citations))

    def known(self, known: KnownCause) -> DraftClaim | None:
        cited = quotation(self._findings.documents, known.document_id, known.sentence)
        if cited is None:
            return None
        window = self._findings.scope.window
        if not known.incident:
            lead = f"The runbook {known.title} lists:"
        elif known.happened is not None and window.contains(known.happened):
            # No precedent: it is what people say about this very incident.
            said = "Confirmed" if known.confirmed else "Suspected"
            lead = f"{said} by people for this very time, in {known.title}:"
        elif known.confirmed:
            lead = f"Confirmed cause of {known.title}:"
        else:
            lead = f"Suspected cause of {known.title}, never confirmed:"
        return DraftClaim(text=f"{lead} “{flat(known.sentence)}”", citations=(cited,))

    def against(self, cause: RankedCause, causes: Sequence[RankedCause]) -> tuple[DraftClaim, ...]:
        """A component that changed after another one may be its victim."""
        if not cause.signals or cause.first is None:
            return ()
        earlier = [
            other
            for other in causes
            if other.first is not None
            and other.first < cause.first - self._findings.observation.step
            and other.score > cause.score
        ]
        if not earlier:
            return ()
        other = min(earlier, key=lambda c: (c.first or cause.first, c.component))
        mine = min(cause.signals, key=lambda s: (s.onset, s.query))
        its = min(other.signals, key=lambda s: (s.onset, s.query))
        return (
            DraftClaim(
                text=f"It may be a victim: it changed at {self._clock(mine.onset)}, after "
                f"{other.component} at {self._clock(its.onset)}.",
                citations=(metric_citation(mine, mine.start), metric_citation(its, its.start)),
            ),
        )

    def runbook(self, cause: RankedCause) -> tuple[RunbookLink | None, DraftClaim | None]:
        """The page to open next, and its first step."""
        for chunk in self._findings.runbooks.get(cause.component, ()):
            title, url, check = chunk.title, chunk.url, None
            match chunk.facts:
                case RunbookFacts() as facts:
                    check = self.check(chunk, facts)
                case AlertRuleFacts() as facts:
                    title = f"Runbook of {facts.alert}"
                    url = openable(facts.runbook_url or "")
                case _:
                    continue
            return RunbookLink(title=title, url=url, document_id=chunk.document_id), check
        return None, None

    def check(self, chunk: Chunk, facts: RunbookFacts) -> DraftClaim | None:
        """The runbook's first step, verbatim; with what follows where it ends in a colon."""
        for part in self._findings.documents.get(chunk.document_id, ()):
            start = -1 if facts.next_check is None else part.text.find(facts.next_check)
            if start < 0 or facts.next_check is None:
                continue
            step, text = facts.next_check, worded(facts.next_check)
            if step.rstrip().endswith(":"):
                following = FOLLOWING.match(part.text, start + len(step))
                if following is None:
                    continue
                step = part.text[start : following.end()]
                text = f"{text} {worded(following['line'])}"
            citation = passage_citation(part, start, start + len(step))
            return DraftClaim(text=text, citations=(citation,))
        return None


def moved(signal: Signal, clock: Clock) -> DraftClaim:
    """What a signal did: from what to what, since when, and whether it is over."""
    went = "rose" if signal.strength > 0 else "fell"
    text = (
        f"{capital(name_of(signal))} {went} from {value_of(signal, signal.before)} to "
        f"{value_of(signal, signal.peak)} (left its baseline at "
        f"{clock(signal.onset)}, worst at {clock(signal.peak.at)}"
    )
    samples = [signal.before, signal.start, signal.peak]
    if signal.ended is not None:
        text += f", normal again at {clock(signal.ended)})."
        samples.append(signal.last)
    else:
        text += f"; still {value_of(signal, signal.last)} at {clock(signal.last.at)})."
        samples.append(signal.last)
    return DraftClaim(text=text, citations=(metric_citation(signal, *samples),))
