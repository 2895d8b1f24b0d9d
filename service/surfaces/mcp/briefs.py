"""Briefings for the tool: kept ones of nights that are over, else made for whoever asks."""

from __future__ import annotations

from datetime import date

from service.briefing.model import Briefing
from service.briefing.mornings import Mornings
from service.briefing.window import zone_named
from service.desk import Desk
from service.readers import Reader
from service.surfaces.mcp.server import Briefs


def briefs_of(desk: Desk) -> Briefs:
    """What makes briefings from what a desk works on."""
    mornings = Mornings(desk.database, desk.workspace.briefer)

    async def brief(day: date | None, zone: str | None, reader: Reader) -> Briefing:
        now = desk.workspace.moment()
        where = zone or desk.workspace.settings.timezone
        morning = day or now.astimezone(zone_named(where)).date()
        return await mornings.current(morning, where, reader.audience, now=now)

    return brief
