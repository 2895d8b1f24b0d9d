"""The queue: at least once, no doubles, and never two owners at the same time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from service.settings import Settings
from service.store import Database, Job, JobState, LeaseLost
from tests.service.store.stories import NIGHT, Clock, tell

MINUTE = timedelta(minutes=1)


async def claimed(database: Database, worker: str = "one") -> Job:
    job = await database.jobs.claim(worker, MINUTE)
    assert job is not None
    return job


async def state_of(database: Database, job: Job) -> Job:
    found = await database.jobs.get(job.id)
    assert found is not None
    return found


def test_a_job_is_claimed_run_and_done(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        queued = await database.jobs.enqueue("ask", {"text": "Why is checkout slow?", "n": [1, 2]})
        assert queued is not None
        job = await claimed(database)

        assert (job.id, job.kind, job.payload) == (queued.id, "ask", queued.payload)
        assert (job.state, job.attempts, job.worker) == (JobState.RUNNING, 1, "one")
        assert job.lease_until == NIGHT + MINUTE

        await database.jobs.done(job)
        assert (await state_of(database, job)).state is JobState.DONE
        assert await database.jobs.claim("one", MINUTE) is None
        assert await database.jobs.counts() == {
            JobState.QUEUED: 0,
            JobState.RUNNING: 0,
            JobState.DONE: 1,
            JobState.FAILED: 0,
        }

    tell(settings, clock, story)


def test_jobs_come_in_the_order_in_which_they_are_due(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        await database.jobs.enqueue("later", {}, run_at=NIGHT + MINUTE)
        await database.jobs.enqueue("second", {}, run_at=NIGHT)
        await database.jobs.enqueue("first", {}, run_at=NIGHT - MINUTE)

        assert (await claimed(database)).kind == "first"
        assert (await claimed(database)).kind == "second"
        assert await database.jobs.claim("one", MINUTE) is None  # not before its time
        clock.pass_by(minutes=1)
        assert (await claimed(database)).kind == "later"

    tell(settings, clock, story)


def test_a_worker_takes_only_the_kinds_that_it_can_run(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        await database.jobs.enqueue("slack", {})

        assert await database.jobs.claim("one", MINUTE, kinds=["briefing"]) is None
        assert await database.jobs.claim("one", MINUTE, kinds=[]) is None
        assert await database.jobs.claim("one", MINUTE, kinds=["briefing", "slack"]) is not None

    tell(settings, clock, story)


def test_a_key_makes_no_doubles_even_an_hour_after_the_job_is_done(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        assert await database.jobs.enqueue("ask", {"n": 1}, key="slack:T1:9.1") is not None
        assert await database.jobs.enqueue("ask", {"n": 2}, key="slack:T1:9.1") is None
        clock.pass_by(seconds=1)
        assert await database.jobs.enqueue("ask", {}, key="slack:T1:9.2") is not None
        assert await database.jobs.enqueue("ask", {}) is not None  # without a key: no doubles known
        assert await database.jobs.enqueue("ask", {}) is not None

        job = await claimed(database)
        await database.jobs.done(job)
        clock.pass_by(hours=1)
        assert await database.jobs.enqueue("ask", {"n": 3}, key="slack:T1:9.1") is None

        clock.pass_by(days=6)
        assert await database.jobs.prune() == 0
        clock.pass_by(days=1)
        assert await database.jobs.prune() == 1  # what is not done stays
        assert await database.jobs.enqueue("ask", {"n": 4}, key="slack:T1:9.1") is not None

    tell(settings, clock, story)


def test_of_callers_with_one_key_at_the_same_moment_one_enqueues(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        found = await asyncio.gather(
            *(database.jobs.enqueue("ask", {}, key="group") for _ in range(20))
        )
        assert sum(job is not None for job in found) == 1

    tell(settings, clock, story)


def test_keys_may_be_long_and_differ_at_their_ends(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        group = '{}/{severity="critical"}:{' + "alertname=…," * 1000
        assert await database.jobs.enqueue("ask", {}, key=group + "a}") is not None
        assert await database.jobs.enqueue("ask", {}, key=group + "b}") is not None
        assert await database.jobs.enqueue("ask", {}, key=group + "a}") is None

    tell(settings, clock, story)


def test_no_job_has_two_owners(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        for _ in range(15):
            await database.jobs.enqueue("ask", {})
        found = await asyncio.gather(
            *(database.jobs.claim(f"worker {n}", MINUTE) for n in range(20))
        )
        ids = [job.id for job in found if job is not None]
        assert len(ids) == len(set(ids))
        if settings.database_url is None:  # PostgreSQL may skip a row that is locked just then
            assert len(ids) == 15

    tell(settings, clock, story)


def test_the_job_of_a_dead_worker_is_claimed_again_after_its_lease(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        await database.jobs.enqueue("ask", {})
        dead = await claimed(database, "dead")
        clock.pass_by(seconds=59)
        assert await database.jobs.claim("alive", MINUTE) is None

        clock.pass_by(seconds=2)
        again = await claimed(database, "alive")
        assert (again.id, again.attempts, again.worker) == (dead.id, 2, "alive")

        # And when the dead one turns out to be alive, it has nothing to say any more.
        for step in (
            database.jobs.done(dead),
            database.jobs.failed(dead, "late"),
            database.jobs.release(dead),
            database.jobs.extend(dead, MINUTE),
        ):
            with pytest.raises(LeaseLost, match=f"{dead.id}.*attempt 1"):
                await step
        await database.jobs.done(again)

    tell(settings, clock, story)


def test_a_lease_is_extended_for_as_long_as_it_takes(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        await database.jobs.enqueue("ask", {})
        job = await claimed(database)
        for _ in range(5):
            clock.pass_by(seconds=50)
            await database.jobs.extend(job, MINUTE)
            assert await database.jobs.claim("other", MINUTE) is None
        await database.jobs.done(job)

    tell(settings, clock, story)


def test_a_failed_job_comes_again_later_and_later_until_its_attempts_are_spent(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        await database.jobs.enqueue("ask", {}, max_attempts=4)
        waits = []
        for attempt in (1, 2, 3):
            job = await claimed(database)
            await database.jobs.failed(job, f"no. {attempt}")
            again = await state_of(database, job)
            assert (again.state, again.last_error) == (JobState.QUEUED, f"no. {attempt}")
            assert (again.worker, again.lease_until) == (None, None)
            waits.append((again.run_at - clock.now).total_seconds())
            clock.now = again.run_at
        assert waits == [5, 10, 20]

        job = await claimed(database)
        await database.jobs.failed(job, "for good")
        spent = await state_of(database, job)
        assert (spent.state, spent.last_error) == (JobState.FAILED, "for good")
        clock.pass_by(days=1)
        assert await database.jobs.claim("one", MINUTE) is None

    tell(settings, clock, story)


def test_a_job_that_kills_its_workers_is_given_up(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        await database.jobs.enqueue("poison", {}, max_attempts=2)
        for _ in range(2):
            job = await claimed(database)
            clock.pass_by(minutes=2)

        assert await database.jobs.claim("one", MINUTE) is None
        given_up = await state_of(database, job)
        assert given_up.state is JobState.FAILED
        assert given_up.last_error is not None
        assert "died" in given_up.last_error

    tell(settings, clock, story)


def test_a_released_job_is_anybodys_at_once_and_the_attempt_does_not_count(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        await database.jobs.enqueue("ask", {})
        await database.jobs.release(await claimed(database, "one"))
        job = await claimed(database, "two")
        assert (job.worker, job.attempts) == ("two", 1)

    tell(settings, clock, story)


def test_when_a_kind_of_job_was_last_done_is_known(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        assert await database.jobs.last_done("sync") is None
        for _ in range(2):
            await database.jobs.enqueue("sync", {})
            clock.pass_by(minutes=1)
            await database.jobs.done(await claimed(database))
        await database.jobs.enqueue("sync", {})
        await database.jobs.failed(await claimed(database), "no index")

        assert await database.jobs.last_done("sync") == NIGHT + timedelta(minutes=2)
        assert await database.jobs.last_done("ask") is None

    tell(settings, clock, story)
