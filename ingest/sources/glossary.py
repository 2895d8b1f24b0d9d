"""Glossaries in Markdown: one document per term.

A term is a bold word that begins a paragraph or list item and is followed by a dash or colon, the
first cell of a table's row, or a line above one that begins with a colon (a definition list).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.documents import (
    MARKDOWN,
    Document,
    Problem,
    ProblemLevel,
    Section,
    SourceKind,
    TermFacts,
)
from ingest.redaction import redact_text
from ingest.sources.files import TextFile, read_text_files
from ingest.sources.front_matter import Metadata, moment, split_front_matter, words
from ingest.sources.place import Place

_BOLD_TERM = re.compile(
    r"^(?:\*\*|__)(?P<term>.+?)(?P<colon>:?)(?:\*\*|__)(?P<colon2>:?)(?P<rest>.*)$"
)
_SEPARATOR = re.compile(r"^\s*(?:\([^)]*\)\s*)?(?:[-–—:=]|is\b|are\b|means\b)")
_DEFINITION = re.compile(r"^:\s+(?P<text>\S.*)$")
_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A term and its text as written; ``line`` counts from 1 in the file."""

    term: str
    text: str
    line: int
    headings: tuple[str, ...]


class GlossarySource(Place):
    """A Markdown file, whose own address ``base_url`` then is, or a folder of them."""

    @property
    def kind(self) -> SourceKind:
        return SourceKind.GLOSSARY

    def read(self) -> Iterator[Document | Problem]:
        for file in read_text_files(self.path, MARKDOWN):
            if isinstance(file, Problem):
                yield file
                continue
            split = split_front_matter(file.text, file.path)
            if isinstance(split, Problem):
                yield split
                continue
            metadata, body = split
            yield from self._terms(file, metadata, body)

    def _terms(self, file: TextFile, metadata: Metadata, body: str) -> Iterator[Document | Problem]:
        lines: dict[str, int] = {}
        for entry in _entries(body, file.text.count("\n") - body.count("\n")):
            term = redact_text(entry.term)  # a slug of a secret is hardly another text
            slug = _SLUG.sub("-", term.lower()).strip("-") or f"line-{entry.line}"
            if slug in lines:
                yield Problem(
                    path=file.path,
                    line=entry.line,
                    reason=f"{entry.term!r} is explained in line {lines[slug]} already; "
                    "only the first is read",
                    level=ProblemLevel.NOTICE,
                )
                continue
            lines[slug] = entry.line
            yield self._document(file, metadata, entry, slug)
        if not lines:
            yield Problem(
                path=file.path,
                reason="no terms found; write them as `**term** - what it means`",
                affects=file.path,
            )

    def _document(self, file: TextFile, metadata: Metadata, entry: _Entry, slug: str) -> Document:
        page = self.base_url if self.path.is_file() else self.page_url(file.path)
        return Document(
            id=self.document_id(f"{file.path}#{slug}"),
            source=self.name,
            kind=self.kind,
            title=entry.term,
            url=None if page is None else f"{page}#{slug}",
            origin=f"{file.path}#{slug}",
            sections=(Section(text=entry.text, headings=entry.headings),),
            written_at=moment(metadata, "updated", "lastmod", "date"),
            audience=words(metadata, "audience") or self.audience,
            facts=TermFacts(term=entry.term),
        )


def _entries(body: str, skipped: int) -> Iterator[_Entry]:
    """Terms in order; ``skipped`` is how many lines the front matter took."""
    headings: list[tuple[int, str]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    row: list[Token] | None = None
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            yield from _row_entry(row or [], _path(headings), skipped)
            row = None
        elif token.type == "inline" and token.map is not None:
            before = tokens[index - 1]
            if before.type == "heading_open":
                level = int(before.tag[1])
                headings = [h for h in headings if h[0] < level] + [(level, token.content)]
            elif before.type == "td_open" and row is not None:
                row.append(token)
            elif before.type == "paragraph_open":
                yield from _paragraph_entries(
                    token.content, token.map[0] + skipped + 1, _path(headings)
                )


def _path(headings: list[tuple[int, str]]) -> tuple[str, ...]:
    """The headings below the page's own."""
    return tuple(text for level, text in headings if level > 1)


def _row_entry(cells: list[Token], headings: tuple[str, ...], skipped: int) -> Iterator[_Entry]:
    texts = [cell.content for cell in cells]
    if len(texts) > 1 and texts[0] and any(texts[1:]) and cells[0].map is not None:
        term = texts[0].strip("*_` ")
        text = f"{texts[0]} - {' · '.join(text for text in texts[1:] if text)}"
        yield _Entry(term, text, cells[0].map[0] + skipped + 1, headings)


def _paragraph_entries(content: str, line: int, headings: tuple[str, ...]) -> Iterator[_Entry]:
    """The terms of a paragraph, each with the lines up to the next."""
    lines = content.split("\n")
    starts: list[tuple[int, str]] = []
    for index, text in enumerate(lines):
        if (term := _bold_term(text)) is not None:
            starts.append((index, term))
        elif index and _DEFINITION.match(text) and not _DEFINITION.match(lines[index - 1]):
            starts.append((index - 1, lines[index - 1].strip("*_` ")))
    borders = [start for start, _ in starts] + [len(lines)]
    for (start, term), end in zip(starts, borders[1:], strict=True):
        yield _Entry(term, "\n".join(lines[start:end]).strip(), line + start, headings)


def _bold_term(text: str) -> str | None:
    found = _BOLD_TERM.match(text)
    if found is None:
        return None
    separated = found["colon"] or found["colon2"] or _SEPARATOR.match(found["rest"])
    return found["term"].strip("`_ ") if separated else None
