"""What a person gives over HTTP or a command line → the Document that such a page in a folder is.

Text and front matter go through the readers of ``ingest.sources``; what is given beside the text
wins over its front matter. Secrets are taken out before the document goes anywhere, since it is
kept in a database and not in somebody's file. ``as_page`` is the way back, for editing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

import yaml
from pydantic import Field, StringConstraints, model_validator

from ingest.documents import (
    EVERYONE,
    Document,
    Frozen,
    IncidentFacts,
    Problem,
    RunbookFacts,
    Section,
    SourceKind,
    UtcTime,
)
from ingest.redaction import redact_document
from ingest.sources.files import TextFile
from ingest.sources.front_matter import Metadata, string, words
from ingest.sources.incidents import read_report
from ingest.sources.pages import Page, read_page
from ingest.sources.place import Origin
from ingest.sources.runbooks import read_runbook
from service.learning.errors import Refused
from service.learning.sources import source_name

MAX_TEXT = 200_000
"""Characters of an added page."""
MAX_TITLE = 300
MAX_SENTENCE = 2000
MAX_NAME = 200
MAX_NAMES = 50

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME)]
Names = Annotated[tuple[Name, ...], Field(max_length=MAX_NAMES)]
Sentence = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_SENTENCE)
]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE)]
Link = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"]+$", max_length=2000)]


class _New(Frozen):
    """Fields that are not given are read from the text, as they would be from a file."""

    text: str = Field(min_length=1, max_length=MAX_TEXT)
    """Markdown, with or without front matter."""
    title: Title | None = None
    services: Names = ()
    regions: Names = ()
    customers: Names = ()
    url: Link | None = None
    """Where people open it."""
    audience: Names = ()
    """Labels of who may read it; everyone where neither this nor the text says."""


class NewPage(_New):
    """A runbook or another page that has no file."""

    alerts: Names = ()
    """Alerts that it is for."""
    updated: UtcTime | None = None
    """When it became known, UTC; None for standing knowledge."""


class NewIncident(_New):
    """A report on an incident that has no file. Times are UTC."""

    incident_id: Name | None = None
    """What people call it, e.g. INC-2026-031."""
    severity: Name | None = None
    started: UtcTime | None = None
    detected: UtcTime | None = None
    resolved: UtcTime | None = None
    component: Name | None = None
    """The component at fault."""
    cause: Sentence | None = None
    confirmed: bool | None = None
    """Whether ``cause`` is sure."""

    @model_validator(mode="after")
    def _times_in_order(self) -> Self:
        if self.started and self.resolved and self.resolved < self.started:
            raise ValueError("`resolved` is before `started`")
        if self.started and self.detected and self.detected < self.started:
            raise ValueError("`detected` is before `started`")
        return self


def incident_document(
    new: NewIncident, *, locator: str, at: datetime, redact_emails: bool = False
) -> Document:
    """The document of a report that is added at ``at``, UTC: when it became known, where neither
    its fields nor its text say when that was.

    ``locator`` names it among the added ones; it stays when the report is edited.
    Raises: Refused.
    """
    given: Metadata = {
        "id": new.incident_id,
        "severity": new.severity,
        "started": new.started,
        "detected": new.detected,
        "resolved": new.resolved,
        "component": new.component,
        "cause": new.cause,
        "confirmed": new.confirmed,
    }
    page = _page(new, locator, given)
    document = _report(page)
    if document.written_at is None:
        document = _report(replace(page, metadata={**page.metadata, "published": at}))
    return _finished(document, page, new.url, redact_emails=redact_emails)


def page_document(new: NewPage, *, locator: str, redact_emails: bool = False) -> Document:
    """The document of an added page. ``locator`` names it among the added ones. Raises: Refused."""
    page = _page(new, locator, {"alerts": list(new.alerts), "updated": new.updated})
    document = read_runbook(page, _origin(SourceKind.RUNBOOKS))
    return _finished(document, page, new.url, redact_emails=redact_emails)


def as_page(document: Document) -> str:
    """An added document as Markdown with front matter: what people edit."""
    facts = document.facts
    stated: Metadata = {"title": document.title}
    sections = document.sections
    if isinstance(facts, IncidentFacts):
        stated |= {
            "id": facts.incident_id,
            "severity": facts.severity,
            "started": facts.started,
            "detected": facts.detected,
            "resolved": facts.resolved,
            "published": document.written_at,
            "component": facts.component,
            "cause": facts.cause,
            "confirmed": facts.confirmed,
        }
        sections = sections[1:] if _is_stated(sections) else sections
    elif isinstance(facts, RunbookFacts):
        stated |= {"alerts": list(facts.alerts), "updated": document.written_at}
    stated |= {
        "services": list(document.services),
        "regions": list(document.regions),
        "customers": list(document.customers),
        "url": document.url,
        "audience": list(document.audience),
    }
    header = yaml.safe_dump(
        {key: _plain(value) for key, value in stated.items() if value not in (None, [])},
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
    )
    body = "\n\n".join(section.text for section in sections)
    return f"---\n{header}---\n{body}\n"


def _origin(kind: SourceKind) -> Origin:
    return Origin(name=source_name(kind), audience=(EVERYONE,))


def _page(new: NewPage | NewIncident, locator: str, given: Mapping[str, object]) -> Page:
    """The page as ``ingest`` reads it, with what is given beside it. Raises: Refused."""
    text = new.text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    page = read_page(TextFile(f"{locator}.md", text))
    if isinstance(page, Problem):
        raise Refused("text", _of(page))
    if not page.sections:
        raise Refused("text", "there is nothing in it but front matter and blank lines")
    stated = {
        **given,
        "title": new.title,
        "services": list(new.services),
        "regions": list(new.regions),
        "customers": list(new.customers),
        "audience": list(new.audience),
    }
    metadata = page.metadata | {k: v for k, v in stated.items() if v is not None and v != []}
    title = string(metadata, "title") or page.heading
    if title is None:
        raise Refused("title", "give one, or begin the text with a `# heading`")
    if len(title) > MAX_TITLE:
        raise Refused("title", f"longer than {MAX_TITLE} characters")
    for key in ("services", "regions", "customers", "audience"):
        if len(words(metadata, key)) > MAX_NAMES:
            raise Refused(key, f"more than {MAX_NAMES} of them")
    return replace(page, title=title, metadata=metadata)


def _report(page: Page) -> Document:
    """Raises: Refused, for what the reader of incident reports would only warn about."""
    found = list(read_report(page, _origin(SourceKind.INCIDENTS)))
    document = next(one for one in found if isinstance(one, Document))
    problems = [one for one in found if isinstance(one, Problem)]
    if problems and document.written_at is not None:
        raise Refused("text", _of(problems[0]))
    return document


def _finished(document: Document, page: Page, url: str | None, *, redact_emails: bool) -> Document:
    link = url or string(page.metadata, "url")
    if link is not None and not link.startswith(("https://", "http://")):
        raise Refused("url", "write an address that begins with https:// or http://")
    redacted, _ = redact_document(document.model_copy(update={"url": link}), emails=redact_emails)
    return redacted


def _of(problem: Problem) -> str:
    return problem.reason if problem.line is None else f"line {problem.line}: {problem.reason}"


def _is_stated(sections: tuple[Section, ...]) -> bool:
    """Whether the first section is the facts in words, which the reader writes anew."""
    lines = sections[0].text.split("\n")
    return (
        len(sections) > 1
        and not sections[0].headings
        and all(" · " in line or line.startswith("Cause: ") for line in lines)
    )


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
