"""Briefing → Markdown, for a terminal or a ticket. Text from documents has no markup of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from service.briefing.layout import page_of
from service.briefing.model import Briefing
from service.briefing.page import Block, Card, Line, Source
from service.reports.markdown import plain


def to_markdown(briefing: Briefing) -> str:
    """The whole briefing."""
    page = page_of(briefing)
    badges = " · ".join(badge.text for badge in page.badges)
    blocks = [
        f"# {page.title}",
        f"*{plain(page.subtitle)}*",
        f"**{page.verdict}**" + (f" · {plain(badges)}" if badges else ""),
        f"**{plain(page.headline.text)}**{_numbers(page.headline)}",
        "\n".join(f"- {_line(line)}" for line in page.lead),
        *(block for card in page.cards for block in _card(card)),
        *(part for section in page.sections for part in _block(section, "##")),
    ]
    if page.sources:
        blocks += ["## Sources", "\n".join(_source(source) for source in page.sources)]
    blocks.append(f"*{plain(page.footer)}*")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _card(card: Card) -> Iterable[str]:
    badges = ", ".join(badge.text for badge in card.badges)
    yield f"## {card.number}. {plain(card.title)} ({plain(badges)})"
    yield _line(card.what)
    yield "\n".join(
        f"- **{fact.label}:** {plain(fact.text)}{_numbers(fact)}" for fact in card.facts
    )
    for block in card.blocks:
        yield from _block(block, "###")


def _block(block: Block, level: str) -> Iterable[str]:
    yield f"{level} {block.title}"
    yield "\n".join(f"- {_line(line)}" for line in block.lines)


def _line(line: Line) -> str:
    text = _link(line.text, line.url)
    return (
        f"**{plain(line.label)}:** {text}{_numbers(line)}" if line.label else text + _numbers(line)
    )


def _source(source: Source) -> str:
    text = f"`{source.text}`" if source.kind == "metric" else None
    if text is not None and source.url is not None:
        text += f" ([graph]({_target(source.url)}))"
    return f"- [{source.number}] {source.kind}: {text or _link(source.text, source.url)}"


def _link(text: str, url: str | None) -> str:
    return f"[{plain(text)}]({_target(url)})" if url else plain(text)


def _target(url: str) -> str:
    """The address with what would end the link written as what it stands for."""
    return re.sub(r"[()\s<>]", lambda match: f"%{ord(match[0]):02X}", url)


def _numbers(line: Line) -> str:
    return " " + "".join(f"[{number}]" for number in line.citations) if line.citations else ""
