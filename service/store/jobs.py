"""The background queue: at least once, and no doubles.

A job is queued, then running under a lease, then done or failed. Whoever claims a job owns it for
the lease and extends it while they work; when they die, the lease runs out and the job is claimed
again, so that every job runs at least once and never twice at the same time. A claim is known by
its attempt's number: what an owner says after having lost the job is refused (``LeaseLost``).

A ``key`` makes a job unique for as long as its row exists, which is days after it is done: what
another system sends again an hour later (Slack, a webhook) doesn't run again. ``prune`` ends that.

A clock that is set back keeps nothing waiting that was meant for at once, or for a retry. A lease
that was given by the clock of before is waited for, since its owner may well be alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import JsonValue
from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from ingest.documents import Frozen, UtcTime
from service.store.connections import Connections
from service.store.errors import LeaseLost
from service.store.ids import new_id
from service.store.tables import jobs

KEPT = timedelta(days=7)
"""For how long a finished job is remembered, with its key."""
FIRST_RETRY = timedelta(seconds=5)
"""The wait after the first failure; it doubles with each."""
LONGEST_RETRY = timedelta(minutes=10)


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """All attempts are spent."""


class Job(Frozen):
    """Something to do in the background. ``attempts`` counts the claims, this one included."""

    id: str
    kind: str
    payload: dict[str, JsonValue]
    key: str | None
    state: JobState
    attempts: int
    max_attempts: int
    run_at: UtcTime
    worker: str | None
    lease_until: UtcTime | None
    last_error: str | None
    created_at: UtcTime
    finished_at: UtcTime | None


class Jobs:
    """``db.jobs``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._listeners: list[Callable[[], None]] = []

    async def enqueue(
        self,
        kind: str,
        payload: Mapping[str, JsonValue],
        *,
        key: str | None = None,
        run_at: datetime | None = None,
        max_attempts: int = 5,
    ) -> Job | None:
        """Put a job into the queue; None where one with this key is there (or was, lately).

        ``run_at``: not before this moment; None for at once. Raises: StoreError.
        """
        now = self._connections.now()
        job = Job(
            id=new_id("j", now),
            kind=kind,
            payload=dict(payload),
            key=key,
            state=JobState.QUEUED,
            attempts=0,
            max_attempts=max_attempts,
            run_at=run_at or now,
            worker=None,
            lease_until=None,
            last_error=None,
            created_at=now,
            finished_at=None,
        )
        statement = (
            self._connections.insert(jobs)
            .values(**job.model_dump())
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(jobs.c.id)
        )
        async with self._connections.write() as connection:
            if (await connection.execute(statement)).first() is None:
                return None
        for listener in self._listeners:
            listener()
        return job

    def on_arrival(self, listener: Callable[[], None]) -> None:
        """Call this whenever this process enqueues something, so that nobody has to poll fast."""
        self._listeners.append(listener)

    async def claim(
        self, worker: str, lease: timedelta, *, kinds: Iterable[str] | None = None
    ) -> Job | None:
        """The job of these kinds (None: of any) that has been due for longest, owned by
        ``worker`` for the lease; None where none is due. A job whose worker died in its last
        attempt fails here.

        Raises: StoreError.
        """
        now = self._connections.now()
        abandoned = and_(jobs.c.state == JobState.RUNNING, jobs.c.lease_until < now)
        wanted = () if kinds is None else (jobs.c.kind.in_(list(kinds)),)
        set_back = or_(
            jobs.c.run_at == jobs.c.created_at,
            and_(jobs.c.attempts > 0, jobs.c.run_at > now + LONGEST_RETRY),
        )
        due = and_(jobs.c.state == JobState.QUEUED, or_(jobs.c.run_at <= now, set_back))
        spent = update(jobs).where(abandoned, jobs.c.attempts >= jobs.c.max_attempts)
        # One statement; SQLite leaves the lock on the row out, and needs none: its writers queue.
        first = (
            select(jobs.c.id)
            .where(or_(due, abandoned), *wanted)
            .order_by(jobs.c.run_at, jobs.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        taken = update(jobs).where(jobs.c.id == first)
        async with self._connections.write() as connection:
            await connection.execute(
                spent.values(
                    state=JobState.FAILED,
                    finished_at=now,
                    last_error="its worker died, or lost the database, in the last attempt",
                )
            )
            row = (
                await connection.execute(
                    taken.values(
                        state=JobState.RUNNING,
                        attempts=jobs.c.attempts + 1,
                        worker=worker,
                        lease_until=now + lease,
                    ).returning(jobs)
                )
            ).one_or_none()
        return None if row is None else Job.model_validate(row._asdict())

    async def extend(self, job: Job, lease: timedelta) -> None:
        """Own a claimed job for another lease from now. Raises: LeaseLost; StoreError."""
        await self._change(job, lease_until=self._connections.now() + lease)

    async def done(self, job: Job) -> None:
        """A claimed job is done. Raises: LeaseLost; StoreError."""
        await self._change(job, state=JobState.DONE, finished_at=self._connections.now())

    async def failed(self, job: Job, error: str) -> None:
        """A claimed job failed: it comes again later, unless its attempts are spent.

        Raises: LeaseLost; StoreError.
        """
        now = self._connections.now()
        if job.attempts >= job.max_attempts:
            await self._change(job, state=JobState.FAILED, last_error=error, finished_at=now)
            return
        wait = min(FIRST_RETRY * 2 ** (job.attempts - 1), LONGEST_RETRY)
        await self._change(job, state=JobState.QUEUED, last_error=error, run_at=now + wait)

    async def release(self, job: Job) -> None:
        """Give a claimed job back, for somebody else to run at once; the attempt doesn't count.

        Raises: LeaseLost; StoreError.
        """
        await self._change(job, state=JobState.QUEUED, attempts=job.attempts - 1)

    async def get(self, job_id: str) -> Job | None:
        """The job, unless it has been pruned."""
        async with self._connections.read() as connection:
            row = (await connection.execute(select(jobs).where(jobs.c.id == job_id))).one_or_none()
        return None if row is None else Job.model_validate(row._asdict())

    async def last_done(self, kind: str) -> datetime | None:
        """When a job of this kind was last done, UTC; None where none was, or long ago."""
        query = select(func.max(jobs.c.finished_at)).where(
            jobs.c.kind == kind, jobs.c.state == JobState.DONE
        )
        async with self._connections.read() as connection:
            at: datetime | None = (await connection.execute(query)).scalar_one()
        return at

    async def counts(self) -> dict[JobState, int]:
        """How many jobs there are in each state."""
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        async with self._connections.read() as connection:
            rows = (await connection.execute(query)).all()
        found = {JobState(state): count for state, count in rows}
        return {state: found.get(state, 0) for state in JobState}

    async def prune(self, kept: timedelta = KEPT) -> int:
        """Forget jobs that finished longer ago than this, with their keys; returns how many."""
        old = jobs.c.finished_at < self._connections.now() - kept
        async with self._connections.write() as connection:
            return (await connection.execute(delete(jobs).where(old))).rowcount

    async def _change(self, job: Job, **values: object) -> None:
        if values.get("state") is not None:
            values |= {"worker": None, "lease_until": None}
        async with self._connections.write() as connection:
            changed = await connection.execute(update(jobs).where(_owned(job)).values(**values))
            if changed.rowcount == 0:
                raise LeaseLost(
                    f"job {job.id} ({job.kind}): the lease of attempt {job.attempts} ran out"
                )


def _owned(job: Job) -> ColumnElement[bool]:
    return and_(
        jobs.c.id == job.id,
        jobs.c.state == JobState.RUNNING,
        jobs.c.worker == job.worker,
        jobs.c.attempts == job.attempts,
    )
