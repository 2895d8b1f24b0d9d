"""Chunks → what people wrote of a night: Slack messages with their speakers, incident records.

A message is found again in its chunk by how the Slack source writes one: ``Name (time): text``.
Only names and times that the thread itself states are believed, so that a quoted transcript does
not put words into somebody's mouth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from ingest.documents import Chunk, Frozen, IncidentFacts, ThreadFacts, UtcTime
from service.metrics.source import Window

_SPOKEN = re.compile(
    r"^(?P<author>[^\n]{1,80}?) \((?P<at>\d{4}-\d\d-\d\d \d\d:\d\d) UTC(?:, edited [^)\n]*)?\): ",
    re.MULTILINE,
)


class Message(Frozen):
    """What somebody said. ``chunk.text[start:end]`` is all of it, with name and time."""

    author: str
    at: UtcTime
    text: str
    chunk: Chunk
    start: int
    end: int


class Thread(Frozen):
    """A conversation, as far as it was held in the night."""

    document_id: str
    title: str
    url: str | None
    channel: str
    messages: tuple[Message, ...]

    @property
    def started(self) -> datetime:
        return self.messages[0].at

    @property
    def ended(self) -> datetime:
        return self.messages[-1].at

    @property
    def text(self) -> str:
        return "\n".join((self.title, *(message.text for message in self.messages)))


class Record(Frozen):
    """An incident report."""

    document_id: str
    title: str
    url: str | None
    facts: IncidentFacts
    services: tuple[str, ...]
    regions: tuple[str, ...]
    customers: tuple[str, ...]
    chunks: tuple[Chunk, ...]

    @property
    def text(self) -> str:
        return "\n".join((self.title, *(chunk.text for chunk in self.chunks)))

    @property
    def began(self) -> datetime | None:
        """When it began; noon of its day where it names no more than that."""
        facts = self.facts
        if facts.started is None and facts.day is not None:
            return datetime.combine(facts.day, time(12), UTC)
        return facts.started

    @property
    def called(self) -> str:
        """Its id, else its title."""
        return self.facts.incident_id or self.title


def threads_in(chunks: Iterable[Chunk], window: Window) -> list[Thread]:
    """The conversations with messages in the window, by time."""
    threads = []
    for of_it in _by_document(chunks):
        facts = of_it[0].facts
        if not isinstance(facts, ThreadFacts):
            continue
        messages = sorted(
            (
                message
                for chunk in of_it
                for message in _messages(chunk, facts)
                if window.contains(message.at)
            ),
            key=lambda message: message.at,
        )
        if messages:
            threads.append(
                Thread(
                    document_id=of_it[0].document_id,
                    title=of_it[0].title,
                    url=of_it[0].url,
                    channel=facts.channel,
                    messages=tuple(messages),
                )
            )
    return sorted(threads, key=lambda thread: (thread.started, thread.document_id))


def records_in(chunks: Iterable[Chunk]) -> list[Record]:
    """The incident reports, by start; those that tell no time come last."""
    records = []
    for of_it in _by_document(chunks):
        facts = of_it[0].facts
        if isinstance(facts, IncidentFacts):
            first = of_it[0]
            records.append(
                Record(
                    document_id=first.document_id,
                    title=first.title,
                    url=first.url,
                    facts=facts,
                    services=first.services,
                    regions=first.regions,
                    customers=first.customers,
                    chunks=tuple(of_it),
                )
            )
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(records, key=lambda record: (record.began or latest, record.document_id))


def of_the_night(records: Iterable[Record], window: Window) -> list[Record]:
    """The records of incidents that began in the window, or reached into it."""
    found = []
    for record in records:
        facts = record.facts
        if facts.started is None:
            continue
        ended = facts.resolved or facts.started
        if facts.started <= window.end and ended >= window.start:
            found.append(record)
    return found


def _by_document(chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    documents: dict[str, list[Chunk]] = {}
    for chunk in sorted(chunks, key=lambda chunk: (chunk.document_id, chunk.ordinal)):
        documents.setdefault(chunk.document_id, []).append(chunk)
    return list(documents.values())


def _messages(chunk: Chunk, facts: ThreadFacts) -> Iterable[Message]:
    heads = [
        (match, at)
        for match in _SPOKEN.finditer(chunk.text)
        if (at := _stated_moment(match, facts)) is not None
    ]
    ends = [*(match.start() for match, _ in heads[1:]), len(chunk.text)]
    for (head, at), end in zip(heads, ends, strict=True):
        text = chunk.text[head.end() : end].rstrip()
        if text:
            yield Message(
                author=head["author"],
                at=at,
                text=text,
                chunk=chunk,
                start=head.start(),
                end=head.end() + len(text),
            )


def _stated_moment(head: re.Match[str], facts: ThreadFacts) -> datetime | None:
    """When it was said; None where the thread has no such speaker or was not held then."""
    if head["author"] not in facts.authors:
        return None
    try:
        at = datetime.strptime(head["at"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    minute = timedelta(minutes=1)
    return at if facts.started - minute <= at <= facts.ended + minute else None
