"""Knowledge without a file: documents that came through the API or from a confirmed cause.

A document's id is its own; an item has one besides, which is what people edit it by. Documents
come here redacted. Who may read one is what its document says: any of its labels will do, as in
the index, and the query filters by it.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError
from sqlalchemy import Select, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ingest.documents import Document, Frozen, UtcTime
from service.store.connections import Connections
from service.store.errors import Conflict, NotFound
from service.store.ids import new_id
from service.store.tables import knowledge, knowledge_labels


class KnowledgeItem(Frozen):
    """A document and where it comes from. ``provenance``: in words, e.g. "confirmed by … at …"."""

    id: str
    document: Document
    provenance: str
    created_by: str
    created_at: UtcTime
    updated_at: UtcTime


class UnreadableItem(Frozen):
    """An item that this version of Why can't read; ``reason`` says what is wrong with it."""

    id: str
    document_id: str
    reason: str


class Knowledge:
    """``db.knowledge``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def add(self, document: Document, *, provenance: str, by: str) -> KnowledgeItem:
        """Keep a new document. Raises: Conflict, where its id is taken; StoreError."""
        now = self._connections.now()
        item = KnowledgeItem(
            id=new_id("k", now),
            document=document,
            provenance=provenance,
            created_by=by,
            created_at=now,
            updated_at=now,
        )
        statement = (
            self._connections.insert(knowledge)
            .values(
                **item.model_dump(exclude={"document"}),
                document_id=document.id,
                document=document.model_dump(mode="json"),
            )
            .on_conflict_do_nothing(index_elements=["document_id"])
            .returning(knowledge.c.id)
        )
        async with self._connections.write() as connection:
            if (await connection.execute(statement)).first() is None:
                raise Conflict(f"there is a document {document.id} already; replace it instead")
            await _label(connection, item)
        return item

    async def replace(self, item_id: str, document: Document, *, provenance: str) -> KnowledgeItem:
        """Put another document in an item's place.

        Raises: NotFound; Conflict, where another item has its id; StoreError.
        """
        statement = (
            update(knowledge)
            .where(knowledge.c.id == item_id)
            .values(
                document_id=document.id,
                document=document.model_dump(mode="json"),
                provenance=provenance,
                updated_at=self._connections.now(),
            )
            .returning(*_COLUMNS)
        )
        async with self._connections.write() as connection:
            row = (await connection.execute(statement)).one_or_none()
            if row is None:
                raise NotFound(f"there is no added knowledge {item_id}")
            item = KnowledgeItem.model_validate(row._asdict())
            await connection.execute(
                delete(knowledge_labels).where(knowledge_labels.c.item_id == item_id)
            )
            await _label(connection, item)
        return item

    async def get(self, item_id: str) -> KnowledgeItem | None:
        """The item, for whoever asks."""
        found = await self._items(select(*_COLUMNS).where(knowledge.c.id == item_id))
        return found[0] if found else None

    async def of_document(self, document_id: str) -> KnowledgeItem | None:
        """The item that holds this document, for whoever asks."""
        found = await self._items(select(*_COLUMNS).where(knowledge.c.document_id == document_id))
        return found[0] if found else None

    async def list(self, audience: Iterable[str] | None = None) -> tuple[KnowledgeItem, ...]:
        """What readers with these labels may see, oldest first; None for everything there is."""
        query = select(*_COLUMNS).order_by(knowledge.c.id)
        if audience is not None:
            query = query.where(
                exists().where(
                    knowledge_labels.c.item_id == knowledge.c.id,
                    knowledge_labels.c.label.in_(list(audience)),
                )
            )
        return await self._items(query)

    async def everything(self) -> tuple[KnowledgeItem | UnreadableItem, ...]:
        """All items, oldest first; one that can't be read hides no other."""
        async with self._connections.read() as connection:
            rows = (await connection.execute(select(knowledge).order_by(knowledge.c.id))).all()
        found: list[KnowledgeItem | UnreadableItem] = []
        for row in rows:
            values = row._asdict()
            document_id = values.pop("document_id")
            try:
                found.append(KnowledgeItem.model_validate(values))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(map(str, first["loc"]))
                reason = f"{where}: {first['msg']}"
                found.append(
                    UnreadableItem(id=values["id"], document_id=document_id, reason=reason)
                )
        return tuple(found)

    async def delete(self, item_id: str) -> None:
        """Forget an item. Raises: NotFound; StoreError."""
        async with self._connections.write() as connection:
            gone = await connection.execute(delete(knowledge).where(knowledge.c.id == item_id))
            if gone.rowcount == 0:
                raise NotFound(f"there is no added knowledge {item_id}")

    async def _items(self, query: Select[*tuple[object, ...]]) -> tuple[KnowledgeItem, ...]:
        async with self._connections.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(KnowledgeItem.model_validate(row._asdict()) for row in rows)


_COLUMNS = [column for column in knowledge.c if column.name != "document_id"]


async def _label(connection: AsyncConnection, item: KnowledgeItem) -> None:
    labels = sorted(set(item.document.audience))
    if labels:
        await connection.execute(
            knowledge_labels.insert(),
            [{"item_id": item.id, "label": label} for label in labels],
        )
