"""When a briefing is due: on the local clock, once, and made up for after a downtime."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.briefing.schedule import BRIEFING, Schedule, due
from service.settings import Settings, SettingsError
from service.store.database import Database
from tests.service.briefing.house import utc

BERLIN = ZoneInfo("Europe/Berlin")


def runs(expression: str, start: str, end: str) -> list[datetime]:
    """Every run that somebody who looks once a minute finds due."""
    last, now, found = utc(start), utc(start), []
    while now < utc(end):
        now += timedelta(minutes=1)
        run = due(expression, BERLIN, last, now)
        if run is not None:
            last = run
            found.append(run)
    return found


def test_it_is_due_at_the_local_time_in_summer_and_in_winter() -> None:
    assert runs("30 7 * * *", "2026-07-01 00:00", "2026-07-02 00:00") == [utc("2026-07-01 05:30")]
    assert runs("30 7 * * *", "2026-12-01 00:00", "2026-12-02 00:00") == [utc("2026-12-01 06:30")]


def test_a_time_that_the_clock_skips_runs_once() -> None:
    assert runs("30 2 * * *", "2026-03-28 22:00", "2026-03-29 22:00") == [utc("2026-03-29 01:00")]


def test_a_time_that_the_clock_shows_twice_runs_once() -> None:
    assert runs("30 2 * * *", "2026-10-24 22:00", "2026-10-25 22:00") == [utc("2026-10-25 00:30")]


def test_weekends_are_left_out_where_the_expression_says_so() -> None:
    found = runs("30 7 * * 1-5", "2026-11-13 00:00", "2026-11-16 12:00")
    assert found == [utc("2026-11-13 06:30"), utc("2026-11-16 06:30")]


def test_after_a_downtime_the_latest_missed_run_is_made_up_for_and_only_that() -> None:
    last = utc("2026-11-08 06:30")
    assert due("30 7 * * *", BERLIN, last, utc("2026-11-12 09:00")) == utc("2026-11-12 06:30")
    assert due("30 7 * * *", BERLIN, None, utc("2026-11-12 09:00")) == utc("2026-11-12 06:30")


def test_a_run_that_was_missed_half_a_day_ago_is_not_made_up_for() -> None:
    assert due("30 7 * * *", BERLIN, None, utc("2026-11-12 19:00")) is None


def test_an_expression_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="briefing_schedule: 'at eight'"):
        due("at eight", BERLIN, None, utc("2026-11-12 09:00"))

    async def start(database: Database) -> None:
        Schedule(settings(tmp_path, "61 7 * * *"), database)

    with pytest.raises(SettingsError, match="briefing_schedule"):
        with_database(tmp_path, start)


def settings(folder: Path, schedule: str | None = "30 7 * * *") -> Settings:
    return Settings(
        database_file=folder / "why.db", timezone="Europe/Berlin", briefing_schedule=schedule
    )


def with_database(folder: Path, story: Callable[[Database], Awaitable[None]]) -> None:
    async def run() -> None:
        async with await Database.open(settings(folder)) as database:
            await story(database)

    asyncio.run(run())


def test_several_servers_and_a_restart_make_one_job(tmp_path: Path) -> None:
    async def story(database: Database) -> None:
        now = utc("2026-11-12 06:31")
        servers = [Schedule(settings(tmp_path), database, clock=lambda: now) for _ in range(3)]
        jobs = await asyncio.gather(*(server.look() for server in servers))
        (job,) = filter(None, jobs)
        assert (job.kind, job.key) == (BRIEFING, "briefing:2026-11-12:Europe/Berlin")
        assert job.payload == {"date": "2026-11-12", "zone": "Europe/Berlin"}
        restarted = Schedule(settings(tmp_path), database, clock=lambda: now)
        assert await restarted.look() is None
        claimed = await database.jobs.claim("worker", timedelta(seconds=60))
        assert claimed is not None
        await database.jobs.done(claimed)
        again = Schedule(settings(tmp_path), database, clock=lambda: now)
        assert await again.look() is None  # done is done

    with_database(tmp_path, story)


def test_nothing_is_made_without_a_schedule(tmp_path: Path) -> None:
    async def story(database: Database) -> None:
        schedule = Schedule(settings(tmp_path, None), database)
        assert await schedule.look() is None
        await asyncio.wait_for(schedule.run(), timeout=1)

    with_database(tmp_path, story)
