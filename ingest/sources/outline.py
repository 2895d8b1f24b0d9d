"""Reading a page's sections by what their headings say: list items, paragraphs, code.

Everything returned is verbatim from a section's text, line breaks included, so that it can be
cited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.documents import Section

_FENCE = re.compile(r"^\s*(`{3,}|~{3,}|-{4,}\s*$|\.{4,}\s*$)")
_ITEM = re.compile(r"^(?P<indent>\s*)(?:[-*+•]|\d{1,3}[.)]|\.{1,3})\s+(?P<text>\S.*)$")
_NOT_PROSE = re.compile(r"^\s*(#{1,6}\s|={1,6}\s|\||<|>|!\[|:\w[\w-]*:|\[[\w,]+\]\s*$|\.\. )")
_UNDERLINE = re.compile(r"^\s*([=\-~^\"'`*+])\1{2,}\s*$")
_SENTENCE_GAP = re.compile(r"(?<=[.!?])(?<!\d\.)\s+(?=[A-Z`*\[(\"'“]|https?:)")
"""Not after "22." of a date."""
_EMPTY_WORDS = frozenset({"todo", "tbd", "n/a", "none", "wip", ""})


def sections_under(sections: Sequence[Section], heading: re.Pattern[str]) -> list[Section]:
    """The sections with a matching heading anywhere in their path."""
    return [s for s in sections if any(heading.search(name) for name in s.headings)]


def lines_with_code(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it belongs to a fenced block (its fences included)."""
    fence: str | None = None
    previous = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        mark = found[1].strip()[:3] if found else None
        inside = fence is not None
        if fence is not None:
            if mark == fence:
                fence = None
        # Dashes right below a line of text underline a heading; a listing stands apart.
        elif mark is not None and (mark[0] in "`~" or not previous.strip() or previous[0] in "[."):
            fence, inside = mark, True
        yield line, inside
        previous = line


def list_items(text: str) -> Iterator[str]:
    """The outermost list items outside of code, each without its bullet and its sublists."""
    item: list[str] = []
    outer: int | None = None
    for line, code in lines_with_code(text):
        found = None if code else _ITEM.match(line)
        indent = len(line) - len(line.lstrip())
        if found is None and item and not code and line.strip() and not _NOT_PROSE.match(line):
            item.append(line.rstrip())
            continue
        if item:
            yield "\n".join(item)
            item = []
        if found is not None and (outer is None or indent <= outer + 1):
            outer, item = indent, [found["text"].rstrip()]
        elif found is None and not code and line.strip() and not indent:
            outer = None
    if item:
        yield "\n".join(item)


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of prose: outside of code, without headings, lists, quotes and tables."""
    paragraph: list[str] = []
    in_list = False
    for line, code in [*lines_with_code(text), ("", False)]:
        if not code and paragraph and _UNDERLINE.match(line):
            paragraph = []  # it was a heading
        elif code or not line.strip() or _NOT_PROSE.match(line) or _ITEM.match(line):
            if paragraph:
                yield "\n".join(paragraph)
            paragraph = []
            in_list = not code and (_ITEM.match(line) is not None)
        elif not in_list:
            paragraph.append(line.rstrip() if paragraph else line.strip())


def passages(section: Section) -> Iterator[str]:
    """The paragraphs and then the list items that are more than placeholders."""
    yield from filter(says_something, paragraphs(section.text))
    yield from filter(says_something, list_items(section.text))


def sentence_spans(passage: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a passage are; at least one, white space between them left out."""
    start = 0
    for gap in _SENTENCE_GAP.finditer(passage):
        yield start, gap.start()
        start = gap.end()
    yield start, len(passage)


def code_lines(text: str) -> Iterator[str]:
    """The lines inside fenced blocks."""
    for line, code in lines_with_code(text):
        if code and line.strip() and not _FENCE.match(line):
            yield line.strip()


def says_something(text: str) -> bool:
    """Whether a passage is more than a placeholder such as ``TODO``."""
    return text.strip(" .:*_`<>").lower() not in _EMPTY_WORDS and bool(re.search(r"\w", text))
