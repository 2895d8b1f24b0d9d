"""With workers on Ray the index is the one that a single process makes."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.backup import dump_index
from ingest.chunking import ChunkingPolicy
from ingest.crew import BATCH
from ingest.documents import Source, SourceKind
from ingest.encoders.base import EncoderUnavailable
from ingest.index.edge_store import EdgeStore
from ingest.sources import open_source
from ingest.spread import Spread, WorkersLost, ray_running
from ingest.sync import sync
from ingest.sync_report import SyncReport
from tests.encoders import HashingEncoder

POLICY = ChunkingPolicy(target_tokens=60)
PAGES = 80
"""Of the larger source: more than go into one row, and several batches of chunks."""

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:::ray")


class Dying(HashingEncoder):
    """The machine takes its process away (SIGKILL) while it embeds: once, by the file."""

    def __init__(self, killed: Path) -> None:
        super().__init__()
        self._killed = killed
        self._batches = 0

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        self._batches += 1
        if self._batches == 2 and not self._killed.exists():
            self._killed.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_documents(texts, on_progress)


class Absent(HashingEncoder):
    def __init__(self) -> None:
        raise EncoderUnavailable("no model at /models/bge")


@pytest.fixture(scope="module")
def workers() -> Iterator[None]:
    """Ray on this machine with two CPUs, once for all tests here."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # each worker would compile
        with ExitStack() as stack:
            try:
                stack.enter_context(ray_running(2))
            except WorkersLost as error:
                pytest.skip(str(error))
            yield
        assert not ray.is_initialized()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    root = tmp_path_factory.mktemp("sources")
    for number in range(PAGES):
        words = " ".join(f"gateway{number}x{word}" for word in range(100))
        write(root / "wiki" / f"page{number:03}.md", f"# Page {number}\n\n{words}.\n")
    write(root / "wiki" / "broken.md", "\x00\x00 no page \x00" * 50)
    write(root / "team" / "disk.md", "# Disk full\n\nMail alice@example.com, token=hunter2hunter2.")
    return [
        open_source(SourceKind.RUNBOOKS, name=name, path=root / name) for name in ("wiki", "team")
    ]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def ingest(sources: Sequence[Source], folder: Path, crew: Spread | None = None) -> SyncReport:
    async def run() -> SyncReport:
        store = EdgeStore(folder)
        try:
            return await sync(
                sources,
                store,
                encoder=HashingEncoder(),
                policy=POLICY,
                redact_emails=True,
                crew=crew,
            )
        finally:
            await store.aclose()

    return asyncio.run(run())


def stored(folder: Path) -> list[bytes]:
    """The published generation: every chunk's id, payload, dense vector and term weights."""
    lines: list[bytes] = []

    async def dump() -> None:
        store = EdgeStore(folder)
        index = await store.open_current()
        try:
            await dump_index(index, lines.append)
        finally:
            await index.aclose()
            await store.aclose()

    asyncio.run(dump())
    return sorted(lines)


def told(report: SyncReport) -> list[dict[str, object]]:
    return [outcome.model_dump() for outcome in report.sources]


@pytest.mark.slow
def test_the_index_is_the_serial_one_though_a_worker_is_killed(
    workers: None, sources: list[Source], tmp_path: Path
) -> None:
    serial = ingest(sources, tmp_path / "serial")
    killed = tmp_path / "killed"
    crew = Spread(partial(Dying, killed), POLICY, workers=2)
    spread = ingest(sources, tmp_path / "spread", crew)
    assert int(killed.read_text()) != os.getpid()
    assert spread.published
    assert told(spread) == told(serial)  # counts, problems, redactions
    assert spread.sources[0].problems
    assert spread.redacted
    assert len(stored(tmp_path / "spread")) == spread.chunks_embedded > 2 * BATCH
    assert stored(tmp_path / "spread") == stored(tmp_path / "serial")

    again = ingest(sources, tmp_path / "spread")
    assert (again.chunks_embedded, again.published) == (0, True)


@pytest.mark.slow
def test_what_a_worker_says_of_its_encoder_reaches_the_reader(
    workers: None, sources: list[Source], tmp_path: Path
) -> None:
    with pytest.raises(EncoderUnavailable, match="no model at /models/bge"):
        ingest(sources[1:], tmp_path, Spread(Absent, POLICY, workers=2))


def test_without_ray_the_reader_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(WorkersLost, match=r"pip install 'incident-why\[ray\]'"),
        ray_running(2),
    ):
        pass


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_named(workers: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with (
        pytest.raises(WorkersLost, match=f"{address} .ray_address;.*refused"),
        ray_running(2, address),
    ):
        pass
