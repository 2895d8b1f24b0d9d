"""All rows of the database as JSON values, and back: the same for SQLite and PostgreSQL.

Rows instead of files, so that what was kept in one can be restored into the other. They are read
in one transaction that sees one state, and replaced in one: a restore that is killed, or fails
halfway, leaves what was there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import date, datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Table, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.store.columns import Moment
from service.store.connections import Connections
from service.store.errors import StoreError
from service.store.migrate import SCHEMA
from service.store.tables import metadata, reports

Row = dict[str, JsonValue]

TABLES = tuple(table.name for table in metadata.sorted_tables)
"""Names, each after those that its rows refer to."""
_BATCH = 500


class BadRow(StoreError):
    """A row that is to be restored is none of this table; the message quotes nothing of it."""


class Dump:
    """``db.dump``."""

    schema = SCHEMA
    """The version of the tables' schema."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def rows(self) -> AsyncIterator[tuple[str, Row]]:
        """Every row with the name of its table, in the order of ``TABLES``. Raises: StoreError."""
        async with self._connections.read() as connection:
            if self._connections.is_postgresql:
                # One state for all of the statements, which SQLite's transactions see anyway.
                await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            for table in metadata.sorted_tables:
                query = select(table).order_by(*table.primary_key.columns)
                async for row in await connection.stream(query):
                    yield table.name, {name: _out(value) for name, value in row._asdict().items()}

    async def is_empty(self) -> bool:
        """Whether nothing is kept in any table. Raises: StoreError."""
        async with self._connections.read() as connection:
            for table in metadata.sorted_tables:
                if (await connection.execute(select(table).limit(1))).first() is not None:
                    return False
        return True

    async def replace(
        self, rows: Iterable[tuple[str, Row]], before_commit: Callable[[], Awaitable[None]]
    ) -> None:
        """Put these rows, in the order of ``TABLES``, in the place of all that there are.

        Nothing is changed where ``before_commit``, which is called last, raises.
        Raises: BadRow, StoreError.
        """
        async with self._connections.write() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())
            after: list[dict[str, Any]] = []
            for name, group in groupby(rows, key=itemgetter(0)):
                table = metadata.tables[name]
                values = (_into(table, row) for _, row in group)
                while batch := list(islice(values, _BATCH)):
                    if table is reports:
                        after += _without_after(batch)
                    await connection.execute(insert(table), batch)
            for link in after:
                await connection.execute(
                    update(reports).where(reports.c.id == link["id"]).values(after=link["after"])
                )
            if self._connections.is_postgresql:
                await _count_on(connection)
            await before_commit()


def _without_after(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Takes out what refers to other reports, which may only come later."""
    links = [{"id": row["id"], "after": row["after"]} for row in batch if row["after"] is not None]
    for row in batch:
        row["after"] = None
    return links


def _out(value: Any) -> JsonValue:
    return value.isoformat() if isinstance(value, date) else value


def _into(table: Table, row: Row) -> dict[str, Any]:
    if row.keys() != {column.name for column in table.columns}:
        raise BadRow(f"a row of {table.name} does not have this version's columns")
    values: dict[str, Any] = dict(row)
    try:
        for column in table.columns:
            told = values[column.name]
            if told is None:
                continue
            if isinstance(column.type, Moment):
                values[column.name] = datetime.fromisoformat(told)
            elif column.type.python_type is date:
                values[column.name] = date.fromisoformat(told)
    except (TypeError, ValueError):
        raise BadRow(f"a row of {table.name} has a time that can't be read") from None
    return values


async def _count_on(connection: AsyncConnection) -> None:
    """PostgreSQL's sequences go on after the numbers that were put in."""
    for table in metadata.sorted_tables:
        number = table.columns.get("number")
        if number is not None:
            last = select(func.coalesce(func.max(number), 0) + 1).scalar_subquery()
            sequence = func.pg_get_serial_sequence(table.name, number.name)
            await connection.execute(select(func.setval(sequence, last, False)))
