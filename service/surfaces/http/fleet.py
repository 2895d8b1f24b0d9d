"""``GET /v1/fleet`` and ``GET /v1/runs``: machines and training runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from service.inspected import FleetReport, RunsReport
from service.surfaces.http.ask import unless_gone
from service.surfaces.http.auth import Asking
from service.surfaces.http.serving import Server
from service.surfaces.http.times import Moment
from service.workspace import Asked

router = APIRouter(tags=["metrics"])

Since = Annotated[str | None, Query(max_length=100, description="As people write times.")]
AsOf = Annotated[Moment | None, Query(description="Nothing written later is seen.")]
FleetQuestion = Annotated[
    str,
    Query(
        min_length=1,
        max_length=2000,
        description="May name clusters and nodes, or one of the two kinds.",
    ),
]
RunsQuestion = Annotated[
    str, Query(max_length=2000, description="May name a run; without one it is about every run.")
]


@router.get("/v1/fleet", summary="What needs maintenance")
async def get_fleet(
    request: Request,
    caller: Asking,
    serving: Server,
    question: FleetQuestion = "What needs maintenance?",
    since: Since = None,
    until: Since = None,
    as_of: AsOf = None,
) -> FleetReport:
    """Clusters and nodes, ranked by what speaks for taking care of them, each reason cited."""
    asked = Asked(text=question, since=since, until=until, as_of=as_of)
    return await unless_gone(request, serving.workspace.fleet(asked, caller.reader.audience))


@router.get("/v1/runs", summary="How training runs are doing")
async def get_runs(
    request: Request,
    caller: Asking,
    serving: Server,
    question: RunsQuestion = "",
    since: Since = None,
    until: Since = None,
    as_of: AsOf = None,
) -> RunsReport:
    """Loss, gradient norm, throughput and their GPUs, with a verdict for each run."""
    asked = Asked(text=question, since=since, until=until, as_of=as_of)
    return await unless_gone(request, serving.workspace.runs(asked, caller.reader.audience))
