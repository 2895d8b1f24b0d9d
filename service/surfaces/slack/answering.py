"""The job that answers a question from Slack.

Where an answer goes, and what it is made from:

- ``/why`` in a channel that may read all that the asker may: a thread in the channel.
- ``/why`` where the asker may read more than the channel, or where nothing may be posted: the
  answer is the asker's alone. It is shown to them where they asked, and its thread is in their
  direct messages with this app. A button shares it to the channel, which asks again with what the
  channel may read: what was made for the asker is never posted elsewhere.
- a mention, or a reply in a thread: in that thread, with the labels that both the asker and the
  channel have.
- direct messages: in that thread, with everything that the asker may read.

``/why`` first says that it is looking (the answer to Slack), says once or twice what it sees if
that takes long, and then what came of it. Each asks to take the place of the one before; Slack
does that for messages with buttons, and for commands posts it below (slackapi/bolt-js#2287).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from service.assembly import zone_of
from service.desk import Desk
from service.events import CausesRanked, Event, PassagesFound, ScopeRead, SignalsSeen
from service.readers import Reader
from service.store import NotFound, StoredReport, Surface
from service.store.jobs import Job
from service.surfaces.slack.access import Access, Place, PlaceKind
from service.surfaces.slack.api import Posted
from service.surfaces.slack.blocks import headline, overview
from service.surfaces.slack.commands import question_of, service_of, typed
from service.surfaces.slack.errors import SlackFailure, SlackRefused
from service.surfaces.slack.mrkdwn import Message
from service.surfaces.slack.publishing import (
    NOT_DELIVERED,
    Publisher,
    conversation,
    said,
    with_link,
)
from service.surfaces.slack.sealed import Seal
from service.surfaces.slack.tasks import Ask
from service.time_phrases import ScopeError
from service.workspace import Asked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NO_LABELS = (
    "I can't tell what you may read: Slack did not say who you are, or you are a guest here "
    "without labels of your own (slack_audiences)."
)
OUTSIDE = (
    "I don't post here: I am not in this channel, or people of another organisation read it. "
    "Ask me in a direct message, or invite me."
)
GONE = "I can't go on from that answer: you may not read it, or it is no longer kept."
FAILED = "I could not answer this: something here failed. It has been written down; ask again."

_UPDATES = (2.0, 8.0)
"""Seconds after which is said what is seen so far."""


class Answering:
    """Answers questions that are in the queue."""

    def __init__(
        self,
        desk: Desk,
        access: Access,
        publisher: Publisher,
        seal: Seal,
        *,
        updates: tuple[float, ...] = _UPDATES,
    ) -> None:
        self._desk = desk
        self._access = access
        self._publisher = publisher
        self._api = publisher.api
        self._seal = seal
        self._updates = updates

    async def answer(self, job: Job) -> None:
        """Answer one, or say why there is no answer. Raises: SlackFailure, StoreError, and what a
        broken part raises: the job is tried again, and after the last time the asker is told."""
        ask = Ask.model_validate(job.payload)
        try:
            await self._answer(job, ask)
        except ScopeError as error:
            await self._tell(ask, f"{error}.")
        except NotFound:
            await self._tell(ask, GONE)
        except Exception:
            if job.attempts >= job.max_attempts:
                with suppress(SlackFailure):
                    await self._tell(ask, FAILED)
            raise

    async def _tell(self, ask: Ask, text: str) -> None:
        """Say something to the asker alone, where they asked. Raises: SlackFailure."""
        message = said(text)
        if (url := self._opened(ask)) is not None:
            await self._api.respond(url, message, replace=True)
            return
        try:
            await self._api.whisper(ask.channel, ask.user, message, thread=ask.thread)
        except SlackRefused:
            await self._api.post(await self._api.direct(ask.user), message)

    async def _answer(self, job: Job, ask: Ask) -> None:
        reader = await self._access.reader(ask.user)
        place = await self._access.place(ask.channel)
        shown = place.shows(reader.audience)
        if not reader.audience:
            await self._tell(ask, NO_LABELS)
        elif ask.command and set(shown) != set(reader.audience):
            await self._alone(job, ask, reader, place)
        elif not shown:
            await self._tell(ask, OUTSIDE)
        else:
            await self._there(job, ask, Reader(name=reader.name, audience=shown), place)

    async def _there(self, job: Job, ask: Ask, reader: Reader, place: Place) -> None:
        """Answer where it was asked, for everyone there."""
        if ask.message is not None:
            with suppress(SlackFailure):  # seen already, or no scope for it
                await self._api(
                    "reactions.add", channel=ask.channel, timestamp=ask.message, name="eyes"
                )
        stored = await self._stored(job, ask, reader, place)
        try:
            root = await self._publisher.publish(
                stored, place, once=f"slack:{job.id}", thread=ask.thread, asker=ask.user
            )
        except SlackRefused as error:
            if error.reason not in NOT_DELIVERED:
                raise
            await self._alone(job, ask, reader, place)
            return
        if ask.command:
            await self._point_to(ask, said(headline(stored.answer)), root)

    async def _alone(self, job: Job, ask: Ask, reader: Reader, place: Place) -> None:
        """Answer to the asker, here and in their direct messages."""
        stored = await self._stored(job, ask, reader, place)
        root = None
        with suppress(SlackRefused):  # no direct messages: then it is only shown
            direct = Place(id=await self._api.direct(ask.user), kind=PlaceKind.DIRECT)
            root = await self._publisher.publish(stored, direct, once=f"slack:{job.id}")
        share_to = place.id if place.kind in (PlaceKind.PUBLIC, PlaceKind.PRIVATE) else ""
        view = self._publisher.view(stored, None, share_to=share_to)
        await self._point_to(ask, overview(stored.answer, view)[0], root)

    async def _stored(self, job: Job, ask: Ask, reader: Reader, place: Place) -> StoredReport:
        """The answer, asked for once: a job that is run again finds the one that it has."""
        mine = f"job:{job.id}"
        conversations = self._desk.database.conversations
        if (known := await conversations.last(Surface.SLACK, mine)) is not None:
            return await self._desk.get(known, reader)
        after = ask.after
        if after is None and ask.thread is not None:
            key = conversation(ask.channel, ask.thread)
            after = await conversations.last(Surface.SLACK, key)
        text = typed(ask.text)
        if after is None or not text:
            after, text = None, await self._question(ask, reader, place)
        async with self._looking(ask) as seen:
            stored = await self._desk.ask(
                Asked(text=text), reader, surface=Surface.SLACK, after=after, on_event=seen
            )
        await conversations.put(Surface.SLACK, mine, stored.id)
        return stored

    async def _question(self, ask: Ask, reader: Reader, place: Place) -> str:
        """What is asked, in full. Raises: ScopeError."""
        workspace = self._desk.workspace
        now = workspace.moment()
        async with workspace.engine(reader.audience, now) as engine:
            vocabulary = engine.vocabulary
        settings = workspace.settings
        return question_of(
            ask.text,
            service=service_of(place.name, settings.slack_services, vocabulary),
            vocabulary=vocabulary,
            now=now,
            zone=zone_of(settings),
        )

    async def _point_to(self, ask: Ask, message: Message, root: Posted | None) -> None:
        """Fill in what the asker sees where they asked; without it, the thread is still there."""
        url = self._opened(ask)
        if url is None:
            return
        with suppress(SlackFailure):
            if root is not None:
                link = await self._api.permalink(root)
                message = with_link(message, "The report is in its thread.", link)
            await self._api.respond(url, message, replace=True)

    def _opened(self, ask: Ask) -> str | None:
        return self._seal.open(ask.sealed) if ask.sealed is not None else None

    @asynccontextmanager
    async def _looking(self, ask: Ask) -> AsyncIterator[_Seen]:
        """Say now and then what is seen, to whoever gave the command."""
        seen = _Seen()
        url = self._opened(ask)
        telling = None
        if url is not None:
            telling = asyncio.create_task(self._update(url, seen))
        try:
            yield seen
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.wait([telling])

    async def _update(self, url: str, seen: _Seen) -> None:
        waited = 0.0
        for after in self._updates:
            await asyncio.sleep(after - waited)
            waited = after
            with suppress(SlackFailure):
                await self._api.respond(url, said(seen.in_words()), replace=True)


class _Seen:
    """What was looked at so far."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def __call__(self, event: Event) -> None:
        match event:
            case ScopeRead(scope=scope):
                window = scope.window
                about = ", ".join((*scope.services, *scope.regions)) or "everything"
                self._parts.append(f"{about}, {window.start:%H:%M} – {window.end:%H:%M} UTC")
            case PassagesFound(passages=passages):
                self._parts.append(f"{len(passages)} documents")
            case SignalsSeen(reached=True, signals=signals, alerts=alerts):
                self._parts.append(f"{len(signals)} signals, {len(alerts)} alerts")
            case CausesRanked(causes=causes) if causes:
                self._parts.append(f"most likely {causes[0].component}")

    def in_words(self) -> str:
        return f"Looking… {' · '.join(self._parts)}".rstrip()
