"""A copy of all that Why knows in one file, and back from it: the index and the database.

Sources and settings are not in it: they are the company's own, and the index can be made of the
sources again. The copy spares that (embedding a million chunks takes hours), and has what nothing
else has: reports, feedback, added knowledge, keys (their hashes), audits.

Restoring first compares the whole file with its manifest, then fills a new index generation that
nobody reads yet, then replaces the rows in one transaction whose last step before its commit is to
publish the generation. Whoever kills it before that leaves what was there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from ingest.backup import UnreadableLine, dump_index, load_index
from ingest.documents import Frozen
from ingest.index import Index, IndexMissing, IndexSpec, IndexStore
from service.archive import Archive, ArchiveWriter, BackupError
from service.assembly import store_of
from service.settings import Settings
from service.store import Database
from service.store.dump import TABLES, BadRow, Row

_CHUNKS = "index.jsonl"
_ROWS = "database.jsonl"


class CopiedIndex(Frozen):
    """What a copied generation was made with."""

    spec: IndexSpec
    average_length: float
    chunks: int


class Contents(Frozen):
    """What is in a copy. ``index`` is None where there was none, or none was wanted."""

    schema_version: str
    """Of the database's tables."""
    rows: dict[str, int]
    """By table."""
    index: CopiedIndex | None = None


async def back_up(settings: Settings, file: Path, *, with_index: bool = True) -> Contents:
    """Write a copy to ``file``, which is replaced when the copy is whole.

    The database may be in use meanwhile. The embedded index may not: it serves one process.
    Raises: BackupError, IndexFailure, StoreError.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(await Database.open(settings))
        try:
            writer = stack.enter_context(ArchiveWriter(file))
            index = await _copy_index(settings, writer) if with_index else None
            rows = await _copy_rows(database, writer)
            contents = Contents(schema_version=database.dump.schema, rows=rows, index=index)
            writer.close(
                made_at=datetime.now(UTC),
                made_with=version("incident-why"),
                about=contents.model_dump(mode="json"),
            )
        except OSError as error:
            raise BackupError(
                f"{file} can't be written ({error.strerror}): name another place"
            ) from error
    return contents


async def restore(settings: Settings, file: Path, *, force: bool = False) -> Contents:
    """Make index and database what they were when ``file`` was written.

    Raises: BackupError, also where there is something already and not ``force``; IndexFailure,
    StoreError.
    """
    archive = Archive(file)
    archive.verify()
    contents = _contents(archive, file)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(await Database.open(settings))
        if contents.schema_version != database.dump.schema:
            raise BackupError(
                f"{file} was made with Why {archive.manifest.made_with}, whose database has the "
                f"schema {contents.schema_version}; this version has {database.dump.schema}. "
                "Restore it with that version, and then update"
            )
        store = store_of(settings)
        stack.push_async_callback(store.aclose)
        if not force:
            await _ensure_empty(database, store if contents.index else None)
        try:
            if contents.index is None:
                await database.dump.replace(_rows(archive), _nothing)
            else:
                index = await _filled(store, contents.index, archive)
                stack.push_async_callback(index.aclose)
                await database.dump.replace(_rows(archive), lambda: store.publish(index))
        except (UnreadableLine, BadRow) as error:
            raise BackupError(f"{file} is not restored: {error}. Nothing was changed") from error
    return contents


async def _copy_index(settings: Settings, writer: ArchiveWriter) -> CopiedIndex | None:
    store = store_of(settings)
    try:
        index = await store.open_current()
        try:
            with writer.member(_CHUNKS) as write:
                chunks = await dump_index(index, write)
            return CopiedIndex(spec=index.spec, average_length=index.average_length, chunks=chunks)
        finally:
            await index.aclose()
    except IndexMissing:
        return None
    finally:
        await store.aclose()


async def _copy_rows(database: Database, writer: ArchiveWriter) -> dict[str, int]:
    counts = dict.fromkeys(TABLES, 0)
    with writer.member(_ROWS) as write:
        async for table, row in database.dump.rows():
            write(json.dumps([table, row], ensure_ascii=False).encode() + b"\n")
            counts[table] += 1
    return counts


async def _ensure_empty(database: Database, store: IndexStore | None) -> None:
    """Raises: BackupError, where something would be replaced; IndexFailure, StoreError."""
    there = [] if await database.dump.is_empty() else [f"the database {database.place}"]
    if store is not None:
        try:
            index = await store.open_current()
        except IndexMissing:
            pass
        else:
            there.append("the index")
            await index.aclose()
    if there:
        raise BackupError(
            f"{' and '.join(there)} would be replaced: say --force if that is meant, and make a "
            "backup of what is there first"
        )


async def _filled(store: IndexStore, copied: CopiedIndex, archive: Archive) -> Index:
    """A new generation with the copied chunks, which nobody reads yet."""
    index = await store.begin(copied.spec, copied.average_length)
    try:
        await load_index(index, archive.lines(_CHUNKS))
        if await index.count() != copied.chunks:
            raise UnreadableLine(f"it has {await index.count()} chunks and not {copied.chunks}")
        await index.optimize()
    except BaseException:
        await index.aclose()
        raise
    return index


def _contents(archive: Archive, file: Path) -> Contents:
    try:
        return Contents.model_validate(archive.manifest.about)
    except ValidationError:
        raise BackupError(f"{file} does not say what is in it. Nothing was changed") from None


def _rows(archive: Archive) -> Iterator[tuple[str, Row]]:
    for line in archive.lines(_ROWS):
        try:
            table, row = json.loads(line)
            yield TABLES[TABLES.index(table)], dict(row)
        except (ValueError, TypeError, RecursionError):
            raise BadRow("a row can't be read") from None


async def _nothing() -> None:
    """There is no index to publish."""
