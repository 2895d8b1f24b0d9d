"""Morning briefings that were made, one for each day, zone and audience.

The body is the briefing's own JSON, which is its own module's business. A briefing is found by
exactly the audience that it was made for: one that was made for fewer labels would lack something.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date

from pydantic import JsonValue
from sqlalchemy import Select, select

from ingest.documents import Frozen, UtcTime
from service.store.connections import Connections
from service.store.tables import briefings


class StoredBriefing(Frozen):
    """A briefing of the morning of ``day`` in the IANA zone ``zone``."""

    day: date
    zone: str
    audience: tuple[str, ...]
    body: dict[str, JsonValue]
    created_at: UtcTime


class Briefings:
    """``db.briefings``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def put(
        self, day: date, zone: str, audience: Iterable[str], body: Mapping[str, JsonValue]
    ) -> StoredBriefing:
        """Keep a briefing, in place of an earlier one of the same morning. Raises: StoreError."""
        stored = StoredBriefing(
            day=day,
            zone=zone,
            audience=tuple(sorted(set(audience))),
            body=dict(body),
            created_at=self._connections.now(),
        )
        values = {"body": stored.body, "created_at": stored.created_at}
        statement = (
            self._connections.insert(briefings)
            .values(day=day, zone=zone, audience=_key(stored.audience), **values)
            .on_conflict_do_update(index_elements=["day", "zone", "audience"], set_=values)
        )
        async with self._connections.write() as connection:
            await connection.execute(statement)
        return stored

    async def get(self, day: date, zone: str, audience: Iterable[str]) -> StoredBriefing | None:
        """The briefing of that morning."""
        return await self._first(_of(zone, audience).where(briefings.c.day == day))

    async def before(self, day: date, zone: str, audience: Iterable[str]) -> StoredBriefing | None:
        """The last one of an earlier morning."""
        query = _of(zone, audience).where(briefings.c.day < day)
        return await self._first(query.order_by(briefings.c.day.desc()).limit(1))

    async def _first(self, query: Select[*tuple[object, ...]]) -> StoredBriefing | None:
        async with self._connections.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        values = row._asdict()
        return StoredBriefing.model_validate({**values, "audience": json.loads(values["audience"])})


def _of(zone: str, audience: Iterable[str]) -> Select[*tuple[object, ...]]:
    return select(briefings).where(briefings.c.zone == zone, briefings.c.audience == _key(audience))


def _key(audience: Iterable[str]) -> str:
    return json.dumps(sorted(set(audience)))
