"""Written pages → title, metadata and sections, whatever markup they are in.

Markdown, AsciiDoc and reStructuredText are cut at their headings and kept as written: what is
quoted is then what the author sees in the file, code fences included. HTML is turned into plain
text first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ingest.documents import MARKDOWN, Problem, Section
from ingest.sources.files import TextFile
from ingest.sources.front_matter import Metadata, split_front_matter, string
from ingest.sources.html_pages import html_lines
from ingest.sources.markup import (
    Heading,
    asciidoc_headings,
    markdown_headings,
    restructured_headings,
)
from ingest.sources.place import INDEXES

ASCIIDOC = frozenset({".adoc", ".asciidoc", ".asc"})
RESTRUCTURED = frozenset({".rst"})
HTML = frozenset({".html", ".htm"})
PAGE_SUFFIXES = MARKDOWN | ASCIIDOC | RESTRUCTURED | HTML

_A_SENTENCE = 5
"""Words from which a summary says something."""
_OF_MANY = re.compile(
    r"about|alerts|background|contents|description|details|documentation|faq|getting started|home"
    r"|how to|introduction|notes|overview|procedure|purpose|quick start|runbook|summary"
    r"|table of contents|troubleshooting|usage",
    re.IGNORECASE,
)
"""Headings that say what a page, or its first section, is, and not what it is about."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page as read. ``heading`` is its own top heading, where it has one."""

    path: str
    title: str
    heading: str | None
    metadata: Metadata
    summary: tuple[Section, ...]
    """What the front matter says in a sentence, if the page's text does not say it again."""
    sections: tuple[Section, ...]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem


def read_page(file: TextFile) -> Page | Problem:
    """The page in ``file``, whose suffix tells the markup."""
    split = split_front_matter(file.text, file.path)
    if isinstance(split, Problem):
        return split
    metadata, body = split
    suffix = PurePosixPath(file.path).suffix.lower()
    try:
        if suffix in HTML:
            lines, headings, html_title = html_lines(body)
            metadata = {"title": html_title, **metadata} if html_title else metadata
        else:
            lines = body.split("\n")
            if suffix in ASCIIDOC:
                headings, attributes = asciidoc_headings(lines)
                metadata = {**attributes, **metadata}
            elif suffix in RESTRUCTURED:
                headings = restructured_headings(body, lines)
            else:
                headings = markdown_headings(body, lines)
    except RecursionError:
        return Problem(path=file.path, reason="nested too deeply to be real", affects=file.path)
    return _page(file.path, metadata, lines, headings)


def _page(path: str, metadata: Metadata, lines: Sequence[str], headings: Sequence[Heading]) -> Page:
    top = headings[0] if headings and headings[0].level == 1 else None
    heading = top.text if top else None
    title = _telling(string(metadata, "title") or heading, PurePosixPath(path))
    sections = tuple(_cut(lines, headings, top))
    summary = tuple(_stated_summary(metadata, lines)) if sections else ()
    return Page(path, title, heading, metadata, summary, sections)


def _stated_summary(metadata: Metadata, lines: Sequence[str]) -> Iterator[Section]:
    stated = string(metadata, "summary", "description") or ""
    words = stated.split()
    if len(words) < _A_SENTENCE:
        return
    if " ".join(words) not in " ".join(" ".join(lines).split()):
        yield Section(text=stated, headings=("Summary",))


def _telling(written: str | None, path: PurePosixPath) -> str:
    """The title, with the page's place where many pages have the same: ``kibana: Quick start``."""
    place = "/".join(path.parent.parts[-2:]) if path.stem in INDEXES else path.stem
    if written is None or written in INDEXES:
        return place or path.stem
    return f"{place}: {written}" if place and _OF_MANY.fullmatch(written) else written


def _cut(
    lines: Sequence[str], headings: Sequence[Heading], top: Heading | None
) -> Iterator[Section]:
    """One section per heading, and one for the text before the first."""
    path: list[Heading] = []
    borders = [heading.line for heading in headings] + [len(lines)]
    yield from _section(lines[: borders[0]], ())
    for heading, end in zip(headings, borders[1:], strict=True):
        path = [outer for outer in path if outer.level < heading.level]
        path.append(heading)
        names = tuple(outer.text for outer in path if outer is not top)
        yield from _section(lines[heading.line : end], names)


def _section(lines: Sequence[str], headings: tuple[str, ...]) -> Iterator[Section]:
    text = "\n".join(line.rstrip() for line in lines).strip("\n")
    if text.strip():
        yield Section(text=text, headings=headings)
