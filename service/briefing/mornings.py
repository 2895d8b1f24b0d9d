"""Briefings that are made and kept, each compared with the one before it.

The one before is what was kept of an earlier morning. Where nothing was kept, the night before is
looked at again without asking for reports: enough to say what is new, at a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta

from pydantic import ValidationError

from service.briefing.brief import Briefer
from service.briefing.model import Briefing
from service.briefing.window import night_of, zone_named
from service.store.briefings import StoredBriefing
from service.store.database import Database

Briefers = Callable[[tuple[str, ...], datetime], AbstractAsyncContextManager[Briefer]]
"""Opens a briefer for what an audience may read at a moment."""


class Mornings:
    """Makes briefings and keeps them. ``briefers`` opens what they are made from."""

    def __init__(self, database: Database, briefers: Briefers) -> None:
        self._database = database
        self._briefers = briefers

    async def kept(self, day: date, zone: str, audience: tuple[str, ...]) -> Briefing | None:
        """The briefing of that morning as it was made, if it was. Raises: StoreError."""
        return _read(await self._database.briefings.get(day, zone, audience))

    async def current(
        self,
        day: date,
        zone: str,
        audience: tuple[str, ...],
        *,
        now: datetime,
        fresh: timedelta = timedelta(0),
    ) -> Briefing:
        """The kept briefing, if its night was over when it was made, or it was made less than
        ``fresh`` before ``now``; else a new one.

        Raises: NoSuchNight, SettingsError, StoreError.
        """
        kept = await self.kept(day, zone, audience)
        if kept is not None and (kept.asked_at > kept.window.end or now - kept.asked_at < fresh):
            return kept
        return await self.brief(day, zone, audience, now=now)

    async def brief(
        self, day: date, zone: str, audience: tuple[str, ...], *, now: datetime
    ) -> Briefing:
        """Make the briefing of that morning as of ``now``, and keep it in place of an earlier one.

        Raises: NoSuchNight, SettingsError, StoreError.
        """
        before = _read(await self._database.briefings.before(day, zone, audience))
        async with self._briefers(audience, now) as briefer:
            if before is None:
                before = await _the_night_before(briefer, day, zone)
            briefing = await briefer.brief(day, zone, now=now, before=before)
        body = briefing.model_dump(mode="json")
        await self._database.briefings.put(day, zone, audience, body)
        return briefing


async def _the_night_before(briefer: Briefer, day: date, zone: str) -> Briefing:
    """As it could have been told at the end of that night."""
    earlier = day - timedelta(days=1)
    whole = night_of(earlier, zone_named(zone), datetime.max.replace(tzinfo=UTC))
    return await briefer.brief(earlier, zone, now=whole.end, with_reports=False)


def _read(stored: StoredBriefing | None) -> Briefing | None:
    """A kept briefing; None where another version kept it in a shape that this one can't read."""
    if stored is None:
        return None
    try:
        return Briefing.model_validate(stored.body)
    except ValidationError:
        return None
