"""Findings → numbered evidence: all that a language model gets to read, and how it is cited.

Most useful first: what carries the causes, in their order, then what was felt, then what was found
besides. Bounded by tokens; passages that say nearly the same are folded into the first of them.
Text that speaks to the reader's model instead of about a system is withheld, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.documents import Chunk, Frozen
from service.causes.ranking import RankedCause
from service.llm.tokens import estimate_tokens
from service.metrics.kinds import MetricKind, kind_of_series
from service.metrics.signals import Signal
from service.metrics.source import Alert, Change
from service.reports.cite import (
    alert_citation,
    change_citation,
    metric_citation,
    passage_citation,
    quotation,
)
from service.reports.draft import Findings
from service.reports.model import Citation, MetricCitation, PassageCitation
from service.reports.phrases import Clock, name_of, value_of
from service.reports.untrusted import clean, reads_like_an_instruction

_SIGNALS = 4
"""Metrics of one cause that are worth reading."""
_ALIKE = 0.8


class EvidencePolicy(Frozen):
    """What a model is given."""

    tokens: int = 3000
    """Of evidence, at most (estimated)."""


class Evidence(Frozen):
    """One numbered piece. ``citation`` covers all of it; a sentence cites a part."""

    id: str
    kind: str
    text: str
    citation: Citation
    also: str = ""
    """Words that say the same: a ``p99`` that rose is a latency, and slow."""


class EvidencePack(Frozen):
    """What a model reads. ``left_out``: pieces that did not fit; ``withheld``: names of what
    reads like an instruction to a model."""

    items: tuple[Evidence, ...]
    of_cause: dict[str, tuple[str, ...]]
    """For each component among the causes, the ids of what was found for it."""
    left_out: int = 0
    withheld: tuple[str, ...] = ()


def evidence_for(findings: Findings, policy: EvidencePolicy) -> EvidencePack:
    """The evidence behind these findings, numbered E1, E2, …"""
    clock = Clock(findings.scope.window)
    items: dict[str, Evidence] = {}
    texts: list[set[str]] = []
    of_cause: dict[str, dict[str, None]] = {}
    withheld: dict[str, None] = {}
    room = policy.tokens
    left_out = 0
    for component, kind, text, citation, also in _candidates(findings, clock):
        if reads_like_an_instruction(text):
            withheld[_named(kind, citation)] = None
            continue
        read = clean(text).strip()
        key = citation.model_dump_json(exclude={"number", "verified"})
        if key not in items:
            words = set(read.lower().split())
            if isinstance(citation, PassageCitation):
                if any(_alike(words, known) for known in texts):
                    continue
                texts.append(words)
            size = estimate_tokens(read)
            if size > room:
                left_out += 1
                continue
            room -= size
            items[key] = Evidence(
                id=f"E{len(items) + 1}", kind=kind, text=read, citation=citation, also=also
            )
        if component is not None:
            of_cause.setdefault(component, {})[items[key].id] = None
    return EvidencePack(
        items=tuple(items.values()),
        of_cause={component: tuple(ids) for component, ids in of_cause.items()},
        left_out=left_out,
        withheld=tuple(withheld),
    )


_Piece = tuple[str | None, str, str, Citation, str]
"""The component it was found for, its kind, its text, its citation, other words for it."""


def _candidates(findings: Findings, clock: Clock) -> Iterator[_Piece]:
    disturbance = findings.disturbance
    for cause in findings.causes:
        yield from _of_cause(cause, findings, clock)
    if disturbance is not None:
        asked = findings.scope.services
        for signal in sorted(
            disturbance.symptoms,
            key=lambda s: (s.labels.get("service") not in asked, -abs(s.strength), s.query),
        )[:_SIGNALS]:
            yield _metric(None, signal, clock)
        for alert in disturbance.alerts:
            yield None, "alert", _alert(alert, clock), alert_citation(alert), ""
    for passage in findings.passages:
        chunk = passage.chunk
        whole = passage_citation(chunk, 0, len(chunk.text))
        yield None, chunk.kind.value, _passage(chunk), whole, ""


def _of_cause(cause: RankedCause, findings: Findings, clock: Clock) -> Iterator[_Piece]:
    for change in cause.changes[:2]:
        yield cause.component, "change", _change(change, clock), change_citation(change), ""
    shown: dict[str, Signal] = {}
    for signal in cause.signals:
        shown.setdefault(signal.metric, signal)
    for signal in list(shown.values())[:_SIGNALS]:
        yield _metric(cause.component, signal, clock)
    for known in cause.known[:2]:
        cited = quotation(findings.documents, known.document_id, known.sentence)
        if cited is not None:
            state = "confirmed cause" if known.confirmed else "suspected cause, never confirmed"
            what = f"incident report, its {state}" if known.incident else "runbook, a listed cause"
            yield cause.component, what, f"{known.title}: {known.sentence}", cited, ""
    for chunk in list(findings.runbooks.get(cause.component, ()))[:1]:
        whole = passage_citation(chunk, 0, len(chunk.text))
        yield cause.component, "runbook", _passage(chunk), whole, ""


_OTHER_WORDS = (
    (MetricKind.LATENCY, "latency response time duration", "slow slower slowed"),
    (MetricKind.CLIENT_LATENCY, "latency response time duration", "slow slower slowed"),
    (MetricKind.ERRORS, "error errors failures responses requests", "failing failed"),
    (MetricKind.MEMORY, "memory", ""),
    (MetricKind.CPU, "cpu processor", "busy"),
    (MetricKind.TRAFFIC, "traffic requests", "busier"),
)
_ABBREVIATED = (
    (r"(?:^|_)fds?(?:_|$)", "file descriptors files"),
    (r"(?:^|_)conns?(?:_|$)", "connections"),
)


def _metric(component: str | None, signal: Signal, clock: Clock) -> _Piece:
    kind = kind_of_series(signal.metric, signal.labels)
    also = [text for pattern, text in _ABBREVIATED if re.search(pattern, signal.metric)]
    for one, names, risen in _OTHER_WORDS:
        if one is kind:
            also += [names, risen if signal.strength > 0 else ""]
    return component, "metric", _signal(signal, clock), _samples(signal), " ".join(also)


def _samples(signal: Signal) -> MetricCitation:
    return metric_citation(signal, signal.before, signal.start, signal.peak, signal.last)


def _signal(signal: Signal, clock: Clock) -> str:
    went = "rose" if signal.strength > 0 else "fell"
    end = (
        f"normal again at {clock(signal.ended)}"
        if signal.ended is not None
        else f"still {value_of(signal, signal.last)} at {clock(signal.last.at)}"
    )
    return (
        f"{name_of(signal)} {went}: {value_of(signal, signal.before)} before, left its baseline at "
        f"{clock(signal.onset)}, {value_of(signal, signal.peak)} at its worst at "
        f"{clock(signal.peak.at)}, {end}"
    )


def _alert(alert: Alert, clock: Clock) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()))
    end = f" until {clock(alert.ended)}" if alert.ended else ", still firing"
    return f"{alert.name} fired from {clock(alert.started)}{end} ({labels})"


def _change(change: Change, clock: Clock) -> str:
    return f"{change.text} at {clock(change.at)}"


def _passage(chunk: Chunk) -> str:
    return f"{' › '.join((chunk.title, *chunk.headings))}\n{chunk.text}"


def _named(kind: str, citation: Citation) -> str:
    """What to call it without repeating what it says."""
    title = citation.title if isinstance(citation, PassageCitation) else ""
    if not title or reads_like_an_instruction(title):
        return f"one of the {kind}" if kind.endswith("s") else f"a {kind}"
    return clean(title)


def _alike(words: set[str], known: set[str]) -> bool:
    return bool(words) and len(words & known) >= _ALIKE * len(words | known)
