"""How often something may happen, counted together by all processes.

A sliding log: what was allowed in the last ``per`` is counted, so that no span of that length ever
has more than ``most``. A fixed window would let twice as much through around its border. The log
holds at most ``most`` rows a name, which is fine for limits of tens or hundreds.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from service.store.connections import Connections
from service.store.tables import limit_hits


class Limits:
    """``db.limits``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def allow(
        self, name: str, most: int, per: timedelta, now: datetime | None = None
    ) -> bool:
        """Whether it may happen once more; counted if so. Raises: StoreError."""
        now = now or self._connections.now()
        hits = limit_hits.c
        async with self._connections.write() as connection:
            if self._connections.is_postgresql:
                # Counting and inserting are two statements; SQLite's writers queue anyway.
                lock = func.pg_advisory_xact_lock(func.hashtext(name))
                await connection.execute(select(lock))
            await connection.execute(
                delete(limit_hits).where(hits.name == name, hits.at <= now - per)
            )
            query = select(func.count()).where(hits.name == name)
            if (await connection.execute(query)).scalar_one() >= most:
                return False
            await connection.execute(limit_hits.insert(), {"name": name, "at": now})
        return True

    async def wait(
        self, name: str, most: int, per: timedelta, now: datetime | None = None
    ) -> timedelta:
        """How long until it may happen once more; zero for at once. Raises: StoreError."""
        now = now or self._connections.now()
        hits = limit_hits.c
        query = (
            select(hits.at)
            .where(hits.name == name, hits.at > now - per)
            .order_by(hits.at.desc())
            .offset(most - 1)
            .limit(1)
        )
        async with self._connections.read() as connection:
            at: datetime | None = (await connection.execute(query)).scalar_one_or_none()
        return timedelta(0) if at is None else at + per - now
