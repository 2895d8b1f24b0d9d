"""Where the headings of Markdown, AsciiDoc and reStructuredText stand in their source lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import docutils.core
import docutils.nodes
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.sources.front_matter import Metadata


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: ``line`` (from 0) is where its section begins, ``level`` 1 is the outermost."""

    line: int
    level: int
    text: str


_CONTENTS_ITEM = re.compile(r"^(?:[-*+]|\d{1,3}[.)])\s{1,4}\[[^\n]*\]\(#[^()\s]*\)$")
_CONTENTS_MARK = re.compile(
    r"^(?:\[\[_TOC_\]\]|\[TOC\]|[*_]*table of contents[*_:]*"
    r"(?:\s{1,4}\*?generated with \[DocToc\]\([^()\s]*\)\*?)?)$",
    re.IGNORECASE,
)
"""As GitLab, Python-Markdown and doctoc mark a table of contents."""
_FEWEST_CONTENTS = 2
"""Lines of a list of links into the page that make it one."""


@cache
def _markdown_parser() -> MarkdownIt:
    # No "inline": what is inside of a line is not looked at. No "table": it takes seconds for
    # the cells of a long one, and only says where its rows are.
    return MarkdownIt("commonmark").disable("inline")


def markdown_headings(body: str, lines: list[str]) -> list[Heading]:
    """Headings outside of lists and quotes.

    Blanked in ``lines`` are comments, which no reader of the page sees, and tables of contents:
    they name everything that the page has and say nothing of it.
    """
    headings: list[Heading] = []
    tokens = _markdown_parser().parse(body)
    for token, following in pairwise([*tokens, Token("end", "", 0)]):
        if token.map is None or token.level:
            continue
        if token.type == "heading_open" and not _is_table(following.content):
            headings.append(Heading(token.map[0], int(token.tag[1]), _plain(following.content)))
        elif token.type == "html_block" and re.fullmatch(
            r"\s*<!--.*?-->\s*", token.content, re.DOTALL
        ):
            _blank(lines, token.map)
        elif token.type in ("bullet_list_open", "ordered_list_open", "paragraph_open"):
            written = [line.strip() for line in lines[slice(*token.map)] if line.strip()]
            listed = token.type != "paragraph_open" and len(written) >= _FEWEST_CONTENTS
            line_is = _CONTENTS_ITEM if listed else _CONTENTS_MARK
            if all(map(line_is.fullmatch, written)):
                _blank(lines, token.map)
    return [heading for heading in headings if heading.text]


def _blank(lines: list[str], span: Sequence[int]) -> None:
    for index in range(*span):
        lines[index] = ""


def _is_table(content: str) -> bool:
    """Whether what a line of dashes underlines are rows."""
    return "\n" in content and "|" in content


def _plain(inline: str) -> str:
    """A heading's text without emphasis, code marks, link targets and anchors."""
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()]*\)", r"\1", inline)
    text = re.sub(r"(?<!\s)\s*\{#[^{}]*\}\s*$", "", text)
    return re.sub(r"[`*]|(?<!\w)_+|_+(?!\w)", "", text).strip()


_ASCIIDOC_HEADING = re.compile(r"^(={1,6}|#{1,6})\s+(\S.*?)(?:(?<!\s)\s+\1)?(?<!\s)\s*$")
_ASCIIDOC_ATTRIBUTE = re.compile(r"^:([A-Za-z][\w-]*):\s*(.*)$")
_ASCIIDOC_BLOCK = re.compile(r"^(-{4,}|\.{4,}|\+{4,}|/{4,}|_{4,}|\*{4,}|={4,}|```\w*|--)\s*$")
_ASCIIDOC_VERBATIM = ("----", "....", "++++", "////", "```")


def asciidoc_headings(lines: list[str]) -> tuple[list[Heading], Metadata]:
    """Headings by line rules: ``=`` to ``======`` outside of listings and comments.

    The second value is the attributes of the document's header, blanked in ``lines``.
    """
    headings: list[Heading] = []
    attributes: Metadata = {}
    fence: str | None = None
    in_header = True
    for index, line in enumerate(lines):
        if block := _ASCIIDOC_BLOCK.match(line):
            mark = "```" if block[1].startswith("```") else block[1]
            if fence is None and mark.startswith(_ASCIIDOC_VERBATIM):
                fence = mark
            elif fence == mark:
                fence = None
        elif fence is None and (found := _ASCIIDOC_HEADING.match(line)):
            headings.append(Heading(index, len(found[1]), found[2]))
        elif in_header and (attribute := _ASCIIDOC_ATTRIBUTE.match(line)):
            attributes.setdefault(attribute[1].lower(), attribute[2].strip())
            lines[index] = ""
        elif not line.strip() and (headings or attributes):
            in_header = False
    return headings, attributes


_UNDERLINE = re.compile(r"^([^\w\s])\1*\s*$")


def restructured_headings(body: str, lines: Sequence[str]) -> list[Heading]:
    """The section titles that docutils finds, and where they stand in the source."""
    tree = docutils.core.publish_doctree(
        body,
        settings_overrides={
            "_disable_config": True,
            "doctitle_xform": False,
            "docinfo_xform": False,
            "file_insertion_enabled": False,
            "raw_enabled": False,
            "halt_level": 5,
            "report_level": 5,
            "warning_stream": None,
        },
    )
    headings: list[Heading] = []
    after = 0
    for section in tree.findall(docutils.nodes.section):
        title = section.next_node(docutils.nodes.title)
        if title is None:
            continue
        level = 1
        parent = section.parent
        while isinstance(parent, docutils.nodes.section):
            level, parent = level + 1, parent.parent
        for index in range(after, len(lines) - 1):
            if lines[index].strip() == title.rawsource and _UNDERLINE.match(lines[index + 1]):
                over = index > after and lines[index - 1].rstrip() == lines[index + 1].rstrip()
                headings.append(Heading(index - over, level, title.astext()))
                after = index + 2
                break
    return headings
