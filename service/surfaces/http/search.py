"""``POST /v1/search`` and ``GET /v1/index``: what the documents have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from ingest.documents import Frozen, SourceKind, UtcTime
from ingest.index import StageScore
from service.retrieval import Passage, seems_answered
from service.surfaces.http import examples
from service.surfaces.http.auth import Asking
from service.surfaces.http.background import SYNC
from service.surfaces.http.serving import Server, Serving
from service.surfaces.http.times import Moment
from service.workspace import IndexState

router = APIRouter(tags=["search"])


class SearchRequest(Frozen):
    """What to look for, and where."""

    text: str = Field(min_length=1, max_length=2000)
    kinds: tuple[SourceKind, ...] = Field(default=(), max_length=len(SourceKind))
    """Only these kinds of sources; all of them, where none is named."""
    limit: int = Field(default=5, ge=1, le=50)
    """How many documents."""
    as_of: Moment | None = None
    """Nothing that was written later is seen. Default: now, or the settings' moment."""


class FoundPassage(Frozen):
    """A document, by its best passage: characters `start` to `end` of its redacted text."""

    rank: int
    document_id: str
    kind: SourceKind
    title: str
    headings: tuple[str, ...]
    url: str | None
    written_at: UtcTime | None
    start: int
    end: int
    text: str
    relevance: float
    """How likely it is that the document answers the question, 0 to 1."""
    score: float
    dense: StageScore | None
    sparse: StageScore | None
    copies: tuple[str, ...]
    """Ids of documents that say nearly the same, and are not listed for it."""


class SearchResult(Frozen):
    """What was found, best first."""

    passages: tuple[FoundPassage, ...]
    answered: bool
    """False where nothing here seems to answer the question: these are only the nearest."""


class IndexView(IndexState):
    """What this key can find. `age_seconds`: since a server last brought the index up to date;
    null where none did lately."""

    age_seconds: float | None


@router.post("/v1/search", summary="Search the documents")
async def search(
    body: Annotated[SearchRequest, examples.SEARCH], caller: Asking, serving: Server
) -> SearchResult:
    """By meaning and by words, with the scores of each stage."""
    found = await serving.workspace.search(
        body.text,
        caller.reader.audience,
        as_of=body.as_of,
        kinds=body.kinds,
        limit=body.limit,
    )
    return SearchResult(
        passages=tuple(_shown(passage) for passage in found), answered=seems_answered(found)
    )


@router.get("/v1/index", summary="State of the index")
async def get_index(caller: Asking, serving: Server) -> IndexView:
    """How much of it this key can find, by kind and by source."""
    state = await serving.workspace.index_state(caller.reader.audience)
    return IndexView(**state.model_dump(), age_seconds=await index_age(serving))


async def index_age(serving: Serving) -> float | None:
    """Seconds since a sync was last done. Raises: StoreError."""
    synced = await serving.database.jobs.last_done(SYNC)
    return None if synced is None else (datetime.now(UTC) - synced).total_seconds()


def _shown(passage: Passage) -> FoundPassage:
    chunk = passage.chunk
    return FoundPassage(
        rank=passage.rank,
        document_id=chunk.document_id,
        kind=chunk.kind,
        title=chunk.title,
        headings=chunk.headings,
        url=chunk.link,
        written_at=chunk.written_at,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        relevance=passage.relevance,
        score=passage.score,
        dense=passage.dense,
        sparse=passage.sparse,
        copies=passage.copies,
    )
