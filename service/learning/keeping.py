"""Add, edit and delete knowledge without a file.

It lives in the database. The index follows when a sync runs: each change asks for one, and a
server that shares the database does it within seconds.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta

from ingest.documents import Document
from ingest.redaction import redact_text
from service.learning.errors import Refused
from service.learning.pages import (
    NewIncident,
    NewPage,
    incident_document,
    page_document,
)
from service.store import (
    Database,
    KnowledgeItem,
)

EDITED = "; edited by "
"""In a provenance: what follows is who put another document in the place of the first."""
_GATHERED = timedelta(seconds=5)
"""Changes within this time share a sync."""
_WORDS = re.compile(r"[^a-z0-9]+")


async def add_incident(
    database: Database,
    new: NewIncident,
    *,
    by: str,
    at: datetime,
    redact_emails: bool = False,
) -> KnowledgeItem:
    """Keep a report on an incident. Raises: Refused, StoreError."""
    locator = _locator(new)
    document = incident_document(new, locator=locator, at=at, redact_emails=redact_emails)
    return await _added(database, document, by=by, at=at)


async def add_page(
    database: Database, new: NewPage, *, by: str, at: datetime, redact_emails: bool = False
) -> KnowledgeItem:
    """Keep a page. Raises: Refused, StoreError."""
    locator = _locator(new)
    document = page_document(new, locator=locator, redact_emails=redact_emails)
    return await _added(database, document, by=by, at=at)


async def edit(
    database: Database,
    item: KnowledgeItem,
    new: NewIncident | NewPage,
    *,
    by: str,
    at: datetime,
    redact_emails: bool = False,
) -> KnowledgeItem:
    """Put what somebody made of it in an item's place: ``new`` over ``as_page`` of its document.

    What a person worded stays as it is when the cause is confirmed again.
    Raises: Refused, NotFound, StoreError.
    """
    locator = item.document.origin.removesuffix(".md")
    if isinstance(new, NewIncident):
        document = incident_document(new, locator=locator, at=at, redact_emails=redact_emails)
    else:
        document = page_document(new, locator=locator, redact_emails=redact_emails)
    if document.kind is not item.document.kind:
        raise Refused("kind", f"{item.id} is one of the {item.document.kind}, and stays one")
    origin = item.provenance.partition(EDITED)[0]
    item = await database.knowledge.replace(
        item.id, document, provenance=f"{origin}{EDITED}{by} at {at:%Y-%m-%dT%H:%M:%SZ}"
    )
    await ask_for_sync(database)
    return item


async def delete(database: Database, item_id: str) -> None:
    """Forget an item; the next sync takes it out of the index. Raises: NotFound, StoreError."""
    await database.knowledge.delete(item_id)
    await ask_for_sync(database)


async def ask_for_sync(database: Database) -> None:
    """Put a sync into the queue that sees everything changed so far. Raises: StoreError.

    Changes of the same few seconds share one. It begins after they are over: a job that was
    running already might have read the table before.
    """
    span = _GATHERED.total_seconds()
    begins = (datetime.now(UTC).timestamp() // span + 1) * span
    await database.jobs.enqueue(
        "sync", {}, key=f"sync:{begins:.0f}", run_at=datetime.fromtimestamp(begins, UTC)
    )


async def _added(database: Database, document: Document, *, by: str, at: datetime) -> KnowledgeItem:
    item = await database.knowledge.add(
        document, provenance=f"added by {by} at {at:%Y-%m-%dT%H:%M:%SZ}", by=by
    )
    await ask_for_sync(database)
    return item


def _locator(new: NewIncident | NewPage) -> str:
    """A name that says what it is, and is nobody else's."""
    title = redact_text((new.title or new.text)[:2000])
    words = _WORDS.sub("-", title[:200].lower()).strip("-")[:50].strip("-")
    return f"{words or 'added'}-{secrets.token_hex(4)}"
