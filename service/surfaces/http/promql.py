"""``POST /v1/promql``: the query that a question asks for, with its samples."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.requests import Request

from service.queries.answer import QueryAnswer
from service.surfaces.http import examples
from service.surfaces.http.ask import Question, unless_gone
from service.surfaces.http.auth import Asking
from service.surfaces.http.serving import Server

router = APIRouter(tags=["metrics"])


@router.post("/v1/promql", summary="Question to PromQL")
async def promql(
    request: Request,
    body: Annotated[Question, examples.CHARTS],
    caller: Asking,
    serving: Server,
) -> QueryAnswer:
    """Where the query comes from, what was assumed, and its series; or why there is none. It is
    asked of the metrics and not kept; `POST /v1/ask` keeps."""
    return await unless_gone(request, serving.workspace.chart(body.asked(), caller.reader.audience))
