"""``GET /v1/documents/{document_id}/passages/{chunk_id}``: what stands around a quotation.

A citation has the quoted characters and their place; a reader wants to see them where they stand.
Who may not find a passage is told that there is none.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from ingest.documents import Frozen, SourceKind, UtcTime
from ingest.index import Scope
from service.store import NotFound
from service.surfaces.http.auth import Asking
from service.surfaces.http.problem import documented
from service.surfaces.http.serving import Server

router = APIRouter(tags=["search"])


class QuotedPassage(Frozen):
    """Characters `start` to `end` of a document's redacted text: a citation's `start` and `end`
    count in the same text, in code points."""

    document_id: str
    chunk_id: str
    revision: str
    kind: SourceKind
    title: str
    headings: tuple[str, ...]
    url: str | None
    written_at: UtcTime | None
    start: int
    end: int
    text: str


@router.get(
    "/v1/documents/{document_id:path}/passages/{chunk_id}",
    summary="Read the passage of a citation",
    responses=documented(404),
)
async def get_passage(
    document_id: Annotated[str, Path(min_length=1, max_length=1000)],
    chunk_id: Annotated[str, Path(min_length=1, max_length=100)],
    caller: Asking,
    serving: Server,
) -> QuotedPassage:
    """As it is in the index now; 404 when the document has changed since it was quoted."""
    workspace = serving.workspace
    scope = Scope(audience=caller.reader.audience, as_of=workspace.moment())
    async with workspace.knowledge() as knowledge:
        found = await knowledge.retriever.documents([document_id], scope=scope)
    for chunk in found.get(document_id, ()):
        if chunk.id == chunk_id:
            return QuotedPassage(
                document_id=chunk.document_id,
                chunk_id=chunk.id,
                revision=chunk.revision,
                kind=chunk.kind,
                title=chunk.title,
                headings=chunk.headings,
                url=chunk.link,
                written_at=chunk.written_at,
                start=chunk.start,
                end=chunk.end,
                text=chunk.text,
            )
    raise NotFound("there is no such passage that you may read")
