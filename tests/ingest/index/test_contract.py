"""What both backends promise: the embedded engine, and a server over HTTPS with a key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.documents import Chunk, IncidentFacts, SourceKind
from ingest.index import (
    FusionMethod,
    Hit,
    HybridQuery,
    Index,
    IndexMissing,
    IndexStore,
    Scope,
    SparseVector,
)
from tests.ingest.index.builders import (
    OTHER_SPEC,
    SPEC,
    chunk,
    day,
    embedded,
    opened_store,
    terms,
    unit,
)
from tests.qdrant import Qdrant

Play = Callable[[Callable[[IndexStore], Awaitable[None]]], None]


@pytest.fixture(params=["directory", "qdrant"], ids=["edge", "server"])
def backend(request: pytest.FixtureRequest) -> Path | Qdrant:
    where: Path | Qdrant = request.getfixturevalue(request.param)
    return where


@pytest.fixture
def play(backend: Path | Qdrant) -> Play:
    """Run a scene on a fresh store."""

    def run(scene: Callable[[IndexStore], Awaitable[None]]) -> None:
        async def main() -> None:
            async with opened_store(backend) as store:
                await scene(store)

        asyncio.run(main())

    return run


async def writing(store: IndexStore, *chunks: Chunk) -> Index:
    index = await store.open_for_writing(SPEC, lambda: 42.5)
    await index.upsert([embedded(one) for one in chunks])
    return index


def anything(scope: Scope, **changes: Any) -> HybridQuery:
    options: dict[str, Any] = {"dense": unit(1.0), "sparse": terms(t1=1.0)}
    return HybridQuery(scope=scope, **(options | changes))


def documents(hits: list[Hit]) -> set[str]:
    return {hit.chunk.document_id for hit in hits}


async def visible(index: Index, scope: Scope) -> set[str]:
    """What the scope lets through; every way of reading has to agree."""
    found = documents(await index.search(anything(scope)))
    for one_sided in ({"dense": None}, {"sparse": None}, {"fusion": FusionMethod.DBSF}):
        assert documents(await index.search(anything(scope, **one_sided))) == found
    names = {document.document_id for document in await index.inventory("runbooks")}
    assert {c.document_id for c in await index.chunks_of(sorted(names), scope)} == found
    assert {c.document_id for c in await index.chunks_of(None, scope)} == found
    assert sum((await index.values("source", scope)).values()) == len(found)
    return found


def test_a_stored_chunk_comes_back_as_it_was(play: Play) -> None:
    original = chunk(
        written_at=datetime(2026, 3, 1, 2, 3, 4, 567891, tzinfo=UTC),
        services=("checkout", "payments"),
        headings=("A › B", "ü"),
        text="line\nline\ttab 💥",
        facts=IncidentFacts(incident_id="INC-1", started=day(1), confirmed=True),
    )

    async def scene(store: IndexStore) -> None:
        index = await writing(store, original)
        (hit,) = await index.search(anything(Scope()))
        assert hit.chunk == original
        assert await index.chunks_of([original.document_id], Scope()) == [original]

    play(scene)


def test_readers_see_only_what_one_of_their_labels_allows(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(
            store,
            chunk("runbooks/open"),
            chunk("runbooks/secret", audience=("slack:ops",)),
            chunk("runbooks/both", audience=("slack:ops", "finance")),
            chunk("runbooks/nobody", audience=()),
        )
        assert await visible(index, Scope()) == {"runbooks/open"}
        assert await visible(index, Scope(audience=("slack:ops",))) == {
            "runbooks/secret",
            "runbooks/both",
        }
        assert await visible(index, Scope(audience=("everyone", "finance"))) == {
            "runbooks/open",
            "runbooks/both",
        }
        assert await visible(index, Scope(audience=())) == set()

    play(scene)


def test_hidden_chunks_never_take_the_places_of_visible_ones(play: Play) -> None:
    """Were access checked after the search, the ten nearest would all be gone."""

    async def scene(store: IndexStore) -> None:
        hidden = [chunk(f"runbooks/h{n}", audience=("ops",)) for n in range(30)]
        index = await writing(store, *hidden)
        far = embedded(chunk("runbooks/far"), unit(0.1, 1.0), terms(t1=0.01))
        await index.upsert([far])
        for sides in ({}, {"dense": None}, {"sparse": None}):
            hits = await index.search(anything(Scope(), limit=3, prefetch=3, **sides))
            assert documents(hits) == {"runbooks/far"}

    play(scene)


def test_hidden_and_later_chunks_move_no_score(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(store, chunk("runbooks/a"), chunk("runbooks/b"))
        scope = Scope(as_of=day(2))
        before = await index.search(anything(scope, dense=None))
        await index.upsert(
            [embedded(chunk(f"runbooks/h{n}", audience=("ops",))) for n in range(20)]
            + [embedded(chunk(f"runbooks/l{n}", written_at=day(3))) for n in range(20)]
        )
        assert await index.search(anything(scope, dense=None)) == before

    play(scene)


def test_nothing_written_later_is_seen(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(
            store,
            chunk("runbooks/undated"),
            chunk("runbooks/early", written_at=day(1)),
            chunk("runbooks/late", written_at=day(9)),
        )
        undated = {"runbooks/undated"}
        assert await visible(index, Scope(as_of=day(1) - timedelta(microseconds=1))) == undated
        assert await visible(index, Scope(as_of=day(1))) == undated | {"runbooks/early"}
        assert await visible(index, Scope(as_of=day(9))) == undated | {
            "runbooks/early",
            "runbooks/late",
        }
        assert len(await visible(index, Scope())) == 3

    play(scene)


def test_what_was_written_since_can_be_asked_for(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(
            store,
            chunk("runbooks/undated"),
            chunk("runbooks/early", written_at=day(1)),
            chunk("runbooks/late", written_at=day(9)),
        )
        assert await visible(index, Scope(written_since=day(9))) == {"runbooks/late"}
        assert await visible(index, Scope(written_since=day(1), as_of=day(8))) == {"runbooks/early"}

    play(scene)


def test_kinds_services_and_documents_narrow_the_search(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(
            store,
            chunk("runbooks/page", services=("checkout",)),
            chunk("runbooks/report", kind="incidents", services=("search", "checkout")),
            chunk("runbooks/talk", kind="slack"),
        )
        kinds = (SourceKind.INCIDENTS, SourceKind.SLACK)
        assert await visible(index, Scope(kinds=kinds)) == {"runbooks/report", "runbooks/talk"}
        assert await visible(index, Scope(services=("search",))) == {"runbooks/report"}
        assert await visible(index, Scope(services=("checkout",))) == {
            "runbooks/page",
            "runbooks/report",
        }
        excluded = ("runbooks/page", "runbooks/unknown")
        assert await visible(index, Scope(excluded_documents=excluded)) == {
            "runbooks/report",
            "runbooks/talk",
        }
        assert await visible(index, Scope(kinds=kinds, excluded_documents=("runbooks/talk",))) == {
            "runbooks/report"
        }
        only = ("runbooks/talk", "runbooks/page", "runbooks/unknown")
        assert await visible(index, Scope(documents=only)) == {"runbooks/talk", "runbooks/page"}
        assert await visible(index, Scope(documents=only, kinds=kinds)) == {"runbooks/talk"}

    play(scene)


def reference_rrf(lists: list[list[Hit]], weights: tuple[float, float], k: int) -> dict[str, float]:
    """Computed from the stages' lists; what ``HybridQuery`` says that Qdrant does."""
    scores: dict[str, float] = {}
    for found, weight in zip(lists, weights, strict=True):
        for rank, hit in enumerate(found, start=1):
            scores[hit.chunk.id] = scores.get(hit.chunk.id, 0.0) + 1 / (k + rank / weight)
    return scores


def reference_dbsf(lists: list[list[Hit]]) -> dict[str, float]:
    """The same of distribution-based score fusion: three deviations to each side are 0 and 1."""
    scores: dict[str, float] = {}
    for found in lists:
        values = np.array([hit.score for hit in found])
        low, high = (values.mean() + side * 3 * values.std(ddof=1) for side in (-1, 1))
        for hit, value in zip(found, values, strict=True):
            part = float((value - low) / (high - low))
            scores[hit.chunk.id] = scores.get(hit.chunk.id, 0.0) + part
    return scores


def test_the_fused_list_is_what_the_stages_say(backend: Path | Qdrant) -> None:
    random = np.random.default_rng(1)
    points = [
        embedded(
            chunk(f"runbooks/{n}"),
            unit(*random.normal(size=8)),
            SparseVector(indices=(1, 2), values=tuple(random.uniform(0.1, 2, 2).tolist())),
        )
        for n in range(40)
    ]

    async def check(index: Index, seed: int, **question: Any) -> None:
        dense = unit(*np.random.default_rng(seed).normal(size=8))
        query = partial(anything, Scope(), dense=dense, sparse=terms(t1=1.0, t2=0.5))
        depth = question["prefetch"]
        fused = await index.search(query(limit=2 * depth, **question))
        by_dense = await index.search(query(limit=depth, prefetch=depth, sparse=None))
        by_sparse = await index.search(query(limit=depth, prefetch=depth, dense=None))
        lists = [by_dense, by_sparse]
        expected = reference_rrf(lists, question["weights"], question["rrf_k"])
        assert {hit.chunk.id: hit.score for hit in fused} == pytest.approx(expected, rel=1e-4)
        assert fused == sorted(fused, key=lambda hit: (-hit.score, hit.chunk.id))
        assert [[hit.chunk.id for hit in by_rank(fused, side)] for side in STAGES] == [
            [hit.chunk.id for hit in hits] for hits in lists
        ]
        if depth > 1:
            question |= {"fusion": FusionMethod.DBSF}
            added = await index.search(query(limit=2 * depth, **question))
            assert {hit.chunk.id: hit.score for hit in added} == pytest.approx(
                reference_dbsf(lists), rel=1e-3, abs=1e-4
            )

    with asyncio.Runner() as runner:
        opened = opened_store(backend)
        store = runner.run(opened.__aenter__())
        index = runner.run(store.open_for_writing(SPEC, lambda: 1.0))
        runner.run(index.upsert(points))

        @settings(max_examples=25, deadline=None)
        @given(
            seed=st.integers(0, 2**32 - 1),
            prefetch=st.integers(1, 50),
            k=st.integers(1, 100),
            weights=st.tuples(st.floats(0.25, 4), st.floats(0.25, 4)),
        )
        def each(seed: int, prefetch: int, k: int, weights: tuple[float, float]) -> None:
            runner.run(check(index, seed, prefetch=prefetch, rrf_k=k, weights=weights))

        each()
        runner.run(opened.__aexit__(None, None, None))


STAGES = ("dense", "sparse")


def by_rank(hits: list[Hit], side: str) -> list[Hit]:
    """The hits that a stage found, in its order; their ranks have no gaps."""
    ranks = {stage.rank: hit for hit in hits if (stage := getattr(hit, side)) is not None}
    assert sorted(ranks) == list(range(1, len(ranks) + 1))
    return [ranks[rank] for rank in sorted(ranks)]


def test_equal_scores_are_ordered_by_id_whatever_is_cut_off(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        chunks = [chunk(f"runbooks/{n}") for n in range(20)]
        index = await store.open_for_writing(SPEC, lambda: 1.0)
        # The one's dense rank is the other's sparse rank: pairs of equal fused scores.
        await index.upsert(
            [
                embedded(one, unit(1.0, n / 10), terms(t1=1.0, t2=float(n)))
                for n, one in enumerate(chunks)
            ]
        )
        query = {"dense": unit(1.0), "sparse": terms(t2=1.0)}
        everything = await index.search(anything(Scope(), limit=20, **query))
        keys = [(-hit.score, hit.chunk.id) for hit in everything]
        assert len({hit.score for hit in everything}) < len(everything)
        assert keys == sorted(keys)
        for limit in (1, 5):
            assert await index.search(anything(Scope(), limit=limit, **query)) == everything[:limit]

    play(scene)


def test_one_vector_ranks_alone(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        near, far = chunk("runbooks/near"), chunk("runbooks/far")
        index = await store.open_for_writing(SPEC, lambda: 1.0)
        await index.upsert(
            [
                embedded(near, unit(1.0, 0.1), terms(t7=1.0)),
                embedded(far, unit(0.1, 1.0), terms(t1=1.0)),
            ]
        )
        hits = await index.search(anything(Scope(), sparse=None))
        assert [hit.chunk for hit in hits] == [near, far]
        assert [hit.dense.rank for hit in hits if hit.dense] == [1, 2]
        assert [hit.sparse for hit in hits] == [None, None]
        (hit,) = await index.search(anything(Scope(), dense=None))
        assert (hit.chunk, hit.dense) == (far, None)
        assert hit.sparse is not None
        assert (hit.sparse.rank, hit.sparse.score) == (1, hit.score)

    play(scene)


def test_searching_an_empty_index_finds_nothing(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(store)
        assert await visible(index, Scope()) == set()
        assert (await index.count(), await index.sources()) == (0, [])

    play(scene)


def test_writing_a_chunk_again_replaces_it(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(store, chunk(title="old"))
        await index.upsert([embedded(chunk(title="new")), embedded(chunk(title="new"))])
        assert await index.count() == 1
        (only,) = await index.chunks_of(["runbooks/a"], Scope())
        assert only.title == "new"

    play(scene)


def test_the_inventory_shows_half_written_documents(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(
            store,
            *(chunk("runbooks/whole", n, chunks=2) for n in range(2)),
            *(chunk("runbooks/edited", n, chunks=2, revision="r1") for n in range(2)),
            chunk("runbooks/edited", 0, chunks=3, revision="r2"),
            chunk("slack/thread", kind="slack"),
        )
        found = [
            (d.document_id, d.revision, d.stored, d.expected, d.complete)
            for d in await index.inventory("runbooks")
        ]
        assert found == [
            ("runbooks/edited", "r1", 2, 2, True),
            ("runbooks/edited", "r2", 1, 3, False),
            ("runbooks/whole", "r1", 2, 2, True),
        ]
        assert [d.origin for d in await index.inventory("slack")] == ["slack/thread.md"]
        assert await index.sources() == ["runbooks", "slack"]

    play(scene)


def test_keep_only_deletes_other_revisions_and_vanished_documents_of_the_source(
    play: Play,
) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(
            store,
            chunk("runbooks/same"),
            chunk("runbooks/edited", revision="r1"),
            chunk("runbooks/edited", revision="r2"),
            *(chunk("runbooks/gone", n, chunks=3) for n in range(3)),
            chunk("slack/gone", kind="slack"),
        )
        kept = {"runbooks/same": "r1", "runbooks/edited": "r2", "slack/gone": "r9"}
        assert await index.keep_only("runbooks", kept) == 4
        left = [(d.document_id, d.revision) for d in await index.inventory("runbooks")]
        assert left == [("runbooks/edited", "r2"), ("runbooks/same", "r1")]
        assert await index.sources() == ["runbooks", "slack"]
        assert await index.keep_only("runbooks", kept) == 0
        assert await index.keep_only("slack", {}) == 1
        assert await index.sources() == ["runbooks"]

    play(scene)


def test_more_chunks_than_a_page_are_listed_and_deleted(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        count = 1100
        index = await writing(
            store, *(chunk("runbooks/log", n, chunks=count) for n in range(count))
        )
        (document,) = await index.inventory("runbooks")
        assert (document.stored, document.complete) == (count, True)
        chunks = await index.chunks_of(["runbooks/log"], Scope())
        assert [one.ordinal for one in chunks] == list(range(count))
        assert await index.keep_only("runbooks", {}) == count
        assert await index.count() == 0

    play(scene)


def test_chunks_come_by_document_and_ordinal(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(
            store, *(chunk(f"runbooks/{d}", n, chunks=3) for n in (2, 0, 1) for d in "ba")
        )
        chunks = await index.chunks_of(["runbooks/b", "runbooks/a", "runbooks/none"], Scope())
        assert [(c.document_id[-1], c.ordinal) for c in chunks] == [
            ("a", 0),
            ("a", 1),
            ("a", 2),
            ("b", 0),
            ("b", 1),
            ("b", 2),
        ]
        assert await index.chunks_of([], Scope()) == []

    play(scene)


def test_values_are_counted_among_visible_chunks(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(
            store,
            chunk("runbooks/a", services=("checkout", "search"), regions=("eu-1",)),
            chunk("runbooks/b", services=("checkout",)),
            chunk("runbooks/c", services=("secret",), audience=("ops",)),
        )
        assert await index.values("services", Scope()) == {"checkout": 2, "search": 1}
        assert await index.values("regions", Scope()) == {"eu-1": 1}
        assert await index.values("customers", Scope()) == {}
        assert await index.values("kind", Scope(audience=("ops",))) == {"runbooks": 1}
        with pytest.raises(ValueError, match="'text' is not counted; one of customers"):
            await index.values("text", Scope())

    play(scene)


def test_optimizing_changes_no_answer(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(store, *(chunk(f"runbooks/{n}") for n in range(10)))
        before = await index.search(anything(Scope()))
        await index.optimize()
        assert await index.search(anything(Scope())) == before

    play(scene)


def test_nothing_can_be_opened_before_something_was_published(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        with pytest.raises(IndexMissing, match="why ingest"):
            await store.open_current()
        await writing(store, chunk())
        with pytest.raises(IndexMissing, match="why ingest"):
            await store.open_current()

    play(scene)


def test_a_published_index_is_found_and_written_to_again(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(store, chunk("runbooks/a"))
        assert index.is_new
        await store.publish(index)
        assert not index.is_new
        reader = await store.open_current()
        assert (reader.spec, reader.average_length, reader.is_new) == (SPEC, 42.5, False)
        await index.aclose()
        again = await store.open_for_writing(SPEC, never)
        assert not again.is_new
        await again.upsert([embedded(chunk("runbooks/b"))])
        await store.publish(again)
        assert await visible(reader, Scope()) == {"runbooks/a", "runbooks/b"}

    play(scene)


def never() -> float:
    raise AssertionError("asked for the average length of an index that exists")


def test_an_unfinished_index_is_resumed(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        index = await writing(store, chunk("runbooks/a"))
        await index.aclose()
        resumed = await store.open_for_writing(SPEC, never)
        assert (resumed.is_new, resumed.average_length) == (True, 42.5)
        assert await resumed.count() == 1

    play(scene)


def test_another_model_builds_a_new_index_while_the_old_one_answers(play: Play) -> None:
    async def scene(store: IndexStore) -> None:
        old = await writing(store, chunk("runbooks/old"))
        await store.publish(old)
        reader = await store.open_current()

        new = await store.open_for_writing(OTHER_SPEC, lambda: 7.0)
        assert (new.is_new, new.spec, new.average_length) == (True, OTHER_SPEC, 7.0)
        await new.upsert([embedded(chunk("runbooks/new"), unit(1.0, dimensions=4))])
        assert await visible(reader, Scope()) == {"runbooks/old"}
        assert (await store.open_current()).spec == SPEC

        await store.publish(new)
        current = await store.open_current()
        assert current.spec == OTHER_SPEC
        four = unit(1.0, dimensions=4)
        assert documents(await current.search(anything(Scope(), dense=four))) == {"runbooks/new"}

    play(scene)
