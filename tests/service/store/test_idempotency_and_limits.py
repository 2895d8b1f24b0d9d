"""Requests that are sent again, and things that may happen only so often."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from service.settings import Settings
from service.store import Beginning, Begun, Conflict, Database, KeptAnswer
from tests.service.store.stories import NIGHT, Clock, tell

HOUR = timedelta(hours=1)
CREATED = KeptAnswer(status=201, body='{"id":"k_1"}', media_type="application/json")


def test_a_request_sent_again_gets_the_first_answer(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        kept = database.idempotency
        assert (await kept.begin("ci", "key", "hash")).begun is Begun.FRESH
        assert (await kept.begin("ci", "key", "hash")).begun is Begun.IN_PROGRESS
        assert (await kept.begin("ci", "key", "other")).begun is Begun.CONFLICT
        assert (await kept.begin("cd", "key", "other")).begun is Begun.FRESH  # a caller's own

        await kept.finish("ci", "key", CREATED)
        clock.pass_by(hours=23)
        again = await kept.begin("ci", "key", "hash")
        assert again == Beginning(begun=Begun.REPLAY, answer=CREATED)
        assert (await kept.begin("ci", "key", "other")).begun is Begun.CONFLICT

        clock.pass_by(hours=2)
        assert (await kept.begin("ci", "key", "other")).begun is Begun.FRESH

    tell(settings, clock, story)


def test_of_equal_requests_at_the_same_moment_one_is_fresh(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        found = await asyncio.gather(
            *(database.idempotency.begin("ci", "key", "hash") for _ in range(10))
        )
        assert [one.begun for one in found].count(Begun.FRESH) == 1

    tell(settings, clock, story)


def test_a_request_that_came_to_nothing_may_be_sent_again(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        kept = database.idempotency
        await kept.begin("ci", "key", "hash")
        await kept.forget("ci", "key")
        assert (await kept.begin("ci", "key", "hash")).begun is Begun.FRESH

        await kept.finish("ci", "key", CREATED)
        await kept.forget("ci", "key")  # an answer that was given is not forgotten
        assert (await kept.begin("ci", "key", "hash")).begun is Begun.REPLAY
        with pytest.raises(Conflict, match="not under way"):
            await kept.finish("ci", "key", CREATED)

    tell(settings, clock, story)


def test_the_request_of_a_process_that_died_is_taken_over(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        await database.idempotency.begin("ci", "key", "hash")
        clock.pass_by(minutes=4)
        assert (await database.idempotency.begin("ci", "key", "hash")).begun is Begun.IN_PROGRESS
        clock.pass_by(minutes=2)
        assert (await database.idempotency.begin("ci", "key", "hash")).begun is Begun.FRESH

    tell(settings, clock, story)


def test_no_hour_has_more_than_the_limit(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        allowed = []
        for minute in range(0, 180, 10):
            clock.now = NIGHT + timedelta(minutes=minute)
            if await database.limits.allow("webhook", 3, HOUR):
                allowed.append(minute)
        assert allowed == [0, 10, 20, 60, 70, 80, 120, 130, 140]

    tell(settings, clock, story)


def test_callers_at_the_same_moment_share_the_limit(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        found = await asyncio.gather(
            *(database.limits.allow("webhook", 6, HOUR) for _ in range(20)),
            *(database.limits.allow("another", 6, HOUR) for _ in range(2)),
        )
        assert sum(found[:20]) == 6
        assert sum(found[20:]) == 2

    tell(settings, clock, story)


def test_how_long_to_wait_is_known(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        async def wait() -> timedelta:
            return await database.limits.wait("webhook", 2, HOUR)

        assert await wait() == timedelta(0)
        await database.limits.allow("webhook", 2, HOUR)
        clock.pass_by(minutes=10)
        assert await wait() == timedelta(0)
        await database.limits.allow("webhook", 2, HOUR)
        assert await wait() == timedelta(minutes=50)
        clock.pass_by(minutes=50)
        assert await wait() == timedelta(0)
        assert await database.limits.allow("webhook", 2, HOUR)

    tell(settings, clock, story)
