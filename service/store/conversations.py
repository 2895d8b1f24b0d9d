"""Where a conversation stands: the last report of a thread, a browser tab, a session."""

from __future__ import annotations

from sqlalchemy import select

from service.store.connections import Connections
from service.store.reports import Surface, require_report
from service.store.tables import conversations


class Conversations:
    """``db.conversations``. ``key``: what the surface knows the conversation by."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def put(self, surface: Surface, key: str, report_id: str) -> None:
        """This report is the conversation's last. Raises: NotFound; StoreError."""
        values = {"report_id": report_id, "updated_at": self._connections.now()}
        statement = (
            self._connections.insert(conversations)
            .values(surface=surface, key=key, **values)
            .on_conflict_do_update(index_elements=["surface", "key"], set_=values)
        )
        async with self._connections.write() as connection:
            await require_report(connection, report_id)
            await connection.execute(statement)

    async def last(self, surface: Surface, key: str) -> str | None:
        """Id of the conversation's last report; None for a new conversation."""
        query = select(conversations.c.report_id).where(
            conversations.c.surface == surface, conversations.c.key == key
        )
        async with self._connections.read() as connection:
            report_id: str | None = (await connection.execute(query)).scalar_one_or_none()
        return report_id
