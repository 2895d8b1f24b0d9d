"""A confirmed cause becomes an incident record, and helps the next time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.documents import EVERYONE, IncidentFacts, SourceKind
from service.desk import Desk
from service.learning import (
    NewIncident,
    NoSuchCause,
    Refused,
    add_incident,
    as_page,
    confirm,
    edit,
    take_feedback,
)
from service.readers import Reader
from service.reports.model import Report
from service.settings import Settings
from service.store import Database, KnowledgeItem, NotFound, StoredReport, Verdict
from service.workspace import Workspace
from tests.service.learning.small_company import ALICE, FIRST, NEXT, asked, opened, settings_in

BOB = Reader(name="bob")
FEW = "slack:sec-response"
SEC = Reader(name="sam", audience=(EVERYONE, FEW))
SIGNED = "The key that ledger signs bookings with was stolen, so ledger checked every booking."


def causes(stored: StoredReport) -> list[str]:
    assert isinstance(stored.answer, Report)
    return [cause.component for cause in stored.answer.causes]


async def confirmed(
    workspace: Workspace,
    database: Database,
    stored: StoredReport,
    component: str,
    by: str = "alice",
    text: str | None = None,
) -> KnowledgeItem:
    rank = causes(stored).index(component) + 1
    async with workspace.knowledge() as knowledge:
        taken = await confirm(
            database, stored, rank, by=by, at=FIRST, text=text, retriever=knowledge.retriever
        )
    assert taken.record is not None
    return taken.record


@pytest.mark.parametrize("metrics", [True, False], ids=["with metrics", "documents only"])
def test_a_confirmed_cause_lifts_the_right_answer_for_the_same_symptoms_next_time(
    tmp_path: Path, metrics: bool
) -> None:
    async def run() -> None:
        settings = settings_in(tmp_path, metrics=metrics, ledger=not metrics)
        async with opened(settings) as (workspace, database):
            first = await asked(workspace, database)
            before = await asked(workspace, database, at=NEXT)
            assert causes(first) == causes(before) == ["pricing", "ledger"]
            await confirmed(workspace, database, first, "ledger")
            await workspace.sync()
            after = await asked(workspace, database, at=NEXT)
            assert causes(after) == ["ledger", "pricing"]
            assert isinstance(after.answer, Report)
            evidence = " ".join(claim.text for claim in after.answer.causes[0].evidence)
            assert "Confirmed cause of Trouble with checkout" in evidence
            earlier = await asked(workspace, database, at=FIRST - timedelta(seconds=1))
            assert "Confirmed cause of Trouble" not in earlier.answer.model_dump_json()

    asyncio.run(run())


def test_the_record_says_what_was_seen_and_who_stands_by_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path)) as (workspace, database):
            stored = await asked(workspace, database)
            record = await confirmed(workspace, database, stored, "ledger")
            document, facts = record.document, record.document.facts
            assert isinstance(facts, IncidentFacts)
            assert document.kind is SourceKind.INCIDENTS
            assert document.title == "Trouble with checkout in eu-west, 2026-11-12"
            assert (document.services, document.regions) == (("checkout",), ("eu-west",))
            assert document.audience == (EVERYONE,)
            assert document.written_at == FIRST
            assert (facts.component, facts.confirmed) == ("ledger", True)
            assert facts.cause == "ledger: ledger_lock_queue_length rose."
            assert facts.started == FIRST.replace(hour=2, minute=10)
            assert facts.resolved == FIRST.replace(hour=3, minute=0)
            assert "up to 2.55 s, from 02:10 until 03:00" in document.text
            by = f"alice at 2026-11-12T07:30:00Z from report {stored.id}"
            assert record.provenance == f"confirmed by {by}"
            assert f"Confirmed by alice at 2026-11-12 07:30 UTC from report {stored.id}" in (
                document.text
            )

    asyncio.run(run())


def test_whoever_confirms_may_word_the_cause(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path)) as (workspace, database):
            stored = await asked(workspace, database)
            text = "  A yearly report held\nthe locks of ledger. "
            record = await confirmed(workspace, database, stored, "ledger", text=text)
            assert isinstance(record.document.facts, IncidentFacts)
            assert record.document.facts.cause == "A yearly report held the locks of ledger."
            said = "It logged password=hunter2hunter2 and stopped."
            record = await confirmed(workspace, database, stored, "pricing", text=said)
            (entry,) = [e for e in await database.feedback.all() if e.component == "pricing"]
            assert "hunter2" not in f"{entry} {record}"
            with pytest.raises(Refused, match="longer than 2000"):
                await confirmed(workspace, database, stored, "ledger", text="x" * 2001)

    asyncio.run(run())


def test_the_same_cause_confirmed_by_others_is_one_record_with_more_behind_it(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path)) as (workspace, database):
            stored = await asked(workspace, database)
            people = ("alice", "bob", "carol", "alice")
            await asyncio.gather(
                *(confirmed(workspace, database, stored, "ledger", by) for by in people)
            )
            record = await confirmed(workspace, database, stored, "ledger", "dave")
            assert await database.knowledge.list() == (record,)
            for name in ("alice", "bob", "carol", "dave"):
                assert record.provenance.count(f"confirmed by {name} at") == 1
                assert record.document.text.count(f"Confirmed by {name} at") == 1

    asyncio.run(run())


def test_a_confirmation_can_be_taken_back_and_the_record_stays_as_a_suspicion(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path)) as (workspace, database):
            desk = Desk(workspace, database)
            stored = await asked(workspace, database)
            for reader in (ALICE, BOB):
                await desk.say(stored.id, reader, Verdict.CONFIRM, component="ledger")
            one = (await desk.say(stored.id, ALICE, Verdict.REJECT, component="ledger")).record
            assert one is not None
            assert isinstance(one.document.facts, IncidentFacts)
            assert one.document.facts.confirmed
            none = (await desk.say(stored.id, BOB, Verdict.REJECT, component="ledger")).record
            assert none is not None
            assert isinstance(none.document.facts, IncidentFacts)
            assert not none.document.facts.confirmed
            assert "Nobody stands by this cause any more" in none.document.text
            assert none.id == one.id
            await workspace.sync()
            after = await asked(workspace, database, at=NEXT)
            assert causes(after)[0] == "pricing"
            assert "never confirmed" in after.answer.model_dump_json()

    asyncio.run(run())


def test_an_edited_record_keeps_its_words_when_somebody_else_confirms(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path)) as (workspace, database):
            stored = await asked(workspace, database)
            record = await confirmed(workspace, database, stored, "ledger")
            words = NewIncident(text=as_page(record.document), cause="Ledger waited for a disk.")
            await edit(database, record, words, by="carol", at=FIRST)
            again = await confirmed(workspace, database, stored, "ledger", "bob")
            assert isinstance(again.document.facts, IncidentFacts)
            assert again.document.facts.cause == "Ledger waited for a disk."
            assert "Confirmed by bob" in again.document.text
            assert "edited by carol" in again.provenance

    asyncio.run(run())


def test_only_a_cause_that_is_there_can_be_confirmed(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path)) as (workspace, database):
            stored = await asked(workspace, database)
            with pytest.raises(NoSuchCause, match="has 2 causes, so none with the number 3"):
                await confirm(database, stored, 3, by="alice", at=FIRST)
            for verdict, component in ((Verdict.REJECT, None), (Verdict.UP, "search")):
                with pytest.raises(NoSuchCause):
                    await take_feedback(
                        database, stored, verdict, component=component, by="alice", at=FIRST
                    )
            desk = Desk(workspace, database)
            restricted = await asked(workspace, database, SEC)
            with pytest.raises(NotFound):
                await desk.say(restricted.id, ALICE, Verdict.CONFIRM, component="ledger")
            assert await database.feedback.all() == ()
            assert await database.knowledge.list() == ()

    asyncio.run(run())


def restricted(settings: Settings, name: str = "ledger-key.md") -> None:
    """A report that only the security people may read."""
    folder = settings.sources[1].path
    assert folder is not None
    (folder / name).write_text(
        "---\ntitle: Checkout slow because ledger checked signatures\n"
        "published: 2026-05-03T10:00:00Z\nstarted: 2026-05-02T02:00:00Z\n"
        f"services: [checkout]\ncomponent: ledger\ncause: {SIGNED}\nconfirmed: true\n"
        f"audience: [{FEW}]\n---\n# Checkout slow\n\n## Impact\n\nCheckout was slow.\n"
    )


def test_a_restricted_passage_never_gets_into_a_record_that_more_may_read(tmp_path: Path) -> None:
    async def run() -> None:
        settings = settings_in(tmp_path)
        restricted(settings)
        async with opened(settings) as (workspace, database):
            stored = await asked(workspace, database, SEC)
            assert SIGNED in stored.answer.model_dump_json()

            about_pricing = await confirmed(workspace, database, stored, "pricing")
            assert about_pricing.document.audience == (EVERYONE,)
            public = as_page(about_pricing.document)
            assert "pricing_worker_queue_length" in public
            assert "stolen" not in public
            assert "Asked" not in public, "not even the question: it was asked among few"

            about_ledger = await confirmed(workspace, database, stored, "ledger")
            assert about_ledger.document.audience == (FEW,)
            assert SIGNED in as_page(about_ledger.document)

            await workspace.sync()
            for reader, sees in ((ALICE, False), (SEC, True)):
                answer = (await asked(workspace, database, reader, at=NEXT)).answer
                assert (about_ledger.document.id in answer.model_dump_json()) is sees

    asyncio.run(run())


def test_without_a_look_at_the_documents_nothing_of_them_is_quoted(tmp_path: Path) -> None:
    async def run() -> None:
        settings = settings_in(tmp_path)
        restricted(settings)
        async with opened(settings) as (workspace, database):
            public = await asked(workspace, database)
            taken = await confirm(database, public, 1, by="alice", at=FIRST)
            assert taken.record is not None
            assert "ran out of workers" not in taken.record.document.text
            stored = await asked(workspace, database, SEC)
            rank = causes(stored).index("ledger") + 1
            taken = await confirm(database, stored, rank, by="sam", at=FIRST)
            assert taken.record is None
            assert [entry.by for entry in await database.feedback.of(stored.id)] == ["sam"]

    asyncio.run(run())


def test_a_passage_that_was_restricted_since_is_not_quoted(tmp_path: Path) -> None:
    async def run() -> None:
        settings = settings_in(tmp_path)
        async with opened(settings) as (workspace, database):
            stored = await asked(workspace, database)
            assert settings.sources[1].path is not None
            page = settings.sources[1].path / "pricing-workers.md"
            page.write_text(page.read_text().replace("---\n#", f"audience: {FEW}\n---\n#"))
            await workspace.sync()
            record = await confirmed(workspace, database, stored, "pricing")
            assert "ran out of workers" not in as_page(record.document)

    asyncio.run(run())


def test_what_people_add_has_no_other_way_to_its_readers(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path, metrics=False)) as (workspace, database):
            new = NewIncident(text=f"# Checkout slow\n\n{SIGNED}", audience=(FEW,))
            await add_incident(database, new, by="sam", at=FIRST)
            await workspace.sync()
            for reader, sees in ((ALICE, False), (SEC, True)):
                found = await workspace.search("stolen key", reader.audience, as_of=FIRST)
                assert any(SIGNED in one.chunk.text for one in found) is sees

    asyncio.run(run())
