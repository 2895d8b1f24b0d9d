"""Knowledge without a file: read as in a folder, refused with a reason, found and removed again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from ingest.documents import Document, IncidentFacts, SourceKind
from ingest.sources.incidents import IncidentSource
from ingest.sources.runbooks import RunbookSource
from service.learning import (
    NewIncident,
    NewPage,
    Refused,
    add_incident,
    add_page,
    added_sources,
    as_page,
    delete,
    edit,
    incident_document,
    page_document,
)
from service.store import Database
from service.store.tables import knowledge
from tests.company import DATA
from tests.service.learning.small_company import FIRST, opened, settings_in

OUTAGE = """# Certificate of edge-proxy expired

## Impact

Every request failed with a TLS error for 20 minutes.

## Root cause

The certificate of edge-proxy expired, because its renewal waited for a person.
"""


def test_an_added_page_reads_exactly_as_the_same_page_in_a_folder() -> None:
    folders: list[tuple[Any, Any]] = [
        (
            IncidentSource(name="added-incidents", path=DATA / "incidents"),
            lambda text, name: incident_document(NewIncident(text=text), locator=name, at=FIRST),
        ),
        (
            RunbookSource(name="added-runbooks", path=DATA / "runbooks"),
            lambda text, name: page_document(NewPage(text=text), locator=name),
        ),
    ]
    for source, added in folders:
        read = [one for one in source.read() if isinstance(one, Document)]
        assert len(read) >= 20
        for document in read:
            text = (source.path / document.origin).read_text(encoding="utf-8")
            assert added(text, document.origin.removesuffix(".md")) == document


def test_what_is_shown_for_editing_says_the_same_again() -> None:
    source = IncidentSource(name="added-incidents", path=DATA / "incidents")
    for document in source.read():
        assert isinstance(document, Document)
        name = document.origin.removesuffix(".md")
        again = incident_document(NewIncident(text=as_page(document)), locator=name, at=FIRST)
        assert again == document


def test_what_is_given_wins_over_the_text_and_what_is_not_is_read_from_it() -> None:
    document = incident_document(
        NewIncident(
            text=f"---\ncomponent: dns\nseverity: SEV3\nservices: [dns]\n---\n{OUTAGE}",
            component="edge-proxy",
            services=("storefront", "checkout"),
            started=FIRST - timedelta(hours=2),
            url="https://wiki.example/outage",
        ),
        locator="outage",
        at=FIRST,
    )
    facts = document.facts
    assert isinstance(facts, IncidentFacts)
    assert (facts.component, facts.severity) == ("edge-proxy", "SEV3")
    assert facts.cause is not None
    assert "renewal waited" in facts.cause
    assert facts.started == FIRST - timedelta(hours=2)
    assert document.services == ("storefront", "checkout")
    assert document.url == "https://wiki.example/outage"
    assert document.written_at == FIRST, "known since it was added"


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (lambda: NewIncident(text="It broke."), "title"),
        (lambda: NewIncident(text="---\ntitle: It broke\n---\n\n"), "text"),
        (lambda: NewIncident(text="---\ntitle: [\n---\nIt broke."), "text"),
        (lambda: NewIncident(text="---\nstarted: at noon\n---\n# It broke"), "text"),
        (lambda: NewIncident(text=f"---\ntitle: {'long ' * 100}\n---\nIt broke."), "title"),
        (lambda: NewIncident(text="---\nurl: javascript:alert(1)\n---\n# It broke"), "url"),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused_by_field_and_reason(new: Any, field: str) -> None:
    with pytest.raises(Refused, match="^" + field) as refused:
        incident_document(new(), locator="it", at=FIRST)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"text": ""}, ("text",)),
        ({"text": "x" * 200_001}, ("text",)),
        ({"text": "# It", "services": ["a"] * 51}, ("services",)),
        ({"text": "# It", "component": " "}, ("component",)),
        ({"text": "# It", "url": "javascript:alert(1)"}, ("url",)),
        ({"text": "# It", "started": "2026-11-12T01:00:00"}, ("started",)),
        ({"text": "# It", "started": FIRST, "resolved": FIRST - timedelta(1)}, ()),
        ({"text": "# It", "unknown": 1}, ("unknown",)),
    ],
)
def test_fields_are_bounded(fields: dict[str, Any], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        NewIncident.model_validate(fields)
    assert refused.value.errors()[0]["loc"] == place


def test_secrets_never_reach_the_database(tmp_path: Path) -> None:
    async def run() -> str:
        async with await Database.open(settings_in(tmp_path)) as database:
            secret = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
            await add_incident(
                database, NewIncident(text=f"{OUTAGE}\nThe token was {secret}."), by="bob", at=FIRST
            )
            (item,) = await database.knowledge.list()
            assert secret not in item.document.text
            return item.document.text

    assert "[redacted:" in asyncio.run(run())


def test_what_was_added_is_found_after_a_sync_and_gone_after_the_last_is_deleted(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path, metrics=False)) as (workspace, database):

            async def titles(text: str) -> list[str]:
                found = await workspace.search(text, ("everyone",), as_of=FIRST, limit=9)
                return [passage.chunk.title for passage in found]

            incident = await add_incident(database, NewIncident(text=OUTAGE), by="alice", at=FIRST)
            page = await add_page(
                database, NewPage(text="# Renew a certificate\n\nOpen the vault."), by="b", at=FIRST
            )
            assert incident.provenance == "added by alice at 2026-11-12T07:30:00Z"
            report = await workspace.sync()
            assert report.problems == ()
            added = await titles("certificate expired")
            assert {incident.document.title, page.document.title} <= set(added)

            changed = NewIncident(text=as_page(incident.document), title="Edge down")
            edited = await edit(database, incident, changed, by="carol", at=FIRST)
            await workspace.sync()
            added = await titles("certificate expired")
            assert "Edge down" in added
            assert incident.document.title not in added
            assert edited.document.id == incident.document.id
            assert edited.provenance.endswith("; edited by carol at 2026-11-12T07:30:00Z")

            for item in (incident, page):
                await delete(database, item.id)
            report = await workspace.sync()
            assert sum(outcome.removed for outcome in report.sources) == 2
            assert not {"Edge down", page.document.title} & set(await titles("certificate expired"))

    asyncio.run(run())


def test_an_item_that_cannot_be_read_takes_no_other_with_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(settings_in(tmp_path, metrics=False)) as (workspace, database):
            broken, whole = [
                await add_incident(database, NewIncident(text=OUTAGE), by="alice", at=FIRST)
                for _ in range(2)
            ]
            await workspace.sync()
            async with database._connections.write() as connection:
                stored = update(knowledge).where(knowledge.c.id == broken.id)
                await connection.execute(stored.values(document={"kind": "incidents"}))
            (source,) = await added_sources(database)
            assert (source.name, source.kind) == ("added-incidents", SourceKind.INCIDENTS)
            report = await workspace.sync()
            (problem,) = report.problems
            assert problem.path == broken.id
            assert "not understood" in problem.reason
            async with workspace.knowledge() as opened_now:
                kept = {row.document_id for row in await opened_now.index.inventory(source.name)}
            assert kept == {broken.document.id, whole.document.id}

    asyncio.run(run())


def test_every_change_is_followed_by_a_sync_that_begins_after_it(tmp_path: Path) -> None:
    def later() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=1)

    async def run() -> None:
        settings = settings_in(tmp_path)
        began = datetime.now(UTC)
        async with (
            await Database.open(settings) as database,
            await Database.open(settings, clock=lambda: began) as at_once,
            await Database.open(settings, clock=later) as afterwards,
        ):
            for _ in range(3):
                item = await add_incident(database, NewIncident(text=OUTAGE), by="a", at=FIRST)
            assert await at_once.jobs.claim("worker", timedelta(1)) is None
            spans = datetime.now(UTC).timestamp() // 5 - began.timestamp() // 5 + 1
            jobs = []
            while (job := await afterwards.jobs.claim("worker", timedelta(1))) is not None:
                jobs.append(job)
            assert {job.kind for job in jobs} == {"sync"}
            assert len(jobs) <= spans, "changes of the same five seconds share one"
            assert jobs[-1].run_at > item.updated_at

    asyncio.run(run())
