"""The same tests on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.settings import Settings
from service.store.database import place_of, url_of
from service.store.migrate import migrate
from service.store.tables import metadata
from tests.service.store.postgres import Postgres, binaries, running
from tests.service.store.stories import Clock


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    programs = binaries()
    if programs is None:
        pytest.skip("Debian's postgresql is not installed")
    with running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Settings(database_file=tmp_path_factory.mktemp("migrated") / "why.db")
    _migrate(settings)
    return settings.database_file


@pytest.fixture(scope="session")
def migrated_url(postgres: Postgres) -> str:
    url = postgres.create()
    _migrate(Settings(database_url=url))
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty database of this version."""
    if request.param == "sqlite":
        file = tmp_path / "why.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), file)
        return Settings(database_file=file)
    url: str = request.getfixturevalue("migrated_url")
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY")
    return Settings(database_url=url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def new_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a database that nobody has opened yet."""
    if request.param == "sqlite":
        return Settings(database_file=tmp_path / "why.db")
    server: Postgres = request.getfixturevalue("postgres")
    return Settings(database_url=server.create())


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _migrate(settings: Settings) -> None:
    url = url_of(settings)
    migrate(url, place_of(url))
