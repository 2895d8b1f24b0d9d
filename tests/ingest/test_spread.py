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
from ingest.documents import Document, Problem, Source, SourceKind
from ingest.encoders.base import EncoderUnavailable
from ingest.index import IndexStore
from ingest.index.edge_store import EdgeStore
from ingest.sources import open_source
from ingest.spread import Spread, WorkersLost, ray_running
from ingest.sync import sync
from ingest.sync_report import SyncReport
from tests.encoders import HashingEncoder
from tests.qdrant import running

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


class Deadly(HashingEncoder):
    """A text with the word ``poison`` takes the process away, every time; ``deaths`` has a line
    for each."""

    def __init__(self, deaths: Path) -> None:
        super().__init__()
        self._deaths = deaths

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        if any("poison" in text for text in texts):
            die(self._deaths, "poison")
        return super().embed_documents(texts, on_progress)


class DeadlySource:
    """Reading it takes the process away, every time."""

    name = "mail"
    kind = SourceKind.RUNBOOKS

    def __init__(self, deaths: Path) -> None:
        self._deaths = deaths

    def read(self) -> Iterator[Document | Problem]:
        die(self._deaths, "mail")
        yield from ()


def die(deaths: Path, of: str) -> None:
    with deaths.open("a") as file:
        file.write(f"{of}\n")
    os.kill(os.getpid(), signal.SIGKILL)


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


Open = Callable[[], IndexStore]


def embedded_in(folder: Path) -> Open:
    return lambda: EdgeStore(folder)


def ingest(sources: Sequence[Source], opened: Open, crew: Spread | None = None) -> SyncReport:
    async def run() -> SyncReport:
        store = opened()
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


def stored(opened: Open) -> list[bytes]:
    """The published generation: every chunk's id, payload, dense vector and term weights."""
    lines: list[bytes] = []

    async def dump() -> None:
        store = opened()
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
def test_an_index_on_a_server_is_the_serial_one_though_a_worker_is_killed(
    workers: None, sources: list[Source], tmp_path: Path
) -> None:
    with running(tmp_path) as qdrant:
        serially, by_workers = (partial(qdrant.store, name) for name in ("serial", "spread"))
        compare(sources, serially, by_workers, tmp_path / "killed")


def compare(sources: list[Source], serially: Open, by_workers: Open, killed: Path) -> None:
    serial = ingest(sources, serially)
    crew = Spread(partial(Dying, killed), POLICY, workers=2)
    spread = ingest(sources, by_workers, crew)
    assert int(killed.read_text()) != os.getpid()
    assert spread.published
    assert told(spread) == told(serial)  # counts, problems, redactions
    assert spread.sources[0].problems
    assert spread.redacted
    assert len(stored(by_workers)) == spread.chunks_embedded > 2 * BATCH
    assert stored(by_workers) == stored(serially)

    again = ingest(sources, by_workers)
    assert (again.chunks_embedded, again.published) == (0, True)


@pytest.mark.slow
def test_what_kills_its_workers_again_and_again_is_given_up_and_named_and_the_rest_is_done(
    workers: None, sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.spread.TRIES", 2)
    deaths = tmp_path / "deaths"
    crew = Spread(partial(Deadly, deaths), POLICY, workers=2)
    index = embedded_in(tmp_path / "index")
    team = sources[1]

    report = ingest([DeadlySource(deaths), team], index, crew)
    assert report.chunks_embedded == 1
    assert [problem.path for problem in report.problems] == ["mail"]
    assert "2 workers died while they read it" in report.problems[0].reason

    write(tmp_path / "notes" / "good.md", "# Good\n\nRestart it.")
    write(tmp_path / "notes" / "bad.md", "# Bad\n\nThis is poison.")
    notes = open_source(SourceKind.RUNBOOKS, name="notes", path=tmp_path / "notes")
    with pytest.raises(WorkersLost, match=r"2 workers each died .* embedded notes: bad\.md; every"):
        ingest([notes, team], index, crew)
    # The batch of two documents was tried twice, then the one alone.
    assert sorted(deaths.read_text().split()) == ["mail"] * 2 + ["poison"] * 4

    (tmp_path / "notes" / "bad.md").unlink()
    report = ingest([notes, team], index)
    assert report.chunks_embedded == 0
    assert [(one.source, one.unchanged) for one in report.sources] == [("notes", 1), ("team", 1)]


@pytest.mark.slow
def test_what_a_worker_says_of_its_encoder_reaches_the_reader(
    workers: None, sources: list[Source], tmp_path: Path
) -> None:
    with pytest.raises(EncoderUnavailable, match="no model at /models/bge"):
        ingest(sources[1:], embedded_in(tmp_path), Spread(Absent, POLICY, workers=2))


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
