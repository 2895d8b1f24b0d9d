"""The worker: every job's effect happens, whatever dies in between, and never twice at a time."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from service.settings import Settings
from service.store import Database, Job, JobState
from service.worker import Worker

SOON = timedelta(milliseconds=20)


def tell(tmp_path: Path, story: Callable[[Database], Awaitable[None]]) -> None:
    async def run() -> None:
        settings = Settings(database_file=tmp_path / "why.db")
        async with await Database.open(settings) as database:
            await story(database)

    asyncio.run(run())


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - other processes change it
            await asyncio.sleep(0.01)


async def done(database: Database, count: int, seconds: float = 20) -> None:
    async def are_done() -> bool:
        return (await database.jobs.counts())[JobState.DONE] >= count

    await until(are_done, seconds)


def test_jobs_run_as_many_at_a_time_as_was_said(tmp_path: Path) -> None:
    running, most, ran = 0, 0, []

    async def handle(job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        ran.append(job.payload["n"])

    async def story(database: Database) -> None:
        for number in range(6):
            await database.jobs.enqueue("count", {"n": number})
        await database.jobs.enqueue("nobody runs this here", {})
        worker = Worker(database.jobs, {"count": handle}, concurrency=2, poll=SOON)
        worker.start()
        await done(database, 6)
        await worker.stop()
        assert sorted(ran) == list(range(6))
        assert most == 2
        assert (await database.jobs.counts())[JobState.QUEUED] == 1

    tell(tmp_path, story)


def test_what_this_process_enqueues_begins_at_once(tmp_path: Path) -> None:
    async def story(database: Database) -> None:
        begun = asyncio.Event()

        async def handle(job: Job) -> None:
            begun.set()

        worker = Worker(database.jobs, {"ask": handle}, poll=timedelta(hours=1))
        worker.start()
        await asyncio.sleep(0.2)  # it has looked, and found nothing
        await database.jobs.enqueue("ask", {})
        async with asyncio.timeout(10):
            await begun.wait()
        await worker.stop()

    tell(tmp_path, story)


def test_a_handler_that_raises_is_tried_again_and_its_error_kept(tmp_path: Path) -> None:
    async def story(database: Database) -> None:
        async def handle(job: Job) -> None:
            raise ConnectionError("Slack does not answer")

        async def cancelled(job: Job) -> None:
            raise asyncio.CancelledError

        jobs = [await database.jobs.enqueue(kind, {}) for kind in ("ask", "odd")]
        worker = Worker(database.jobs, {"ask": handle, "odd": cancelled}, poll=SOON)
        worker.start()
        errors = []
        for job in jobs:
            assert job is not None
            identity = job.id

            async def failed() -> bool:
                found = await database.jobs.get(identity)  # noqa: B023
                return found is not None and found.last_error is not None

            await until(failed)
            found = await database.jobs.get(job.id)
            assert found is not None
            assert found.state is JobState.QUEUED
            assert found.run_at > found.created_at
            errors.append(found.last_error)
        await worker.stop()
        assert errors == ["ConnectionError: Slack does not answer", "cancelled"]

    tell(tmp_path, story)


@pytest.mark.slow
def test_a_long_job_keeps_its_lease(tmp_path: Path) -> None:
    async def story(database: Database) -> None:
        ran = []

        async def handle(job: Job) -> None:
            ran.append(job.attempts)
            await asyncio.sleep(4)

        await database.jobs.enqueue("long", {})
        workers = [
            Worker(database.jobs, {"long": handle}, lease=timedelta(seconds=3), poll=SOON)
            for _ in range(2)
        ]
        for worker in workers:
            worker.start()
        await done(database, 1)
        for worker in workers:
            await worker.stop()
        assert ran == [1]

    tell(tmp_path, story)


@pytest.mark.slow
def test_who_cannot_extend_the_lease_stops_before_it_ends(tmp_path: Path) -> None:
    async def story(database: Database) -> None:
        begun, cancelled_at = asyncio.Event(), []

        async def handle(job: Job) -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                cancelled_at.append(datetime.now(UTC))

        queued = await database.jobs.enqueue("long", {})
        assert queued is not None
        worker = Worker(database.jobs, {"long": handle}, lease=timedelta(seconds=3), poll=SOON)
        worker.start()
        await begun.wait()
        job = await database.jobs.get(queued.id)
        assert job is not None
        assert job.lease_until is not None
        other = sqlite3.connect(tmp_path / "why.db", isolation_level=None, check_same_thread=False)
        # The database is away. In a thread: the worker may be writing, and needs the loop to end.
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")

        async def is_cancelled() -> bool:
            return bool(cancelled_at)

        await until(is_cancelled)
        assert cancelled_at[0] < job.lease_until
        other.rollback()
        other.close()
        await worker.stop()
        counts = await database.jobs.counts()
        assert counts[JobState.RUNNING] == 1  # whoever comes after the lease claims it

    tell(tmp_path, story)


def test_stopping_waits_for_what_runs_and_gives_back_what_takes_too_long(tmp_path: Path) -> None:
    async def story(database: Database) -> None:
        begun = []

        async def handle(job: Job) -> None:
            begun.append(job.kind)
            await asyncio.sleep(0.3 if job.kind == "short" else 60)

        for kind in ("short", "long"):
            await database.jobs.enqueue(kind, {})
        worker = Worker(database.jobs, {"short": handle, "long": handle}, concurrency=2, poll=SOON)
        worker.start()

        async def both() -> bool:
            return len(begun) == 2

        await until(both)
        await database.jobs.enqueue("short", {"late": True})
        await worker.stop(timedelta(seconds=2))

        counts = await database.jobs.counts()
        assert (counts[JobState.DONE], counts[JobState.QUEUED], counts[JobState.RUNNING]) == (
            1,
            2,
            0,
        )
        again = await database.jobs.claim("another", timedelta(minutes=1), kinds=["long"])
        assert again is not None
        assert again.attempts == 1

    tell(tmp_path, story)


PROCESS = """
import asyncio, json, os, sys, time
from datetime import timedelta
from service.settings import Settings
from service.store import Database
from service.worker import Worker

def note(job, what):
    with open(sys.argv[1], "a") as effects:
        effects.write(json.dumps([job.payload["n"], what, time.time(), os.getpid()]) + "\\n")

async def handle(job):
    note(job, "begin")
    await asyncio.sleep(0.1)
    note(job, "end")

async def main():
    async with await Database.open(Settings()) as database:
        worker = Worker(
            database.jobs, {"count": handle}, concurrency=3,
            lease=timedelta(seconds=2), poll=timedelta(milliseconds=50),
        )
        worker.start()
        await asyncio.Event().wait()

asyncio.run(main())
"""
JOBS = 60


class Effect(NamedTuple):
    """What a handler wrote down; ``at``: seconds since 1970."""

    number: int
    what: str
    at: float
    pid: int


@pytest.mark.slow
def test_every_job_happens_though_workers_are_killed_and_none_twice_at_a_time(
    tmp_path: Path,
) -> None:
    file = tmp_path / "effects.jsonl"
    file.touch()

    def a_process() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(file)],
            env={"WHY_DATABASE_FILE": str(tmp_path / "why.db")},
            stderr=subprocess.DEVNULL,
        )

    def effects() -> list[Effect]:
        return [Effect(*json.loads(line)) for line in file.read_text().splitlines()]

    def under_way(pid: int) -> int:
        mine = [effect.what for effect in effects() if effect.pid == pid]
        return mine.count("begin") - mine.count("end")

    async def story(database: Database) -> None:
        for number in range(JOBS):
            await database.jobs.enqueue("count", {"n": number}, max_attempts=10)
        processes = [a_process(), a_process()]
        try:
            for victim in (0, 1):
                process = processes[victim]

                async def in_the_middle() -> bool:
                    return under_way(process.pid) > 0  # noqa: B023 - awaited at once

                await until(in_the_middle, seconds=60)
                process.kill()
                process.wait()
                processes[victim] = a_process()
            await done(database, JOBS, seconds=120)
        finally:
            for process in processes:
                process.kill()
                process.wait()

    tell(tmp_path, story)

    assert {effect.number for effect in effects() if effect.what == "end"} == set(range(JOBS))
    begun_again = 0
    for number in range(JOBS):
        mine = [effect for effect in effects() if effect.number == number]
        for before, after in pairwise(mine):
            if (before.what, after.what) == ("begin", "begin"):  # killed in between
                begun_again += 1
                assert before.pid != after.pid
                assert after.at - before.at > 1.5  # the lease, less what its claim took
            else:
                assert before.what != after.what
    assert begun_again > 0
