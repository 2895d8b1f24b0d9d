"""An outline in the markup of where it goes, within that place's limits.

Jira: its wiki notation, which version 2 of the REST API takes on Cloud and Data Center alike. What
must be escaped, and that a backslash does it, is from the characters that Atlassian's renderer
takes for escapable (``com.atlassian.renderer.v2.components.BackslashEscapeRendererComponent``) and
its "Text Formatting Notation Help". A backslash itself becomes an entity: two of them are a line
break. PagerDuty: plain text, in which it makes addresses clickable; so only ours are in it.

What is too long loses whole lines from its end, each with its citations, and says so.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from service.actions.outline import Item, Outline, units

_ALWAYS = set("[]{}|*^~!@%")
_NEXT_TO_NO_WORD = re.compile(r"(?<!\w)[-_+]|[-_+](?!\w)")
_CITED_AS = re.compile(r"\?\?")
_EMOTICON = re.compile(r"\((?=(?:[yni/x!+?-]|on|off|\*[rgby]?|flag|flagoff)\))", re.IGNORECASE)
_ENTITY = re.compile(r"&(?=#?\w+;)")
_CODE = re.compile(r"`([^`]*)`")
_CUT = "This is shortened; the rest is in the report."


def jira_wiki(outline: Outline, most: int) -> str:
    """The outline in Jira's wiki notation, at most so many characters."""
    return _fitting(outline, most, _wiki)


def plain_text(outline: Outline, most: int) -> str:
    """The outline as plain text, at most so many characters."""
    return _fitting(outline, most, _text)


def _fitting(outline: Outline, most: int, render: Callable[[Outline, bool], str]) -> str:
    """The longest rendering that fits: whole lines, the last ones left out first."""
    text = render(outline, False)
    if units(text) <= most:
        return text

    def cut(lines: int) -> str:
        return render(outline.shortened(lines), True)

    fits = bisect_right(range(outline.lines), most, key=lambda lines: units(cut(lines))) - 1
    return cut(max(0, fits))


def _wiki(outline: Outline, cut: bool) -> str:
    links = {source.number: source.url for source in outline.sources}
    lines = [f"_{escaped(outline.about)}_", ""]
    for section in outline.sections:
        lines += [f"h3. {escaped(section.title)}"]
        lines += [f"* {_wiki_item(item, links)}" for item in section.items]
        lines.append("")
    if cut:
        lines += [_CUT, ""]
    if outline.sources:
        lines.append("h3. Sources")
        for source in outline.sources:
            link = f" ([open|{source.url}])" if source.url else ""
            lines.append(f"* \\[{source.number}\\] {escaped(source.text)}{link}")
        lines.append("")
    lines.append(_origin_wiki(outline))
    return "\n".join(lines)


def _wiki_item(item: Item, links: dict[int, str | None]) -> str:
    text = escaped(item.text)
    if item.url:
        text = f"[{text}|{item.url}]"
    lead = f"*{item.lead.strip()}* " if item.lead else ""
    marks = "".join(
        f"\\[[{number}|{links[number]}]\\]" if links.get(number) else f"\\[{number}\\]"
        for number in item.citations
    )
    return f"{lead}{text} {marks}".rstrip()


def _origin_wiki(outline: Outline) -> str:
    if outline.report_url:
        return f"Proposed by Why from [its report|{outline.report_url}], approved by a person."
    return "Proposed by Why from one of its reports, approved by a person."


def escaped(text: str) -> str:
    """Text that Jira's wiki notation shows as it is, but for `code`, which stays code."""
    pieces, end = [], 0
    for code in _CODE.finditer(text):
        pieces.append(_escaped(text[end : code.start()]))
        pieces.append("{{" + _escaped(code[1]) + "}}" if code[1].strip() else "")
        end = code.end()
    return "".join((*pieces, _escaped(text[end:])))


def _escaped(text: str) -> str:
    text = _ENTITY.sub("&amp;", text)
    marked = {match.start() for match in _NEXT_TO_NO_WORD.finditer(text)}
    marked |= {place for match in _CITED_AS.finditer(text) for place in range(*match.span())}
    marked |= {match.start() for match in _EMOTICON.finditer(text)}
    return "".join(
        "&#92;"
        if character == "\\"
        else f"\\{character}"
        if character in _ALWAYS or place in marked
        else character
        for place, character in enumerate(text)
    )


def _text(outline: Outline, cut: bool) -> str:
    lines = [outline.about, ""]
    for section in outline.sections:
        lines.append(section.title)
        for item in section.items:
            marks = "".join(f"[{number}]" for number in item.citations)
            link = f" {item.url}" if item.url else ""
            lines.append(f"- {item.lead}{item.text}{link} {marks}".rstrip())
        lines.append("")
    if cut:
        lines += [_CUT, ""]
    if outline.sources:
        lines.append("Sources")
        for source in outline.sources:
            link = f" {source.url}" if source.url else ""
            lines.append(f"[{source.number}] {source.text}{link}")
        lines.append("")
    where = f": {outline.report_url}" if outline.report_url else "."
    lines.append(f"Proposed by Why from its report, approved by a person{where}")
    return "\n".join(lines)
