"""Bring a database to this version's schema, from however many processes at the same moment.

The schema's version is the last Alembic migration, in the table ``why_version``. Whoever comes
first migrates in one transaction while the others wait: at a lock file beside the SQLite file, at
an advisory lock in PostgreSQL. They look again then and find nothing to do. A killed migration
leaves nothing behind. A version that this code doesn't know belongs to a newer one: it is refused.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from service.store.connections import BUSY_SECONDS, for_writing, prepare_sqlite, store_error
from service.store.errors import StoreTooNew, StoreUnavailable

SCHEMA = "0001"
"""The newest migration; a test holds it to the scripts. Known here, so that an up-to-date
database is opened without loading Alembic."""
VERSION_TABLE = "why_version"
MIGRATIONS = Path(__file__).with_name("migrations")

_LOCK_SECONDS = 60.0
_ADVISORY_LOCK = 0x776879  # "why"
_ALEMBIC = threading.Lock()  # its operations are global to the process


def migrate(url: URL, place: str) -> None:
    """Bring the database at ``url`` to ``SCHEMA``; blocks. ``place``: its name for messages.

    Raises: StoreUnavailable, StoreTooNew.
    """
    try:
        if url.get_backend_name() == "sqlite":
            with _sole_opener(Path(place)):
                _migrate(url.set(drivername="sqlite+pysqlite"), place)
        else:
            _migrate(url, place)
    except SQLAlchemyError as error:
        raise _unavailable(error, place) from error
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            f"{error.name} is not installed, and database_url needs it: "
            "pip install 'incident-why[postgres]'"
        ) from error


@contextmanager
def _sole_opener(file: Path) -> Iterator[None]:
    """The file, there and readable to nobody else; and the lock beside it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(f"{file}.lock", timeout=_LOCK_SECONDS, mode=0o600):
            # SQLite gives its WAL the mode of the file.
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            yield
    except Timeout as error:
        raise StoreUnavailable(
            f"{file}: another process has been opening it for {_LOCK_SECONDS:g} s"
        ) from error
    except OSError as error:
        raise StoreUnavailable(
            f"database_file: cannot open {file} ({error.strerror}); name a file in a folder that "
            "can be written to"
        ) from error


def _migrate(url: URL, place: str) -> None:
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS} if is_sqlite else {},
    )
    if is_sqlite:
        prepare_sqlite(engine)
    with engine.connect() as connection:
        with connection.begin():
            if schema_of(connection) == SCHEMA:
                return
        with for_writing(connection).begin():
            if not is_sqlite:
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK}
                )
            _upgrade(connection, schema_of(connection), place)


def schema_of(connection: Connection) -> str | None:
    """The version of the database's schema; None for a new database."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    # The table's name is a constant.
    statement = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    version: str | None = connection.execute(statement).scalar()
    return version


def _upgrade(connection: Connection, schema: str | None, place: str) -> None:
    if schema == SCHEMA:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    if schema not in (
        None,
        *(step.revision for step in ScriptDirectory(MIGRATIONS).walk_revisions()),
    ):
        raise StoreTooNew(
            f"{place} was written by a newer version of Why: its schema is {schema}, and this "
            f"version knows none after {SCHEMA}. Update Why, or name another database"
        )
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, "head")


def _unavailable(error: SQLAlchemyError, place: str) -> StoreUnavailable:
    return StoreUnavailable(str(store_error(error, place)))
