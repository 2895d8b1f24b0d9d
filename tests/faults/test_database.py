"""The database is locked or its disk is full: questions are answered, and say what was not kept."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.documents import EVERYONE
from service import desk as desks
from service.desk import Desk
from service.readers import Reader
from service.reports.model import Report
from service.settings import Settings
from service.store import Database, NotFound, Scope, Surface
from service.workspace import Asked, open_workspace


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    """A house without documents and metrics, which answers at once."""
    return Settings(index_dir=tmp_path / "index", database_file=tmp_path / "why.db")


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
