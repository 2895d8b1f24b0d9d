"""What is stored: Document, Chunk and the facts a source can state about them.

A ``Document`` is one unit that a person would link to: a runbook page, an incident report, a
Slack thread, a dashboard panel, an alert rule, a glossary term. Its ``text`` is what citations
quote, so a span ``(start, end)`` always counts characters of that text *after* redaction.

Ids are content-addressed where content is what changes and stable where it is not: a document's
id is its place (``<source>/<locator>``), its ``revision`` is a hash of everything else, and a
chunk's id is a hash of both. The same document ingested twice is therefore one document.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath
from typing import Annotated, Literal, Protocol
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

EVERYONE = "everyone"
"""The audience label of what every reader may see."""

SECTION_SEPARATOR = "\n\n"

MARKDOWN = frozenset({".md", ".markdown", ".mdx", ".qmd"})
"""Suffixes of pages whose headings have an address of their own, too."""

_CHUNK_NAMESPACE = uuid.UUID("5b0f2f5c-6b1e-5f43-9f0a-8d9d0a3c7e11")


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone; write it with Z or an offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time before year 1 or after year 9999") from None


UtcTime = Annotated[datetime, AfterValidator(_to_utc)]
"""A moment, always in UTC. A naive datetime is refused: guessing a zone moves an incident."""


class SourceKind(StrEnum):
    """The kinds of places that documents come from."""

    RUNBOOKS = "runbooks"
    INCIDENTS = "incidents"
    SLACK = "slack"
    DASHBOARDS = "dashboards"
    ALERTS = "alerts"
    GLOSSARY = "glossary"


KINDS_WITH_URL = frozenset({SourceKind.DASHBOARDS, SourceKind.ALERTS})
"""The kinds that can also be read from a running Grafana."""


class Frozen(BaseModel):
    """Base of every value that crosses a seam: immutable and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(Frozen):
    """A structural part of a document: the text under one heading, or one chat message.

    ``text`` contains its own heading line, so that a quoted passage reads as on the page.
    ``headings`` is the path of headings from the document's title (excluded) to this section.
    """

    text: str
    headings: tuple[str, ...] = ()
    written_at: UtcTime | None = None
    url: str | None = None
    """A link to this very part (a message's permalink); ``None`` where the document's will do."""


class RunbookFacts(Frozen):
    """What a runbook states: the alerts it is for and the causes it knows of."""

    type: Literal["runbook"] = "runbook"
    alerts: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    """Sentences that the page lists as causes, verbatim from its text."""
    next_check: str | None = None
    """The first diagnosis step, verbatim from its text."""


class IncidentFacts(Frozen):
    """What an incident report states about itself."""

    type: Literal["incident"] = "incident"
    incident_id: str | None = None
    severity: str | None = None
    started: UtcTime | None = None
    day: date | None = None
    """The day it is about, where the report tells no moment at which it began (or no zone)."""
    detected: UtcTime | None = None
    resolved: UtcTime | None = None
    component: str | None = None
    symptom: str | None = None
    """What was felt, and not why; verbatim from the report's text."""
    cause: str | None = None
    """The stated cause, verbatim from the report's text."""
    confirmed: bool = False


class ThreadFacts(Frozen):
    """A conversation: where it was held and who spoke."""

    type: Literal["thread"] = "thread"
    channel: str
    authors: tuple[str, ...] = ()
    started: UtcTime
    ended: UtcTime


class TemplateVariable(Frozen):
    """A dashboard's template variable; ``kind`` is its type as Grafana names it, e.g. ``query``.

    ``values`` is what is selected and, where that is "All", what it stands for.
    """

    kind: str = "query"
    values: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """All values it can have, where the dashboard itself lists them."""
    offers_all: bool = False
    all_value: str | None = None
    """What "All" stands for, where the dashboard says so: a regular expression."""


def _from_values(stored: object) -> object:
    # Version 0.1 stored nothing but the values; such an index stays readable.
    return {"values": stored} if isinstance(stored, list | tuple) else stored


class PanelFacts(Frozen):
    """A dashboard panel. ``panel`` is its own title."""

    type: Literal["panel"] = "panel"
    dashboard_uid: str
    dashboard: str
    panel: str
    panel_id: int | None = None
    row: str | None = None
    unit: str | None = None
    queries: tuple[str, ...] = ()
    data_sources: tuple[str, ...] = ()
    """For each of ``queries`` the type of data source that answers it, e.g. ``loki``; ``""`` where
    the dashboard doesn't say. Nothing at all in what earlier versions stored."""
    legends: tuple[str, ...] = ()
    variables: dict[str, Annotated[TemplateVariable, BeforeValidator(_from_values)]] = Field(
        default_factory=dict
    )


class AlertRuleFacts(Frozen):
    """An alerting rule. ``hold`` is the rule's ``for`` as written, e.g. ``5m``."""

    type: Literal["alert_rule"] = "alert_rule"
    alert: str
    expression: str
    hold: str | None = None
    severity: str | None = None
    runbook_url: str | None = None


class TermFacts(Frozen):
    """An in-house word and what it stands for."""

    type: Literal["term"] = "term"
    term: str


Facts = Annotated[
    RunbookFacts | IncidentFacts | ThreadFacts | PanelFacts | AlertRuleFacts | TermFacts,
    Field(discriminator="type"),
]


class Document(Frozen):
    """One unit that a person would link to.

    ``origin`` is where it was read, relative to the source's root (a path, with ``#`` and a
    fragment where one file holds several documents): error messages name it and a failed file's
    earlier documents are kept by it. ``written_at`` is when its content became known, in UTC;
    ``None`` marks standing knowledge (an undated page), which is visible at any ``as_of``.
    """

    id: str
    source: str
    kind: SourceKind
    title: str
    url: str | None = None
    origin: str
    sections: tuple[Section, ...]
    written_at: UtcTime | None = None
    services: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    audience: tuple[str, ...] = (EVERYONE,)
    facts: Facts | None = None

    @cached_property
    def text(self) -> str:
        """The whole text; spans of chunks and citations count its characters."""
        return SECTION_SEPARATOR.join(section.text for section in self.sections)

    @cached_property
    def revision(self) -> str:
        """Hash of everything that would change what is stored (hex, 128 bits)."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=16).hexdigest()


class Chunk(Frozen):
    """A passage of a document, with its span ``[start, end)`` in the document's text.

    ``text`` is exactly ``document.text[start:end]``: what is quoted. What gives the embedding
    its context (title, headings, services, date) is kept apart, in ``embedding_text``.
    ``chunks`` is how many chunks the revision has: a document is complete when all are stored.
    """

    id: str
    document_id: str
    revision: str
    source: str
    kind: SourceKind
    title: str
    url: str | None
    origin: str
    ordinal: int
    chunks: int
    headings: tuple[str, ...]
    start: int
    end: int
    text: str
    written_at: UtcTime | None
    services: tuple[str, ...]
    regions: tuple[str, ...]
    customers: tuple[str, ...]
    audience: tuple[str, ...]
    facts: Facts | None

    @property
    def link(self) -> str | None:
        """``url``, at the chunk's section where that has a heading of a Markdown page."""
        if self.url is None or not self.headings or "#" in self.url:
            return self.url
        if PurePosixPath(self.origin).suffix.lower() not in MARKDOWN:
            return self.url
        return f"{self.url}#{quote(anchor_of(self.headings[-1]))}"

    @property
    def embedding_text(self) -> str:
        """Context line and text: what the encoders see."""
        context = [self.title, *self.headings]
        if self.services:
            context.append(", ".join(self.services))
        if self.written_at is not None and self.kind in (SourceKind.INCIDENTS, SourceKind.SLACK):
            context.append(self.written_at.date().isoformat())
        return f"{' › '.join(context)}\n{self.text}"


def anchor_of(heading: str) -> str:
    """The name of a heading's place, as GitHub, GitLab and most wikis and sites derive it."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower()))


def chunk_id(document_id: str, revision: str, ordinal: int, chunking: str) -> str:
    """A UUID that depends on nothing but what the chunk is (Qdrant's point id)."""
    return str(uuid.uuid5(_CHUNK_NAMESPACE, f"{document_id}\n{revision}\n{ordinal}\n{chunking}"))


class ProblemLevel(StrEnum):
    """``error``: something was not read. ``notice``: read, with something worth knowing."""

    ERROR = "error"
    NOTICE = "notice"


class Problem(Frozen):
    """What could not be read, told to the person who can repair it.

    ``path`` is relative to the source's root (or the root as configured), ``line`` counts from 1.
    ``affects`` is the prefix of the ``origin`` of documents whose earlier version must be kept,
    because this reading says nothing about them; ``None`` protects nothing, ``""`` everything
    of the source.
    """

    path: str
    reason: str
    line: int | None = None
    level: ProblemLevel = ProblemLevel.ERROR
    affects: str | None = None

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.reason}"


class Source(Protocol):
    """A place that documents come from."""

    @property
    def name(self) -> str:
        """Unique among the configured sources; the first part of its documents' ids."""
        ...

    @property
    def kind(self) -> SourceKind: ...

    def read(self) -> Iterator[Document | Problem]:
        """Every document that can be read and a Problem for everything that cannot.

        Never raises for bad input. Documents come unredacted.
        """
        ...
