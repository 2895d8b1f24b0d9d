"""``POST /v1/sync`` and ``GET /v1/jobs/{id}``: what takes longer than a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from ingest.documents import Frozen, UtcTime
from service.store import Conflict, Job, JobState, NotFound
from service.surfaces.http import examples
from service.surfaces.http.auth import Administering
from service.surfaces.http.background import SYNC
from service.surfaces.http.idempotency import OnceOnly
from service.surfaces.http.serving import Server

router = APIRouter(tags=["operation"])


class JobView(Frozen):
    """A job of the background queue. It is tried again after a failure, until `failed`."""

    id: str
    kind: str
    state: JobState
    attempts: int
    last_error: str | None
    created_at: UtcTime
    finished_at: UtcTime | None


@router.post(
    "/v1/sync",
    response_model=JobView,
    status_code=202,
    summary="Bring the index up to date",
)
async def sync(caller: Administering, serving: Server, once: OnceOnly) -> Response:
    """With the configured sources and what was added by hand. Questions are answered meanwhile."""

    async def work() -> JobView:
        job = await serving.database.jobs.enqueue(SYNC, {}, max_attempts=3)
        if job is None:  # only a job with a key can be there already
            raise Conflict("there is such a job already")
        return _view(job)

    return await once(caller, 202, work)


@router.get("/v1/jobs/{job_id}", summary="State of a job")
async def get_job(
    job_id: Annotated[str, Path(min_length=1, max_length=100, examples=[examples.JOB_ID])],
    caller: Administering,
    serving: Server,
) -> JobView:
    """Forgotten a week after it finished."""
    found = await serving.database.jobs.get(job_id)
    if found is None:
        raise NotFound(f"there is no job {job_id!r}")
    return _view(found)


def _view(job: Job) -> JobView:
    return JobView.model_validate({name: getattr(job, name) for name in JobView.model_fields})
