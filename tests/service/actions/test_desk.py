"""A person's yes: asked for, carried out once, and on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.documents import EVERYONE
from service.actions.desk import ActionDesk, configured, outcome_of
from service.actions.errors import NotConfigured, NothingToPropose, NotWaiting
from service.actions.kinds import ActionKind
from service.readers import Reader
from service.reports.model import Report
from service.settings import Settings
from service.store import ActionState, Database, NotFound, StoredReport, Surface
from service.testing.jira import Failure, FakeJira
from service.testing.loopback import on_loopback
from service.testing.pagerduty import FakePagerDuty
from tests.service.actions.reports import cause, report

ALICE = Reader(name="slack:alice", audience=(EVERYONE, "secret"))
BOB = Reader(name="cli:bob")
TOKEN = "s3cret"  # noqa: S105 - a fake's


@pytest.fixture
def jira() -> FakeJira:
    return FakeJira(token=TOKEN)


@pytest.fixture
def url(jira: FakeJira) -> Iterator[str]:
    with on_loopback(jira) as address:
        yield address


def settings_for(folder: Path, url: str, **more: Any) -> Settings:
    return Settings(
        database_file=folder / "why.db",
        jira_url=url,
        jira_user="why@example.com",
        jira_token=SecretStr(TOKEN),
        jira_project="OPS",
        **more,
    )


@asynccontextmanager
async def desk_on(
    settings: Settings, *, audience: tuple[str, ...] = (EVERYONE,), ago: timedelta = timedelta(0)
) -> AsyncIterator[tuple[ActionDesk, Database, StoredReport]]:
    """A desk, its database (whose clock is ``ago`` behind) and a report in it."""
    async with await Database.open(settings, clock=lambda: datetime.now(UTC) - ago) as database:
        stored = await keep(database, report(cause()), audience)
        yield ActionDesk(settings, database), database, stored


async def keep(database: Database, answer: Report, audience: tuple[str, ...]) -> StoredReport:
    return await database.reports.add(
        answer, surface=Surface.SLACK, asked_by=ALICE.name, audience=audience
    )


async def audit_of(database: Database, proposal_id: str) -> list[tuple[str, str]]:
    return [(row.what, row.who) for row in await database.actions.audit(proposal_id)]


def test_by_default_an_approved_action_is_only_written_down_and_says_so(
    tmp_path: Path, jira: FakeJira, url: str
) -> None:
    async def run() -> None:
        async with desk_on(settings_for(tmp_path, url)) as (desk, database, stored):
            proposal = await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)
            assert "nothing happens until somebody approves it" in outcome_of(proposal)
            done = await desk.approve(proposal.id, BOB)
            assert done.state is ActionState.DRY_RUN
            assert "nothing was created" in outcome_of(done)
            assert await audit_of(database, proposal.id) == [
                ("proposed", "slack:alice"),
                ("approved", "cli:bob"),
                ("dry_run", "cli:bob"),
            ]
            last = (await database.actions.audit(proposal.id))[-1]
            assert "would create a Task in OPS: Most likely quota" in (last.detail or "")

    asyncio.run(run())
    assert jira.calls == []


def test_nothing_is_asked_of_jira_before_the_yes_and_one_issue_is_filed_after_ten_of_them(
    tmp_path: Path, jira: FakeJira, url: str
) -> None:
    settings = settings_for(tmp_path, url, actions_dry_run=False)

    async def run() -> None:
        async with desk_on(settings) as (desk, database, stored):
            proposal = await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)
            assert await desk.propose(ActionKind.JIRA_ISSUE, stored.id, BOB) == proposal
            assert jira.calls == []
            async with await Database.open(settings) as other:  # another server process
                desks = (desk, ActionDesk(settings, other))
                said = await asyncio.gather(
                    *(desks[n % 2].approve(proposal.id, BOB) for n in range(10)),
                    return_exceptions=True,
                )
            done = [one for one in said if not isinstance(one, BaseException)]
            assert [one.state for one in done] == [ActionState.DONE]
            assert all(isinstance(one, NotWaiting) for one in said if one not in done)
            assert done[0].result_url == f"{settings.jira_url}/browse/OPS-1"
            assert [what for what, _ in await audit_of(database, proposal.id)] == [
                "proposed",
                "approved",
                "executing",
                "done",
            ]

    asyncio.run(run())
    assert len(jira.issues) == 1


def test_a_no_is_final_and_on_record(tmp_path: Path, jira: FakeJira, url: str) -> None:
    settings = settings_for(tmp_path, url, actions_dry_run=False)

    async def run() -> None:
        async with desk_on(settings) as (desk, database, stored):
            proposal = await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)
            rejected = await desk.reject(proposal.id, BOB, "we know")
            assert outcome_of(rejected) == "Rejected by cli:bob."
            with pytest.raises(NotWaiting):
                await desk.approve(proposal.id, ALICE)
            rows = await database.actions.audit(proposal.id)
            assert (rows[-1].what, rows[-1].detail) == ("rejected", "we know")
            again = await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)
            assert again.id != proposal.id

    asyncio.run(run())
    assert jira.issues == []


def test_what_jira_refuses_is_failed_with_its_reason(
    tmp_path: Path, jira: FakeJira, url: str
) -> None:
    settings = settings_for(tmp_path, url, actions_dry_run=False, jira_issue_type="Epic")

    async def run() -> None:
        async with desk_on(settings) as (desk, database, stored):
            proposal = await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)
            failed = await desk.approve(proposal.id, BOB)
            assert failed.state is ActionState.FAILED
            assert "nothing was created: Jira refused it (400" in outcome_of(failed)
            assert (await audit_of(database, proposal.id))[-1] == ("failed", "cli:bob")

    asyncio.run(run())


@pytest.mark.parametrize("filed", [True, False])
def test_an_execution_whose_answer_was_lost_is_looked_for_and_never_repeated(
    tmp_path: Path, jira: FakeJira, url: str, filed: bool
) -> None:
    settings = settings_for(tmp_path, url, actions_dry_run=False)
    jira.failures.append(Failure(502, after=filed))

    async def run() -> None:
        async with desk_on(settings, ago=timedelta(hours=1)) as (desk, _, stored):
            proposal = await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)
            unclear = await desk.approve(proposal.id, BOB)
            assert unclear.state is ActionState.EXECUTING
            assert "it may have been created" in outcome_of(unclear)
            looked = await desk.approve(proposal.id, BOB)
            if filed:
                assert looked.result_url == f"{settings.jira_url}/browse/OPS-1"
            else:
                assert looked.state is ActionState.FAILED

    asyncio.run(run())
    assert jira.calls.count(("POST", "/rest/api/2/issue")) == 1


def test_what_is_being_carried_out_by_somebody_else_is_left_alone(
    tmp_path: Path, jira: FakeJira, url: str
) -> None:
    settings = settings_for(tmp_path, url, actions_dry_run=False)
    jira.failures.append(Failure(502))

    async def run() -> None:
        async with desk_on(settings) as (desk, _, stored):
            proposal = await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)
            await desk.approve(proposal.id, BOB)
            with pytest.raises(NotWaiting, match="being carried out right now"):
                await desk.approve(proposal.id, BOB)

    asyncio.run(run())


def test_who_may_not_read_the_report_can_neither_propose_nor_see_nor_decide(
    tmp_path: Path, jira: FakeJira, url: str
) -> None:
    settings = settings_for(tmp_path, url)

    async def run() -> None:
        async with desk_on(settings, audience=ALICE.audience) as (desk, _, stored):
            proposal = await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)
            for call in (
                desk.propose(ActionKind.JIRA_ISSUE, stored.id, BOB),
                desk.get(proposal.id, BOB),
                desk.approve(proposal.id, BOB),
                desk.reject(proposal.id, BOB),
            ):
                with pytest.raises(NotFound):
                    await call
            assert await desk.list(BOB) == ()
            assert await desk.list(ALICE) == (proposal,)

    asyncio.run(run())


def test_an_incident_and_a_note_go_to_pagerduty(tmp_path: Path) -> None:
    pagerduty = FakePagerDuty(token=TOKEN, users=("why@example.com",), services=("PSVC1",))
    with on_loopback(pagerduty) as url:
        settings = Settings(
            database_file=tmp_path / "why.db",
            actions_dry_run=False,
            pagerduty_url=url,
            pagerduty_token=SecretStr(TOKEN),
            pagerduty_from="why@example.com",
            pagerduty_service="PSVC1",
        )

        async def run() -> None:
            async with desk_on(settings) as (desk, _, stored):
                opened = await desk.propose(ActionKind.PAGERDUTY_INCIDENT, stored.id, ALICE)
                done = await desk.approve(opened.id, BOB)
                assert pagerduty.incidents[0]["incident_key"] == opened.id
                assert done.result_url == pagerduty.incidents[0]["html_url"]
                note = await desk.propose(
                    ActionKind.PAGERDUTY_NOTE, stored.id, ALICE, incident="PINC1"
                )
                assert (await desk.approve(note.id, BOB)).state is ActionState.DONE
                with pytest.raises(NothingToPropose):
                    await desk.propose(ActionKind.PAGERDUTY_NOTE, stored.id, ALICE)
                with pytest.raises(NotConfigured, match="jira_url, jira_token, jira_project"):
                    await desk.propose(ActionKind.JIRA_ISSUE, stored.id, ALICE)

        asyncio.run(run())
    assert len(pagerduty.notes["PINC1"]) == 1


def test_the_settings_say_what_can_be_proposed(tmp_path: Path) -> None:
    assert configured(Settings()) == ()
    assert configured(settings_for(tmp_path, "https://jira.example")) == (ActionKind.JIRA_ISSUE,)
    token = SecretStr(TOKEN)
    notes = Settings(pagerduty_token=token, pagerduty_from="why@example.com")
    assert configured(notes) == (ActionKind.PAGERDUTY_NOTE,)
