"""Votes on causes weigh on the documents that spoke for them: damped, and one vote a person."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.learning import FeedbackWeights, Vote, confirm, take_feedback, trust
from service.reports.model import PassageCitation, Report
from service.store import Database, StoredReport, Verdict
from service.workspace import Workspace
from tests.service.learning.small_company import FIRST, NEXT, asked, opened, settings_in

PRICING = "incidents/pricing-workers.md"


def vote(by: str, good: bool, *documents: str) -> Vote:
    return Vote(by=by, good=good, documents=documents or ("d",))


def test_the_weight_is_the_share_of_good_votes_over_what_it_starts_with() -> None:
    assert trust([]) == {}
    assert trust([vote("a", False)]) == {"d": pytest.approx((4 / 6) / 0.8)}
    assert trust([vote(name, False) for name in "abcde"]) == {"d": pytest.approx(0.5)}
    assert trust([vote("a", True)]) == {"d": 1.0}
    assert trust([vote("a", False), *(vote(n, True) for n in "bcde")])["d"] == 1.0, "made up for"


def test_a_person_has_one_vote_on_a_document() -> None:
    once = trust([vote("a", False)])
    assert trust([vote("a", False)] * 10) == once
    assert trust([vote("a", False, "d", "d")]) == once
    undecided = trust([vote("a", False), vote("a", True)])["d"]
    assert once["d"] < undecided < 1.0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=30))
def test_a_weight_is_a_share_and_another_persons_bad_vote_never_raises_it(
    cast: list[tuple[str, bool]],
) -> None:
    votes = [vote(by, good) for by, good in cast]
    weight = trust(votes).get("d", 1.0)
    assert 0.0 < weight <= 1.0
    assert trust([*votes, vote("z", False)])["d"] <= weight
    assert trust([*votes, vote("z", True)])["d"] >= weight


async def say(database: Database, stored: StoredReport, verdict: Verdict, *people: str) -> None:
    for by in people:
        await take_feedback(database, stored, verdict, component="pricing", by=by, at=FIRST)


async def shares(workspace: Workspace, database: Database) -> dict[str, float]:
    """Component to what knowledge adds to its score, in order of rank."""
    answer = (await asked(workspace, database, at=NEXT)).answer
    assert isinstance(answer, Report)
    return {cause.component: cause.parts.knowledge for cause in answer.causes}


def test_one_mistaken_vote_does_not_bury_a_good_cause_and_many_lower_it(tmp_path: Path) -> None:
    async def run() -> None:
        settings = settings_in(tmp_path, metrics=False, ledger=True)
        async with opened(settings) as (workspace, database):
            stored = await asked(workspace, database)
            before = await shares(workspace, database)
            assert list(before) == ["pricing", "ledger"]

            await say(database, stored, Verdict.DOWN, "alice")
            one = await shares(workspace, database)
            assert one["pricing"] == pytest.approx(before["pricing"] * 5 / 6, abs=1e-3)
            assert one["ledger"] == before["ledger"]
            for _ in range(9):
                await say(database, stored, Verdict.REJECT, "alice")
            assert await shares(workspace, database) == one, "one voice, however often"

            await say(database, stored, Verdict.UP, "bob", "carol", "dave", "erin")
            assert await shares(workspace, database) == before, "and others make up for it"

            await say(database, stored, Verdict.REJECT, "bob", "carol", "dave", "erin")
            assert list(await shares(workspace, database)) == ["ledger"], "nobody believes it"

    asyncio.run(run())


def test_with_metrics_one_mistaken_vote_leaves_the_best_cause_first(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path)) as (workspace, database):
            stored = await asked(workspace, database)
            before = await shares(workspace, database)
            await say(database, stored, Verdict.DOWN, "alice")
            after = await shares(workspace, database)
            assert list(after) == list(before) == ["pricing", "ledger"]
            assert 0 < after["pricing"] < before["pricing"]

    asyncio.run(run())


def test_a_vote_weighs_on_what_was_quoted_and_on_the_record_made_of_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path)) as (workspace, database):
            weights = FeedbackWeights(database)
            assert await weights.now() == {}
            stored = await asked(workspace, database)
            assert isinstance(stored.answer, Report)
            cited = [c for c in stored.answer.citations if isinstance(c, PassageCitation)]
            assert [citation.document_id for citation in cited] == [PRICING]
            taken = await confirm(database, stored, 1, by="alice", at=FIRST)
            assert taken.record is not None
            assert set(await weights.now()) == {PRICING, taken.record.document.id}
            await say(database, stored, Verdict.REJECT, "bob", "carol")
            found = await weights.now()
            assert found[PRICING] == found[taken.record.document.id] < 1.0
            await take_feedback(database, stored, Verdict.DOWN, component=None, by="dave", at=FIRST)
            assert (await weights.now())[PRICING] < found[PRICING], "on the whole: its first cause"

    asyncio.run(run())
