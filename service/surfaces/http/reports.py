"""Kept answers: the list, one of them, its charts, and what people say about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ingest.documents import Frozen
from service.learning import take_feedback
from service.queries.answer import QueryAnswer
from service.queries.drawing import draw_svg
from service.reports.charts import as_svg
from service.reports.model import Report
from service.retrieval import Retriever
from service.store import FeedbackEntry, ReportPage, StoredReport, Verdict
from service.surfaces.http import examples
from service.surfaces.http.answers import Answered, answered, markdown_of, page_address
from service.surfaces.http.auth import Asking
from service.surfaces.http.idempotency import OnceOnly
from service.surfaces.http.negotiation import preferred
from service.surfaces.http.problem import ProblemError
from service.surfaces.http.serving import Server, Serving

router = APIRouter(prefix="/v1/reports", tags=["reports"])

drawing = Lock()
"""One at a time: the drawing libraries keep state of the whole process."""

ReportId = Annotated[str, Path(min_length=1, max_length=100, examples=[examples.REPORT_ID])]


class FeedbackRequest(Frozen):
    """What somebody thinks of an answer (`up`, `down`), or whether a cause was the right one."""

    verdict: Verdict
    component: str | None = Field(default=None, min_length=1, max_length=200)
    """The cause that it is about; none for the answer as a whole."""
    note: str | None = Field(default=None, max_length=2000)


class FeedbackTaken(Frozen):
    """What was kept. `record`: id of the incident record of a confirmed cause."""

    entry: FeedbackEntry
    record: str | None


class FeedbackList(Frozen):
    """What was said. `you`: the name under which this key's word is kept."""

    items: tuple[FeedbackEntry, ...]
    you: str


@router.get("", summary="List reports, newest first")
async def list_reports(
    caller: Asking,
    serving: Server,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next` of the page before.")
    ] = None,
) -> ReportPage:
    """Those that were made for nobody who may read more than this key may."""
    return await serving.database.reports.page(caller.reader.audience, limit, before=cursor)


@router.get(
    "/{report_id}",
    response_model=Answered,
    summary="Read a report",
    responses={200: examples.REPORT},
)
async def get_report(
    request: Request, report_id: ReportId, caller: Asking, serving: Server
) -> Response:
    """As JSON, or as Markdown with `Accept: text/markdown`."""
    stored = await serving.desk.get(report_id, caller.reader)
    media_type = preferred(request, ("application/json", "text/markdown"))
    if media_type == "text/markdown":
        text = await asyncio.to_thread(_written, stored, serving)
        return Response(text, media_type=media_type, headers={"Vary": "Accept"})
    body = answered(stored, serving).model_dump_json()
    return Response(body, media_type=media_type, headers={"Vary": "Accept"})


@router.get(
    "/{report_id}/charts/{number}.svg",
    response_class=Response,
    summary="A chart of a report",
    responses={200: examples.CHART},
)
async def get_chart(
    report_id: ReportId,
    number: Annotated[int, Path(ge=0, le=10_000)],
    caller: Asking,
    serving: Server,
) -> Response:
    """`number` is that of the citation that it draws; 1 for the chart of a question for a chart."""
    stored = await serving.desk.get(report_id, caller.reader)
    image = await asyncio.to_thread(_drawn, stored, number)
    # Opened by itself, an image may do nothing but look right.
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    headers = {"Content-Security-Policy": policy, "Cache-Control": "private, max-age=3600"}
    return Response(image, media_type="image/svg+xml", headers=headers)


@router.get(
    "/{report_id}/feedback",
    summary="What was said about a report",
)
async def list_feedback(report_id: ReportId, caller: Asking, serving: Server) -> FeedbackList:
    """By everyone who said something, in time order."""
    stored = await serving.desk.get(report_id, caller.reader)
    entries = await serving.database.feedback.of(stored.id)
    return FeedbackList(items=entries, you=caller.reader.name)


@router.post(
    "/{report_id}/feedback",
    response_model=FeedbackTaken,
    status_code=201,
    summary="Say what you think of a report",
)
async def give_feedback(
    report_id: ReportId,
    body: Annotated[FeedbackRequest, examples.FEEDBACK],
    caller: Asking,
    serving: Server,
    once: OnceOnly,
) -> Response:
    """Your later word on the same report and component replaces the earlier one. `confirm` and
    `reject` are about a cause: a confirmed one becomes an incident record, which is found and
    counts from then on."""

    async def work() -> FeedbackTaken:
        stored = await serving.desk.get(report_id, caller.reader)
        async with _retriever(serving, body.verdict) as retriever:
            taken = await take_feedback(
                serving.database,
                stored,
                body.verdict,
                component=body.component,
                by=caller.reader.name,
                at=serving.workspace.moment(),
                note=body.note,
                retriever=retriever,
                url=page_address(serving, stored.id),
                redact_emails=serving.settings.redact_emails,
            )
        record = taken.record
        return FeedbackTaken(entry=taken.entry, record=record.id if record else None)

    return await once(caller, 201, work)


@asynccontextmanager
async def _retriever(serving: Serving, verdict: Verdict) -> AsyncIterator[Retriever | None]:
    """What a confirmed cause is written up with. Other words need none."""
    if verdict is not Verdict.CONFIRM:
        yield None
        return
    async with serving.workspace.knowledge() as knowledge:
        yield knowledge.retriever


def _written(stored: StoredReport, serving: Serving) -> str:
    with drawing:
        return markdown_of(stored, serving)


def _drawn(stored: StoredReport, number: int) -> str:
    answer = stored.answer
    with drawing:
        if isinstance(answer, QueryAnswer) and number == 1 and answer.series:
            return draw_svg(answer)
        if isinstance(answer, Report):
            for one in answer.charts:
                if one.citation == number:
                    return as_svg(one)
    raise ProblemError(404, "not_found", "this report has no such chart")
