"""Requests that a client may send again without anything happening twice.

As in the IETF's draft of the ``Idempotency-Key`` header
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/): the first answer is
kept and given again; the same key with another request is an error, and so is a second request
while the first is still being answered. Keys are the caller's own, and forgotten after a day. A
request whose process died is taken over after ``ABANDONED``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, delete, select, update

from ingest.documents import Frozen
from service.store.connections import Connections
from service.store.errors import Conflict
from service.store.tables import idempotency

KEPT = timedelta(days=1)
"""For how long an answer is given again."""
ABANDONED = timedelta(minutes=5)
"""A request that has been answered for this long has lost its process."""


class Begun(StrEnum):
    """What to do with a request that carries a key."""

    FRESH = "fresh"
    """Answer it, then ``finish`` or ``forget``."""
    REPLAY = "replay"
    """Give the kept answer again."""
    CONFLICT = "conflict"
    """Another request had this key."""
    IN_PROGRESS = "in_progress"
    """The same request is being answered right now."""


class KeptAnswer(Frozen):
    """An answer as it was sent."""

    status: int
    body: str
    media_type: str


class Beginning(Frozen):
    """What to do; ``answer`` for a replay."""

    begun: Begun
    answer: KeptAnswer | None = None


class Idempotency:
    """``db.idempotency``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def begin(self, caller: str, key: str, request_hash: str) -> Beginning:
        """What to do with this request. ``request_hash``: of method, path and body.

        Raises: StoreError.
        """
        now = self._connections.now()
        columns = idempotency.c
        abandoned = and_(columns.status.is_(None), columns.begun_at < now - ABANDONED)
        mine = {
            "request_hash": request_hash,
            "begun_at": now,
            "status": None,
            "body": None,
            "media_type": None,
        }
        statement = (
            self._connections.insert(idempotency)
            .values(caller=caller, key=key, **mine)
            .on_conflict_do_update(index_elements=["caller", "key"], set_=mine, where=abandoned)
            .returning(columns.key)
        )
        query = select(idempotency).where(columns.caller == caller, columns.key == key)
        async with self._connections.write() as connection:
            await connection.execute(delete(idempotency).where(columns.begun_at < now - KEPT))
            if (await connection.execute(statement)).first() is not None:
                return Beginning(begun=Begun.FRESH)
            row = (await connection.execute(query)).one_or_none()
        if row is None:  # forgotten between the two statements: whoever asks again gets it
            return Beginning(begun=Begun.IN_PROGRESS)
        if row.request_hash != request_hash:
            return Beginning(begun=Begun.CONFLICT)
        if row.status is None:
            return Beginning(begun=Begun.IN_PROGRESS)
        answer = KeptAnswer(status=row.status, body=row.body, media_type=row.media_type)
        return Beginning(begun=Begun.REPLAY, answer=answer)

    async def finish(self, caller: str, key: str, answer: KeptAnswer) -> None:
        """Keep the answer of a request that was begun. Raises: Conflict; StoreError."""
        statement = update(idempotency).where(_open(caller, key)).values(**answer.model_dump())
        async with self._connections.write() as connection:
            if (await connection.execute(statement)).rowcount == 0:
                raise Conflict(f"the request with the idempotency key {key!r} is not under way")

    async def forget(self, caller: str, key: str) -> None:
        """A request that was begun came to nothing, and may be sent again."""
        async with self._connections.write() as connection:
            await connection.execute(delete(idempotency).where(_open(caller, key)))


def _open(caller: str, key: str) -> ColumnElement[bool]:
    columns = idempotency.c
    return and_(columns.caller == caller, columns.key == key, columns.status.is_(None))
