"""What only the embedded engine has to show: crashes, locks and damaged directories."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.index import HybridQuery, IndexFailure, IndexLocked, IndexMissing, Scope, open_store
from ingest.index.edge_store import EdgeStore
from tests.ingest.index.builders import OTHER_SPEC, SPEC, chunk, embedded, terms, unit

PROLOGUE = """
import asyncio, os, sys
from pathlib import Path
from ingest.index.edge_store import EdgeStore
from tests.ingest.index.builders import OTHER_SPEC, SPEC, chunk, embedded, unit

async def main(store):
"""

EPILOGUE = """
asyncio.run(main(EdgeStore(Path(sys.argv[1]), lock_wait=0.1)))
"""


@contextmanager
def process(directory: Path, body: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs ``body`` with a store of the directory."""
    script = PROLOGUE + textwrap.indent(textwrap.dedent(body), "    ") + EPILOGUE
    command = [sys.executable, "-c", script, str(directory)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def with_store(
    directory: Path, scene: Callable[[EdgeStore], Coroutine[Any, Any, None]], wait: float = 0.1
) -> None:
    async def main() -> None:
        store = EdgeStore(directory, lock_wait=wait)
        try:
            await scene(store)
        finally:
            await store.aclose()

    asyncio.run(main())


def publish_one(directory: Path) -> str:
    """An index with one chunk; the name of its generation."""

    async def scene(store: EdgeStore) -> None:
        index = await store.open_for_writing(SPEC, lambda: 1.0)
        await index.upsert([embedded(chunk())])
        await store.publish(index)

    with_store(directory, scene)
    return (directory / "CURRENT").read_text()


def test_a_killed_process_loses_nothing_that_upsert_returned_from(directory: Path) -> None:
    body = """
    index = await store.open_for_writing(SPEC, lambda: 1.0)
    for n in range(100_000):
        await index.upsert([embedded(chunk(f"runbooks/{n}"))])
        print(n, flush=True)
    """
    with process(directory, body) as writer:
        assert writer.stdout is not None
        written = [int(writer.stdout.readline()) for _ in range(30)]
        writer.kill()
        written += [int(line) for line in writer.stdout if line.endswith("\n")]

    async def scene(store: EdgeStore) -> None:
        index = await store.open_for_writing(SPEC, lambda: 1.0)
        assert index.is_new
        stored = {document.document_id for document in await index.inventory("runbooks")}
        assert {f"runbooks/{n}" for n in written} <= stored
        # One more may have been stored and not yet told of.
        assert len(stored) <= len(written) + 1
        await index.upsert([embedded(chunk(f"runbooks/{n}")) for n in written])
        assert await index.count() == len(stored)

    with_store(directory, scene)


HOLD = """
index = await store.open_current()
print("open", flush=True)
await asyncio.sleep(float(os.environ.get("HOLD", "60")))
await store.aclose()
"""


def test_a_second_process_is_told_who_has_the_index_open(directory: Path) -> None:
    publish_one(directory)

    async def scene(store: EdgeStore) -> None:
        for opening in (store.open_current(), store.open_for_writing(SPEC, lambda: 1.0)):
            with pytest.raises(IndexLocked, match=rf"\(pid {holder.pid}\).*QDRANT_URL"):
                await opening

    with process(directory, HOLD) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with_store(directory, scene)


def test_the_lock_of_a_killed_process_is_free(directory: Path) -> None:
    publish_one(directory)
    with process(directory, HOLD) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"

    async def scene(store: EdgeStore) -> None:
        assert await (await store.open_current()).count() == 1

    with_store(directory, scene)


def test_a_reader_waits_for_another_one(directory: Path) -> None:
    publish_one(directory)

    async def first(store: EdgeStore) -> None:
        await store.open_current()
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await store.aclose()
        assert await waiting == 1

    async def second() -> int:
        store = EdgeStore(directory, lock_wait=30)
        count = await (await store.open_current()).count()
        await store.aclose()
        return count

    with_store(directory, first)


def test_a_new_model_can_be_built_while_another_process_answers(directory: Path) -> None:
    old = publish_one(directory)

    async def scene(store: EdgeStore) -> None:
        new = await store.open_for_writing(OTHER_SPEC, lambda: 1.0)
        await new.upsert([embedded(chunk(), unit(1.0, dimensions=4))])
        await store.publish(new)
        assert (await store.open_current()).spec == OTHER_SPEC
        assert (directory / old).is_dir()  # the other one still reads it

    with process(directory, HOLD) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        with_store(directory, scene)

    async def later(store: EdgeStore) -> None:
        assert (directory / old).is_dir()  # it was killed
        await store.publish(await store.open_current())
        assert not (directory / old).exists()

    with_store(directory, later)


@pytest.mark.parametrize("published_it", [False, True])
def test_a_replaced_generation_goes_with_the_last_who_has_it_open(
    directory: Path, published_it: bool
) -> None:
    """Whoever replaces it can't drop it: two first ingests at once, a server beside an ingest."""
    if not published_it:
        publish_one(directory)

    async def scene(store: EdgeStore) -> None:
        if published_it:
            first = await store.open_for_writing(SPEC, lambda: 1.0)
            await store.publish(first)
        else:
            first = await store.open_current()
        also = await store.open_current()
        other = EdgeStore(directory)
        try:
            await other.publish(await other.begin(SPEC, 2.0))
        finally:
            await other.aclose()
        await also.aclose()
        assert await first.count() == (0 if published_it else 1)
        assert (directory / first.name).is_dir()
        await first.aclose()
        assert not (directory / first.name).exists()

    with_store(directory, scene)
    current = (directory / "CURRENT").read_text()
    assert {path.name for path in directory.iterdir()} == {"CURRENT", current, f"{current}.lock"}


def test_an_unfinished_generation_is_kept_when_it_is_closed(directory: Path) -> None:
    async def scene(store: EdgeStore) -> None:
        other = EdgeStore(directory)
        begun = await other.begin(OTHER_SPEC, 2.0)
        await store.publish(await store.begin(SPEC, 1.0))
        await other.aclose()
        resumed = await store.open_for_writing(OTHER_SPEC, lambda: 3.0)
        assert (resumed.name, resumed.is_new) == (begun.name, True)

    with_store(directory, scene)


@pytest.mark.parametrize(
    ("dies_in", "published"),
    [("os.fsync", False), ("os.replace", False), ("shutil.rmtree", True)],
)
def test_readers_find_a_whole_index_after_a_crash_in_publish(
    directory: Path, dies_in: str, published: bool
) -> None:
    publish_one(directory)
    body = f"""
    import shutil
    index = await store.open_for_writing(OTHER_SPEC, lambda: 1.0)
    await index.upsert([embedded(chunk(), unit(1.0, dimensions=4))] )
    {dies_in} = lambda *_: os.kill(os.getpid(), 9)
    await store.publish(index)
    """
    with process(directory, body) as writer:
        assert writer.wait() == -9

    async def scene(store: EdgeStore) -> None:
        assert (await store.open_current()).spec == (OTHER_SPEC if published else SPEC)
        resumed = await store.open_for_writing(OTHER_SPEC, lambda: 1.0)
        assert (resumed.is_new, await resumed.count()) == (not published, 1)
        await store.publish(resumed)

    with_store(directory, scene)
    with_store(directory, publish_again)
    current = (directory / "CURRENT").read_text()
    assert {path.name for path in directory.iterdir()} == {"CURRENT", current, f"{current}.lock"}


async def publish_again(store: EdgeStore) -> None:
    await store.publish(await store.open_current())


def test_a_half_made_generation_is_neither_resumed_nor_kept(directory: Path) -> None:
    died = directory / f"{SPEC.digest}-00000000" / "shard"
    died.mkdir(parents=True)
    current = publish_one(directory)
    assert current != died.parent.name
    assert not died.parent.exists()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(lambda path: path.unlink(), "is missing"), (lambda path: path.write_text("{"), "can't be")],
)
def test_a_damaged_manifest_is_named_with_what_to_do(
    directory: Path, damage: Callable[[Path], None], reason: str
) -> None:
    manifest = directory / publish_one(directory) / "manifest.json"
    damage(manifest)

    async def scene(store: EdgeStore) -> None:
        for opening in (store.open_current(), store.open_for_writing(SPEC, lambda: 1.0)):
            with pytest.raises(
                IndexFailure, match=f"{manifest} {reason}.*delete {manifest.parent}"
            ):
                await opening

    with_store(directory, scene)


def test_after_deleting_a_damaged_index_it_is_built_anew(directory: Path) -> None:
    name = publish_one(directory)
    os.rename(directory / name, directory / "trash")

    async def scene(store: EdgeStore) -> None:
        with pytest.raises(IndexMissing, match="why ingest"):
            await store.open_current()
        assert (await store.open_for_writing(SPEC, lambda: 1.0)).is_new

    with_store(directory, scene)


def test_a_damaged_shard_and_a_foreign_current_are_reported(directory: Path) -> None:
    shard = directory / publish_one(directory) / "shard"
    (shard / "edge_config.json").write_text("broken")

    async def scene(store: EdgeStore) -> None:
        with pytest.raises(IndexFailure, match=str(shard)):
            await store.open_current()
        (directory / "CURRENT").write_text("../../etc")
        with pytest.raises(IndexFailure, match="CURRENT does not name an index"):
            await store.open_current()

    with_store(directory, scene)


def test_an_index_directory_that_is_a_file_is_reported(directory: Path) -> None:
    (directory / "index").write_text("a file")

    async def scene(store: EdgeStore) -> None:
        with pytest.raises(IndexFailure, match="can't be used"):
            await store.open_for_writing(SPEC, lambda: 1.0)

    with_store(directory / "index", scene)


def test_a_closed_index_says_so(directory: Path) -> None:
    publish_one(directory)

    async def scene(store: EdgeStore) -> None:
        index = await store.open_current()
        shared = await store.open_current()
        await index.aclose()
        await index.aclose()
        assert await shared.count() == 1
        await shared.aclose()
        with pytest.raises(IndexFailure, match="closed"):
            await shared.count()

    with_store(directory, scene)


def test_an_index_of_another_version_says_what_to_do(directory: Path) -> None:
    import qdrant_edge

    shard = directory / publish_one(directory) / "shard"
    engine = qdrant_edge.EdgeShard.load(str(shard))
    point = chunk().id
    engine.update(qdrant_edge.UpdateOperation.set_payload([point], {"kind": "carrier pigeon"}))
    engine.close()

    async def scene(store: EdgeStore) -> None:
        index = await store.open_current()
        query = HybridQuery(dense=unit(1.0), sparse=terms(t1=1.0), scope=Scope())
        with pytest.raises(IndexFailure, match=rf"chunk {point}.*kind.*ingest again"):
            await index.search(query)

    with_store(directory, scene)


@pytest.mark.parametrize(
    ("use", "unneeded"),
    [
        ("", {"qdrant_edge", "qdrant_client", "httpx"}),
        ("open_store(directory=Path('x'))", {"qdrant_client", "httpx", "grpc"}),
        ("open_store(directory=Path('x'), url='http://localhost')", {"qdrant_edge"}),
    ],
)
def test_only_what_a_backend_needs_is_imported(use: str, unneeded: set[str]) -> None:
    script = f"""
import sys
from pathlib import Path
from ingest.index import open_store
{use}
print(*{{name.partition('.')[0] for name in sys.modules}})
"""
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    imported = set(answer.stdout.split())
    assert "pydantic" in imported
    assert not imported & unneeded


def test_opening_a_store_touches_nothing(directory: Path) -> None:
    open_store(directory=directory / "index")
    assert list(directory.iterdir()) == []
