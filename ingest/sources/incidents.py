"""Reports on past incidents: with front matter that states the facts, or free-form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple

from ingest.documents import Document, IncidentFacts, Problem, ProblemLevel, Section, SourceKind
from ingest.sources.files import read_text_files
from ingest.sources.front_matter import (
    Metadata,
    moment,
    parse_moment,
    string,
    unreadable_times,
    words,
)
from ingest.sources.incidents_cause import stated_cause
from ingest.sources.incidents_header import stated_lines
from ingest.sources.incidents_symptom import stated_symptom
from ingest.sources.pages import PAGE_SUFFIXES, Page, read_page
from ingest.sources.place import Origin, Place
from ingest.sources.timeline import (
    dates_in,
    end_of_day,
    first_date,
    stated_zone,
    timeline_span,
)

_PUBLISHED = ("published", "published_at")
_RESOLVED = ("resolved", "resolved_at", "ended", "end")
_STARTED = ("started", "started_at", "start")
_DETECTED = ("detected", "detected_at")

_IDENTIFIER = re.compile(r"\b(?:INC|PM|OUTAGE|INCIDENT)[-_ ]?\d[\w-]*\b|\b[A-Z]{2,8}-\d{4}-\d+\b")
_NOT_A_REPORT = re.compile(r"^(_?index|readme|.*template.*)$", re.IGNORECASE)
_LEADING_DATE = re.compile(
    r"^(incident date:\s*)?(19|20)\d\d-\d\d-\d\d"
    r"(\s+\d[\d:]*(\s*[ap]m)?(\s*[A-Z]{1,4})?\b)?\s*[,:–-]?\s*",
    re.IGNORECASE,
)
_OPENING = 400
"""Characters of a report in which a date is its own; later ones are of what it tells."""


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
                yield from read_report(page, self)


def read_report(page: Page, origin: Origin) -> Iterator[Document | Problem]:
    """The report on a page that has text, and a Problem for each fact that can't be read."""
    data = {**stated_lines(page.sections), **page.metadata}
    facts, written_at = _facts(page, data)
    if written_at is None:
        if _NOT_A_REPORT.match(page.stem):
            return
        yield Problem(
            path=page.path,
            reason="no date found in its front matter, title or timeline; it is shown for "
            "any moment, even before it happened: add `published: <time>`",
            level=ProblemLevel.NOTICE,
        )
    times = (*_STARTED, *_DETECTED, *_RESOLVED, *_PUBLISHED)
    yield from unreadable_times(page.path, page.metadata, *times)
    yield Document(
        id=origin.document_id(page.path),
        source=origin.name,
        kind=SourceKind.INCIDENTS,
        title=_title(page, facts.incident_id),
        url=origin.page_url(page.path),
        origin=page.path,
        sections=(*_stated_section(page, facts), *page.summary, *page.sections),
        written_at=written_at,
        services=words(data, "services", "service"),
        regions=words(page.metadata, "regions", "region"),
        customers=words(page.metadata, "customers", "customer"),
        audience=words(page.metadata, "audience") or origin.audience,
        facts=facts,
    )


def _title(page: Page, identifier: str | None) -> str:
    """Led by the incident's id, which is what people call it."""
    title = _LEADING_DATE.sub("", page.title)
    if identifier is None or identifier.casefold() in title.casefold():
        return title
    return f"{identifier}: {title}"


def _facts(page: Page, data: Metadata) -> tuple[IncidentFacts, datetime | None]:
    """What the report states, and when it was known: at its publication, else at its end."""
    began, ended, day, known_by = _times_by_rule(page)
    started, resolved = moment(data, *_STARTED), moment(data, *_RESOLVED)
    written_at = moment(data, *_PUBLISHED) or resolved or known_by
    if started is None and began is not None and written_at is not None and began <= written_at:
        started = began
    cause, confirmed = string(data, "cause", "root_cause"), data.get("confirmed") is True
    said = (*page.summary, *page.sections)
    if cause is None:
        stated = stated_cause(said)
        cause, confirmed = stated or (None, False)
    identifier = string(data, "id", "incident", "incident_id")
    if identifier is None and (found := _IDENTIFIER.search(f"{page.title} {page.stem}")):
        identifier = found[0]
    facts = IncidentFacts(
        incident_id=identifier,
        severity=string(data, "severity", "sev"),
        started=started,
        day=day if started is None else None,
        detected=moment(data, *_DETECTED),
        resolved=resolved or ended,
        component=string(data, "component"),
        symptom=stated_symptom(page.title, said, cause),
        cause=cause,
        confirmed=confirmed,
    )
    return facts, written_at


class _Times(NamedTuple):
    began: datetime | None
    ended: datetime | None
    day: date | None
    known_by: datetime | None
    """The moment by which all of it was known."""


def _times_by_rule(page: Page) -> _Times:
    """Start and end from the timeline, the day from wherever the page names it."""
    zone = stated_zone(page_text := "\n".join(section.text for section in page.sections))
    day = _day(page, page_text)
    if day is None:
        return _Times(None, None, None, None)
    span = timeline_span(page.sections, first_day=day)
    if span is None:
        return _Times(None, None, day, end_of_day(day, zone))
    # A timeline that stops on an earlier day than the report names has a slip of the pen in it.
    known_by = max(span.known_by, end_of_day(day, zone))
    return _Times(span.started, span.ended, day, known_by)


def _day(page: Page, text: str) -> date | None:
    if (stated := parse_moment(page.metadata.get("date"))) is not None:
        return stated.date()
    for place in (page.heading or "", page.title, page.stem):
        if (found := next(dates_in(place), None)) is not None:
            return found
    return first_date(page.sections) or next(dates_in(text[:_OPENING]), None)


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
