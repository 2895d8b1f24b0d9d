"""Which page comes first, and which of its passages is shown."""

import asyncio
from pathlib import Path

from ingest.chunking import ChunkingPolicy
from ingest.documents import SourceKind
from ingest.index import Hit, Scope, StageScore
from ingest.index.edge_store import EdgeStore
from ingest.sources import open_source
from ingest.sync import sync
from service.retrieval import Passage, Retriever, document_scores, title_shares
from tests.encoders import HashingEncoder
from tests.ingest.index.builders import chunk


def hit(document: str, *, dense: float | None = None, sparse: float | None = None) -> Hit:
    return Hit(
        chunk=chunk(document),
        score=0.0,
        dense=None if dense is None else StageScore(rank=1, score=dense),
        sparse=None if sparse is None else StageScore(rank=1, score=sparse),
    )


def search(root: Path, question: str, pages: dict[str, str], per_document: int) -> list[Passage]:
    folder = root / "pages"
    folder.mkdir()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")

    async def run() -> list[Passage]:
        store = EdgeStore(root / "index")
        encoder = HashingEncoder()
        source = open_source(SourceKind.RUNBOOKS, name="pages", path=folder)
        policy = ChunkingPolicy(target_tokens=16, floor_tokens=16)
        await sync([source], store, encoder=encoder, policy=policy)
        index = await store.open_current()
        try:
            retriever = Retriever(index, encoder)
            return await retriever.search(question, scope=Scope(), per_document=per_document)
        finally:
            await index.aclose()
            await store.aclose()

    return asyncio.run(run())


def test_two_passages_of_a_page_that_are_each_best_beat_one_that_is_second_twice() -> None:
    scores = document_scores(
        [
            hit("split", dense=0.9),
            hit("split", sparse=9.0),
            hit("one", dense=0.8, sparse=8.0),
            hit("rest", dense=0.3, sparse=1.0),
            hit("more", dense=0.2, sparse=1.5),
        ]
    )
    assert max(scores, key=scores.__getitem__) == "split"


def test_many_middling_passages_do_not_add_up() -> None:
    many = [hit("long page", dense=0.5, sparse=4.0) for _ in range(20)]
    scores = document_scores([hit("short page", dense=0.6, sparse=5.0), *many])
    assert scores["short page"] > scores["long page"]


def test_the_unit_of_a_score_does_not_matter() -> None:
    hits = [hit("a", dense=0.9, sparse=1), hit("b", dense=0.1, sparse=3), hit("c", sparse=2)]
    larger = [hit("a", dense=9, sparse=1), hit("b", dense=1, sparse=3), hit("c", sparse=2)]
    one, other = document_scores(hits), document_scores(larger)
    assert all(abs(one[name] - other[name]) < 1e-9 for name in "abc")


def test_a_page_is_listed_once_however_many_of_its_passages_are_asked_for(tmp_path: Path) -> None:
    words = "queue stuck consumer lag broker disk restart drain partition leader"
    parts = "\n\n".join(f"## Step {n}\n\nThe {words} {words} number {n}." for n in range(4))
    pages = {"kafka.md": f"# Kafka\n\n{parts}\n", "dns.md": "# DNS\n\nNames do not resolve.\n"}
    found = search(tmp_path, "consumer lag on the broker", pages, per_document=2)
    ranks = [(passage.chunk.document_id, passage.rank) for passage in found]
    assert ranks[:2] == [("pages/kafka.md", 1), ("pages/kafka.md", 1)]
    assert ranks[2:] == [("pages/dns.md", 2)]
    assert found[0].chunk.id != found[1].chunk.id
    assert found[0].score > found[2].score


def test_pages_that_score_the_same_come_by_id(tmp_path: Path) -> None:
    pages = dict.fromkeys(("c.md", "a.md", "b.md"), "# Same\n\nThe very same words.\n")
    found = search(tmp_path, "very same words", pages, per_document=1)
    assert [passage.chunk.document_id for passage in found] == [
        "pages/a.md",
        "pages/b.md",
        "pages/c.md",
    ]


def test_the_page_whose_title_says_what_the_question_says_beats_its_look_alikes(
    tmp_path: Path,
) -> None:
    text = "Requests of etcd take long. Look at the disk and at the network of its members."
    pages = {
        f"{title}.md": f"# {title}\n\n{text}\n"
        for title in ("etcdRequestsSlow", "etcdReadRequestsSlow", "etcdWriteRequestsSlow")
    }
    found = search(tmp_path, "etcd write requests are slow on X", pages, per_document=1)
    assert found[0].chunk.title == "etcdWriteRequestsSlow"


def test_a_word_that_every_title_has_tells_none_of_them_apart() -> None:
    cluster, read, write = 1, 2, 3
    titles = {"read": frozenset({cluster, read}), "write": frozenset({cluster, write})}
    shares = title_shares(frozenset({cluster, write}), titles)
    said, says = shares["write"]
    assert (said, says) == (1.0, 1.0)
    assert max(shares["read"]) < 0.3
    assert title_shares(frozenset({99}), titles) == {"read": (0.0, 0.0), "write": (0.0, 0.0)}
