"""PostgreSQL is gone for a while under a running server, and comes back with what was in it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from service.settings import Settings
from service.store import JobState, Scope
from service.surfaces.http.background import SYNC
from tests.ingest.sources.reading import write
from tests.service.store.conftest import postgres
from tests.service.store.postgres import PASSWORD, Postgres
from tests.service.surfaces.http.conftest import Api, Running

__all__ = ["postgres"]

QUESTION = {"question": "Why is the pump slow?"}


def house(folder: Path, url: str, **more: Any) -> Settings:
    """A page, and no metrics: questions are answered at once."""
    sources: Any = [{"kind": "runbooks", "path": write(folder, {"pump.md": "# Pump\n\nOil it.\n"})}]
    return Settings(
        sources=sources, index_dir=folder / "index", database_url=SecretStr(url), **more
    )


@pytest.mark.slow
@pytest.mark.real
def test_what_needs_the_database_says_so_and_all_goes_on_when_it_is_back(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.create()
    # One server is open to its machine, the other one wants keys, which are in the database.
    free = Running(house(tmp_path / "free", url, open_access=True))
    keyed = Running(house(tmp_path / "keyed", url))
    kept: dict[str, Any] = {}

    async def make_key(api: Api) -> None:
        kept["key"] = await api.key(Scope.ADMIN)

    async def before(api: Api) -> None:
        kept["report"] = (await api.client.post("/v1/ask", json=QUESTION)).json()
        later = datetime.now(UTC) + timedelta(seconds=2)
        kept["job"] = await api.database.jobs.enqueue(SYNC, {}, run_at=later)

    async def without(api: Api) -> None:
        asked = await api.client.post("/v1/ask", json=QUESTION)
        assert asked.status_code == 200, asked.text
        assert any("this answer is not kept" in line for line in asked.json()["answer"]["not_seen"])
        for method, path in (("GET", kept["report"]["url"]), ("POST", "/v1/sync")):
            refused = await api.client.request(method, path)
            assert (refused.status_code, refused.json()["code"]) == (503, "database")
            assert PASSWORD not in refused.text
        ready = await api.client.get("/readyz")
        assert ready.status_code == 503
        states = {one["name"]: one["ok"] for one in ready.json()["dependencies"]}
        assert states["database"] is False
        assert (await api.client.get("/healthz")).status_code == 200
        await asyncio.sleep(2)  # the job's time comes, and its worker looks in vain

    async def without_keys(api: Api) -> None:
        refused = await api.client.post("/v1/ask", json=QUESTION, headers=kept["key"])
        assert (refused.status_code, refused.json()["code"]) == (503, "database")

    async def after(api: Api) -> None:
        assert (await api.client.get(kept["report"]["url"])).json() == kept["report"]
        again = (await api.client.post("/v1/ask", json=QUESTION)).json()
        assert not any("not kept" in line for line in again["answer"]["not_seen"])
        assert (await api.client.get(again["url"])).status_code == 200
        async with asyncio.timeout(30):
            while (job := await api.database.jobs.get(kept["job"].id)).state != JobState.DONE:  # type: ignore[union-attr]  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert job is not None
        assert job.attempts == 1

    async def with_keys(api: Api) -> None:
        asked = await api.client.post("/v1/ask", json=QUESTION, headers=kept["key"])
        assert asked.status_code == 200, asked.text

    try:
        keyed.run(make_key)
        free.run(before)
        postgres.stop()
        free.run(without)
        keyed.run(without_keys)
        postgres.start()
        free.run(after)
        keyed.run(with_keys)
    finally:
        free.close()
        keyed.close()
