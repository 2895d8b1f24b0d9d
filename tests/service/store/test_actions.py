"""Actions: proposed, decided by a person once, executed once, and all of it in the audit."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from service.settings import Settings
from service.store import ActionState, Conflict, Database, NotFound, Proposal
from service.store.database import url_of
from tests.service.store.stories import NIGHT, Clock, a_report, tell

URL = "https://jira.example.com/browse/OPS-7"


async def proposed(database: Database, *audience: str) -> Proposal:
    report = await a_report(database, audience=audience or ("everyone",))
    return await database.actions.propose(
        "jira_issue", report.id, {"summary": "Pool too small [1]"}, by="alice"
    )


def test_the_way_of_an_action_is_written_down_step_by_step(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        actions = database.actions
        proposal = await proposed(database)
        assert proposal.id.startswith("a_")
        assert (proposal.state, proposal.proposed_by) == (ActionState.PROPOSED, "alice")

        clock.pass_by(minutes=1)
        approved = await actions.approve(proposal.id, by="bob")
        assert (approved.state, approved.decided_by) == (ActionState.APPROVED, "bob")
        assert approved.decided_at == clock.now
        await actions.start(proposal.id, by="worker")
        done = await actions.done(proposal.id, by="worker", result_url=URL)

        assert (done.state, done.result_url) == (ActionState.DONE, URL)
        assert await actions.get(proposal.id) == done
        assert [(row.who, row.what, row.detail) for row in await actions.audit(proposal.id)] == [
            ("alice", "proposed", "jira_issue"),
            ("bob", "approved", None),
            ("worker", "executing", None),
            ("worker", "done", URL),
        ]
        assert (await actions.audit())[0].at == NIGHT

    tell(settings, clock, story)


def test_of_all_who_approve_or_reject_at_the_same_moment_one_decides(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        proposal = await proposed(database)
        decisions = [database.actions.approve(proposal.id, by=f"p{n}") for n in range(5)]
        decisions += [database.actions.reject(proposal.id, by=f"q{n}") for n in range(5)]
        found = await asyncio.gather(*decisions, return_exceptions=True)

        (decided,) = [one for one in found if isinstance(one, Proposal)]
        others = [one for one in found if not isinstance(one, Proposal)]
        assert all(isinstance(one, Conflict) for one in others)
        assert f"by {decided.decided_by}" in str(others[0])
        assert len(await database.actions.audit(proposal.id)) == 2

    tell(settings, clock, story)


def test_an_action_is_started_once_even_after_it_failed(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        actions = database.actions
        proposal = await proposed(database)
        with pytest.raises(Conflict, match="is proposed, and not approved"):
            await actions.start(proposal.id, by="worker")
        await actions.approve(proposal.id, by="bob")
        started = await asyncio.gather(
            *(actions.start(proposal.id, by="worker") for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(one, Proposal) for one in started) == 1

        failed = await actions.failed(proposal.id, by="worker", error="Jira: 403")
        assert (failed.state, failed.error) == (ActionState.FAILED, "Jira: 403")
        for step in (
            actions.approve(proposal.id, by="bob"),
            actions.start(proposal.id, by="worker"),
            actions.done(proposal.id, by="worker", result_url=URL),
        ):
            with pytest.raises(Conflict, match="is failed by bob"):
                await step

    tell(settings, clock, story)


def test_a_dry_run_ends_an_approved_action_and_a_no_ends_a_proposed_one(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        actions = database.actions
        dry = await proposed(database)
        await actions.approve(dry.id, by="bob")
        assert (await actions.dry_run(dry.id, by="bob", detail="POST /issue")).state == "dry_run"
        assert (await actions.audit(dry.id))[-1].detail == "POST /issue"

        no = await proposed(database)
        await actions.reject(no.id, by="bob", reason="known")
        assert (await actions.audit(no.id))[-1].detail == "known"
        with pytest.raises(Conflict):
            await actions.start(dry.id, by="bob")
        with pytest.raises(Conflict):
            await actions.approve(no.id, by="bob")

    tell(settings, clock, story)


def test_proposals_are_listed_for_who_may_read_their_report(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        actions = database.actions
        first = await proposed(database)
        clock.pass_by(seconds=1)
        secret = await proposed(database, "everyone", "sec")
        await actions.approve(first.id, by="bob")

        assert [one.id for one in await actions.list()] == [secret.id, first.id]
        assert [one.id for one in await actions.list(audience=["everyone"])] == [first.id]
        assert [one.id for one in await actions.list(state=ActionState.PROPOSED)] == [secret.id]
        assert [one.id for one in await actions.list(report_id=first.report_id)] == [first.id]

    tell(settings, clock, story)


def test_there_is_no_action_without_a_report_and_no_step_without_an_action(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        with pytest.raises(NotFound, match="r_gone"):
            await database.actions.propose("jira_issue", "r_gone", {}, by="alice")
        with pytest.raises(NotFound, match="a_gone"):
            await database.actions.approve("a_gone", by="alice")

    tell(settings, clock, story)


@pytest.mark.parametrize("change", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit"])
def test_the_database_itself_keeps_the_audit(settings: Settings, clock: Clock, change: str) -> None:
    async def story(database: Database) -> None:
        await proposed(database)

    tell(settings, clock, story)
    url = url_of(settings)
    if url.get_backend_name() == "sqlite":
        url = url.set(drivername="sqlite+pysqlite")
    engine = create_engine(url)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text(change))
    engine.dispose()
