"""Clocks: nights of 23 and 25 hours, a minute of 61 seconds, and times that nobody meant."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingest.documents import SourceKind
from service.assembly import open_engine
from service.briefing.schedule import BRIEFING, Schedule
from service.reports.model import Report
from service.scope import Vocabulary, scope_of
from service.settings import Settings
from service.store import Database, Job
from service.time_phrases import ScopeError
from service.worker import Worker
from tests.ingest.sources.reading import errors, read, read_one, write
from tests.service.store.stories import NIGHT, Clock, tell
from tests.service.test_worker import done

BERLIN = ZoneInfo("Europe/Berlin")
NEWEST_SAMPLE = datetime(2026, 11, 12, 8, 0, tzinfo=UTC)
"""Of the sample company's night."""


@pytest.mark.parametrize(
    ("morning", "hours"),
    [
        (datetime(2026, 3, 28, 8, 0, tzinfo=BERLIN), 14),
        (datetime(2026, 3, 29, 8, 0, tzinfo=BERLIN), 13),
        (datetime(2026, 10, 25, 8, 0, tzinfo=BERLIN), 15),
    ],
)
def test_a_night_in_which_the_clock_is_moved_is_as_long_as_it_was(
    morning: datetime, hours: int
) -> None:
    scope = scope_of(
        "Why did checkout fail last night?", now=morning, zone=BERLIN, vocabulary=Vocabulary()
    )
    assert scope.window.duration == timedelta(hours=hours)
    assert scope.window.end == morning


@pytest.mark.parametrize(
    ("morning", "start"),
    [
        # 02:30 was skipped, or there were two of them: then the first, so that nothing is missed.
        (datetime(2026, 3, 29, 8, 0, tzinfo=BERLIN), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 8, 0, tzinfo=BERLIN), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_an_hour_that_is_not_there_or_there_twice_is_read(
    morning: datetime, start: datetime
) -> None:
    scope = scope_of(
        "What happened?", now=morning, zone=BERLIN, since="02:30", vocabulary=Vocabulary()
    )
    assert scope.window.start == start


def test_a_time_that_is_still_to_come_is_refused() -> None:
    now = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)
    with pytest.raises(ScopeError, match="still to come"):
        scope_of("What happened?", now=now, until="9999-12-31T23:59", vocabulary=Vocabulary())


@pytest.mark.parametrize("written", ['"2016-12-31T23:59:60Z"', "2016-12-31T23:59:60Z"])
def test_a_leap_second_is_the_second_before_it(tmp_path: Path, written: str) -> None:
    page = f"---\ndate: {written}\n---\n# Clocks stood still\n\nNTP was blamed.\n"
    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"leap.md": page}))
    assert document.written_at == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("kind", [SourceKind.RUNBOOKS, SourceKind.INCIDENTS])
def test_a_page_with_a_day_that_never_was_is_read_and_the_field_is_named(
    tmp_path: Path, kind: SourceKind
) -> None:
    page = "---\nupdated: 2026-02-30\npublished: 2026-02-30\n---\n# Pump\n\nIt stood still.\n"
    documents, problems = read(kind, write(tmp_path, {"pump.md": page}))
    assert [document.title for document in documents] == ["Pump"]
    assert any("ed: 2026-02-30` is not a time; write it like" in p.reason for p in problems)
    assert errors(problems) == []


def metrics_behind(company: Settings, folder: Path, minutes: int) -> Report:
    """The answer where the metrics' clock is so far behind everybody else's."""
    assert company.annotations_file is not None
    changes = json.loads(company.annotations_file.read_text(encoding="utf-8"))
    shift = timedelta(minutes=minutes)
    for change in changes:
        change |= {
            name: change[name] + int(shift.total_seconds() * 1000)
            for name in ("time", "timeEnd")
            if change.get(name)
        }
    file = folder / "annotations.json"
    file.write_text(json.dumps(changes), encoding="utf-8")
    skewed = company.model_copy(update={"annotations_file": file})
    now = NEWEST_SAMPLE + shift

    async def run() -> Report:
        async with open_engine(skewed, as_of=now) as engine:
            return await engine.ask("Why did checkout fail in the last 14 hours?", now=now)

    return asyncio.run(run())


@pytest.mark.parametrize("minutes", [-6, -2, 2])
def test_metrics_a_little_off_have_the_same_first_cause(
    company: Settings, tmp_path: Path, minutes: int
) -> None:
    report = metrics_behind(company, tmp_path, minutes)
    assert report.causes[0].component == "quota"
    assert report.not_seen == ()


def test_metrics_far_behind_say_so_and_blame_no_deploy_that_seems_to_have_come_later(
    company: Settings, tmp_path: Path
) -> None:
    report = metrics_behind(company, tmp_path, 12)
    [told] = report.not_seen
    assert re.match(r"metrics: no value in the last \d+ minutes .*: their clock is behind", told)
    assert "quota" in [cause.component for cause in report.causes[:2]]
    claims = [claim.text for cause in report.causes for claim in cause.evidence]
    assert not any("Deploy quota" in text for text in claims)


def test_a_server_clock_that_is_set_back_keeps_no_job_waiting(tmp_path: Path) -> None:
    clock = Clock()

    async def story(database: Database) -> None:
        now = await database.jobs.enqueue("now", {})
        later = await database.jobs.enqueue("later", {}, run_at=NIGHT + timedelta(hours=1))
        clock.pass_by(hours=-3)

        async def claim() -> Job | None:
            return await database.jobs.claim("one", timedelta(minutes=1))

        first = await claim()
        assert first is not None
        assert now is not None
        assert first.id == now.id
        assert await claim() is None, "it was meant for later"
        clock.pass_by(hours=3)
        await database.jobs.failed(first, "a try")
        clock.pass_by(hours=-3)
        again = await claim()
        assert again is not None
        assert (again.id, again.attempts) == (first.id, 2)
        clock.pass_by(hours=5)
        await database.jobs.done(again)
        last = await claim()
        assert last is not None
        assert later is not None
        assert last.id == later.id

    tell(Settings(database_file=tmp_path / "why.db"), clock, story)


def test_a_clock_that_is_set_forward_runs_no_job_twice_at_the_same_time(tmp_path: Path) -> None:
    clock = Clock()
    told: list[str] = []
    begun = asyncio.Event()

    async def handle(job: Job) -> None:
        told.append(f"begin {job.attempts}")
        begun.set()
        try:
            if job.attempts == 1:
                await asyncio.sleep(60)
        finally:
            told.append(f"end {job.attempts}")

    async def story(database: Database) -> None:
        worker = Worker(database.jobs, {"work": handle}, poll=timedelta(milliseconds=20))
        await database.jobs.enqueue("work", {})
        worker.start()
        await begun.wait()
        clock.pass_by(hours=1)
        await done(database, 1)
        await worker.stop()
        assert told == ["begin 1", "end 1", "begin 2", "end 2"]

    tell(Settings(database_file=tmp_path / "why.db"), clock, story)


def test_a_clock_that_is_set_back_makes_no_second_briefing_of_a_morning(tmp_path: Path) -> None:
    settings = Settings(
        database_file=tmp_path / "why.db", briefing_schedule="30 7 * * *", timezone="Europe/Berlin"
    )
    clock = Clock()

    async def story(database: Database) -> None:
        clock.now = datetime(2026, 11, 25, 6, 31, tzinfo=UTC)
        schedule = Schedule(settings, database, clock=clock)
        job = await schedule.look()
        assert job is not None
        assert job.kind == BRIEFING
        clock.pass_by(minutes=-20)
        for one in (schedule, Schedule(settings, database, clock=clock)):
            assert await one.look() is None
        clock.pass_by(minutes=21)
        for one in (schedule, Schedule(settings, database, clock=clock)):
            assert await one.look() is None
        clock.pass_by(days=1)
        assert await schedule.look() is not None

    tell(settings, clock, story)
