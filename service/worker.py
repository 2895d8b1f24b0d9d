"""Run the jobs of the background queue in this process.

A worker claims a job when it has a slot free, runs its handler, and extends the lease meanwhile.
A handler that raises is tried again later by the queue; a worker that dies loses its leases, and
another one runs the jobs. Where the lease can't be extended in time (the database is away, or
somebody else has the job) the handler is cancelled before the lease ends, so that no job runs
twice at the same time. It may run twice one after the other: handlers must bear that, and must
not block the event loop for as long as a lease.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from ingest.redaction import redact_text
from service.store.errors import LeaseLost, StoreError
from service.store.jobs import Job, Jobs

Handler = Callable[[Job], Awaitable[None]]

_LOG = logging.getLogger(__name__)
_PRUNE_EVERY = timedelta(hours=1)
_LONGEST_ERROR = 2000
_OWNED = 0.9
"""The share of a lease after which a handler is cancelled: it needs time to end, too."""


class Worker:
    """Runs jobs of the kinds that have a handler, ``concurrency`` of them at a time.

    ``lease``: how long a job stays claimed after its worker died; extended every third of it.
    ``poll``: how often to look for what other processes enqueued. What this process enqueues
    begins at once.
    """

    def __init__(
        self,
        jobs: Jobs,
        handlers: Mapping[str, Handler],
        *,
        concurrency: int = 2,
        lease: timedelta = timedelta(seconds=60),
        poll: timedelta = timedelta(seconds=1),
    ) -> None:
        self._jobs = jobs
        self._handlers = handlers
        self._concurrency = concurrency
        self._lease = lease.total_seconds()
        self._poll = poll.total_seconds()
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._wake = asyncio.Event()
        self._stopping = False
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._pruned = float("-inf")
        jobs.on_arrival(self._wake.set)

    def start(self) -> None:
        """Begin to claim and run jobs, in a task of the running event loop."""
        self._loop = asyncio.create_task(self._claim_jobs(), name="why-worker")

    async def stop(self, patience: timedelta = timedelta(seconds=20)) -> None:
        """Claim nothing more, and wait for what runs; what is left after ``patience`` is
        cancelled and given back to the queue, for another worker to begin at once."""
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        if self._running:
            await asyncio.wait(self._running, timeout=patience.total_seconds())
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _claim_jobs(self) -> None:
        while not self._stopping:
            self._wake.clear()
            if len(self._running) < self._concurrency and await self._claim_one():
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._wake.wait()

    async def _claim_one(self) -> bool:
        """Whether there was a job to run."""
        # Before the claim: what the claim takes is the lease's time, not ours.
        asked_at = asyncio.get_running_loop().time()
        lease = timedelta(seconds=self._lease)
        try:
            if asked_at - self._pruned > _PRUNE_EVERY.total_seconds():
                await self._jobs.prune()
                self._pruned = asked_at
            job = await self._jobs.claim(self._name, lease, kinds=self._handlers)
        except StoreError as error:
            _LOG.warning("cannot look for jobs: %s", error)
            return False
        if job is None:
            return False
        # Our own: the clock was set beyond its lease, or went on while this machine was suspended.
        if same := [task for task in self._running if task.get_name() == job.id]:
            same[0].cancel()
            await asyncio.wait(same)
        task = asyncio.create_task(self._run(job, asked_at + _OWNED * self._lease), name=job.id)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()

    async def _run(self, job: Job, owned_until: float) -> None:
        """Run a claimed job and tell the queue. ``owned_until``: on the event loop's clock."""
        try:
            async with asyncio.timeout_at(owned_until) as owned:
                ended = asyncio.Event()
                extending = asyncio.create_task(self._keep_extending(job, owned, ended))
                try:
                    await self._handlers[job.kind](job)
                finally:
                    ended.set()
                    await asyncio.wait([extending])
        except asyncio.CancelledError:
            if self._stopping:
                await self._tell(job, self._jobs.release(job))
            else:  # of its own doing: given back, it would come again at once, and for ever
                await self._tell(job, self._jobs.failed(job, "cancelled"))
            raise
        except Exception as error:
            if owned.expired():
                _LOG.warning("job %s (%s): its lease could not be kept", job.id, job.kind)
                return
            _LOG.warning("job %s (%s) failed: %r", job.id, job.kind, error)
            reason = redact_text(f"{type(error).__name__}: {error}")[:_LONGEST_ERROR]
            await self._tell(job, self._jobs.failed(job, reason))
        else:
            await self._tell(job, self._jobs.done(job))

    async def _keep_extending(self, job: Job, owned: asyncio.Timeout, ended: asyncio.Event) -> None:
        """Extend the lease until the handler has ended, and with it the time that it has."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lease / 3):
                    await ended.wait()
            if ended.is_set():
                return
            asked_at = loop.time()
            try:
                await self._jobs.extend(job, timedelta(seconds=self._lease))
            except LeaseLost:
                owned_until = loop.time()
            except StoreError as error:
                _LOG.warning("job %s: cannot extend its lease: %s", job.id, error)
                continue
            else:
                owned_until = asked_at + _OWNED * self._lease
            if owned.expired():  # too late: the handler is being cancelled
                return
            owned.reschedule(owned_until)

    async def _tell(self, job: Job, step: Awaitable[None]) -> None:
        try:
            await step
        except StoreError as error:
            # Its lease runs out, and it runs once more: the queue promises no less.
            _LOG.warning("job %s (%s): cannot write down its end: %s", job.id, job.kind, error)
