"""Two replicas of ``why serve`` over one Qdrant server and one PostgreSQL: either will do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from service.store import Database, Scope
from service.surfaces.http.app import create_app
from service.testing.loopback import on_loopback
from service.testing.qdrant_server import Failing
from tests.qdrant import API_KEY, Qdrant, new_name
from tests.qdrant import running as running_qdrant
from tests.service.store.postgres import binaries
from tests.service.store.postgres import running as running_postgres

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qdrant]:
    with running_qdrant(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "disk.md").write_text("# Disk full\n\nDelete old logs of the ledger database.\n")
    return folder


@pytest.fixture
def settings(qdrant: Qdrant, pages: Path) -> Iterator[Settings]:
    """As each of the replicas has them."""
    programs = binaries()
    if programs is None:
        pytest.skip("Debian's postgresql is not installed")
    with running_postgres(programs) as postgres:
        yield Settings.model_validate(
            {
                "database_url": postgres.create(),
                "qdrant_url": qdrant.url,
                "qdrant_api_key": API_KEY,
                "qdrant_ca_file": qdrant.ca_file,
                "qdrant_collection": new_name(),
                "qdrant_timeout": 5,
                "sources": [{"kind": "runbooks", "name": "wiki", "path": pages}],
            }
        )


def key(settings: Settings) -> dict[str, str]:
    async def make() -> str:
        async with await Database.open(settings) as database:
            made = await database.keys.create(
                "ci", scopes=(Scope.ADMIN,), audience=("everyone",), rate_per_minute=10_000
            )
            return made.clear

    return {"Authorization": f"Bearer {asyncio.run(make())}"}


def sync(client: httpx.Client, by: str, seen_at: str) -> dict[str, Any]:
    """Asked of one replica; what the other says of it once it ended."""
    job = client.post(f"{by}/v1/sync").json()
    until = time.monotonic() + 120
    while job["state"] not in ("done", "failed") and time.monotonic() < until:
        time.sleep(0.1)
        job = client.get(f"{seen_at}/v1/jobs/{job['id']}").json()
    found: dict[str, Any] = job
    return found


def ask(client: httpx.Client, at: str, question: str) -> dict[str, Any]:
    response = client.post(f"{at}/v1/ask", json={"question": question})
    assert response.status_code == 200, response.text
    report: dict[str, Any] = response.json()
    return report


def test_what_one_replica_does_the_other_knows(
    qdrant: Qdrant, settings: Settings, pages: Path
) -> None:
    headers = key(settings)
    with (
        on_loopback(create_app(settings)) as first,
        on_loopback(create_app(settings)) as second,
        httpx.Client(headers=headers, timeout=60) as client,
    ):
        assert sync(client, first, second)["state"] == "done"
        question = "What do I do when the disk of the ledger database is full?"
        for at, other in ((first, second), (second, first)):
            report = ask(client, at, question)
            assert "disk.md" in str(report), report
            assert client.get(f"{other}{report['url']}").json() == report

        (pages / "certificate.md").write_text("# Certificate expired\n\nRun renew-cert for TLS.\n")
        assert sync(client, second, first)["state"] == "done"
        assert "certificate.md" in str(ask(client, first, "How do I renew an expired certificate?"))

        qdrant.server.failing = Failing("dies")
        report = ask(client, second, question)
        assert "disk.md" not in str(report)
        assert f"Qdrant at {qdrant.url} does not answer" in str(report)
        qdrant.server.failing = None
        assert "disk.md" in str(ask(client, second, question))
