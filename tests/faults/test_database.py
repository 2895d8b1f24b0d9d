"""The database is locked or its disk is full: questions are answered, and say what was not kept."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.documents import EVERYONE
from service import desk as desks
from service.desk import Desk
from service.readers import Reader
from service.reports.model import Report
from service.settings import Settings
from service.store import Database, NotFound, Scope, StoreUnavailable, Surface
from service.store import database as databases
from service.workspace import Asked, open_workspace


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    """A house without documents and metrics, which answers at once."""
    return Settings(index_dir=tmp_path / "index", database_file=tmp_path / "why.db")


def fill(disk: Path) -> Path:
    """Leaves nothing; the file that does it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return ballast


def test_a_full_disk_keeps_no_half_of_anything_and_no_answer_from_its_reader(
    bare: Settings, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(2)
    settings = bare.model_copy(update={"database_file": disk / "why.db"})
    reader = Reader(name="ana", audience=(EVERYONE,))

    async def scene() -> None:
        async with (
            await Database.open(settings) as database,
            open_workspace(settings, database=database) as workspace,
        ):
            desk = Desk(workspace, database)
            first = await desk.ask(Asked(text="Why is it slow?"), reader, surface=Surface.CLI)
            ballast = fill(disk)
            second = await desk.ask(Asked(text="Why is it slow?"), reader, surface=Surface.CLI)
            assert isinstance(second.answer, Report)
            assert any("this answer is not kept" in line for line in second.answer.not_seen)
            with pytest.raises(StoreUnavailable, match=r"why\.db \(database_file\): .* is full"):
                await database.jobs.enqueue("large", {"text": "x" * 2**18})
            assert await desk.get(first.id, reader) == first
            ballast.unlink()
            with sqlite3.connect(settings.database_file) as looking:
                assert looking.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                counts = [
                    looking.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                    for table in ("reports", "jobs")
                ]
            looking.close()
            assert counts == [1, 0]
            third = await desk.ask(Asked(text="Why is it slow?"), reader, surface=Surface.CLI)
            assert await desk.get(third.id, reader) == third

    asyncio.run(scene())


def test_what_waits_for_a_lock_in_vain_names_the_file_and_its_setting(
    bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.1)

    async def scene() -> None:
        async with await Database.open(bare) as database:
            locking = sqlite3.connect(bare.database_file, isolation_level=None)
            locking.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match=r"\(database_file\): database is locked"):
                await database.jobs.enqueue("sync", {})
            locking.close()
            assert await database.jobs.enqueue("sync", {}) is not None

    asyncio.run(scene())


@pytest.mark.slow
def test_an_answer_that_cannot_be_kept_is_given_and_says_so(
    bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "_KEEPING_SECONDS", 0.3)
    reader = Reader(name="ana", audience=(EVERYONE,))

    async def scene() -> None:
        async with (
            await Database.open(bare) as database,
            open_workspace(bare, database=database) as workspace,
        ):
            desk = Desk(workspace, database)
            locking = sqlite3.connect(bare.database_file, isolation_level=None)
            locking.execute("BEGIN IMMEDIATE")
            try:
                stored = await desk.ask(Asked(text="Why is it slow?"), reader, surface=Surface.CLI)
            finally:
                locking.close()
            assert isinstance(stored.answer, Report)
            assert any("this answer is not kept" in line for line in stored.answer.not_seen)
            with pytest.raises(NotFound):
                await desk.get(stored.id, reader)

    asyncio.run(scene())


def test_a_key_opens_while_the_database_cannot_be_written_to(bare: Settings) -> None:
    async def scene() -> None:
        async with await Database.open(bare) as database:
            made = await database.keys.create("ci", scopes=[Scope.ASK], audience=[EVERYONE])
            locking = sqlite3.connect(bare.database_file, isolation_level=None)
            locking.execute("BEGIN IMMEDIATE")
            began = datetime.now(UTC)
            try:
                key = await database.keys.check(made.clear)
            finally:
                locking.close()
            assert key is not None
            assert (datetime.now(UTC) - began).total_seconds() < 8

    asyncio.run(scene())
