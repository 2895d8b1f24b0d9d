"""``POST /v1/ask`` over real HTTP while something behind it stops in the middle of the question."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingest.documents import SourceKind
from service.settings import Settings, SourceSettings
from service.surfaces.http.app import create_app
from service.testing.loopback import on_loopback
from service.testing.qdrant_server import Failing, QdrantServer
from tests.company import ingest
from tests.ingest.sources.reading import write
from tests.real.conftest import prometheus_night
from tests.service.surfaces.http.conftest import QUESTION
from tests.service.surfaces.http.test_stream import STREAM, events_in

__all__ = ["prometheus_night"]

DEADLINE = 8.0
MARGIN = 15.0
"""Seconds for a machine that others use, too; a question that waits for what hangs takes longer."""


def body_of(client: httpx.Client) -> tuple[dict[str, Any], float]:
    """The report as JSON, and after how many seconds it came."""
    began = time.monotonic()
    response = client.post("/v1/ask", json={"question": QUESTION})
    assert response.status_code == 200, response.text
    return response.json()["answer"], time.monotonic() - began


def streamed(client: httpx.Client) -> tuple[dict[str, Any], float]:
    """The same, as it comes and is then looked up at the address that the last event tells."""
    began = time.monotonic()
    with client.stream("POST", "/v1/ask", json={"question": QUESTION}, headers=STREAM) as response:
        events = list(events_in(response.iter_lines()))
    took = time.monotonic() - began
    name, done = events[-1]
    assert name == "done", events[-1]
    assert any(name == "text" for name, _ in events)
    return client.get(str(done["url"])).json()["answer"], took


def cited(report: dict[str, Any], kind: str) -> int:
    return sum(citation["type"] == kind for citation in report["citations"])


@dataclass
class Serving:
    client: httpx.Client
    qdrant: QdrantServer


@pytest.fixture(scope="module")
def serving(company: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose documents, a page, are in Qdrant, over HTTP."""
    folder = tmp_path_factory.mktemp("http")
    pages = write(folder / "pages", {"quota.md": "# Quota\n\nIts log says when it is full.\n"})
    qdrant = QdrantServer(api_key="k")
    with on_loopback(qdrant) as qdrant_url:
        settings = company.model_copy(
            update={
                "qdrant_url": qdrant_url,
                "qdrant_api_key": SecretStr("k"),
                "sources": (SourceSettings(kind=SourceKind.RUNBOOKS, path=pages),),
                "database_file": folder / "why.db",
                "open_access": True,
                "deadline": DEADLINE,
            }
        )
        assert ingest(settings).published
        with (
            on_loopback(create_app(settings)) as url,
            httpx.Client(base_url=url, timeout=60) as client,
        ):
            body_of(client)  # the encoder is loaded, and the catalog of the metrics read
            yield Serving(client, qdrant)


@pytest.mark.slow
@pytest.mark.parametrize("ask", [body_of, streamed])
@pytest.mark.parametrize("how", ["hangs", "refuses", "dies"])
def test_an_index_that_dies_in_the_middle_is_named_once_and_the_report_comes(
    serving: Serving, how: Literal["hangs", "refuses", "dies"], ask: Any
) -> None:
    serving.qdrant.failing = Failing(how, path="/points/query/batch", after=2)
    try:
        report, took = ask(serving.client)
    finally:
        serving.qdrant.failing = None
    assert took < DEADLINE + MARGIN
    assert cited(report, "metric")
    assert len([line for line in report["not_seen"] if line.startswith("the documents")]) == 1
    again = serving.client.post("/v1/search", json={"text": QUESTION})
    assert again.json()["passages"]


class Stalling:
    """A way to a real Prometheus, on which nothing comes any more after so many range queries."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.after: int | None = None
        self.asked = 0
        self.waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        if request.url.path.endswith("/query_range"):
            self.asked += 1
        if self.after is not None and self.asked > self.after:
            self.waiting += 1
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            answer = await client.request(
                request.method,
                request.url.path,
                params=request.query_params.multi_items(),
                content=body,
                headers={"content-type": request.headers.get("content-type", "")},
            )
        kind = answer.headers["content-type"]
        await Response(answer.content, answer.status_code, media_type=kind)(scope, receive, send)


@pytest.mark.slow
@pytest.mark.real
def test_metrics_that_stall_in_the_middle_give_what_came_and_the_rest_is_named(
    company: Settings, tmp_path: Path, prometheus_night: str
) -> None:
    """The first queries are answered; one that came is cited, and how many didn't is said."""
    way = Stalling(prometheus_night)
    with on_loopback(way) as prometheus_url:
        settings = company.model_copy(
            update={
                "metrics_file": None,
                "prometheus_url": prometheus_url,
                "cache_dir": tmp_path / "cache",
                "database_file": tmp_path / "why.db",
                "open_access": True,
                "deadline": DEADLINE,
            }
        )
        with (
            on_loopback(create_app(settings)) as url,
            httpx.Client(base_url=url, timeout=60) as client,
        ):
            body_of(client)  # the catalog of the metrics is read
            for ask in (body_of, streamed):
                way.asked, way.after = 0, 5
                report, took = ask(client)
                assert way.waiting
                assert took < DEADLINE + MARGIN
                assert any("had no answer in time" in line for line in report["not_seen"])
                assert report["citations"]
                way.after, way.waiting = None, 0
