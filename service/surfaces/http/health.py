"""``/healthz``, ``/readyz`` and ``/metrics``: for machines that watch this one. No key needed."""

from __future__ import annotations

from math import nan
from typing import Literal

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.responses import Response

from ingest.documents import Frozen
from service.surfaces.http import examples
from service.surfaces.http.readiness import Readiness
from service.surfaces.http.search import index_age
from service.surfaces.http.serving import Server

router = APIRouter(tags=["operation"])


class Alive(Frozen):
    """The process answers."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", summary="Is the process alive?")
async def get_health() -> Alive:
    """Says nothing about what it depends on."""
    return Alive()


@router.get(
    "/readyz",
    response_model=Readiness,
    summary="Can it answer questions?",
    responses={503: {"model": Readiness, **examples.NOT_READY}},
)
async def get_readiness(serving: Server) -> Response:
    """Each dependency by name; 503 where one is missing that answers can't do without."""
    readiness = await serving.watch.look()
    status = 200 if readiness.ready else 503
    return Response(readiness.model_dump_json(), status, media_type="application/json")


@router.get(
    "/metrics",
    response_class=Response,
    summary="Figures for Prometheus",
    responses={200: examples.FIGURES},
)
async def get_metrics(serving: Server) -> Response:
    """Questions, phases, tokens, abstentions, dropped claims, age of the index, jobs, requests."""
    figures = serving.metrics
    for state, count in (await serving.database.jobs.counts()).items():
        figures.jobs.labels(state.value).set(count)
    age = await index_age(serving)
    figures.index_age.set(nan if age is None else age)
    text = generate_latest(figures.registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
