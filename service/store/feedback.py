"""What people think of a report, and of one cause in it."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select

from ingest.documents import Frozen, UtcTime
from service.store import tables
from service.store.connections import Connections
from service.store.reports import require_report


class Verdict(StrEnum):
    """``up`` and ``down``: was it of use; ``confirm`` and ``reject``: was this the cause."""

    UP = "up"
    DOWN = "down"
    CONFIRM = "confirm"
    REJECT = "reject"


class FeedbackEntry(Frozen):
    """One person's word. ``component``: the cause that it is about, None for the whole report."""

    report_id: str
    by: str
    verdict: Verdict
    component: str | None = None
    note: str | None = None
    at: UtcTime


class Feedback:
    """``db.feedback``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def add(self, entry: FeedbackEntry) -> None:
        """Keep it; it replaces what the same person said of the same report and component.

        Raises: NotFound, where there is no such report; StoreError.
        """
        values = {**entry.model_dump(), "component": entry.component or ""}
        said = {name: values[name] for name in ("verdict", "note", "at")}
        statement = (
            self._connections.insert(tables.feedback)
            .values(**values)
            .on_conflict_do_update(index_elements=["report_id", "by", "component"], set_=said)
        )
        async with self._connections.write() as connection:
            await require_report(connection, entry.report_id)
            await connection.execute(statement)

    async def of(self, report_id: str) -> tuple[FeedbackEntry, ...]:
        """What was said of a report, in time order."""
        return await self._entries(report_id)

    async def all(self) -> tuple[FeedbackEntry, ...]:
        """Everything that was said, in time order."""
        return await self._entries(None)

    async def _entries(self, report_id: str | None) -> tuple[FeedbackEntry, ...]:
        columns = tables.feedback.c
        query = select(tables.feedback).order_by(
            columns.at, columns.report_id, columns.by, columns.component
        )
        if report_id is not None:
            query = query.where(columns.report_id == report_id)
        async with self._connections.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(
            FeedbackEntry.model_validate({**row._asdict(), "component": row.component or None})
            for row in rows
        )
