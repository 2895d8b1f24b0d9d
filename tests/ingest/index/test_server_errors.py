"""What the reader is told when a Qdrant server does not do its part, and what is never shown."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingest.index import IndexFailure, IndexMissing, IndexUnavailable, open_store

API_KEY = "an-api-key-of-a-person"
PASSWORD = "a-pass/word"  # noqa: S105

Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(respond: Respond) -> Iterator[str]:
    """An HTTP server; yields ``host:port``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            respond(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


def answer(status: int, body: bytes) -> Respond:
    def respond(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return respond


def qdrant(respond: Respond) -> Respond:
    """A server that tells its version, and answers anything else with ``respond``."""
    version = answer(200, b'{"title": "qdrant", "version": "1.20.0"}')
    return lambda request: (version if request.path == "/" else respond)(request)


def slow(request: BaseHTTPRequestHandler) -> None:
    """Too slow for the time limit of these tests, and then gone."""
    time.sleep(0.5)


def failure_of(url: str) -> IndexFailure:
    async def main() -> None:
        store = open_store(directory=Path("unused"), url=url, api_key=API_KEY, timeout=0.3)
        try:
            await store.open_current()
        finally:
            await store.aclose()

    with pytest.raises(IndexFailure) as caught:
        asyncio.run(main())
    return caught.value


@pytest.mark.parametrize(
    ("respond", "told"),
    [
        (answer(401, b"Invalid API key " + API_KEY.encode()), "refuses access.*QDRANT_API_KEY"),
        (answer(500, json.dumps({"status": {"error": "disk full"}}).encode()), "500: disk full"),
        (answer(502, b"<html>"), "502: no reason given"),
        (answer(200, b"<html>hello</html>"), "not Qdrant's: check QDRANT_URL"),
        (answer(200, b'{"result": 3}'), "not Qdrant's: check QDRANT_URL"),
        (slow, "did not answer within 0.3 s"),
    ],
    ids=["401", "500", "502", "html", "other-json", "slow"],
)
def test_a_failing_server_is_named_without_secrets(
    respond: Respond, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with server(qdrant(respond)) as host:
        failure = failure_of(f"http://someone:{PASSWORD.replace('/', '%2F')}@{host}")
    assert isinstance(failure, IndexUnavailable)
    assert failure.args[0].startswith(f"Qdrant at http://{host} ")
    assert re.search(told, str(failure))
    shown = "".join(traceback.format_exception(failure)) + caplog.text
    for secret in (API_KEY, PASSWORD, "a-pass", "someone"):
        assert secret not in shown


@pytest.mark.parametrize("version", ["1.18.2", "0.11.0", "unknown"])
def test_a_server_that_is_too_old_is_refused_before_it_is_asked(version: str) -> None:
    """Before 1.19 term statistics can't be taken over a filter, and the request is overlooked."""
    asked: list[str] = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        answer(200, json.dumps({"title": "qdrant", "version": version}).encode())(request)

    with server(respond) as host:
        failure = failure_of(f"http://{host}")
    assert isinstance(failure, IndexUnavailable)
    assert f"is version '{version}', and Why needs Qdrant 1.19 or newer" in str(failure)
    assert asked == ["/"]


def test_a_server_that_is_down_is_reported() -> None:
    with server(slow) as host:
        pass
    failure = failure_of(f"http://{host}")
    assert isinstance(failure, IndexUnavailable)
    assert "does not answer (ConnectError): check QDRANT_URL" in str(failure)


@pytest.mark.parametrize("url", ["localhost:6333", "http://", "http://h:port", "http://[::1"])
def test_a_url_that_is_none_is_reported_without_showing_it(url: str) -> None:
    failure = failure_of(url)
    assert str(failure) == "QDRANT_URL is not a URL like http://localhost:6333"


def test_the_key_and_the_password_reach_the_server() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        seen.append((request.headers["api-key"], request.headers["Authorization"]))
        answer(200, b'{"result": {"aliases": []}, "status": "ok", "time": 0}')(request)

    with server(qdrant(respond)) as host:
        failure = failure_of(f"http://someone:{PASSWORD.replace('/', '%2F')}@{host}")
    assert isinstance(failure, IndexMissing)
    expected = base64.b64encode(f"someone:{PASSWORD}".encode()).decode()
    assert seen == [(API_KEY, f"Basic {expected}")]


def test_a_collection_that_was_replaced_meanwhile_is_missing() -> None:
    body = json.dumps({"status": {"error": "Not found: Collection `x` doesn't exist!"}})
    with server(qdrant(answer(404, body.encode()))) as host:
        failure = failure_of(f"http://{host}")
    assert isinstance(failure, IndexMissing)
    assert "open it again" in str(failure)
