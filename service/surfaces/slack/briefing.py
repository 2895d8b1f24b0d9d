"""The morning briefing in a Slack channel: the layout of ``service.briefing.page`` as Block Kit.

The first message has the verdict, the headline and what to read first; incidents and the rest
follow in as many messages as Slack's limits need (``mrkdwn``), each with the whole of its
citations. What may be in it is decided by who reads the channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from service.briefing.delivery import Send
from service.briefing.errors import MaybeDelivered, NotDelivered
from service.briefing.layout import page_of
from service.briefing.model import Briefing
from service.briefing.page import Block as PageBlock
from service.briefing.page import Line as PageLine
from service.briefing.page import Page, Source, Tone
from service.surfaces.slack.errors import SlackFailure, SlackUnavailable
from service.surfaces.slack.mrkdwn import (
    Block,
    Line,
    Message,
    bold,
    cited,
    code,
    context,
    escape,
    header,
    linked,
    messages,
    sections,
    words,
)

_SIGNS = {
    Tone.BAD: ":red_circle:",
    Tone.WATCH: ":large_yellow_circle:",
    Tone.GOOD: ":large_green_circle:",
    Tone.UNKNOWN: ":white_circle:",
}


def briefing_messages(briefing: Briefing, hosts: frozenset[str]) -> list[Message]:
    """A briefing as messages; ``hosts``: where links may lead."""
    page = page_of(briefing)
    return messages(f"{page.verdict}: {page.headline.text}", _blocks(page, hosts))


class Posts(Protocol):
    """What a Slack app does here; ``SlackSurface`` does."""

    async def audience_of(self, channel: str, audience: tuple[str, ...]) -> tuple[str, ...]: ...

    async def post(self, channel: str, message: Message) -> None: ...


class SlackTarget:
    """A channel that gets the briefing (``service.briefing.delivery.Target``)."""

    def __init__(self, slack: Posts, channel: str, hosts: frozenset[str]) -> None:
        self._slack = slack
        self._channel = channel
        self._hosts = hosts

    @property
    def address(self) -> str:
        return f"slack:{self._channel}"

    async def audience(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return await self._slack.audience_of(self._channel, labels)
        except SlackFailure as error:
            raise NotDelivered(str(error)) from None

    def rendered(self, briefing: Briefing) -> Send:
        posts = briefing_messages(briefing, self._hosts)
        return lambda: self._post(posts)

    async def _post(self, posts: list[Message]) -> None:
        for number, message in enumerate(posts):
            try:
                await self._slack.post(self._channel, message)
            except SlackFailure as error:
                # Once the first is there, another try would show it twice.
                if number > 0 or isinstance(error, SlackUnavailable):
                    raise MaybeDelivered(str(error)) from None
                raise NotDelivered(str(error)) from None


def _blocks(page: Page, hosts: frozenset[str]) -> Iterator[Block]:
    yield header(page.title)
    sign = _SIGNS[page.tone]
    yield from sections([[f"{sign} ", *bold(page.verdict)]])
    yield from sections([cited(page.headline.text, page.headline.citations)])
    yield from context([words(" · ".join(badge.text for badge in page.badges))])
    yield from sections(_bullets(page.lead, hosts))
    for card in page.cards:
        yield {"type": "divider"}
        badges = escape(", ".join(badge.text for badge in card.badges))
        yield from sections(
            [
                [f"{_SIGNS[card.tone]} ", *bold(f"{card.number}. {card.title}")],
                [f"_{badges}_"] if badges else [],
                *(_line(fact, hosts) for fact in card.facts),
            ]
        )
        for block in card.blocks:
            yield from _titled(block, hosts)
    yield {"type": "divider"}
    for section in page.sections:
        yield from _titled(section, hosts)
    if page.sources:
        yield from sections([bold("Sources"), *(_source(one, hosts) for one in page.sources)])
    yield from context([words(page.subtitle), words(page.footer)])


def _titled(block: PageBlock, hosts: frozenset[str]) -> list[Block]:
    return sections([bold(block.title), *_bullets(block.lines, hosts)])


def _bullets(lines: Iterable[PageLine], hosts: frozenset[str]) -> Iterator[Line]:
    for line in lines:
        yield ["• ", *_line(line, hosts)]


def _line(line: PageLine, hosts: frozenset[str]) -> Line:
    label = [*bold(f"{line.label}:"), " "] if line.label else []
    if line.url is not None:
        return [*label, *linked(line.text, line.url, hosts)]
    return [*label, *cited(line.text, line.citations)]


def _source(source: Source, hosts: frozenset[str]) -> Line:
    lead = [f"[{source.number}] {escape(source.kind)}: "]
    if source.kind == "metric":
        graph = linked("graph", source.url, hosts) if source.url else []
        return [*lead, *code(source.text), *([" ", *graph] if graph else [])]
    return [*lead, *linked(source.text, source.url, hosts)]
