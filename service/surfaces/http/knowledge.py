"""``/v1/incidents`` and ``/v1/documents``: knowledge without a file.

What is added here goes through the readers that files go through, secrets are taken out before it
is kept, and the index has it some seconds later. Who may find it is what its labels say; a key sees
and changes here what it could find.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from ingest.documents import Frozen, SourceKind, UtcTime
from service.access import Caller
from service.learning import NewIncident, NewPage, add_incident, add_page, as_page, delete, edit
from service.store import Database, KnowledgeItem, NotFound
from service.surfaces.http import examples
from service.surfaces.http.auth import Asking, Ingesting
from service.surfaces.http.idempotency import OnceOnly
from service.surfaces.http.serving import Server, Serving

incidents = APIRouter(prefix="/v1/incidents", tags=["knowledge"])
documents = APIRouter(prefix="/v1/documents", tags=["knowledge"])

ItemId = Annotated[str, Path(min_length=1, max_length=100, examples=[examples.ITEM_ID])]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=100, description="`next` of the page before.")]


class ItemHead(Frozen):
    """Added knowledge, without its text. ``provenance``: who added or confirmed it, and when."""

    id: str
    document_id: str
    kind: SourceKind
    title: str
    url: str | None
    audience: tuple[str, ...]
    provenance: str
    created_by: str
    created_at: UtcTime
    updated_at: UtcTime


class Item(ItemHead):
    """Added knowledge. ``page`` is all of it as a Markdown page with front matter: what is shown,
    edited, and put back as `text`."""

    page: str


class ItemPage(Frozen):
    """Part of a list, newest first. ``next``: the cursor of the page after it, None at the end."""

    items: tuple[ItemHead, ...]
    next: str | None


@incidents.post(
    "",
    response_model=Item,
    status_code=201,
    summary="Add an incident report",
)
async def create_incident(
    body: Annotated[NewIncident, examples.NEW_INCIDENT],
    caller: Ingesting,
    serving: Server,
    once: OnceOnly,
) -> Response:
    """Found and ranked like any other from the next sync on, which begins in seconds."""

    async def work() -> Item:
        item = await add_incident(
            serving.database,
            body,
            by=caller.reader.name,
            at=serving.workspace.moment(),
            redact_emails=serving.settings.redact_emails,
        )
        return _item(item)

    return await once(caller, 201, work)


@incidents.get("", summary="List added incident reports")
async def list_incidents(
    caller: Asking, serving: Server, limit: Limit = 20, cursor: Cursor = None
) -> ItemPage:
    """Those that this key may read, newest first; confirmed causes among them."""
    return await _page(_is_incident, caller, serving, limit, cursor)


@incidents.get("/{item_id}", summary="Read an added incident report")
async def get_incident(item_id: ItemId, caller: Asking, serving: Server) -> Item:
    """With the page that it is, for editing."""
    return _item(await _readable(item_id, _is_incident, caller, serving.database))


@incidents.put("/{item_id}", summary="Put another report in its place")
async def replace_incident(
    item_id: ItemId,
    body: Annotated[NewIncident, examples.NEW_INCIDENT],
    caller: Ingesting,
    serving: Server,
) -> Item:
    """Its id stays. A confirmed cause keeps these words when it is confirmed again."""
    item = await _readable(item_id, _is_incident, caller, serving.database)
    return await _edited(item, body, caller, serving)


@incidents.delete("/{item_id}", status_code=204, summary="Forget an added incident report")
async def delete_incident(item_id: ItemId, caller: Ingesting, serving: Server) -> None:
    """The next sync takes it out of the index."""
    item = await _readable(item_id, _is_incident, caller, serving.database)
    await delete(serving.database, item.id)


@documents.post(
    "",
    response_model=Item,
    status_code=201,
    summary="Add a page",
)
async def create_document(
    body: Annotated[NewPage, examples.NEW_PAGE],
    caller: Ingesting,
    serving: Server,
    once: OnceOnly,
) -> Response:
    """A runbook, or anything else that is worth finding."""

    async def work() -> Item:
        item = await add_page(
            serving.database,
            body,
            by=caller.reader.name,
            at=serving.workspace.moment(),
            redact_emails=serving.settings.redact_emails,
        )
        return _item(item)

    return await once(caller, 201, work)


@documents.get("", summary="List added pages")
async def list_documents(
    caller: Asking, serving: Server, limit: Limit = 20, cursor: Cursor = None
) -> ItemPage:
    """Those that this key may read, newest first."""
    return await _page(_is_page, caller, serving, limit, cursor)


@documents.get("/{item_id}", summary="Read an added page")
async def get_document(item_id: ItemId, caller: Asking, serving: Server) -> Item:
    """With its text, for editing."""
    return _item(await _readable(item_id, _is_page, caller, serving.database))


@documents.put("/{item_id}", summary="Put another page in its place")
async def replace_document(
    item_id: ItemId,
    body: Annotated[NewPage, examples.NEW_PAGE],
    caller: Ingesting,
    serving: Server,
) -> Item:
    """Its id stays."""
    item = await _readable(item_id, _is_page, caller, serving.database)
    return await _edited(item, body, caller, serving)


@documents.delete("/{item_id}", status_code=204, summary="Forget an added page")
async def delete_document(item_id: ItemId, caller: Ingesting, serving: Server) -> None:
    """The next sync takes it out of the index."""
    item = await _readable(item_id, _is_page, caller, serving.database)
    await delete(serving.database, item.id)


def _is_incident(item: KnowledgeItem) -> bool:
    return item.document.kind is SourceKind.INCIDENTS


def _is_page(item: KnowledgeItem) -> bool:
    return not _is_incident(item)


async def _readable(
    item_id: str, belongs: Callable[[KnowledgeItem], bool], caller: Caller, database: Database
) -> KnowledgeItem:
    """Raises: NotFound, also where the caller may not read it; StoreError."""
    item = await database.knowledge.get(item_id)
    labels = set(caller.reader.audience)
    if item is None or not belongs(item) or labels.isdisjoint(item.document.audience):
        raise NotFound(f"there is no {item_id!r} here that you may read")
    return item


async def _edited(
    item: KnowledgeItem, body: NewIncident | NewPage, caller: Caller, serving: Serving
) -> Item:
    edited = await edit(
        serving.database,
        item,
        body,
        by=caller.reader.name,
        at=serving.workspace.moment(),
        redact_emails=serving.settings.redact_emails,
    )
    return _item(edited)


async def _page(
    belongs: Callable[[KnowledgeItem], bool],
    caller: Caller,
    serving: Serving,
    limit: int,
    cursor: str | None,
) -> ItemPage:
    # Added by hand, so there are hundreds of them and not millions: all are read for a page.
    items = await serving.database.knowledge.list(caller.reader.audience)
    newest = [item for item in reversed(items) if belongs(item)]
    rest = [item for item in newest if cursor is None or item.id < cursor]
    return ItemPage(
        items=tuple(ItemHead.model_validate(_head(item)) for item in rest[:limit]),
        next=rest[limit - 1].id if len(rest) > limit else None,
    )


def _item(item: KnowledgeItem) -> Item:
    return Item.model_validate({**_head(item), "page": as_page(item.document)})


def _head(item: KnowledgeItem) -> dict[str, object]:
    document = item.document
    return {
        "id": item.id,
        "document_id": document.id,
        "kind": document.kind,
        "title": document.title,
        "url": document.url,
        "audience": document.audience,
        "provenance": item.provenance,
        "created_by": item.created_by,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
