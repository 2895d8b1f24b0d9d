"""SIGTERM while a job runs and another waits: both are the next server's, and this one ends well.

A question that is being answered at that moment is finished: ``test_server.py`` of the HTTP API.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from service.store import Database, JobState
from tests.ingest.sources.reading import write
from tests.service.surfaces.http.conftest import Api, Running
from tests.service.surfaces.http.test_server import server
from tests.service.test_worker import done

GRACE = 60.0
"""Seconds: Kubernetes gives 30 where nobody says otherwise; the rest is this machine's."""


@pytest.mark.slow
def test_a_job_that_runs_and_one_that_waits_are_resumed_by_the_next_server(tmp_path: Path) -> None:
    places = {"index_dir": tmp_path / "index", "database_file": tmp_path / "why.db"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHY_")}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a Grafana that never answers
        grafana = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = inherited | {
            "WHY_SOURCES": json.dumps([{"kind": "dashboards", "url": grafana}]),
            "WHY_INDEX_DIR": str(places["index_dir"]),
            "WHY_DATABASE_FILE": str(places["database_file"]),
            "WHY_JOB_WORKERS": "1",
            "WHY_PORT": "0",
        }
        with server(environment, "--open-access") as (address, process):
            ids = [httpx.post(f"{address}/v1/sync", timeout=60).json()["id"] for _ in range(2)]
            with silent.accept()[0]:  # the first one has begun to read
                process.send_signal(signal.SIGTERM)
                assert process.wait(GRACE) == 0

    page = write(tmp_path / "pages", {"pump.md": "# Pump\n\nOil it.\n"})
    settings = Settings.model_validate({"sources": [{"kind": "runbooks", "path": page}], **places})

    async def look() -> None:
        async with await Database.open(settings) as database:
            for job in [await database.jobs.get(id_) for id_ in ids]:
                assert job is not None
                assert (job.state, job.attempts, job.worker) == (JobState.QUEUED, 0, None)

    async def resumed(api: Api) -> None:
        await done(api.database, 2, GRACE)

    asyncio.run(look())
    following = Running(settings)
    try:
        following.run(resumed)
    finally:
        following.close()
