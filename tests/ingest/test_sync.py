"""After a sync the index says what the sources say, whatever happened on the way."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.chunking import ChunkingPolicy
from ingest.documents import Chunk, Document, Problem, ProblemLevel, Section, Source, SourceKind
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index.base import IndexMissing, Scope, StoredDocument
from ingest.index.edge_store import EdgeStore
from ingest.sources import open_source
from ingest.sync import sync
from ingest.sync_report import Progress, SourceOutcome, SyncReport
from tests.encoders import HashingEncoder

POLICY = ChunkingPolicy()
NO_PAGE = b"\x00\xff\xfe\x00 a program, not a page \x00" * 50
OTHER_POLICY = ChunkingPolicy(target_tokens=60)


def runbooks(folder: Path, name: str = "runbooks") -> Source:
    return open_source(SourceKind.RUNBOOKS, name=name, path=folder)


def write(folder: Path, pages: dict[str, str]) -> Path:
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def page(title: str, sections: int = 2, words: int = 120) -> str:
    """A page that makes one chunk a section."""
    parts = [f"# {title}\n"]
    for number in range(sections):
        text = " ".join(f"{title.lower()}{number}x{word}" for word in range(words))
        parts.append(f"## Part {number}\n\n{text}.\n")
    return "\n".join(parts)


class Workplace:
    """An index in a folder, and a folder of pages to ingest."""

    def __init__(self, root: Path) -> None:
        self.index = root / "index"
        self.pages = root / "pages"
        self.pages.mkdir()

    def sync(
        self,
        *sources: Source,
        encoder: HashingEncoder | None = None,
        policy: ChunkingPolicy = POLICY,
        redact_emails: bool = False,
        dry_run: bool = False,
        progress: list[Progress] | None = None,
    ) -> SyncReport:
        async def run() -> SyncReport:
            store = EdgeStore(self.index, lock_wait=0.2)
            try:
                return await sync(
                    sources or (runbooks(self.pages),),
                    store,
                    encoder=encoder or HashingEncoder(),
                    policy=policy,
                    redact_emails=redact_emails,
                    dry_run=dry_run,
                    on_progress=None if progress is None else progress.append,
                )
            finally:
                await store.aclose()

        return asyncio.run(run())

    def inventory(self) -> list[StoredDocument]:
        async def run() -> list[StoredDocument]:
            store = EdgeStore(self.index, lock_wait=0.2)
            index = await store.open_current()
            try:
                return [
                    row for name in await index.sources() for row in await index.inventory(name)
                ]
            finally:
                await index.aclose()
                await store.aclose()

        return asyncio.run(run())

    def chunks(self) -> list[Chunk]:
        """Every chunk that readers have; fails if the index holds any twice."""

        async def run(ids: set[str]) -> tuple[list[Chunk], int]:
            store = EdgeStore(self.index, lock_wait=0.2)
            index = await store.open_current()
            try:
                return await index.chunks_of(ids, Scope()), await index.count()
            finally:
                await index.aclose()
                await store.aclose()

        chunks, count = asyncio.run(run({row.document_id for row in self.inventory()}))
        assert len(chunks) == count == len({(chunk.document_id, chunk.start) for chunk in chunks})
        return chunks

    def documents(self) -> list[str]:
        rows = self.inventory()
        assert all(row.complete for row in rows)
        return [row.document_id for row in rows]

    def text(self) -> str:
        return "\n".join(chunk.text for chunk in self.chunks())


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def only(report: SyncReport) -> SourceOutcome:
    [outcome] = report.sources
    return outcome


def counts(outcome: SourceOutcome) -> dict[str, int]:
    """The counts of documents that are not zero."""
    kinds = ("added", "changed", "removed", "unchanged", "kept")
    return {kind: count for kind in kinds if (count := getattr(outcome, kind))}


# --- what changed ----------------------------------------------------------------------------


def test_a_second_run_over_unchanged_pages_embeds_nothing(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    first = place.sync()
    assert counts(only(first)) == {"added": 2}
    assert first.chunks_embedded == 4
    assert first.new_generation
    assert first.published

    encoder = HashingEncoder()
    before = place.chunks()
    second = place.sync(encoder=encoder)
    assert (second.chunks_embedded, second.chunks_deleted, encoder.embedded) == (0, 0, 0)
    assert counts(only(second)) == {"unchanged": 2}
    assert not second.new_generation
    assert second.published
    assert place.chunks() == before


def test_an_edited_page_replaces_its_chunks(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk", sections=3), "cpu.md": page("Cpu")})
    place.sync()
    write(place.pages, {"disk.md": page("Volume")})
    report = place.sync()
    assert counts(only(report)) == {"changed": 1, "unchanged": 1}
    assert (report.chunks_embedded, report.chunks_deleted) == (2, 3)
    assert "volume0x1" in place.text()
    assert "disk0x1" not in place.text()
    assert place.documents() == ["runbooks/cpu.md", "runbooks/disk.md"]


def test_a_deleted_page_disappears(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    place.sync()
    (place.pages / "disk.md").unlink()
    report = place.sync()
    assert counts(only(report)) == {"removed": 1, "unchanged": 1}
    assert place.documents() == ["runbooks/cpu.md"]
    assert not report.failed


def test_a_moved_page_is_found_in_its_new_place_only(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    place.sync()
    (place.pages / "storage").mkdir()
    (place.pages / "disk.md").rename(place.pages / "storage" / "disk.md")
    assert counts(only(place.sync())) == {"added": 1, "removed": 1, "unchanged": 1}
    assert place.documents() == ["runbooks/cpu.md", "runbooks/storage/disk.md"]


def test_the_same_content_under_two_names_is_two_documents(place: Workplace) -> None:
    write(place.pages, {"a.md": page("Disk"), "b.md": page("Disk")})
    place.sync()
    assert place.documents() == ["runbooks/a.md", "runbooks/b.md"]
    assert place.sync().chunks_embedded == 0


def test_a_source_that_is_no_longer_configured_is_removed_and_reported(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk")})
    others = write(place.pages.parent / "others", {"cpu.md": page("Cpu")})
    place.sync(runbooks(place.pages), runbooks(others, "others"))
    assert place.documents() == ["others/cpu.md", "runbooks/disk.md"]
    report = place.sync(runbooks(place.pages))
    [stays, goes] = report.sources
    assert (goes.source, goes.configured, counts(goes)) == ("others", False, {"removed": 1})
    assert goes.chunks_deleted == 2
    assert counts(stays) == {"unchanged": 1}
    assert place.documents() == ["runbooks/disk.md"]


def test_two_sources_of_one_name_are_refused(place: Workplace) -> None:
    with pytest.raises(ValueError, match="two sources are named runbooks"):
        place.sync(runbooks(place.pages), runbooks(place.pages))


def test_a_sync_without_sources_does_not_empty_the_index(place: Workplace) -> None:
    async def run() -> None:
        store = EdgeStore(place.index)
        await sync([], store, encoder=HashingEncoder(), policy=POLICY)

    with pytest.raises(ValueError, match="no source"):
        asyncio.run(run())


# --- bad input -------------------------------------------------------------------------------


def test_a_file_that_breaks_keeps_its_earlier_version_and_is_reported(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    place.sync()
    (place.pages / "disk.md").write_bytes(NO_PAGE)
    write(place.pages, {"cpu.md": page("Processor")})
    report = place.sync()
    assert counts(only(report)) == {"changed": 1, "kept": 1}
    assert report.failed
    assert "disk.md" in {problem.path for problem in report.problems}
    assert "disk0x1" in place.text()
    assert "processor0x1" in place.text()


def test_a_folder_that_vanished_or_is_empty_does_not_empty_the_index(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk")})
    place.sync()
    (place.pages / "disk.md").unlink()
    for _ in ("empty", "gone"):
        report = place.sync()
        assert counts(only(report)) == {"kept": 1}
        assert report.failed
        assert place.documents() == ["runbooks/disk.md"]
        if place.pages.exists():
            place.pages.rmdir()


def test_a_first_run_over_an_empty_folder_leaves_nothing_behind(place: Workplace) -> None:
    report = place.sync()
    assert report.failed
    assert not report.published
    with pytest.raises(IndexMissing):
        place.inventory()
    assert not place.index.exists()


def test_an_empty_folder_and_another_model_leave_the_index_alone(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk")})
    place.sync()
    (place.pages / "disk.md").unlink()
    report = place.sync(policy=OTHER_POLICY)
    assert not report.dry_run
    assert not report.published
    assert report.failed
    assert counts(only(report)) == {"kept": 1}
    assert place.documents() == ["runbooks/disk.md"]


class Scripted:
    """A source whose readings are given; an exception among the items is raised."""

    kind = SourceKind.RUNBOOKS

    def __init__(self, *items: Document | Problem | Exception, name: str = "runbooks") -> None:
        self.name = name
        self._items = items

    def read(self) -> Iterator[Document | Problem]:
        for item in self._items:
            if isinstance(item, Exception):
                raise item
            yield item


def document(name: str, text: str) -> Document:
    return Document(
        id=f"runbooks/{name}",
        source="runbooks",
        kind=SourceKind.RUNBOOKS,
        title=name,
        origin=name,
        sections=(Section(text=text),),
    )


def test_a_source_that_breaks_off_loses_nothing(place: Workplace) -> None:
    a, b = document("a", "first page"), document("b", "second page")
    place.sync(Scripted(a, b))
    report = place.sync(Scripted(document("a", "edited"), OSError("stale file handle")))
    assert counts(only(report)) == {"changed": 1, "kept": 1}
    [problem] = report.problems
    assert "OSError: stale file handle" in problem.reason
    assert place.text() == "edited\nsecond page"


def test_of_two_documents_with_one_id_the_first_is_indexed(place: Workplace) -> None:
    report = place.sync(Scripted(document("a", "first"), document("a", "second")))
    assert counts(only(report)) == {"added": 1}
    [problem] = report.problems
    assert "runbooks/a" in problem.reason
    assert place.text() == "first"


def test_a_document_without_text_is_a_notice_and_its_old_text_goes(place: Workplace) -> None:
    place.sync(Scripted(document("a", "was here"), document("b", "other")))
    report = place.sync(Scripted(document("a", " \n "), document("b", "other")))
    assert counts(only(report)) == {"removed": 1, "unchanged": 1}
    [problem] = report.problems
    assert problem.level is ProblemLevel.NOTICE
    assert not report.failed
    assert place.documents() == ["runbooks/b"]


# --- secrets ---------------------------------------------------------------------------------

PLANTED_KEY = "AKIAQ7EXAMPLEKEY2Z5T"


def test_a_secret_reaches_no_byte_of_the_index(place: Workplace) -> None:
    write(
        place.pages,
        {"disk.md": f"# Disk\n\nUse the key {PLANTED_KEY} of ana@example.com to log in.\n"},
    )
    report = place.sync(redact_emails=True)
    assert sum(report.redacted.values()) == 2
    assert sum(only(report).redacted.values()) == 2
    assert "to log in" in place.text()
    assert PLANTED_KEY not in "".join(chunk.model_dump_json() for chunk in place.chunks())
    raw = [path.read_bytes() for path in place.index.rglob("*") if path.is_file()]
    assert any(b"to log in" in content for content in raw)
    for secret in (PLANTED_KEY.encode(), b"ana@example.com"):
        assert not any(secret in content for content in raw)
    again = place.sync(redact_emails=True)
    assert again.chunks_embedded == 0
    assert again.redacted == report.redacted


# --- interruptions ---------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.encoders import HashingEncoder
from tests.ingest.test_sync import Workplace, runbooks

class Fatal(HashingEncoder):
    def embed_documents(self, texts, on_progress=None):
        if {during!r} == "embedding" and self.embedded >= {chunks}:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_documents(texts, on_progress)

class Deadly(list):
    def append(self, progress):
        if {during!r} == "storing" and progress.done >= {chunks}:
            os.kill(os.getpid(), signal.SIGKILL)

place = Workplace.__new__(Workplace)
place.index, place.pages = Path({index!r}), Path({pages!r})
place.sync(encoder=Fatal(), progress=Deadly())
"""


def sync_and_die(place: Workplace, *, during: str, chunks: int) -> None:
    """Run a sync in a process that is killed once so many chunks are embedded (or stored)."""
    script = KILLED.format(
        during=during, chunks=chunks, index=str(place.index), pages=str(place.pages)
    )
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr


@pytest.mark.parametrize("during", ["embedding", "storing"])
def test_a_killed_run_is_resumed_without_loss_or_doubles(
    place: Workplace, tmp_path: Path, during: str
) -> None:
    pages = {f"p{number}.md": page(f"P{number}", sections=9) for number in range(40)}
    write(place.pages, pages)
    sync_and_die(place, during=during, chunks=256)
    with pytest.raises(IndexMissing):
        place.inventory()

    resumed = place.sync()
    # What was not stored, and the one page that was cut in two.
    assert 360 - 256 <= resumed.chunks_embedded < 360 - 256 + 9
    assert counts(only(resumed)) == {"added": 40}
    assert resumed.published

    (tmp_path / "undisturbed").mkdir()
    undisturbed = Workplace(tmp_path / "undisturbed")
    write(undisturbed.pages, pages)
    undisturbed.sync()
    assert place.inventory() == undisturbed.inventory()
    assert place.chunks() == undisturbed.chunks()
    assert place.sync().chunks_embedded == 0


def test_an_edit_that_is_killed_before_its_cleaning_up_is_completed(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    place.sync()
    write(place.pages, {"disk.md": page("Volume")})
    sync_and_die(place, during="storing", chunks=2)
    report = place.sync()
    assert (report.chunks_embedded, report.chunks_deleted) == (0, 2)
    assert "disk0x1" not in place.text()
    assert place.documents() == ["runbooks/cpu.md", "runbooks/disk.md"]


# --- another chunker or model ----------------------------------------------------------------


def test_the_old_index_answers_until_the_new_chunker_is_done(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    place.sync()
    old = place.chunks()
    seen: list[list[Chunk]] = []

    class Watching(list[Progress]):
        def append(self, progress: Progress) -> None:
            super().append(progress)
            with ThreadPoolExecutor(1) as reader:
                seen.append(reader.submit(place.chunks).result())

    report = place.sync(policy=OTHER_POLICY, progress=Watching())
    assert report.new_generation
    assert report.published
    assert seen == [old]
    new = place.chunks()
    assert len(new) > len(old)
    assert {chunk.document_id for chunk in new} == {chunk.document_id for chunk in old}
    assert place.sync(policy=OTHER_POLICY).chunks_embedded == 0


def test_another_model_is_another_index(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk")})
    place.sync()
    report = place.sync(encoder=HashingEncoder(dimensions=32, name="smaller"))
    assert (report.new_generation, report.published, report.chunks_embedded) == (True, True, 2)
    assert counts(only(report)) == {"unchanged": 1}


def test_a_new_index_waits_for_a_document_that_only_the_old_one_has(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    place.sync()
    good = (place.pages / "disk.md").read_text()
    (place.pages / "disk.md").write_bytes(NO_PAGE)
    waiting = place.sync(policy=OTHER_POLICY)
    assert waiting.new_generation
    assert not waiting.published
    assert waiting.failed
    assert any("does not replace" in problem.reason for problem in waiting.problems)
    assert place.documents() == ["runbooks/cpu.md", "runbooks/disk.md"]

    write(place.pages, {"disk.md": good})
    repaired = place.sync(policy=OTHER_POLICY)
    assert repaired.published
    assert repaired.chunks_embedded < len(place.chunks())
    assert place.documents() == ["runbooks/cpu.md", "runbooks/disk.md"]


@pytest.mark.parametrize("broken", [False, True])
def test_while_a_service_answers_a_new_index_replaces_only_what_was_read_whole(
    place: Workplace, broken: bool
) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    place.sync()
    if broken:
        (place.pages / "disk.md").write_bytes(NO_PAGE)

    async def serve() -> SyncReport:
        store = EdgeStore(place.index)
        index = await store.open_current()
        try:
            report = await asyncio.to_thread(place.sync, policy=OTHER_POLICY)
            assert await index.count() == 4
            return report
        finally:
            await index.aclose()
            await store.aclose()

    report = asyncio.run(serve())
    assert report.published is not broken
    assert place.documents() == ["runbooks/cpu.md", "runbooks/disk.md"]


# --- dry run and progress --------------------------------------------------------------------


def fingerprint(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_dry_run_says_what_would_happen_and_writes_nothing(place: Workplace) -> None:
    write(place.pages, {"disk.md": page("Disk")})
    encoder = HashingEncoder()
    first = place.sync(dry_run=True, encoder=encoder)
    assert counts(only(first)) == {"added": 1}
    assert (first.chunks_embedded, first.new_generation, first.published) == (2, True, False)
    with pytest.raises(IndexMissing):
        place.inventory()
    place.sync()

    before = place.chunks()
    write(place.pages, {"disk.md": page("Volume"), "cpu.md": page("Cpu", sections=3)})
    report = place.sync(dry_run=True, encoder=encoder)
    assert report.dry_run
    assert counts(only(report)) == {"added": 1, "changed": 1}
    assert (report.chunks_embedded, report.chunks_deleted) == (5, 0)
    assert place.chunks() == before
    rebuilt = place.sync(dry_run=True, policy=OTHER_POLICY)
    assert rebuilt.new_generation
    assert rebuilt.chunks_embedded > 5
    assert place.chunks() == before
    assert encoder.embedded == 0


def test_progress_counts_up_to_the_total_over_all_sources(place: Workplace) -> None:
    pages = {f"p{number}.md": page(f"P{number}", sections=6) for number in range(50)}
    write(place.pages, pages)
    others = write(place.pages.parent / "others", {"cpu.md": page("Cpu")})
    progress: list[Progress] = []
    report = place.sync(runbooks(place.pages), runbooks(others, "others"), progress=progress)
    assert [(step.source, step.done, step.total) for step in progress] == [
        *(("runbooks", done, 302) for done in (64, 128, 192, 256, 300)),
        ("others", 302, 302),
    ]
    assert all(step.texts_per_second > 0 for step in progress)
    assert report.chunks_embedded == 302
    assert report.texts_per_second > 0
    assert 0 < report.embedding_seconds <= report.writing_seconds <= report.seconds


def test_new_bm25_terms_take_the_vectors_of_the_published_index(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place.pages, {"disk.md": page("Disk"), "cpu.md": page("Cpu")})
    with monkeypatch.context() as before:
        before.setattr(Bm25Encoder, "fingerprint", "qdrant-bm25-english/camel-case-parts.1")
        place.sync()
    old = place.chunks()
    write(place.pages, {"net.md": page("Net")})
    encoder = HashingEncoder()
    report = place.sync(encoder=encoder)
    assert (report.new_generation, report.published) == (True, True)
    assert report.chunks_reused == len(old)
    assert encoder.embedded == report.chunks_embedded == 2
    assert {chunk.id for chunk in old} < {chunk.id for chunk in place.chunks()}
    assert place.sync(encoder=encoder).chunks_embedded == 0
