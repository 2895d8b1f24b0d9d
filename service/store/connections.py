"""Transactions on SQLite or PostgreSQL, the same for everyone who keeps something.

``read`` sees one state of the database; ``write`` is serialised on SQLite by BEGIN IMMEDIATE,
which takes the write lock at once: a transaction that reads first and writes then would otherwise
fail where another one wrote in between, and SQLite does not wait in that case. PostgreSQL runs at
READ COMMITTED; what must be atomic there is one statement or takes a row lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from service.store.errors import Conflict, StoreError, StoreUnavailable

Clock = Callable[[], datetime]

_BEGIN = "why_begin"
BUSY_SECONDS = 10.0
"""How long SQLite waits for another process's write lock."""


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def prepare_sqlite(engine: Engine) -> None:
    """Set up every connection: WAL (readers don't wait for the writer), foreign keys, and
    transactions that SQLAlchemy begins, not the driver, which would begin them too late."""

    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # With WAL this can lose the last commits when the machine (not the process) dies, and
        # never damages the file.
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def for_writing(connection: Connection) -> Connection:
    """The connection, with transactions that take SQLite's write lock at once."""
    return connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


class Connections:
    """The engine, the clock, and the two kinds of transactions. ``place``: the database's name
    for messages, without a password."""

    def __init__(self, engine: AsyncEngine, place: str, clock: Clock) -> None:
        self._engine = engine
        self.place = place
        self.now = clock
        self._writing = asyncio.Lock()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that reads. Raises: StoreUnavailable, StoreError."""
        return self._transaction("BEGIN")

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that writes, committed where the block ends without an error.

        Raises: StoreUnavailable, Conflict, StoreError.
        """
        if self.is_postgresql:
            return self._transaction("BEGIN")
        return self._in_turn()

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes to SQLite. Those of this process wait for each other here, in
        order: SQLite only looks now and then whether its lock is free, and some wait for long."""
        async with self._writing, self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(**{_BEGIN: begin})
                async with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise store_error(error, self.place) from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that can have an ON CONFLICT."""
        if self.is_postgresql:
            return postgresql.insert(table)
        return sqlite.insert(table)

    @property
    def is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"


def store_error(error: SQLAlchemyError, place: str) -> StoreError:
    """What the reader should know of a failure; never a statement's values."""
    if isinstance(error, IntegrityError):
        return Conflict(f"{place}: this is there already, or belongs to something that isn't")
    if isinstance(error, TimeoutError):
        return StoreUnavailable(f"{place}: all connections of this process are busy")
    reason = type(error).__name__
    if isinstance(error, DBAPIError):
        # Only its first line: PostgreSQL's details, below, quote values.
        reason = str(error.orig).strip().partition("\n")[0]
    if isinstance(error, OperationalError | InterfaceError):
        setting = "database_url" if place.startswith("postgresql:") else "database_file"
        return StoreUnavailable(f"cannot use the database {place} ({setting}): {reason}")
    return StoreError(f"the database {place} failed: {reason}")
