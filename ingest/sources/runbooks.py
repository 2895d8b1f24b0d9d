"""Runbooks: a folder or a git checkout of written pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.documents import Document, Problem, ProblemLevel, RunbookFacts, Section, SourceKind
from ingest.sources.files import read_text_files
from ingest.sources.front_matter import moment, unreadable_times, words
from ingest.sources.outline import (
    code_lines,
    list_items,
    paragraphs,
    says_something,
    sections_under,
)
from ingest.sources.pages import PAGE_SUFFIXES, Page, read_page
from ingest.sources.place import Origin, Place

_CAUSES = re.compile(r"\bcauses?\b|\breasons?\b|why (it|this|does)", re.IGNORECASE)
_DIAGNOSIS = re.compile(
    r"^\W*(\d+\W+)?(diagnos|investigat|triage|troubleshoot|first steps?\b|what to check|checks?\b)",
    re.IGNORECASE,
)
_CAUSE_WORD = re.compile(r"\b(causes?|caused|reasons?|due to|because)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?]")
_ALERT_NAME = re.compile(r"^(?=\w*[a-z])(?=\w*[A-Z])[A-Za-z]\w*$")
_CAMEL_CASE = re.compile(r"[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
_WRITTEN = ("updated", "lastmod", "date")
_SECTION_INDEXES = frozenset({"_index", "index"})


class RunbookSource(Place):
    """One document per page."""

    @property
    def kind(self) -> SourceKind:
        return SourceKind.RUNBOOKS

    def read(self) -> Iterator[Document | Problem]:
        for file in read_text_files(self.path, PAGE_SUFFIXES):
            page = file if isinstance(file, Problem) else read_page(file)
            if isinstance(page, Problem):
                yield page
            elif page.sections:
                yield from unreadable_times(page.path, page.metadata, *_WRITTEN)
                yield read_runbook(page, self)
            elif page.stem not in _SECTION_INDEXES:  # Hugo's name a section and hold no text
                yield Problem(
                    path=page.path, reason="a page without text", level=ProblemLevel.NOTICE
                )


def read_runbook(page: Page, origin: Origin) -> Document:
    """The runbook on a page that has text."""
    return Document(
        id=origin.document_id(page.path),
        source=origin.name,
        kind=SourceKind.RUNBOOKS,
        title=page.title,
        url=origin.page_url(page.path),
        origin=page.path,
        sections=(*page.summary, *page.sections),
        written_at=moment(page.metadata, *_WRITTEN),
        services=words(page.metadata, "services", "service"),
        regions=words(page.metadata, "regions", "region"),
        customers=words(page.metadata, "customers", "customer"),
        audience=words(page.metadata, "audience") or origin.audience,
        facts=RunbookFacts(
            alerts=_alerts(page),
            causes=tuple(_causes(page.sections)),
            next_check=_next_check(page.sections),
        ),
    )


def _alerts(page: Page) -> tuple[str, ...]:
    """Named in the front matter, else the page's name if it reads like an alert's."""
    if stated := words(page.metadata, "alerts", "alert", "alertname"):
        return stated
    names = dict.fromkeys(name for name in (page.heading, page.title, page.stem) if name)
    found = [name for name in names if _ALERT_NAME.match(name) and _CAMEL_CASE.search(name)]
    if not found and page.heading == page.stem and _ALERT_NAME.match(page.stem):
        found = [page.stem]  # one plain word, such as Watchdog
    return tuple(found[:1])


def _causes(sections: Sequence[Section]) -> Iterator[str]:
    """List items under a heading about causes, else after a sentence such as "caused by:".

    A bare list under Diagnosis is of steps, so it counts only with such a sentence before it.
    """
    listed = [
        item
        for section in sections_under(sections, _CAUSES)
        for item in list_items(section.text)
        if says_something(item)
    ]
    yield from dict.fromkeys(listed or _causes_after_a_sentence(sections))


def _causes_after_a_sentence(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections_under(sections, _DIAGNOSIS):
        for paragraph in paragraphs(section.text):
            last = _SENTENCE_END.split(paragraph)[-1].rstrip()
            if last.endswith(":") and _CAUSE_WORD.search(last):
                rest = section.text[section.text.index(paragraph) + len(paragraph) :]
                following = next(paragraphs(rest), None)
                listed = rest if following is None else rest[: rest.index(following)]
                yield from filter(says_something, list_items(listed))


def _next_check(sections: Sequence[Section]) -> str | None:
    """The first step under Diagnosis: its first list item, else its first sentence or query."""
    texts = [section.text for section in sections_under(sections, _DIAGNOSIS)]
    for text in texts:
        if (step := next(filter(says_something, list_items(text)), None)) is not None:
            return step
    for text in texts:
        parts = [*paragraphs(text), *code_lines(text)]
        if steps := [part for part in parts if says_something(part)]:
            return min(steps, key=text.index)
    return None
