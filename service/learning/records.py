"""A confirmed cause → an incident report like those that people write, made of what was seen.

The record is written for more people than asked, so it holds only what all of them may read:
what metrics, alerts and changes show, and of the documents what each of its readers could open
(``Readable`` tells). The question, and sentences that a language model worded, may say more than
they cite: they are left out where the report was made for fewer people. Names, times and the
cause come from the citations themselves.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ingest.documents import EVERYONE, Document, Frozen, IncidentFacts, Section, SourceKind
from service.learning.pages import (
    MAX_NAME,
    MAX_NAMES,
    MAX_SENTENCE,
    MAX_TITLE,
    NewIncident,
    incident_document,
)
from service.learning.sources import source_name
from service.metrics.labels import component_of
from service.reports.extractive import EXTRACTIVE
from service.reports.model import (
    AlertCitation,
    Cause,
    ChangeCitation,
    Citation,
    Claim,
    MetricCitation,
    PassageCitation,
    Report,
)
from service.reports.phrases import Clock, flat
from service.scope import mentioned
from service.store import FeedbackEntry, Verdict

_IN_TITLE = 3
"""Services named in a record's title."""
_METRICS = 12
"""Metrics named as symptoms."""
_MOVED = 2
"""Metrics named in a cause."""
_LINKS = 10
_CONFIRMATIONS = "Confirmations"
_WORDS = re.compile(r"[^a-z0-9]+")


class Readable(Frozen):
    """Who will read the record, and which quotations all of them may read."""

    audience: tuple[str, ...] = (EVERYONE,)
    quotes: frozenset[tuple[str, str]] = frozenset()
    """Pairs of document id and quotation."""
    whole: bool = True
    """Whether all of them may read the report itself."""

    def shows(self, citation: Citation) -> bool:
        if isinstance(citation, PassageCitation):
            return (citation.document_id, citation.quote) in self.quotes
        return True


def record_locator(report_id: str, component: str) -> str:
    """The name of a record among what was added: one for each cause of a report."""
    digest = hashlib.blake2b(component.encode(), digest_size=3).hexdigest()
    slug = _WORDS.sub("-", component.lower()).strip("-")[:40]
    return f"confirmed-{report_id}-{slug}-{digest}"


def record_id(report_id: str, component: str) -> str:
    """The id of that record's document."""
    return f"{source_name(SourceKind.INCIDENTS)}/{record_locator(report_id, component)}.md"


def record(
    report_id: str,
    report: Report,
    cause: Cause,
    said: Sequence[FeedbackEntry],
    readable: Readable,
    *,
    url: str | None = None,
    redact_emails: bool = False,
) -> Document:
    """The record of a cause by what people ``said`` of it: at least one of them confirmed it.

    The first confirmation that has words of its own words the cause, where all readers may read
    the report: who said them was looking at it. ``url``: where the report can be read.
    """
    parts = _Parts(report, cause, readable)
    confirmed = [entry for entry in said if entry.verdict is Verdict.CONFIRM]
    words = (entry.note for entry in confirmed if entry.note and readable.whole)
    sentence = flat(next(words, None) or parts.sentence())
    started, resolved = parts.times()
    title = parts.title()
    body = [f"# {title}", "## Symptoms", _listed(parts.symptoms()), "## Cause", sentence]
    if evidence := _listed(parts.worded(cause.evidence)):
        body += ["## Evidence", evidence]
    if links := _listed(parts.links()):
        body += ["## Links", links]
    document = incident_document(
        NewIncident(
            text="\n\n".join(body),
            title=title,
            services=_names(parts.services()),
            regions=_names(parts.regions()),
            customers=_names(parts.customers()),
            url=url if url and url.startswith(("https://", "http://")) else None,
            audience=readable.audience,
            started=started,
            resolved=resolved,
            component=next(iter(_names([parts.component()])), None),
            cause=sentence[:MAX_SENTENCE],
        ),
        locator=record_locator(report_id, cause.component),
        at=confirmed[0].at,
        redact_emails=redact_emails,
    )
    # It is known since it was confirmed, and not since the incident was over.
    known = document.model_copy(update={"written_at": confirmed[0].at})
    return with_confirmations(known, said, report_id)


def with_confirmations(
    document: Document, said: Iterable[FeedbackEntry], report_id: str
) -> Document:
    """The record as it is, with who stands by it now; without anybody it is unconfirmed."""
    entries = list(said)
    lines = [
        f"Confirmed by {flat(entry.by)} at {entry.at:%Y-%m-%d %H:%M} UTC from report {report_id}."
        for entry in entries
        if entry.verdict is Verdict.CONFIRM
    ]
    confirmed = bool(lines)
    if not confirmed:
        lines.append("Nobody stands by this cause any more.")
    lines += [
        f"Rejected by {flat(entry.by)} at {entry.at:%Y-%m-%d %H:%M} UTC."
        for entry in entries
        if entry.verdict is Verdict.REJECT
    ]
    section = Section(text=f"## {_CONFIRMATIONS}\n\n{_listed(lines)}", headings=(_CONFIRMATIONS,))
    others = [one for one in document.sections if one.headings != (_CONFIRMATIONS,)]
    facts = document.facts
    if isinstance(facts, IncidentFacts):
        facts = facts.model_copy(update={"confirmed": confirmed})
    fields = {name: getattr(document, name) for name in Document.model_fields}
    return Document(**{**fields, "sections": (*others, section), "facts": facts})


def provenance(said: Iterable[FeedbackEntry], report_id: str) -> str:
    """Where a record comes from, in words: "confirmed by … at … from report …"."""
    by = [
        f"confirmed by {flat(entry.by)} at {entry.at:%Y-%m-%dT%H:%M:%SZ}"
        for entry in said
        if entry.verdict is Verdict.CONFIRM
    ]
    return f"{', '.join(by) or 'confirmed by nobody any more'} from report {report_id}"


class _Times(NamedTuple):
    started: datetime | None
    resolved: datetime | None


class _Parts:
    """What of a report and one of its causes may go into the record."""

    def __init__(self, report: Report, cause: Cause, readable: Readable) -> None:
        self._report = report
        self._cause = cause
        self._whole = readable.whole
        self._cited = {one.number: one for one in report.citations if readable.shows(one)}
        self._impact = list(self.worded(report.impact.claims))

    def worded(self, claims: Iterable[Claim]) -> Iterator[str]:
        """The sentences that every reader may see and check."""
        if self._whole or self._report.writer == EXTRACTIVE:
            for claim in claims:
                if claim.citations and self._cited.keys() >= set(claim.citations):
                    yield flat(claim.text)

    def services(self) -> tuple[str, ...]:
        """What suffered, what was asked about first."""
        asked = self._report.scope.services if self._whole else ()
        suffered = mentioned("\n".join(self._impact), self._report.impact.services)
        labelled = [component_of(alert.labels) for alert in self._alerts()]
        return tuple(dict.fromkeys([*asked, *suffered, *filter(None, labelled)]))

    def regions(self) -> tuple[str, ...]:
        where = (self._cause.region,) if self._cause.region else ()
        return where or (self._report.scope.regions if self._whole else ())

    def customers(self) -> tuple[str, ...]:
        return mentioned("\n".join(self._impact), self._report.impact.customers)

    def component(self) -> str | None:
        """The component at fault; None where a cause is known by its document's title only."""
        titles = {one.title for one in self._report.citations if isinstance(one, PassageCitation)}
        return None if self._cause.component in titles else self._cause.component

    def title(self) -> str:
        what = ", ".join(self.services()[:_IN_TITLE]) or self.component() or "a service"
        where = f" in {', '.join(self.regions())}" if self.regions() else ""
        started = self.times().started
        window = self._report.scope.window
        when = f"{started or window.start + window.duration / 2:%Y-%m-%d}"
        return f"Trouble with {what}{where}, {when}"[:MAX_TITLE]

    def times(self) -> _Times:
        """When it was felt first and last, by what is cited as its effect and its alerts.

        No end where something went on until the window's, or where nothing was measured.
        """
        window = self._report.scope.window
        clock = Clock(window)
        moments = [
            sample.at
            for claim in self._report.impact.claims
            for one in self._of([claim])
            if isinstance(one, MetricCitation)
            for sample in one.samples
            if clock(sample.at) in claim.text  # a citation has samples from before it, too
        ]
        for alert in self._alerts():
            moments += [alert.started, alert.ended or window.end]
        if not moments:
            return _Times(None, None)
        return _Times(min(moments), max(moments) if max(moments) < window.end else None)

    def symptoms(self) -> Iterator[str]:
        """What was felt, in the words by which the next of its kind is searched for."""
        if self._whole:
            yield f"Asked: “{flat(self._report.question)}”"
        yield from self._impact
        if alerts := dict.fromkeys(alert.name for alert in self._alerts()):
            yield f"Alerts: {', '.join(alerts)}"
        claims = (*self._report.impact.claims, *self._cause.evidence)
        moved = [one for one in self._of(claims) if isinstance(one, MetricCitation)]
        if names := list(dict.fromkeys(map(_series, moved)))[:_METRICS]:
            yield f"Left their past: {', '.join(names)}"

    def sentence(self) -> str:
        """Why it happened: a change and what followed, else what moved, else what is written."""
        cited = list(self._of(self._cause.evidence))
        changes = [flat(one.text) for one in cited if isinstance(one, ChangeCitation)]
        moved = dict.fromkeys(
            _moved(one) for one in cited if isinstance(one, MetricCitation) and one.samples
        )
        quotes = [flat(one.quote).rstrip(".") for one in cited if isinstance(one, PassageCitation)]
        found = [f"“{text}”" for text in changes[:1]] + list(moved)[:_MOVED] or quotes[:1]
        return f"{self._cause.component}: {', then '.join(found) or 'named as the cause'}."

    def links(self) -> Iterator[str]:
        """Where the evidence can be opened."""
        urls: dict[str, str] = {}
        for one in self._of(self._cause.evidence):
            if one.url is not None:
                if isinstance(one, MetricCitation | PassageCitation):
                    urls.setdefault(one.url, one.title)
                else:
                    urls.setdefault(one.url, one.type)
        yield from (f"{flat(name)}: {url}" for url, name in list(urls.items())[:_LINKS])

    def _of(self, claims: Iterable[Claim]) -> Iterator[Citation]:
        """What these sentences cite, as far as every reader may see it, in order."""
        numbers = dict.fromkeys(number for claim in claims for number in claim.citations)
        yield from (self._cited[number] for number in numbers if number in self._cited)

    def _alerts(self) -> list[AlertCitation]:
        return [
            one
            for one in self._of((*self._report.summary, *self._report.impact.claims))
            if isinstance(one, AlertCitation)
        ]


def _names(found: Iterable[str | None]) -> tuple[str, ...]:
    """Those of a label's values that can be names: a label may hold anything."""
    return tuple(n for n in found if n and n.strip() and len(n) <= MAX_NAME)[:MAX_NAMES]


def _series(one: MetricCitation) -> str:
    component = component_of(one.labels)
    return f"{component} {flat(one.title)}" if component else flat(one.title)


def _moved(one: MetricCitation) -> str:
    """Which way, without values: the next time they are others."""
    first = one.samples[0].value
    most = max(one.samples, key=lambda sample: abs(sample.value - first)).value
    return f"{flat(one.title)} {'rose' if most >= first else 'fell'}"


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
