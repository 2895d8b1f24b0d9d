"""What tests of the store begin with: a clock that stands still, an answer, an open database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from service.metrics.source import Window
from service.queries.answer import QueryAnswer
from service.settings import Settings
from service.store import Database, StoredReport, Surface

NIGHT = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


class Clock:
    """A clock that only goes on when it is told to."""

    def __init__(self) -> None:
        self.now = NIGHT

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


def tell(settings: Settings, clock: Clock, story: Callable[[Database], Awaitable[None]]) -> None:
    """Run ``story`` on the open database."""

    async def run() -> None:
        async with await Database.open(settings, clock=clock) as database:
            await story(database)

    asyncio.run(run())


def an_answer(question: str = "Show me checkout's latency") -> QueryAnswer:
    """The smallest answer that there is."""
    return QueryAnswer(
        question=question,
        query=None,
        window=Window(start=NIGHT - timedelta(hours=1), end=NIGHT),
        window_reason="the last hour",
        step=timedelta(minutes=1),
    )


async def a_report(
    database: Database,
    question: str = "Show me checkout's latency",
    *,
    audience: tuple[str, ...] = ("everyone",),
    after: str | None = None,
) -> StoredReport:
    """A kept answer."""
    return await database.reports.add(
        an_answer(question),
        surface=Surface.HTTP,
        asked_by="alice",
        audience=audience,
        after=after,
    )
