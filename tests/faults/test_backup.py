"""``why backup`` and ``why restore``: everything is as it was, or nothing was touched."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import shutil
import signal
import sqlite3
import stat
import tarfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from typer.testing import CliRunner

from ingest.documents import EVERYONE
from ingest.index import IndexLocked, open_store
from service.archive import BackupError
from service.backup import back_up, restore
from service.readers import Reader
from service.reports.model import Report
from service.settings import Settings
from service.store import Database, FeedbackEntry, Scope, StoredReport, Surface, Verdict
from service.store.dump import TABLES, Dump
from service.surfaces.cli import app
from service.workspace import Asked, open_workspace
from tests.company import CONFIG
from tests.service.store.conftest import postgres
from tests.service.store.postgres import Postgres

__all__ = ["postgres"]

T = TypeVar("T")
QUESTION = "Why did checkout fail last night?"
EVERYBODY = Reader(name="ana", audience=(EVERYONE,))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def asked(settings: Settings, after: str | None = None) -> StoredReport:
    """A question, answered and kept, with a word on the answer."""
    from service.desk import Desk

    async with (
        await Database.open(settings) as database,
        open_workspace(settings, database=database) as workspace,
    ):
        desk = Desk(workspace, database)
        stored = await desk.ask(Asked(text=QUESTION), EVERYBODY, surface=Surface.CLI, after=after)
        await database.feedback.add(
            FeedbackEntry(report_id=stored.id, by="ana", verdict=Verdict.UP, at=stored.created_at)
        )
        return stored


async def kept(settings: Settings) -> dict[str, list[Any]]:
    """Every row of every table."""
    rows: dict[str, list[Any]] = {table: [] for table in TABLES}
    async with await Database.open(settings) as database:
        async for table, row in database.dump.rows():
            rows[table].append(row)
    return rows


def as_asked(report: StoredReport) -> dict[str, Any]:
    """What an answer says, without what differs from one asking to the next."""
    assert isinstance(report.answer, Report)
    return report.answer.model_dump(mode="json", exclude={"timings", "calls"})


@pytest.fixture(scope="module")
def lived_in(
    company: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, StoredReport]:
    """A house with an index, a report that goes on from another one, a word on each, and a key."""
    folder = tmp_path_factory.mktemp("lived-in")
    settings = placed(company, folder)
    shutil.copytree(company.index_dir, settings.index_dir)

    async def live() -> StoredReport:
        first = await asked(settings)
        async with await Database.open(settings) as database:
            await database.keys.create("ci", scopes=[Scope.ASK], audience=[EVERYONE])
        return await asked(settings, after=first.id)

    return settings, run(live())


@pytest.fixture(scope="module")
def copy(lived_in: tuple[Settings, StoredReport], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("copy") / "why.backup"
    run(back_up(lived_in[0], file))
    return file


def placed(company: Settings, folder: Path) -> Settings:
    places = {"index_dir": folder / "index", "database_file": folder / "why.db"}
    return company.model_copy(update=places)


@pytest.fixture
def empty(company: Settings, tmp_path: Path) -> Settings:
    """Settings of a house that nobody has lived in."""
    return placed(company, tmp_path / "elsewhere")


@pytest.mark.slow
def test_after_a_restore_the_same_question_gets_the_same_report(
    lived_in: tuple[Settings, StoredReport], copy: Path, empty: Settings
) -> None:
    settings, report = lived_in
    contents = run(restore(empty, copy))
    assert contents.index is not None
    assert contents.index.chunks > 100
    before = run(kept(settings))
    assert run(kept(empty)) == before
    assert [len(before[table]) for table in ("reports", "feedback", "api_keys")] == [2, 2, 1]
    assert as_asked(run(asked(empty))) == as_asked(report)


def test_a_copy_is_its_owners_alone(copy: Path) -> None:
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_what_is_there_is_only_replaced_where_that_is_said(
    lived_in: tuple[Settings, StoredReport], copy: Path, tmp_path: Path, company: Settings
) -> None:
    settings = placed(company, tmp_path)
    run(restore(settings, copy))

    async def revoke() -> None:
        async with await Database.open(settings) as database:
            await database.keys.revoke("ci")

    run(revoke())
    with pytest.raises(BackupError, match=r"why\.db and the index would be replaced"):
        run(restore(settings, copy))
    assert run(kept(settings))["api_keys"][0]["revoked_at"] is not None
    run(restore(settings, copy, force=True))
    assert run(kept(settings)) == run(kept(lived_in[0]))
    assert len([path for path in settings.index_dir.iterdir() if path.is_dir()]) == 1


@pytest.mark.real
def test_what_was_kept_in_sqlite_can_be_restored_into_postgresql_and_back(
    lived_in: tuple[Settings, StoredReport], copy: Path, empty: Settings, postgres: Postgres
) -> None:
    url = postgres.create()
    moved = Settings(database_url=url, index_dir=empty.index_dir)
    run(restore(moved, copy))
    rows = run(kept(lived_in[0]))
    assert run(kept(moved)) == rows
    again = copy.parent / "from-postgresql.backup"
    try:
        run(back_up(moved, again, with_index=False))
        run(restore(empty.model_copy(update={"index_dir": empty.index_dir / "other"}), again))
    finally:
        again.unlink(missing_ok=True)
    assert run(kept(empty)) == rows
    with psycopg.connect(url) as connection:
        # Numbers go on after those that were put in.
        [row] = connection.execute("SELECT nextval(pg_get_serial_sequence('audit', 'number'))")
        assert row[0] >= 1


def repacked(
    copy: Path, file: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]
) -> Path:
    """The copy with other members."""
    with tarfile.open(copy, "r:gz") as tar:
        members = []
        for info in tar:
            content = tar.extractfile(info)
            assert content is not None
            members.append((info, content.read()))
    change(members)
    with tarfile.open(file, "w:gz") as tar:
        for info, content in members:
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def edited(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    info, content = members[-1]
    members[-1] = (info, content.replace(b"ana", b"eve", 1))


def without_a_member(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    del members[-1]


def with_a_stranger(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.append((tarfile.TarInfo("../../etc/cron.d/why"), b"* * * * * root evil\n"))


def with_a_link(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    link = tarfile.TarInfo(members[-1][0].name)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    members[-1] = (link, b"")


def of_a_later_format(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    info, content = members[0]
    members[0] = (info, json.dumps(json.loads(content) | {"format": 2}).encode())


def that_unpacks_to_much(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[-1] = (members[-1][0], bytes(64 << 20))
    manifest = json.loads(members[0][1])
    manifest["members"] = manifest["members"][-1:]
    manifest["members"][0]["bytes"] = 64 << 20
    members[:] = [(members[0][0], json.dumps(manifest).encode()), members[-1]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edited, "database.jsonl is not what was written"),
        (without_a_member, "database.jsonl is missing"),
        (with_a_stranger, "it has a member that its manifest does not know"),
        (with_a_link, "it has a member that is no plain file"),
        (of_a_later_format, "its format is 2 and this version of Why knows 1"),
        (that_unpacks_to_much, "it would unpack to 67108864 bytes"),
    ],
)
def test_a_copy_that_was_tampered_with_touches_nothing(
    change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None],
    told: str,
    copy: Path,
    empty: Settings,
    tmp_path: Path,
) -> None:
    with pytest.raises(BackupError, match=told) as caught:
        run(restore(empty, repacked(copy, tmp_path / "tampered", change)))
    assert "Nothing was changed" in str(caught.value)
    assert not empty.index_dir.exists()
    assert not empty.database_file.exists()


def test_what_is_cut_off_or_no_copy_is_said_to_be_that(
    copy: Path, empty: Settings, tmp_path: Path
) -> None:
    whole = copy.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:100], b"hello", b"", gzip.compress(b"hello")):
        file = tmp_path / "part"
        file.write_bytes(content)
        with pytest.raises(BackupError, match="part is not restored"):
            run(restore(empty, file))
    with pytest.raises(BackupError, match="gone can't be read"):
        run(restore(empty, tmp_path / "gone"))
    assert not empty.database_file.exists()


@pytest.mark.parametrize("at", ["filling", "publishing"])
def test_a_restore_that_is_killed_leaves_what_was_there(
    at: str, copy: Path, company: Settings, tmp_path: Path
) -> None:
    settings = placed(company, tmp_path)
    run(restore(settings, copy))
    with sqlite3.connect(settings.database_file) as connection:
        connection.execute("UPDATE reports SET question = 'what was there'")
    connection.close()
    before, current = run(kept(settings)), (settings.index_dir / "CURRENT").read_text()

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        try:
            if at == "filling":
                import service.backup as code

                code.load_index = die  # type: ignore[assignment]
            else:
                from ingest.index.edge_store import EdgeStore

                EdgeStore.publish = die  # type: ignore[assignment,method-assign]
            run(restore(settings, copy, force=True))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert run(kept(settings)) == before
    assert (settings.index_dir / "CURRENT").read_text() == current
    run(restore(settings, copy, force=True))
    assert "what was there" not in str(run(kept(settings)))


def test_a_backup_that_fails_leaves_the_one_before(
    lived_in: tuple[Settings, StoredReport],
    copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = Path(shutil.copy(copy, tmp_path / "why.backup"))
    monkeypatch.setattr(Dump, "rows", None)
    with pytest.raises(TypeError):
        run(back_up(lived_in[0], file))
    assert [path.name for path in tmp_path.iterdir()] == ["why.backup"]
    assert file.read_bytes() == copy.read_bytes()


def test_beside_a_server_the_database_alone_is_copied(
    lived_in: tuple[Settings, StoredReport], tmp_path: Path
) -> None:
    settings = lived_in[0]

    async def scene() -> None:
        store = open_store(directory=settings.index_dir)
        index = await store.open_current()
        try:
            with pytest.raises(IndexLocked, match=r"has the index in .* open"):
                await back_up(settings, tmp_path / "whole")
            contents = await back_up(settings, tmp_path / "database", with_index=False)
            assert contents.index is None
            assert contents.rows["reports"] >= 2
        finally:
            await index.aclose()
            await store.aclose()

    run(scene())
    assert [path.name for path in tmp_path.iterdir()] == ["database"]


def test_the_commands_say_what_they_did_and_what_stands_in_the_way(
    lived_in: tuple[Settings, StoredReport], copy: Path, empty: Settings, tmp_path: Path
) -> None:
    environment = {
        "WHY_INDEX_DIR": str(empty.index_dir),
        "WHY_DATABASE_FILE": str(empty.database_file),
        "WHY_CONFIG": str(CONFIG),
    }
    done = CliRunner().invoke(app, ["restore", str(copy)], env=environment)
    assert done.exit_code == 0, done.output
    assert " chunks, 2 reports and " in done.output
    again = CliRunner().invoke(app, ["restore", str(copy)], env=environment)
    assert "--force" in str(again.exception)
    file = tmp_path / "again"
    made = CliRunner().invoke(app, ["backup", str(file)], env=environment)
    assert made.exit_code == 0, made.output
    assert f"{file.name} (" in made.output.replace("\n", "")
