"""Knowledge without a file: added, edited, and seen only by who may."""

from __future__ import annotations

import pytest

from ingest.documents import Document, IncidentFacts, Section, SourceKind
from service.settings import Settings
from service.store import Conflict, Database, NotFound
from tests.service.store.stories import NIGHT, Clock, tell


def incident(name: str, text: str, *audience: str) -> Document:
    return Document(
        id=f"added/{name}",
        source="added",
        kind=SourceKind.INCIDENTS,
        title=f"Incident {name}",
        origin=name,
        sections=(Section(text=text, headings=("Cause",), written_at=NIGHT),),
        written_at=NIGHT,
        audience=audience or ("everyone",),
        facts=IncidentFacts(incident_id=name, started=NIGHT, cause=text, confirmed=True),
    )


def test_a_document_is_added_edited_and_deleted(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        first = incident("pool", "The pool was too small.")
        item = await database.knowledge.add(
            first, provenance="confirmed by alice at 2026-11-25T03:00:00Z", by="alice"
        )
        assert item.id.startswith("k_")
        assert await database.knowledge.get(item.id) == item
        assert await database.knowledge.of_document("added/pool") == item
        assert item.document == first

        clock.pass_by(hours=1)
        second = incident("pool", "The pool leaked.")
        edited = await database.knowledge.replace(item.id, second, provenance="edited by bob")
        assert (edited.document, edited.provenance) == (second, "edited by bob")
        assert (edited.created_by, edited.created_at, edited.updated_at) == (
            "alice",
            NIGHT,
            clock.now,
        )
        assert await database.knowledge.list() == (edited,)

        await database.knowledge.delete(item.id)
        assert await database.knowledge.get(item.id) is None
        assert await database.knowledge.of_document("added/pool") is None

    tell(settings, clock, story)


def test_two_items_do_not_hold_one_document(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        await database.knowledge.add(incident("a", "A"), provenance="by hand", by="alice")
        b = await database.knowledge.add(incident("b", "B"), provenance="by hand", by="alice")

        with pytest.raises(Conflict, match="added/a already"):
            await database.knowledge.add(incident("a", "A2"), provenance="by hand", by="bob")
        with pytest.raises(Conflict) as taken:
            await database.knowledge.replace(
                b.id, incident("a", "a secret text"), provenance="by hand"
            )
        assert "a secret text" not in str(taken.value)
        assert await database.knowledge.get(b.id) == b

    tell(settings, clock, story)


def test_who_has_one_of_its_labels_sees_a_document(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        for name, audience in (("open", ("everyone",)), ("secret", ("sec", "sre"))):
            await database.knowledge.add(
                incident(name, name, *audience), provenance="by hand", by="alice"
            )

        async def seen(*audience: str) -> list[str]:
            return [item.document.origin for item in await database.knowledge.list(audience)]

        assert await seen("everyone") == ["open"]
        assert await seen("sre", "sec") == ["secret"]
        assert await seen() == []

        secret = await database.knowledge.of_document("added/secret")
        assert secret is not None
        opened = incident("secret", "told")
        await database.knowledge.replace(secret.id, opened, provenance="opened by alice")
        assert set(await seen("everyone")) == {"open", "secret"}
        assert await seen("sec") == []

    tell(settings, clock, story)


def test_what_is_not_there_can_be_neither_replaced_nor_deleted(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        with pytest.raises(NotFound, match="k_gone"):
            await database.knowledge.replace("k_gone", incident("a", "A"), provenance="by hand")
        with pytest.raises(NotFound, match="k_gone"):
            await database.knowledge.delete("k_gone")

    tell(settings, clock, story)
