"""Reports on past incidents: with front matter that states the facts, or free-form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime

from ingest.documents import Document, IncidentFacts, Problem, ProblemLevel, Section, SourceKind
from ingest.sources.files import read_text_files
from ingest.sources.front_matter import Metadata, moment, parse_moment, string, words
from ingest.sources.outline import list_items, paragraphs, says_something, sections_under
from ingest.sources.pages import PAGE_SUFFIXES, Page, read_page
from ingest.sources.place import Place
from ingest.sources.timeline import dates_in, end_of_day, stated_zone, timeline_span

_PUBLISHED = ("published", "published_at")
_RESOLVED = ("resolved", "resolved_at", "ended", "end")
_STARTED = ("started", "started_at", "start")
_DETECTED = ("detected", "detected_at")

_IDENTIFIER = re.compile(r"\b(?:INC|PM|OUTAGE|INCIDENT)[-_ ]?\d[\w-]*\b|\b[A-Z]{2,8}-\d{4}-\d+\b")
_NOT_A_REPORT = re.compile(r"^(_?index|readme|.*template.*)$", re.IGNORECASE)
_LEADING_DATE = re.compile(
    r"^(incident date:\s*)?(19|20)\d\d-\d\d-\d\d"
    r"(\s+\d[\d:]*\s*([ap]m)?\s*[A-Z]{0,4}\b)?\s*[,:–-]?\s*",
    re.IGNORECASE,
)

_CAUSE_HEADING = re.compile(r"\b(root )?causes?\b|what caused|contributing factor", re.IGNORECASE)
_CAUSE_SENTENCES = (
    re.compile(
        r"\b(root cause|caused by|(was|were|is|happened|occurred) because)\b", re.IGNORECASE
    ),
    re.compile(r"\b(due to|because of|as a result of)\b", re.IGNORECASE),
)
_CAUSE_PLACES = (
    re.compile(r"\b(conclusions?|analysis|resolution)\b", re.IGNORECASE),
    re.compile(r"\b(summary|overview|description)\b", re.IGNORECASE),
    re.compile(r"what (went wrong|happened)", re.IGNORECASE),
)
_HEDGE = re.compile(
    r"\b(probabl|suspect|possibl|may(be)? |might|perhaps|unclear|unknown|likely|not confirmed|"
    r"believe|seems?\b|appears?\b|guess|not sure)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\[])")


class IncidentSource(Place):
    """One document per report."""

    @property
    def kind(self) -> SourceKind:
        return SourceKind.INCIDENTS

    def read(self) -> Iterator[Document | Problem]:
        for file in read_text_files(self.path, PAGE_SUFFIXES):
            page = file if isinstance(file, Problem) else read_page(file)
            if isinstance(page, Problem):
                yield page
            elif not page.sections:
                if not _NOT_A_REPORT.match(page.stem):
                    yield Problem(
                        path=page.path, reason="a report without text", level=ProblemLevel.NOTICE
                    )
            else:
                yield from self._report(page)

    def _report(self, page: Page) -> Iterator[Document | Problem]:
        facts, written_at = _facts(page)
        if written_at is None:
            if _NOT_A_REPORT.match(page.stem):
                return
            yield Problem(
                path=page.path,
                reason="no date found in its front matter, title or timeline; it is shown for "
                "any moment, even before it happened: add `published: <time>`",
                level=ProblemLevel.NOTICE,
            )
        yield from _unreadable_times(page)
        yield Document(
            id=self.document_id(page.path),
            source=self.name,
            kind=self.kind,
            title=_title(page, facts.incident_id),
            url=self.url(page.locator),
            origin=page.path,
            sections=(*_stated_section(page, facts), *page.sections),
            written_at=written_at,
            services=words(page.metadata, "services", "service"),
            regions=words(page.metadata, "regions", "region"),
            customers=words(page.metadata, "customers", "customer"),
            audience=words(page.metadata, "audience") or self.audience,
            facts=facts,
        )


def _title(page: Page, identifier: str | None) -> str:
    """Led by the incident's id, which is what people call it."""
    title = _LEADING_DATE.sub("", page.title)
    if identifier is None or identifier.casefold() in title.casefold():
        return title
    return f"{identifier}: {title}"


def _facts(page: Page) -> tuple[IncidentFacts, datetime | None]:
    """What the report states, and when it was known: at its publication, else at its end."""
    data = page.metadata
    started, resolved = moment(data, *_STARTED), moment(data, *_RESOLVED)
    written_at = moment(data, *_PUBLISHED) or resolved
    if written_at is None:
        first, resolved, written_at = _times_by_rule(page)
        started = started or first
    cause, confirmed = string(data, "cause", "root_cause"), data.get("confirmed") is True
    if cause is None:
        cause, explicit = _cause_by_rule(page.sections)
        confirmed = explicit and cause is not None and not _HEDGE.search(cause)
    identifier = string(data, "id", "incident", "incident_id")
    if identifier is None and (found := _IDENTIFIER.search(f"{page.title} {page.stem}")):
        identifier = found[0]
    facts = IncidentFacts(
        incident_id=identifier,
        severity=string(data, "severity", "sev"),
        started=started,
        detected=moment(data, *_DETECTED),
        resolved=resolved,
        component=string(data, "component"),
        cause=cause,
        confirmed=confirmed,
    )
    return facts, written_at


def _times_by_rule(page: Page) -> tuple[datetime | None, datetime | None, datetime | None]:
    """Start, end and the moment by which all of it was known, from dates in the page."""
    zone = stated_zone(page_text := "\n".join(section.text for section in page.sections))
    day = _day(page, page_text)
    if day is None:
        return None, None, None
    span = timeline_span(page.sections, first_day=day)
    if span is None:
        return None, None, end_of_day(day, zone)
    # A timeline that stops on an earlier day than the report names has a slip of the pen in it.
    return span.started, span.ended, max(span.known_by, end_of_day(day, zone))


def _day(page: Page, text: str) -> date | None:
    if (stated := parse_moment(page.metadata.get("date"))) is not None:
        return stated.date()
    for place in (page.heading or "", page.title, page.stem, text[:400]):
        if (found := next(dates_in(place), None)) is not None:
            return found
    return None


def _unreadable_times(page: Page) -> Iterator[Problem]:
    for key in (*_STARTED, *_DETECTED, *_RESOLVED, *_PUBLISHED):
        value = page.metadata.get(key)
        if value and parse_moment(value) is None:
            yield Problem(
                path=page.path,
                reason=f"`{key}: {value}` is not a time; write it like 2026-06-18T14:02:00Z",
                level=ProblemLevel.NOTICE,
            )


def _stated_section(page: Page, facts: IncidentFacts) -> Iterator[Section]:
    """The facts of the front matter as text, so that they can be found and cited."""
    data: Metadata = page.metadata
    parts = [part for part in (facts.incident_id, facts.severity) if part]
    for label, keys in (("started", _STARTED), ("detected", _DETECTED), ("resolved", _RESOLVED)):
        if (when := moment(data, *keys)) is not None:
            parts.append(f"{label} {when:%Y-%m-%d %H:%M} UTC")
    for label in ("services", "regions", "customers"):
        if named := words(data, label, label[:-1]):
            parts.append(f"{label}: {', '.join(named)}")
    lines = [" · ".join(parts)] if len(parts) > 1 else []
    if facts.cause and all(facts.cause not in section.text for section in page.sections):
        lines.append(f"Cause: {facts.cause}")
    if lines:
        yield Section(text="\n".join(lines))


def _cause_by_rule(sections: Sequence[Section]) -> tuple[str | None, bool]:
    """The stated cause, and whether the report is outspoken about it.

    Under a heading that names it: its first paragraph or item. Else the first sentence that
    says what something was caused by, in the conclusion, the summary or "what went wrong". What
    a report only tells between the lines is not guessed.
    """
    for section in sections_under(sections, _CAUSE_HEADING):
        for passage in _passages(section):
            return passage, True
    for pattern in _CAUSE_SENTENCES:
        for place in _CAUSE_PLACES:
            for section in sections_under(sections, place):
                for passage in _passages(section):
                    for sentence in _SENTENCE_END.split(passage):
                        if pattern.search(sentence) and not sentence.rstrip().endswith(":"):
                            return sentence, pattern is _CAUSE_SENTENCES[0]
    return None, False


def _passages(section: Section) -> Iterator[str]:
    yield from filter(says_something, paragraphs(section.text))
    yield from filter(says_something, list_items(section.text))
