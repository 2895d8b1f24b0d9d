"""A program that ingests, is killed again and again, and tells what its index holds in the end.

It imports everything once and forks a process for each run, so that a run costs what its work
costs: ``python -m tests.faults.killed_ingest FOLDER FIRST END`` prints one JSON line for every
second seed from FIRST on (another process does the others). A seed
decides what is ingested over what, how often the run is killed, and when:

- after the n-th change of a file or call of the engine (the process kills itself there), or
- after a while, whatever it is doing (this program sends SIGKILL), which is how kills get into
  the middle of the engine's own writing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import qdrant_edge as edge

import ingest.sync as syncing
from ingest import crew
from ingest.chunking import ChunkingPolicy, chunk_document
from ingest.corpus import read_source
from ingest.documents import SourceKind
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index.edge import EdgeShard
from ingest.index.edge_store import EdgeStore
from ingest.sources import open_source
from tests.encoders import HashingEncoder

KILLED = "killed"
_CHANGES = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"})
_MOST_KILLS = 3


class Scene(NamedTuple):
    """What is there before, and what is then ingested: folders of pages, and an encoder."""

    before: str | None
    pages: str
    encoder: HashingEncoder


SCENES = {
    "first": Scene(None, "old", HashingEncoder()),
    "edited": Scene("old", "new", HashingEncoder()),
    "other model": Scene("old", "new", HashingEncoder(32, "hashing-32")),
}


def make_pages(root: Path) -> None:
    """``old`` has two sources; in ``new`` pages are edited, added, moved and gone, and one of the
    sources is no longer configured."""
    old, new = root / "old", root / "new" / "runbooks"
    for number in range(12):
        _write(old / "runbooks" / f"p{number}.md", f"P{number}", sections=3)
        _write(old / "others" / f"o{number}.md", f"O{number}", sections=1)
        if number % 4 == 0:
            _write(new / f"p{number}.md", f"Q{number}", sections=4)
        elif number % 4 == 1:
            _write(new / "moved" / f"p{number}.md", f"P{number}", sections=3)
        elif number % 4 == 2:
            _write(new / f"p{number}.md", f"P{number}", sections=3)
            _write(new / f"n{number}.md", f"N{number}", sections=3)


def _write(path: Path, title: str, *, sections: int) -> None:
    words = (" ".join(f"{title.lower()}{part}x{n}" for n in range(100)) for part in range(sections))
    text = "\n\n".join(f"## Part {part}\n\n{said}." for part, said in enumerate(words))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {title}\n\n{text}\n", encoding="utf-8")


async def bring_up_to_date(root: Path, index: Path, pages: str, encoder: HashingEncoder) -> None:
    """One run of ingestion, to its end."""
    store = EdgeStore(index)
    folders = sorted((root / pages).iterdir())
    try:
        await syncing.sync(
            [open_source(SourceKind.RUNBOOKS, name=folder.name, path=folder) for folder in folders],
            store,
            encoder=encoder,
            policy=ChunkingPolicy(),
        )
    finally:
        await store.aclose()


async def content(directory: Path) -> dict[str, str]:
    """All that readers get: every point's payload and vectors as a digest, by id; the spec, and
    how many generations the directory has."""
    store = EdgeStore(directory)
    index = await store.open_current()
    try:
        records, rest = await index._shard.ask(
            lambda shard: shard.scroll(
                edge.ScrollRequest(limit=100_000, with_payload=True, with_vector=True)
            )
        )
        assert rest is None
        found = {str(record.id): _digest(record) for record in records}
        found["spec"] = index.manifest.model_dump_json()
        found["generations"] = str(len(list(directory.glob("*/"))))  # noqa: ASYNC240
        return found
    finally:
        await index.aclose()
        await store.aclose()


def _digest(record: edge.Record) -> str:
    vectors: Any = record.vector
    sparse = vectors["sparse"]
    told = [record.payload, vectors["dense"], list(sparse.indices), list(sparse.values)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def forked(work: Callable[[], Any]) -> tuple[int, int]:
    """A process that does the work: its id, and a pipe on which it tells the result as JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 1
    try:
        os.write(writing, json.dumps(work()).encode())
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(code)


def result_of(process: tuple[int, int]) -> Any:
    """What it tells; ``KILLED`` where it was killed before. Raises where the work failed."""
    child, reading = process
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGKILL:
        return KILLED
    if code != 0:
        raise RuntimeError("a run failed; its error is above")
    return json.loads(told)


class Steps:
    """Counts this process's changes of files and calls of the engine, before and after each, and
    kills it at one of them."""

    def __init__(self, last: int | None = None) -> None:
        self.done = 0
        self._last = last
        run = EdgeShard._run

        async def counted(shard: EdgeShard, call: Callable[[], Any]) -> Any:
            self._count()
            result = await run(shard, call)
            self._count()
            return result

        EdgeShard._run = counted  # type: ignore[method-assign,assignment]
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        # ``open`` tells path, mode and flags.
        written = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if written or event in _CHANGES:
            self._count()

    def _count(self) -> None:
        self.done += 1
        if self.done == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


class Whole(NamedTuple):
    """A run that nobody disturbs: what its index holds, how long it took, in how many steps."""

    content: dict[str, str]
    seconds: float
    steps: int


class Killing:
    """The scenes in a folder, each with its undisturbed run to compare with."""

    def __init__(self, root: Path) -> None:
        self._root = root
        make_pages(root)
        _load_everything(root)
        self._before = root / "before"
        result_of(forked(lambda: self._run(self._before, Scene(None, "old", HashingEncoder()))))
        self._whole = {name: self._undisturbed(scene) for name, scene in SCENES.items()}

    def differences(self, seed: int) -> dict[str, Any]:
        """The scene of this seed, and in what its index differs from the undisturbed one."""
        chance = random.Random(seed)  # noqa: S311
        name = list(SCENES)[seed % len(SCENES)]
        scene, whole = SCENES[name], self._whole[name]
        index = self._prepared(scene)
        kills = 0
        for _ in range(chance.randint(1, _MOST_KILLS)):
            if chance.random() < 0.5:
                step = chance.randint(1, whole.steps)
                kills += result_of(forked(lambda: self._run(index, scene, step))) is KILLED  # noqa: B023
            else:
                process = forked(lambda: self._run(index, scene))
                time.sleep(chance.uniform(0, whole.seconds))
                os.kill(process[0], signal.SIGKILL)
                kills += result_of(process) is KILLED
        result_of(forked(lambda: self._run(index, scene)))
        found = self._content(index)
        shutil.rmtree(index)
        differing = sorted(
            key for key in found.keys() | whole.content if found.get(key) != whole.content.get(key)
        )
        return {"seed": seed, "scene": name, "kills": kills, "differing": differing}

    def _prepared(self, scene: Scene) -> Path:
        index = self._root / "index"
        if scene.before is not None:
            # Not shutil's: the engine's files are mostly holes, and a copy should have them, too.
            subprocess.run(["cp", "--archive", "--sparse=always", self._before, index], check=True)
        return index

    def _undisturbed(self, scene: Scene) -> Whole:
        index = self._prepared(scene)
        began = time.perf_counter()
        result_of(forked(lambda: self._run(index, scene)))
        seconds = time.perf_counter() - began
        found = self._content(index)
        shutil.rmtree(index)
        index = self._prepared(scene)
        steps = result_of(forked(lambda: self._run(index, scene, 0)))
        shutil.rmtree(index)
        return Whole(found, seconds, steps)

    def _run(self, index: Path, scene: Scene, last_step: int | None = None) -> int:
        """One run of ingestion, killed at ``last_step`` (0: counted, and not killed)."""
        steps = Steps(last_step) if last_step is not None else None
        asyncio.run(bring_up_to_date(self._root, index, scene.pages, scene.encoder))
        return steps.done if steps else 0

    def _content(self, index: Path) -> dict[str, str]:
        found: dict[str, str] = result_of(forked(lambda: asyncio.run(content(index))))
        return found


def _load_everything(root: Path) -> None:
    """What is imported where it is first used; nothing that starts a thread."""
    [folder, *_] = sorted((root / "old").iterdir())
    reading = read_source(
        open_source(SourceKind.RUNBOOKS, name=folder.name, path=folder), redact_emails=True
    )
    count = HashingEncoder().count_tokens
    for document in reading.documents.values():
        chunk_document(document, policy=ChunkingPolicy(), count_tokens=count)
    Bm25Encoder(10).embed_documents(["loaded"])
    asyncio.run(asyncio.sleep(0))


def main() -> None:
    crew.BATCH = 4
    killing = Killing(Path(sys.argv[1]))
    for seed in range(int(sys.argv[2]), int(sys.argv[3]), 2):
        print(json.dumps(killing.differences(seed)), flush=True)


if __name__ == "__main__":
    main()
