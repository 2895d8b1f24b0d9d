"""The real server on the sample company, and a real Chromium in front of it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)
from pydantic import SecretStr
from starlette.applications import Starlette

from service.readers import Reader
from service.settings import Settings
from service.store import StoredReport, Surface
from service.surfaces.http.app import create_app
from service.surfaces.http.serving import Serving
from service.workspace import Answer, Asked

T = TypeVar("T")
expect.set_options(timeout=15_000)  # milliseconds; machines are shared
QUESTION = "Why did checkout fail last night?"
CHROMIUM = shutil.which("chromium")
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a browser is `real`, and skipped where there is none."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "browser" in getattr(
            item, "fixturenames", ()
        ):
            item.add_marker(pytest.mark.real)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no chromium on this machine"))


class Site:
    """A server in a thread. ``do`` runs something on its loop, with its parts."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(self.app, log_config=None, ws="none")
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def serving(self) -> Serving:
        serving: Serving = self.app.state.serving
        return serving

    def do(self, work: Callable[[Serving], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(work(self.serving), self._loop).result(30)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.02)
            assert self._thread.is_alive(), "the server did not start"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._listener.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve(sockets=[self._listener]))


@contextmanager
def site_of(app: Starlette) -> Iterator[Site]:
    site = Site(app)
    site.start()
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def web_settings(company: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Open to this machine, as somebody tries it out; Jira is named, and never spoken to.

    With an index of its own: a confirmed cause goes into it.
    """
    folder = tmp_path_factory.mktemp("web")
    shutil.copytree(company.index_dir, folder / "index")
    changes: dict[str, object] = {
        "index_dir": folder / "index",
        "jira_url": "https://jira.example",
        "jira_token": SecretStr("not a token"),
        "jira_project": "OPS",
        "database_file": folder / "why.db",
        "open_access": True,
        "requests_per_minute": 10_000,
    }
    return company.model_copy(update=changes)


@pytest.fixture(scope="module")
def site(web_settings: Settings) -> Iterator[Site]:
    with site_of(create_app(web_settings)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module: asyncio.run does not work beside it."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=site.url)
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab on the site's start."""
    with watched(context) as opened:
        opened.goto("/")
        yield opened


@contextmanager
def watched(context: BrowserContext) -> Iterator[Page]:
    """A tab that may leave no error behind, nor breach the page's own policy."""
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(f"{error}"))
    opened.on("console", lambda message: _noted(message, wrong))
    yield opened
    assert wrong == []


def _noted(message: ConsoleMessage, wrong: list[str]) -> None:
    # A status of 4xx is an answer that the page shows.
    if message.type == "error" and not message.text.startswith("Failed to load resource"):
        wrong.append(message.text)


def keep(site: Site, answer: Answer, after: str | None = None) -> StoredReport:
    """An answer that was given for everyone."""
    return site.do(
        lambda serving: serving.database.reports.add(
            answer, surface=Surface.WEB, asked_by="open", audience=("everyone",), after=after
        )
    )


def answer_of(site: Site, question: str) -> StoredReport:
    """What the engine answers, kept."""
    reader = Reader(name="open")
    return site.do(
        lambda serving: serving.desk.ask(Asked(text=question), reader, surface=Surface.WEB)
    )


@pytest.fixture(scope="module")
def report(site: Site) -> StoredReport:
    """The report on the bad night."""
    return answer_of(site, QUESTION)


@pytest.fixture
def on_report(page: Page, report: StoredReport) -> Page:
    """The tab, on that report."""
    page.goto(f"/#/reports/{report.id}")
    page.get_by_role("heading", name=QUESTION).wait_for()
    return page
