"""What a reader gets is the same whether a document that is not for them exists or not.

The filter is inside the index query, so this is shown on the index itself, which every surface
asks through: its passages, scores, counts and names. That each surface hands the reader's
own labels down to it, cached reports and conversation memory included, is shown by
``tests/service/surfaces/http/test_audience.py`` (every address of the API),
``tests/service/surfaces/slack/test_access.py`` and ``tests/service/surfaces/test_mcp.py``.
One number is of the whole corpus: the mean length of a chunk, which BM25 takes when an index is
begun. It is held equal here, and ``docs/security.md`` names it.
"""

import asyncio
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking import ChunkingPolicy
from ingest.documents import Chunk, SourceKind
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import Index, Scope
from ingest.index.edge_store import EdgeStore
from ingest.sources import open_source
from ingest.sync import sync
from service.assembly import vocabulary_of
from service.retrieval import Passage, Retriever
from tests.encoders import HashingEncoder

LABELS = ("everyone", "sre", "payments", "slack:sec-response")
WORDS = ("quota", "checkout", "full", "slow", "deploy", "database", "zanzibar")
QUESTION = "why is checkout slow: is the quota of the zanzibar database full?"
_FIELDS = ("kind", "source", "services", "regions", "customers")

pages = st.lists(
    st.tuples(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join),
        st.lists(st.sampled_from(LABELS), min_size=1, max_size=2, unique=True),
    ),
    min_size=1,
    max_size=6,
)
readers = st.lists(st.sampled_from(LABELS), max_size=3, unique=True)

Page = tuple[str, list[str]]


def written(folder: Path, chosen: dict[int, Page]) -> Path:
    """Runbooks whose services, regions, customers and titles are their own."""
    folder.mkdir()
    for number, (text, audience) in chosen.items():
        header = (
            f"audience: [{', '.join(map(repr, audience))}]\nservices: [service{number}]\n"
            f"regions: [region{number}]\ncustomers: [customer{number}]"
        )
        (folder / f"{number}.md").write_text(f"---\n{header}\n---\n# Page {number}\n\n{text}\n")
    return folder


def seen(
    root: Path, chosen: dict[int, Page], audience: tuple[str, ...], all_ids: list[str]
) -> object:
    """Everything that an index of these pages shows to a reader."""

    async def run() -> object:
        store, encoder = EdgeStore(root / "index"), HashingEncoder()
        source = open_source(SourceKind.RUNBOOKS, name="r", path=written(root / "pages", chosen))
        await sync([source], store, encoder=encoder, policy=ChunkingPolicy())
        index = await store.open_current()
        try:
            return await _shown(index, Retriever(index, encoder), audience, all_ids)
        finally:
            await index.aclose()
            await store.aclose()

    return asyncio.run(run())


async def _shown(
    index: Index, retriever: Retriever, audience: tuple[str, ...], all_ids: list[str]
) -> dict[str, object]:
    scope = Scope(audience=audience)
    found = await retriever.search(QUESTION, scope=scope, limit=50)
    for passage in found:
        assert {*passage.chunk.audience} & {*audience}
    return {
        "passages": sorted(map(_scored, found)),
        "counts": {field: await index.values(field, scope) for field in _FIELDS},
        "names": await vocabulary_of(index, scope),
        "everything": _sorted(await retriever.everything(scope=scope)),
        "by id": {
            name: _sorted(chunks)
            for name, chunks in (await retriever.documents(all_ids, scope=scope)).items()
        },
    }


def _scored(passage: Passage) -> tuple[str, tuple[str, ...], list[float | None]]:
    """Without ranks, which break ties, and to five digits: sums of floats differ in the last."""
    stages = (passage.dense and passage.dense.score, passage.sparse and passage.sparse.score)
    scores = (passage.score, passage.relevance, *stages)
    rounded = [None if score is None else round(score, 5) for score in scores]
    return passage.chunk.model_dump_json(), passage.copies, rounded


def _sorted(chunks: "list[Chunk] | tuple[Chunk, ...]") -> list[str]:
    return sorted(chunk.model_dump_json() for chunk in chunks)


@settings(max_examples=12)
@given(pages, readers)
def test_what_is_not_for_a_reader_changes_nothing_for_them(
    drawn: list[Page], reader: list[str]
) -> None:
    everything = dict(enumerate([("checkout is slow", ["everyone"]), *drawn]))
    audience = ("everyone", *(label for label in reader if label != "everyone"))
    theirs = {n: page for n, page in everything.items() if {*page[1]} & {*audience}}
    ids = [f"r/{n}.md" for n in everything]
    one_length = mock.patch.object(Bm25Encoder, "measure_average_length", return_value=12.0)
    with one_length, tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with_all = seen(Path(one), everything, audience, ids)
        without = seen(Path(other), theirs, audience, ids)
    assert with_all == without
