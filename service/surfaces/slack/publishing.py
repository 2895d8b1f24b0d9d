"""Answers on their way into Slack: where they go, and each of them once.

A thread has a message that says the question and the answer in one line, and under it the answer,
its chart and whatever is asked on. Posting is written down before it begins
(``service.store.deliveries``), so that a job which is run again after a crash does not post again;
where Slack certainly took nothing, it may.
"""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

from service.queries.answer import QueryAnswer
from service.reports.model import MetricCitation, Report
from service.settings import Settings
from service.store import Database, StoredReport, Surface
from service.surfaces.slack.access import Place, PlaceKind
from service.surfaces.slack.api import Posted, SlackApi
from service.surfaces.slack.blocks import View, headline, overview
from service.surfaces.slack.buttons import Buttons
from service.surfaces.slack.errors import NotForThem, SlackFailure, SlackRefused, SlackUnreached
from service.surfaces.slack.mrkdwn import (
    Message,
    bold,
    context,
    escape,
    hosts_of,
    linked,
    messages,
    safe_url,
    sections,
    shortened,
    words,
)
from service.workspace import Answer

_LOG = logging.getLogger(__name__)
_ROOT = 600
"""Characters of the line that begins a thread."""
NOT_DELIVERED = frozenset(
    ("channel_not_found", "not_in_channel", "is_archived", "restricted_action", "no_permission")
)
"""Slack's reasons why a message cannot be posted in a channel at all."""


class Publisher:
    """Posts answers. ``proposals``: what may be proposed from a report, kind and label."""

    def __init__(
        self,
        api: SlackApi,
        database: Database,
        settings: Settings,
        proposals: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.api = api
        self._database = database
        self._hosts = hosts_of(settings)
        self._proposals = proposals

    def view(
        self, stored: StoredReport, place: Place | None, *, share_to: str | None = None
    ) -> View:
        """How an answer is shown in a place; None for the asker alone."""
        buttons = Buttons(
            report_id=stored.id,
            share_to=share_to,
            grafana=grafana_of(stored.answer, self._hosts),
            proposals=self._proposals if isinstance(stored.answer, Report) else (),
            details=isinstance(stored.answer, Report),
        )
        made_from = place.in_words() if place is not None else "Made from what you may read"
        return View(hosts=self._hosts, made_from=made_from, buttons=buttons)

    async def publish(
        self,
        stored: StoredReport,
        place: Place,
        *,
        once: str,
        thread: str | None = None,
        asker: str | None = None,
    ) -> Posted | None:
        """Post the answer, and say where its thread begins; None where it was begun before.

        ``once``: what this posting is known by. ``thread``: where to, None to begin one, in which
        case ``asker`` is who is named. Raises: NotForThem, SlackFailure, StoreError.
        """
        if not set(stored.audience) <= set(place.shows(stored.audience)):
            raise NotForThem(
                f"the answer {stored.id} is not for everybody who reads the channel {place.id}"
            )
        deliveries = self._database.deliveries
        if not await deliveries.begin(once, place.id):
            return None
        root = Posted(place.id, thread) if thread is not None else None
        began = False
        # Only from direct messages: elsewhere the others see it already.
        share_to = "" if place.kind is PlaceKind.DIRECT else None
        try:
            if root is None:
                root = await self.api.post(place.id, _root(stored.answer, asker))
                began = True
            await self._database.conversations.put(
                Surface.SLACK, conversation(root.channel, root.ts), stored.id
            )
            for message in overview(stored.answer, self.view(stored, place, share_to=share_to)):
                await self.api.post(root.channel, message, thread=root.ts)
                began = True
        except (SlackRefused, SlackUnreached) as error:
            settle = deliveries.doubtful if began else deliveries.failed
            await settle(once, place.id, str(error))
            raise
        except SlackFailure as error:
            await deliveries.doubtful(once, place.id, str(error))
            raise
        await deliveries.finished(once, place.id)
        await self._chart(stored.answer, root.channel, root.ts)
        return root

    async def _chart(self, answer: Answer, channel: str, thread: str) -> None:
        """The strongest signal as an image. An answer without one is still an answer."""
        try:
            image = await asyncio.to_thread(chart_of, answer)
            if image is not None:
                title, data = image
                await self.api.upload(
                    data, name="chart.png", title=title, channel=channel, thread=thread
                )
        except SlackFailure as error:
            _LOG.warning("the chart was not uploaded: %s", error)


def conversation(channel: str, thread: str) -> str:
    """The key under which a thread's last report is kept."""
    return f"{channel}:{thread}"


def chart_of(answer: Answer) -> tuple[str, bytes] | None:
    """Title and PNG of an answer's chart, if it has one."""
    if isinstance(answer, Report) and answer.charts:
        from service.reports.charts import as_png

        chart = answer.charts[0]
        return shortened(f"{chart.title} [{chart.citation}]", 200), as_png(chart)
    if isinstance(answer, QueryAnswer) and answer.series:
        from service.queries.drawing import draw_png

        return shortened(answer.title or answer.question, 200), draw_png(answer)
    return None


def grafana_of(answer: Answer, hosts: frozenset[str]) -> str | None:
    """The graph that a person wants to see first."""
    if isinstance(answer, QueryAnswer):
        return safe_url(answer.link or answer.url, hosts)
    if not isinstance(answer, Report):
        return None
    top = [claim for cause in answer.causes[:1] for claim in cause.evidence]
    wanted = [number for claim in top for number in claim.citations]
    wanted += [chart.citation for chart in answer.charts]
    addresses = {
        citation.number: citation.url
        for citation in answer.citations
        if isinstance(citation, MetricCitation)
    }
    found = (safe_url(addresses.get(number), hosts) for number in wanted)
    return next((address for address in found if address is not None), None)


def said(text: str) -> Message:
    """A sentence of our own."""
    lines = [words(line) for line in text.splitlines() if line.strip()]
    return messages(text, sections(lines))[0]


def with_link(message: Message, text: str, url: str | None) -> Message:
    """The message with a line below it that leads to a thread."""
    host = urlsplit(url).hostname if url else None
    hosts = frozenset((host,)) if host else frozenset()
    small = context([linked(text, url, hosts)])
    return message.model_copy(update={"blocks": (*message.blocks, *small)})


def _root(answer: Answer, asker: str | None) -> Message:
    line = shortened(headline(answer), _ROOT)
    who = [f"<@{asker}> asked: "] if asker else []
    blocks = sections([[*who, *bold(line)]]) + context([["The report is in the thread."]])
    return Message(text="".join([*who, escape(line)]), blocks=tuple(blocks))
