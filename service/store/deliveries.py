"""What was sent to whom, so that nothing is sent twice.

Nobody can have both "at least once" and "never twice" from a mail server or Slack: who dies
between sending and writing it down can't tell which of the two happened. The promise here is
never twice. ``begin`` is written down before anything leaves, so call it last, with everything
rendered; ``failed`` makes another try possible and is for a send that certainly did not arrive (no
connection, a refusal). A process that dies in between, or a timeout after the data was handed over
(``doubtful``), leaves a delivery that nobody tries again and that ``unsettled`` shows.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import and_, or_, select, update

from ingest.documents import Frozen, UtcTime
from service.store.connections import Connections
from service.store.errors import Conflict
from service.store.tables import deliveries


class DeliveryState(StrEnum):
    """``begun`` and ``doubtful`` may have arrived; only ``failed`` is tried again."""

    BEGUN = "begun"
    SENT = "sent"
    FAILED = "failed"
    DOUBTFUL = "doubtful"


class Delivery(Frozen):
    """One thing to one target, e.g. ``briefing:2026-11-25`` to ``mailto:ops@example.com``."""

    what: str
    target: str
    state: DeliveryState
    error: str | None
    begun_at: UtcTime
    settled_at: UtcTime | None


class Deliveries:
    """``db.deliveries``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def begin(self, what: str, target: str) -> bool:
        """Whether the caller is the one to send it: True for one caller ever, and for one more
        after each time that it ``failed``. Raises: StoreError."""
        now = self._connections.now()
        again = {
            "state": DeliveryState.BEGUN,
            "error": None,
            "begun_at": now,
            "settled_at": None,
        }
        statement = (
            self._connections.insert(deliveries)
            .values(what=what, target=target, **again)
            .on_conflict_do_update(
                index_elements=["what", "target"],
                set_=again,
                where=deliveries.c.state == DeliveryState.FAILED,
            )
            .returning(deliveries.c.what)
        )
        async with self._connections.write() as connection:
            return (await connection.execute(statement)).first() is not None

    async def finished(self, what: str, target: str) -> None:
        """It was sent. Raises: Conflict, where it was not begun; StoreError."""
        await self._settle(what, target, DeliveryState.SENT, None)

    async def failed(self, what: str, target: str, error: str) -> None:
        """It did certainly not arrive, and may be begun again. Raises: Conflict; StoreError."""
        await self._settle(what, target, DeliveryState.FAILED, error)

    async def doubtful(self, what: str, target: str, error: str) -> None:
        """It may have arrived, and is not tried again. Raises: Conflict; StoreError."""
        await self._settle(what, target, DeliveryState.DOUBTFUL, error)

    async def get(self, what: str, target: str) -> Delivery | None:
        """The delivery, if it was ever begun."""
        query = select(deliveries).where(deliveries.c.what == what, deliveries.c.target == target)
        async with self._connections.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Delivery.model_validate(row._asdict())

    async def unsettled(self, longer_than: timedelta) -> tuple[Delivery, ...]:
        """What may or may not have arrived: doubtful, or begun that long ago and never settled."""
        stuck = and_(
            deliveries.c.state == DeliveryState.BEGUN,
            deliveries.c.begun_at < self._connections.now() - longer_than,
        )
        query = (
            select(deliveries)
            .where(or_(deliveries.c.state == DeliveryState.DOUBTFUL, stuck))
            .order_by(deliveries.c.begun_at, deliveries.c.what, deliveries.c.target)
        )
        async with self._connections.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(Delivery.model_validate(row._asdict()) for row in rows)

    async def _settle(
        self, what: str, target: str, state: DeliveryState, error: str | None
    ) -> None:
        statement = (
            update(deliveries)
            .where(
                deliveries.c.what == what,
                deliveries.c.target == target,
                deliveries.c.state == DeliveryState.BEGUN,
            )
            .values(state=state, error=error, settled_at=self._connections.now())
        )
        async with self._connections.write() as connection:
            if (await connection.execute(statement)).rowcount == 0:
                raise Conflict(f"the delivery of {what} to {target} is not under way")
