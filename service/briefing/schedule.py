"""When the morning briefing is made: a cron expression on the clock of a zone.

``due`` is pure. Cron jobs at a fixed time keep to the clock across daylight saving time as Debian's
cron does it (``cronsim``): a time that the clock skips runs once, right after the gap, and one that
it shows twice runs once. After a downtime the latest time that was missed is made up for, unless
that is half a day ago. What is due becomes one job of the shared queue, whose key is the morning:
several servers with the same schedule, or one that restarts, make one briefing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from service.assembly import zone_of
from service.briefing.delivery import Target, deliver
from service.briefing.model import Briefing
from service.briefing.mornings import Mornings
from service.settings import Settings, SettingsError
from service.store.database import Database
from service.store.errors import StoreError
from service.store.jobs import Job

BRIEFING = "briefing"
"""The kind of the jobs."""
REACH = timedelta(hours=12)
"""A run that was missed longer ago than this is not made up for."""
_ATTEMPTS = 12
"""With the queue's doubling waits: a mail server may be away for an hour."""
_LOOK = timedelta(seconds=30)
_LOG = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def due(
    expression: str, zone: ZoneInfo, last: datetime | None, now: datetime, reach: timedelta = REACH
) -> datetime | None:
    """The latest time after ``last`` (None: ever) and until ``now`` at which the cron expression
    runs, UTC, if it is not longer ago than ``reach``; None where there is no such time.

    Raises: SettingsError for an expression that is none.
    """
    from cronsim import CronSim, CronSimError

    start = now - reach if last is None else max(last, now - reach)
    found = None
    try:
        for local in CronSim(expression, start.astimezone(zone)):
            run = local.astimezone(UTC)
            if run > now:
                break
            if run > start:  # begun in an hour that comes twice, it goes on with the first of them
                found = run
    except CronSimError as error:
        raise SettingsError(
            f"briefing_schedule: {expression!r} is no cron expression ({error}); write for "
            'example "30 7 * * 1-5"'
        ) from error
    return found


class Schedule:
    """Puts the briefing into the queue when it is due. ``clock`` tells the time, UTC."""

    def __init__(
        self, settings: Settings, database: Database, *, clock: Clock = lambda: datetime.now(UTC)
    ) -> None:
        """Raises: SettingsError, where the schedule or the zone can't be read."""
        self._expression = settings.briefing_schedule
        self._zone = zone_of(settings)
        self._database = database
        self._clock = clock
        self._last: datetime | None = None
        if self._expression is not None:
            due(self._expression, self._zone, None, clock())

    async def look(self) -> Job | None:
        """Enqueue what is due; None where nothing is, or somebody did already.

        Raises: StoreError.
        """
        if self._expression is None:
            return None
        run = due(self._expression, self._zone, self._last, self._clock())
        if run is None:
            return None
        day = run.astimezone(self._zone).date()
        job = await self._database.jobs.enqueue(
            BRIEFING,
            {"date": day.isoformat(), "zone": self._zone.key},
            key=f"{BRIEFING}:{day}:{self._zone.key}",
            max_attempts=_ATTEMPTS,
        )
        self._last = run
        return job

    async def run(self) -> None:
        """Look again and again, until cancelled; returns at once where nothing is scheduled."""
        while self._expression is not None:
            try:
                await self.look()
            except StoreError as error:
                _LOG.warning("cannot schedule the briefing: %s", error)
            await asyncio.sleep(_LOOK.total_seconds())


def briefing_handler(
    settings: Settings,
    database: Database,
    mornings: Mornings,
    targets: Sequence[Target],
    *,
    clock: Clock,
) -> Callable[[Job], Awaitable[None]]:
    """What a worker does with a ``BRIEFING`` job: make the briefing, keep it, and send it to every
    target that has not got it. ``clock``: the moment at which questions are asked."""

    async def handle(job: Job) -> None:
        day, zone = date.fromisoformat(str(job.payload["date"])), str(job.payload["zone"])

        async def make(audience: tuple[str, ...]) -> Briefing:
            return await mornings.brief(day, zone, audience, now=clock())

        if not targets:  # nobody to send it to: it is kept, for the page and the API
            await make(settings.briefing_audience)
            return
        await deliver(day, zone, settings.briefing_audience, targets, make=make, database=database)

    return handle
