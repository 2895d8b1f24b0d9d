"""An answer as it comes: real HTTP over loopback, as a browser or curl reads it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from service.desk import Desk
from service.settings import Settings
from service.store import Surface
from service.surfaces.http import ask
from service.surfaces.http.app import create_app
from service.testing.loopback import on_loopback
from service.workspace import Workspace
from tests.service.surfaces.http.conftest import QUESTION

STREAM = {"Accept": "text/event-stream"}
Event = tuple[str, dict[str, object]]


@pytest.fixture
def client(served: Settings) -> Iterator[httpx.Client]:
    app = create_app(served.model_copy(update={"open_access": True}))
    with on_loopback(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def events_in(lines: Iterator[str]) -> Iterator[Event]:
    """As https://html.spec.whatwg.org/multipage/server-sent-events.html says."""
    name, data = "", ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data += line.removeprefix("data: ")
        elif not line and data:
            yield name, json.loads(data)
            name, data = "", ""


def test_a_report_comes_as_events_and_the_first_within_a_second(client: httpx.Client) -> None:
    client.post("/v1/ask", json={"question": QUESTION})  # catalogs are read once
    began = time.monotonic()
    with client.stream("POST", "/v1/ask", json={"question": QUESTION}, headers=STREAM) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        events = events_in(response.iter_lines())
        first = next(events)
        waited = time.monotonic() - began
        rest = list(events)
    assert first[0] == "scope"
    assert waited < 1
    names = [name for name, _ in rest]
    assert names[:3] == ["passages", "signals", "causes"]
    assert set(names[3:-1]) == {"citation", "text"}
    assert names[-1] == "done"
    done = rest[-1][1]
    assert (done["kind"], done["outcome"]) == ("report", "causes")
    stored = client.get(str(done["url"])).json()
    told = [data["text"] for name, data in rest if name == "text"]
    assert told[: len(stored["answer"]["summary"])] == [
        claim["text"] for claim in stored["answer"]["summary"]
    ]
    known: set[object] = set()
    for name, data in rest:
        if name == "citation":
            citation = data["citation"]
            assert isinstance(citation, dict)
            known.add(citation["number"])
        elif name == "text":
            assert isinstance(data["citations"], list)
            assert set(data["citations"]) <= known, "a sentence came before what carries it"


def test_what_fails_under_way_is_an_event_with_a_problem(client: httpx.Client) -> None:
    body = {"question": QUESTION, "since": "sometime", "stream": True}
    with client.stream("POST", "/v1/ask", json=body) as response:
        assert response.status_code == 200
        [(name, problem)] = list(events_in(response.iter_lines()))
    assert (name, problem["status"], problem["code"]) == ("error", 422, "scope")
    assert problem["request_id"] == response.headers["x-request-id"]
    refused = client.post(
        "/v1/ask", json=body, headers={**STREAM, "Idempotency-Key": "no-stream-twice"}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "stream_once")


def test_a_silent_stream_is_kept_alive_and_the_work_ends_with_its_client(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    async def answer(*_: object, **__: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(Workspace, "answer", answer)
    monkeypatch.setattr(ask, "HEARTBEAT_SECONDS", 0.05)
    with client.stream("POST", "/v1/ask", json={"question": QUESTION}, headers=STREAM) as response:
        lines = response.iter_lines()
        assert [next(lines) for _ in range(6)] == [": ok", ""] * 3
        assert not ended.is_set()
    assert ended.wait(10), "the work went on without anybody"
    ended.clear()
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/ask", json={"question": QUESTION}, timeout=0.5)
    assert ended.wait(10), "the work went on without anybody"
    figures = client.get("/metrics").text
    assert 'why_http_requests_total{method="POST",route="/v1/ask",status="499"} 1.0' in figures


def test_the_page_is_told_apart(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    surfaces = []
    whole = Desk.ask

    async def ask_and_note(*args: object, surface: Surface, **more: object) -> object:
        surfaces.append(surface)
        return await whole(*args, surface=surface, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Desk, "ask", ask_and_note)
    body = {"question": "Show checkout latency last night"}
    client.post("/v1/ask", json=body, headers={"X-Why-Client": "web"})
    client.post("/v1/ask", json=body)
    assert surfaces == [Surface.WEB, Surface.HTTP]
