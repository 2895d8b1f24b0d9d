"""Briefings are kept by morning, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from service.settings import Settings
from service.store import Conflict, Database, DeliveryState
from tests.service.store.stories import Clock, tell

MONDAY, TUESDAY, THURSDAY = date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 26)
WHAT, TARGET = "briefing:2026-11-25", "mailto:ops@example.com"


def test_a_briefing_is_found_by_its_morning_zone_and_audience(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        kept = database.briefings
        first = await kept.put(MONDAY, "Europe/Berlin", ["sre", "everyone"], {"headline": "Quiet"})
        second = await kept.put(TUESDAY, "Europe/Berlin", ["everyone", "sre"], {"headline": "Bad"})

        assert await kept.get(MONDAY, "Europe/Berlin", ["everyone", "sre"]) == first
        assert await kept.get(MONDAY, "Europe/Berlin", ["everyone"]) is None
        assert await kept.get(MONDAY, "UTC", ["everyone", "sre"]) is None

        before = ("Europe/Berlin", ("sre", "everyone"))
        assert await kept.before(THURSDAY, *before) == second
        assert await kept.before(TUESDAY, *before) == first
        assert await kept.before(MONDAY, *before) is None

    tell(settings, clock, story)


def test_a_briefing_made_again_takes_the_place_of_the_first(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        await database.briefings.put(MONDAY, "UTC", ["everyone"], {"headline": "Quiet"})
        clock.pass_by(hours=1)
        again = await database.briefings.put(
            MONDAY, "UTC", ["everyone"], {"headline": "Not so quiet", "series": [float("nan")]}
        )
        found = await database.briefings.get(MONDAY, "UTC", ["everyone"])
        assert found is not None
        assert found.created_at == again.created_at == clock.now
        assert found.body == {"headline": "Not so quiet", "series": ["nan"]}

    tell(settings, clock, story)


def test_of_all_who_want_to_send_one_does(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        begun = await asyncio.gather(*(database.deliveries.begin(WHAT, TARGET) for _ in range(20)))
        assert sum(begun) == 1
        assert await database.deliveries.begin(WHAT, "slack:C1")  # another target is another one

        await database.deliveries.finished(WHAT, TARGET)
        clock.pass_by(days=400)
        assert not await database.deliveries.begin(WHAT, TARGET)

    tell(settings, clock, story)


def test_what_certainly_did_not_arrive_is_tried_again_by_one(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        assert await database.deliveries.begin(WHAT, TARGET)
        await database.deliveries.failed(WHAT, TARGET, "connection refused")
        failed = await database.deliveries.get(WHAT, TARGET)
        assert failed is not None
        assert (failed.state, failed.error) == (DeliveryState.FAILED, "connection refused")

        begun = await asyncio.gather(*(database.deliveries.begin(WHAT, TARGET) for _ in range(10)))
        assert sum(begun) == 1
        await database.deliveries.finished(WHAT, TARGET)
        sent = await database.deliveries.get(WHAT, TARGET)
        assert sent is not None
        assert (sent.state, sent.error) == (DeliveryState.SENT, None)

    tell(settings, clock, story)


def test_what_may_have_arrived_is_never_sent_again_and_is_shown(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        hour = timedelta(hours=1)
        await database.deliveries.begin(WHAT, "died in between")
        await database.deliveries.begin(WHAT, "timed out")
        await database.deliveries.doubtful(WHAT, "timed out", "no answer after DATA")
        await database.deliveries.begin(WHAT, "sent")
        await database.deliveries.finished(WHAT, "sent")

        assert [lost.target for lost in await database.deliveries.unsettled(hour)] == ["timed out"]
        clock.pass_by(hours=2)
        await database.deliveries.begin(WHAT, "under way")
        assert {lost.target for lost in await database.deliveries.unsettled(hour)} == {
            "timed out",
            "died in between",
        }
        assert not await database.deliveries.begin(WHAT, "died in between")
        assert not await database.deliveries.begin(WHAT, "timed out")

    tell(settings, clock, story)


def test_only_a_begun_delivery_can_end(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        with pytest.raises(Conflict, match="not under way"):
            await database.deliveries.finished(WHAT, TARGET)
        await database.deliveries.begin(WHAT, TARGET)
        await database.deliveries.finished(WHAT, TARGET)
        with pytest.raises(Conflict, match="not under way"):
            await database.deliveries.failed(WHAT, TARGET, "after all")

    tell(settings, clock, story)
