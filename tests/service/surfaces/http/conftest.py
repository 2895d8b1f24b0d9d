"""The app on the sample company, running in this process with databases of its own."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx
import pytest
import structlog
from fastapi import FastAPI

from service.settings import Settings
from service.store import Database, Scope
from service.surfaces.http.app import create_app

T = TypeVar("T")
QUESTION = "Why did checkout fail last night?"
LABEL = "slack:sec-response"
_names = itertools.count()


class Api:
    """A client of the running app. ``key`` makes keys."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client

    @property
    def database(self) -> Database:
        database: Database = self.app.state.serving.database
        return database

    async def key(
        self,
        *scopes: Scope,
        audience: tuple[str, ...] = ("everyone",),
        rate: int | None = 10_000,
        name: str | None = None,
    ) -> dict[str, str]:
        """The header of a new key."""
        made = await self.database.keys.create(
            name or f"key-{next(_names)}",
            scopes=scopes or (Scope.ASK,),
            audience=audience,
            rate_per_minute=rate,
        )
        return {"Authorization": f"Bearer {made.clear}"}

    async def ask(self, headers: dict[str, str], question: str = QUESTION, **more: Any) -> Any:
        """The answer's JSON."""
        body = {"question": question, **more}
        response = await self.client.post("/v1/ask", json=body, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()


class Run(Protocol):
    """Runs a test against the app; with other settings, against one of its own."""

    def __call__(self, test: Callable[[Api], Awaitable[T]], **changed: Any) -> T: ...


class Running:
    """An app between its start and its end, on an event loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self._app = create_app(settings)
        self._runner = asyncio.Runner()
        self._stop = asyncio.Event()
        self._up = asyncio.Event()
        self._held = self._runner.get_loop().create_task(self._hold())

    async def _hold(self) -> None:
        async with self._app.router.lifespan_context(self._app):
            self._up.set()
            await self._stop.wait()

    def run(self, test: Callable[[Api], Awaitable[T]]) -> T:
        async def go() -> T:
            up = asyncio.ensure_future(self._up.wait())
            await asyncio.wait({up, self._held}, return_when=asyncio.FIRST_COMPLETED)
            if self._held.done():
                self._held.result()
            # As a server does it: errors that nobody expected are responses, too.
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", timeout=60
            ) as client:
                return await test(Api(self._app, client))

        return self._runner.run(go())

    def close(self) -> None:
        async def end() -> None:
            self._stop.set()
            await self._held

        self._runner.run(end())
        self._runner.close()


@pytest.fixture(scope="session", autouse=True)
def plain_log_lines() -> Iterator[None]:
    """structlog's own way with an exception is to show every variable, which takes seconds."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared(company: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(placed(company, tmp_path_factory.mktemp("shared")))
    yield running
    running.close()


@pytest.fixture
def served(company: Settings, tmp_path: Path) -> Settings:
    """The sample company's settings with a database and an index of their own."""
    return placed(company, tmp_path)


def placed(company: Settings, folder: Path) -> Settings:
    # The embedded index serves one process at a time, and one server in it.
    shutil.copytree(company.index_dir, folder / "index")
    places = {"index_dir": folder / "index", "database_file": folder / "why.db"}
    return company.model_copy(update=places)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run:
    def running(test: Callable[[Api], Awaitable[T]], **changed: Any) -> T:
        if not changed:
            shared: Running = request.getfixturevalue("shared")
            return shared.run(test)
        served: Settings = request.getfixturevalue("served")
        own = Running(served.model_copy(update=changed))
        try:
            return own.run(test)
        finally:
            own.close()

    return running
