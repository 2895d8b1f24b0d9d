"""A dependency fails within a question: the report comes in time and says what it misses."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.index import IndexUnavailable
from service.assembly import moment_of, open_engine
from service.reports.model import MetricCitation, PassageCitation, Report
from service.settings import Settings

QUESTION = "Why did checkout fail last night?"
DEADLINE = 3.0


@contextmanager
def answering(
    status: int, kind: str, body: bytes, *, hang: bool = False, cut: bool = False
) -> Iterator[str]:
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if hang:
                over.wait(30)
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) + (100 if cut else 0)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def ask(settings: Settings, break_index: Any = None) -> tuple[Report, float]:
    now = moment_of(settings)

    async def run() -> tuple[Report, float]:
        async with open_engine(settings, as_of=now) as engine:
            if break_index is not None:
                break_index(engine)
            began = time.monotonic()
            report = await engine.ask(QUESTION, now=now, audience=settings.audience)
            return report, time.monotonic() - began

    return asyncio.run(run())


JSON = "application/json"
FAULTS: dict[str, dict[str, Any]] = {
    "401": {"status": 401, "kind": JSON, "body": b'{"message":"Invalid API key"}'},
    "403": {"status": 403, "kind": JSON, "body": b'{"message":"Permission denied"}'},
    "429": {"status": 429, "kind": JSON, "body": b'{"message":"Too many requests"}'},
    "500": {"status": 500, "kind": JSON, "body": b'{"message":"Internal error"}'},
    "login": {
        "status": 200,
        "kind": "text/html",
        "body": b"<!doctype html><title>Grafana</title>Log in",
    },
    "hang": {"status": 200, "kind": JSON, "body": b"", "hang": True},
    "partial": {"status": 200, "kind": JSON, "body": b'[{"uid":"prom-main","na'},
    "cut": {"status": 200, "kind": JSON, "body": b'[{"uid":"prom-main","na', "cut": True},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_grafana_leaves_the_documents_report(company: Settings, fault: str) -> None:
    with answering(**FAULTS[fault]) as url:
        broken = company.model_copy(
            update={
                "metrics_file": None,
                "grafana_url": url,
                "grafana_token": SecretStr("t"),
                "deadline": DEADLINE,
            }
        )
        report, took = ask(broken)
    assert took < DEADLINE + 4
    assert any(isinstance(c, PassageCitation) for c in report.citations) or report.causes
    assert any("metrics" in line.lower() or "grafana" in line.lower() for line in report.not_seen)


@pytest.mark.parametrize("fault", ["hangs", "refuses", "dies"])
def test_a_failing_index_leaves_the_metrics_report(
    company: Settings, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(engine: Any) -> None:
        retriever = engine._means.retriever
        real, calls = retriever.search, []

        async def search(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if fault == "dies" and len(calls) == 1:
                return await real(*args, **kwargs)
            if fault == "hangs":
                await asyncio.sleep(3600)
            raise IndexUnavailable("no connection to Qdrant")

        monkeypatch.setattr(retriever, "search", search)

    report, took = ask(company.model_copy(update={"deadline": 6.0}), broken)
    assert took < 10
    assert any(isinstance(c, MetricCitation) for c in report.citations)
    assert len([line for line in report.not_seen if "documents" in line]) == 1
