"""The database: opened, brought to this version's schema, and divided into what is kept.

One SQLite file by default, which several processes of one machine share; a PostgreSQL by URL for
several machines. Opening migrates in the process: nobody has to run a command after an update.
Times that decide (leases, limits) are those of the process's clock, so machines that share a
PostgreSQL must agree on the time to within a few seconds.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import create_async_engine

from service.settings import Settings
from service.store.actions import Actions
from service.store.briefings import Briefings
from service.store.connections import BUSY_SECONDS, Clock, Connections, prepare_sqlite, utc_now
from service.store.conversations import Conversations
from service.store.deliveries import Deliveries
from service.store.dump import Dump
from service.store.errors import StoreUnavailable
from service.store.feedback import Feedback
from service.store.idempotency import Idempotency
from service.store.jobs import Jobs
from service.store.keys import Keys
from service.store.knowledge import Knowledge
from service.store.limits import Limits
from service.store.migrate import migrate
from service.store.reports import Reports

_CONNECT_SECONDS = "10"


class Database:
    """What Why keeps. ``await Database.open(settings)``, then ``aclose`` (or ``async with``)."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.reports = Reports(connections)
        self.feedback = Feedback(connections)
        self.knowledge = Knowledge(connections)
        self.jobs = Jobs(connections)
        self.conversations = Conversations(connections)
        self.briefings = Briefings(connections)
        self.deliveries = Deliveries(connections)
        self.keys = Keys(connections)
        self.actions = Actions(connections)
        self.idempotency = Idempotency(connections)
        self.limits = Limits(connections)
        self.dump = Dump(connections)

    @classmethod
    async def open(cls, settings: Settings, *, clock: Clock = utc_now) -> Database:
        """The database that the settings name, made or migrated where that is needed.

        Raises: StoreUnavailable, StoreTooNew.
        """
        url = url_of(settings)
        place = place_of(url)
        # In a thread: importing and running Alembic takes its time, and it is not async.
        await asyncio.to_thread(migrate, url, place)
        if url.get_backend_name() == "sqlite":
            engine = create_async_engine(
                url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True
            )
            prepare_sqlite(engine.sync_engine)
        else:
            engine = create_async_engine(url, pool_pre_ping=True, hide_parameters=True)
        return cls(Connections(engine, place, clock))

    async def ping(self) -> None:
        """Ask the database for nothing. Raises: StoreUnavailable."""
        async with self._connections.read() as connection:
            await connection.execute(text("SELECT 1"))

    @property
    def place(self) -> str:
        """Where it is, for people: a file, or a URL without its password."""
        return self._connections.place

    async def aclose(self) -> None:
        await self._connections.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def url_of(settings: Settings) -> URL:
    """Where the database is. Raises: StoreUnavailable, naming the setting and no part of it."""
    if settings.database_url is None:
        file = settings.database_file.expanduser().absolute()
        return URL.create("sqlite+aiosqlite", database=str(file))
    try:
        url = make_url(settings.database_url.get_secret_value())
    except (ArgumentError, ValueError):
        # The cause would show the URL.
        raise StoreUnavailable(
            "database_url: this is no URL; write postgresql://user:password@host/name"
        ) from None
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise StoreUnavailable(
            f"database_url: no {url.drivername} here; write postgresql://user:password@host/name, "
            "or set database_file for SQLite"
        )
    url = url.set(drivername="postgresql+psycopg")
    if "connect_timeout" in url.query:
        return url
    return url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})


def place_of(url: URL) -> str:
    """The database's name for people: a file, or a URL without password and parameters."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return shown.render_as_string()
