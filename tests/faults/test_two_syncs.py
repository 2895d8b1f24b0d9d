"""Two that write the index at once, and one that writes while another reads."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ingest.index.edge_store import EdgeStore
from service.settings import Settings
from service.store import Scope
from service.workspace import open_workspace
from tests.ingest.sources.reading import write
from tests.service.surfaces.http.conftest import Api, Running
from tests.service.surfaces.http.test_audience import synced

PAGES = {
    f"{name}.md": f"# Restart the {name}\n\nDrain the {name} first, then tell its owner.\n"
    for name in ("turbine", "boiler", "pump")
}
pytestmark = pytest.mark.slow


def house(folder: Path) -> Settings:
    """A few pages, with an index and a database that nobody has opened yet."""
    write(folder / "pages", dict(PAGES))
    sources: Any = [{"kind": "runbooks", "path": folder / "pages"}]
    return Settings(sources=sources, index_dir=folder / "index", database_file=folder / "why.db")


def ingesting(settings: Settings) -> subprocess.Popen[str]:
    """``why ingest`` in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHY_")}
    told = [{"kind": "runbooks", "path": str(source.path)} for source in settings.sources]
    return subprocess.Popen(
        [sys.executable, "-c", "from service.surfaces.cli import main; main()", "ingest", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=inherited
        | {
            "WHY_SOURCES": json.dumps(told),
            "WHY_INDEX_DIR": str(settings.index_dir),
            "WHY_DATABASE_FILE": str(settings.database_file),
        },
    )


async def stored(settings: Settings) -> dict[str, int]:
    """Documents of the published index, with how many chunks each has; and its generations."""
    store = EdgeStore(settings.index_dir)
    index = await store.open_current()
    try:
        [source] = await index.sources()
        found = {row.document_id: row.stored for row in await index.inventory(source)}
        assert await index.count() == sum(found.values())
        return found | {"generations": len(list(settings.index_dir.glob("*/")))}
    finally:
        await index.aclose()
        await store.aclose()


def test_two_first_ingests_at_once_leave_the_index_of_one(tmp_path: Path) -> None:
    """Each does it all, waits and finds nothing left to do, or says that the other one is at it."""
    settings = house(tmp_path)
    added = []
    for process in [ingesting(settings), ingesting(settings)]:
        out, err = process.communicate(timeout=120)
        assert process.returncode in (0, 2), err
        if process.returncode == 2:
            assert re.search(r"why: another process \(pid \d+\) has the index", err), err
        else:
            added.append(json.loads(out)["sources"][0]["added"])
    assert set(added) <= {0, len(PAGES)}
    assert len(PAGES) in added

    async def again() -> int:
        async with open_workspace(settings) as workspace:
            return (await workspace.sync()).chunks_embedded

    found = asyncio.run(stored(settings))
    assert asyncio.run(again()) == 0
    assert found == asyncio.run(stored(settings))
    assert found.pop("generations") == 1
    assert len(found) == len(PAGES)


def test_a_second_ingest_is_refused_with_who_is_at_it_and_the_first_goes_on(tmp_path: Path) -> None:
    settings = house(tmp_path)

    async def scene() -> None:
        async with open_workspace(settings) as workspace:
            await workspace.sync()
            async with workspace.knowledge():  # as a server has it, or a sync that takes long
                second = ingesting(settings)
                _, err = await asyncio.to_thread(second.communicate, timeout=120)
                assert second.returncode == 2
                holder = f"why: another process (pid {os.getpid()}) has the index in"
                assert err.startswith(holder), err
                assert "stop that one or wait until it is done" in err
                assert "Traceback" not in err
                assert await workspace.search("drain the pump", ("everyone",))
            write(tmp_path / "pages", {"valve.md": "# Open the valve\n\nSlowly.\n"})
            assert (await workspace.sync()).sources[0].added == 1

    asyncio.run(scene())


def test_a_server_that_syncs_answers_meanwhile_and_finds_what_is_new(tmp_path: Path) -> None:
    settings = house(tmp_path)
    running = Running(settings)

    async def scene(api: Api) -> None:
        key = await api.key(Scope.ADMIN)

        async def found(text: str) -> list[str]:
            body = {"text": text, "limit": 20}
            response = await api.client.post("/v1/search", json=body, headers=key)
            assert response.status_code == 200, response.text
            return [passage["title"] for passage in response.json()["passages"]]

        async def synced_while_searching(text: str) -> int:
            """Searches until a sync is done; how often."""
            job = (await api.client.post("/v1/sync", headers=key)).json()
            searches = 0
            while job["state"] in ("queued", "running"):
                assert text in await found(text)
                searches += 1
                job = (await api.client.get(f"/v1/jobs/{job['id']}", headers=key)).json()
            assert job["state"] == "done", job
            return searches

        await synced(api, key)
        many = {f"v{n}.md": f"# Valve {n}\n\nIs open at {n} bar.\n" for n in range(60)}
        write(tmp_path / "pages", {**many, "pump.md": "# Replace the pump\n\nIt is old.\n"})
        assert await synced_while_searching("Restart the boiler") > 1
        assert "Valve 59" in await found("Valve 59")
        titles = await found("pump")
        assert "Replace the pump" in titles
        assert "Restart the pump" not in titles

    try:
        running.run(scene)
    finally:
        running.close()
