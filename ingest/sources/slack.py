"""Slack exports: one document per thread, and per burst of talk outside of threads.

Each message is a section, ``Mira Okafor (2026-06-18 14:02 UTC): text``, whose ``url`` is its
permalink and whose ``written_at`` is when its text was final: an edited message is not visible
before the edit. What nobody said (joins, topics, reminders) is left out, and so is what bots
post, unless people answered in its thread.

Missing parts show in two ways. A thread that lacks replies it announces, or its first message,
is read as it is, with a notice that protects the fuller one of an earlier reading; so is a
listed channel without a folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.documents import (
    Document,
    Problem,
    ProblemLevel,
    Section,
    SourceKind,
    ThreadFacts,
)
from ingest.sources.place import Place
from ingest.sources.slack_export import Channel, Directory, Export, Message, open_export
from ingest.sources.slack_text import Speech

BURST_GAP = timedelta(minutes=30)
"""A longer silence ends a burst."""

BURST_CHARACTERS = 6000
"""A burst that has become this long ends, so that a busy day is not one document."""

_TITLE_CHARACTERS = 80
_TIMESTAMP = re.compile(r"(\d{1,10})(?:\.(\d{1,6}))?")
_SAID = frozenset(
    {"", "thread_broadcast", "me_message", "file_share", "file_comment", "bot_message"}
)
"""Subtypes that are somebody's words; the others are Slack's own (joins, topics, pins)."""


@dataclass(frozen=True, slots=True)
class _Post:
    """A message with what the grouping needs. ``day`` is the path of its file."""

    ts: str
    thread_ts: str | None
    day: str
    author: str
    bot: bool
    text: str
    sent: datetime
    edited: datetime | None
    replies_expected: int

    @property
    def known(self) -> datetime:
        return max(self.sent, self.edited or self.sent)


class SlackSource(Place):
    """An export as zip file or folder; ``base_url`` is the workspace's address."""

    @property
    def kind(self) -> SourceKind:
        return SourceKind.SLACK

    def read(self) -> Iterator[Document | Problem]:
        for export in open_export(self.path):
            if isinstance(export, Problem):
                yield export
                continue
            directory = export.directory()
            if any(problem.path == "users.json" for problem in export.errors()):
                yield from export.problems
                yield Problem(
                    path="users.json",
                    reason="unreadable: nothing was read, because nobody would know who said it",
                    affects="",
                )
                continue
            for channel in directory.listed:
                yield from self._channel(export, directory, channel)
            yield from export.problems

    def _channel(
        self, export: Export, directory: Directory, channel: Channel
    ) -> Iterator[Document | Problem]:
        days = export.days(channel)
        if not days:
            yield _notice(
                channel.name,
                "listed, but the export has no day of it; what was read before is kept",
                f"{channel.name}/",
            )
            return
        posts = _posts(export, days, Speech(directory, channel))
        threads, talk = _grouped(posts)
        for ts, thread in threads.items():
            if any(not post.bot for post in thread):
                yield from _gaps(ts, thread, channel, days)
                yield self._document(channel, ts, thread, is_thread=True)
        for burst in _bursts([post for post in talk if not post.bot]):
            yield self._document(channel, burst[0].ts, burst, is_thread=False)

    def _document(
        self, channel: Channel, ts: str, posts: Sequence[_Post], *, is_thread: bool
    ) -> Document:
        first = posts[0]
        return Document(
            id=self.document_id(f"{channel.name}/{ts}"),
            source=self.name,
            kind=self.kind,
            title=_title(channel, first),
            url=self._permalink(channel, ts, ts if is_thread else None),
            origin=f"{_day_of(ts, first, channel)}#{ts}",
            sections=tuple(
                Section(
                    text=_spoken(post),
                    written_at=post.known,
                    url=self._permalink(channel, post.ts, ts if is_thread else None),
                )
                for post in posts
            ),
            written_at=max(post.known for post in posts),
            audience=(f"slack:{channel.name}",) if channel.private else self.audience,
            facts=ThreadFacts(
                channel=channel.name,
                authors=tuple(dict.fromkeys(post.author for post in posts)),
                started=first.sent,
                ended=posts[-1].sent,
            ),
        )

    def _permalink(self, channel: Channel, ts: str, thread_ts: str | None) -> str | None:
        link = f"archives/{channel.id}/p{ts.replace('.', '')}"
        if thread_ts is not None and thread_ts != ts:
            link += f"?thread_ts={thread_ts}&cid={channel.id}"
        return self.url(link)


def _posts(export: Export, days: Sequence[str], speech: Speech) -> list[_Post]:
    """The channel's messages by time, each once, in the form it had at the end."""
    latest: dict[str, _Post] = {}
    for day in days:
        for message in export.records(day):
            event = message.get("subtype") or ""
            if event == "message_deleted":
                latest.pop(str(message.get("deleted_ts")), None)
                continue
            if event == "message_changed" and isinstance(message.get("message"), dict):
                # isinstance narrows to a dict of anything; JSON's keys are text.
                message = message["message"]  # type: ignore[assignment]
            if (post := _post(message, day, speech)) is not None:
                latest[post.ts] = post
    return sorted(latest.values(), key=lambda post: (post.sent, post.ts))


def _post(message: Message, day: str, speech: Speech) -> _Post | None:
    if message.get("type", "message") != "message" or message.get("hidden") is True:
        return None
    if str(message.get("subtype") or "") not in _SAID:
        return None
    ts = str(message.get("ts"))
    sent = _moment(ts)
    text = speech.text(message)
    if sent is None or not text:
        return None
    edited = message.get("edited")
    expected = message.get("reply_count")
    comment = message.get("comment")  # of a file, in old exports: its author is in there
    speaker = comment if isinstance(comment, dict) and not message.get("user") else message
    return _Post(
        ts=ts,
        thread_ts=str(message["thread_ts"]) if message.get("thread_ts") else None,
        day=day,
        author=speech.author(speaker),
        bot=speech.is_bot(message),
        text=text,
        sent=sent,
        edited=_moment(str(edited.get("ts"))) if isinstance(edited, dict) else None,
        replies_expected=expected if isinstance(expected, int) else 0,
    )


def _moment(ts: str) -> datetime | None:
    """Slack's ``seconds.microseconds``, exactly."""
    found = _TIMESTAMP.fullmatch(ts)
    if found is None:
        return None
    whole = datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(found[1]))
    return whole + timedelta(microseconds=int((found[2] or "").ljust(6, "0")))


def _grouped(posts: Sequence[_Post]) -> tuple[dict[str, list[_Post]], list[_Post]]:
    """Threads by the time stamp of their first message, and what was said outside of them."""
    started = {post.thread_ts for post in posts}
    threads: dict[str, list[_Post]] = {}
    talk: list[_Post] = []
    for post in posts:
        thread_ts = post.thread_ts or (post.ts if post.ts in started else None)
        if thread_ts is None:
            talk.append(post)
        else:
            threads.setdefault(thread_ts, []).append(post)
    for ts in [ts for ts, thread in threads.items() if len(thread) == 1]:
        if threads[ts][0].ts == ts and not threads[ts][0].replies_expected:
            talk += threads.pop(ts)  # a thread that was opened and never used
    return threads, sorted(talk, key=lambda post: (post.sent, post.ts))


def _bursts(posts: Sequence[_Post]) -> Iterator[list[_Post]]:
    burst: list[_Post] = []
    size = 0
    for post in posts:
        if burst and (post.sent - burst[-1].sent > BURST_GAP or size > BURST_CHARACTERS):
            yield burst
            burst, size = [], 0
        burst.append(post)
        size += len(post.text)
    if burst:
        yield burst


def _gaps(
    ts: str, thread: Sequence[_Post], channel: Channel, days: Sequence[str]
) -> Iterator[Problem]:
    """Notices for a thread whose first message or replies are not in the export."""
    day = _day_of(ts, thread[0], channel)
    origin = f"{day}#{ts}"
    if thread[0].ts != ts:
        if day in days:
            yield _notice(day, f"the first message of the thread {ts} is missing", origin)
        else:
            yield _notice(
                day, f"this day is missing: a later one has replies to its thread {ts}", day
            )
    elif (missing := thread[0].replies_expected - (len(thread) - 1)) > 0:
        yield _notice(
            day,
            f"the thread {ts} lacks {missing} of its {thread[0].replies_expected} replies; "
            "a day of the export is missing, or they were deleted",
            origin,
        )


def _day_of(ts: str, first: _Post, channel: Channel) -> str:
    """The file in which the message ``ts`` is, or would be if it were not missing."""
    if first.ts == ts:
        return first.day
    moment = _moment(ts)
    return first.day if moment is None else f"{channel.name}/{moment:%Y-%m-%d}.json"


def _notice(path: str, reason: str, affects: str) -> Problem:
    return Problem(path=path, reason=reason, level=ProblemLevel.NOTICE, affects=affects)


def _spoken(post: _Post) -> str:
    when = f"{post.sent:%Y-%m-%d %H:%M} UTC"
    if post.edited is not None and post.edited - post.sent >= timedelta(minutes=1):
        when += f", edited {post.edited:%Y-%m-%d %H:%M} UTC"
    return f"{post.author} ({when}): {post.text}"


def _title(channel: Channel, first: _Post) -> str:
    lines = [line.strip() for line in first.text.split("\n")]
    line = next((line for line in lines if re.search(r"\w", line)), lines[0])
    if len(line) > _TITLE_CHARACTERS:
        line = f"{line[:_TITLE_CHARACTERS].rsplit(' ', 1)[0]}…"
    return f"#{channel.name}: {line}"
