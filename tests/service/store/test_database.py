"""Opening the database: made, migrated, shared by processes, refused with a reason."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from service.settings import Settings
from service.store import Database, StoreTooNew, StoreUnavailable
from service.store.connections import BUSY_SECONDS, prepare_sqlite
from service.store.database import url_of
from service.store.migrate import MIGRATIONS, SCHEMA, VERSION_TABLE
from service.store.tables import metadata
from tests.service.store.postgres import PASSWORD, Postgres
from tests.service.store.stories import Clock, a_report, tell

OPEN_WHEN_TOLD = """
import asyncio, sys
from service.settings import Settings
from service.store import Database

async def main() -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    async with await Database.open(Settings()) as database:
        await database.jobs.enqueue("greet", {}, key=sys.argv[1])

asyncio.run(main())
"""


def open_in_processes(settings: Settings, count: int) -> list[str]:
    """What processes print that open the database at the same moment and enqueue a job each."""
    environment = {"WHY_DATABASE_FILE": str(settings.database_file)}
    if settings.database_url is not None:
        environment = {"WHY_DATABASE_URL": settings.database_url.get_secret_value()}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_WHEN_TOLD, str(number)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0] for process in processes]


def schema_version(settings: Settings) -> str:
    url = url_of(settings)
    if url.get_backend_name() == "sqlite":
        url = url.set(drivername="sqlite+pysqlite")
    engine = create_engine(url)
    with engine.connect() as connection:
        version: str = connection.execute(
            text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
        ).scalar_one()
    engine.dispose()
    return version


@pytest.mark.slow
def test_processes_may_open_a_new_database_at_the_same_moment(
    new_settings: Settings, clock: Clock
) -> None:
    assert open_in_processes(new_settings, 3) == [""] * 3
    assert schema_version(new_settings) == SCHEMA

    async def story(database: Database) -> None:
        assert sum((await database.jobs.counts()).values()) == 3

    tell(new_settings, clock, story)


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(
    new_settings: Settings, clock: Clock
) -> None:
    tell(new_settings, clock, Database.ping)
    url = url_of(new_settings)
    if url.get_backend_name() == "sqlite":
        url = url.set(drivername="sqlite+pysqlite")
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_version_that_the_code_names_is_the_newest_migration() -> None:
    assert ScriptDirectory(MIGRATIONS).get_heads() == [SCHEMA]


def test_what_was_kept_is_there_when_the_database_is_opened_again(
    settings: Settings, clock: Clock
) -> None:
    kept = []

    async def first(database: Database) -> None:
        kept.append(await a_report(database))

    async def second(database: Database) -> None:
        assert await database.reports.get(kept[0].id) == kept[0]

    tell(settings, clock, first)
    tell(settings, clock, second)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    new_settings: Settings, clock: Clock
) -> None:
    tell(new_settings, clock, Database.ping)
    url = url_of(new_settings)
    if url.get_backend_name() == "sqlite":
        url = url.set(drivername="sqlite+pysqlite")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608
    engine.dispose()

    with pytest.raises(StoreTooNew, match=r"newer version of Why: its schema is 9999.*Update Why"):
        asyncio.run(Database.open(new_settings))

    assert schema_version(new_settings) == "9999"


def test_a_migration_that_is_killed_leaves_nothing_behind(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database_file=tmp_path / "why.db")

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        # The last thing that the first migration does.
        broken.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", power_cut)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(Database.open(settings))
    with sqlite3.connect(settings.database_file) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()

    async def story(database: Database) -> None:
        await a_report(database)

    tell(settings, clock, story)


def test_the_file_is_made_with_its_folders_and_readable_to_nobody_else(
    tmp_path: Path, clock: Clock
) -> None:
    settings = Settings(database_file=tmp_path / "some" / "where" / "why.db")

    async def story(database: Database) -> None:
        await a_report(database)
        assert database.place == str(settings.database_file)
        files = sorted(settings.database_file.parent.iterdir())
        assert [file.name for file in files] == [
            "why.db",
            "why.db-shm",
            "why.db-wal",
            "why.db.lock",
        ]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}

    tell(settings, clock, story)


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    engine = create_engine(
        f"sqlite:///{tmp_path / 'why.db'}", connect_args={"timeout": BUSY_SECONDS}
    )
    prepare_sqlite(engine)
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    with engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas}
    engine.dispose()

    assert found == {
        "journal_mode": "wal",
        "synchronous": 1,  # NORMAL
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "why.db"
    file.write_text("dear diary, " * 100)

    with pytest.raises(StoreUnavailable, match=rf"{file} failed: file is not a database"):
        asyncio.run(Database.open(Settings(database_file=file)))


def test_a_place_where_no_file_can_be_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match=r"database_file: cannot open .*/file/why\.db"):
        asyncio.run(Database.open(Settings(database_file=tmp_path / "file" / "why.db")))


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://why:{PASSWORD}@db/why",
        f"why:{PASSWORD}@db",
        f"postgresql://why:{PASSWORD}@db:port/why",
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="database_url") as refused:
        asyncio.run(Database.open(Settings(database_url=url)))

    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    url = f"postgresql://why:{PASSWORD}@127.0.0.1:1/why?application_name={PASSWORD}"

    with pytest.raises(StoreUnavailable, match=r"postgresql://why@127\.0\.0\.1:1/why") as gone:
        asyncio.run(Database.open(Settings(database_url=url)))

    assert PASSWORD not in str(gone.value)


@pytest.mark.real
def test_a_wrong_password_is_refused_without_being_shown(postgres: Postgres) -> None:
    url = postgres.url().replace(PASSWORD, "a-wrong-one")

    with pytest.raises(StoreUnavailable, match="password authentication failed") as refused:
        asyncio.run(Database.open(Settings(database_url=url)))

    assert "a-wrong-one" not in str(refused.value)


@pytest.mark.real
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_the_usual_spellings_of_a_postgresql_url_are_taken(
    migrated_url: str, clock: Clock, scheme: str
) -> None:
    url = migrated_url.replace("postgresql", scheme, 1)

    tell(Settings(database_url=url), clock, Database.ping)


def test_a_database_that_is_locked_for_too_long_is_an_error_of_the_store(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settings.database_url is not None:
        pytest.skip("PostgreSQL has no lock on everything")
    monkeypatch.setattr("service.store.database.BUSY_SECONDS", 0.05)

    async def story(database: Database) -> None:
        other = sqlite3.connect(settings.database_file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="database is locked"):
            await a_report(database)
        assert (await database.reports.page(["everyone"])).reports == ()  # reading goes on
        other.rollback()
        other.close()
        await a_report(database)

    tell(settings, clock, story)


def test_many_writers_of_one_process_wait_for_each_other(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        await asyncio.gather(*(a_report(database) for _ in range(50)))
        assert len((await database.reports.page(["everyone"], limit=100)).reports) == 50

    tell(settings, clock, story)


def test_a_cancelled_write_leaves_the_database_usable(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        for patience in (0.0, 0.0005, 0.001, 0.002, 0.005):
            try:
                async with asyncio.timeout(patience):
                    await a_report(database)
            except TimeoutError:
                pass
        kept = await a_report(database)
        assert await database.reports.get(kept.id) == kept

    tell(settings, clock, story)


def test_odd_characters_are_kept_or_marked_and_never_an_error(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        job = await database.jobs.enqueue("odd", {"text": "a\0b\ud800c"}, key="a\0b\ud800")
        assert job is not None
        kept = await database.jobs.get(job.id)
        assert kept is not None
        assert kept.payload == {"text": "a\0b\ud800c"}
        assert kept.key == "a\ufffdb?"
        assert await database.jobs.enqueue("odd", {}, key="a\0b\ud800") is None
        assert await database.reports.get("r_\0\ud800") is None

    tell(settings, clock, story)
