"""Only the configured hosts are asked, and a redirect to another one is not followed.

Real HTTP over loopback: one server redirects everything to a second, which counts its visitors.
Names that resolve to another address later (DNS rebinding) are out of scope: hosts come from the
settings and not from documents, see ``docs/security.md``.
"""

import ast
import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiohttp import ClientError
from pydantic import SecretStr
from slack_bolt.async_app import AsyncApp

import ingest
import service
from ingest.documents import SourceKind
from ingest.encoders.base import EncoderError
from ingest.encoders.endpoint import EndpointEncoder
from ingest.index import IndexUnavailable
from ingest.index.server import Connection
from ingest.index.server_store import ServerStore
from ingest.sources import open_source
from service.llm.base import LlmError, Message
from service.llm.budget import Budget
from service.llm.openai_compatible import OpenAiCompatible
from service.metrics.alertmanager import WithAlertmanager
from service.metrics.grafana import GrafanaSource
from service.metrics.prometheus import PrometheusSource
from service.metrics.source import MetricsError, MetricsSource, Window
from service.settings import Settings
from service.surfaces.slack.api import open_api
from service.surfaces.slack.socket import socket_client

NOW = datetime(2026, 11, 12, 8, tzinfo=UTC)
TOKEN = "nobody-elses"  # noqa: S105
WINDOW = Window(start=NOW - timedelta(hours=1), end=NOW)


class Trap:
    """Two servers: ``address`` redirects to ``/latest/meta-data`` of the other one."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.stolen: list[str] = []
        self._elsewhere = self._serve(self.stolen, None)
        target = f"http://127.0.0.1:{self._elsewhere.server_port}/latest/meta-data"
        self._here = self._serve(self.asked, target)
        self.address = f"http://127.0.0.1:{self._here.server_port}"

    @staticmethod
    def _serve(seen: list[str], target: str | None) -> ThreadingHTTPServer:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.path)
                self.send_response(307 if target else 200)  # which repeats a POST with its body
                if target:
                    self.send_header("Location", target)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def close(self) -> None:
        for server in (self._here, self._elsewhere):
            server.shutdown()
            server.server_close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    set_up = Trap()
    yield set_up
    set_up.close()


def metrics_refused(
    source: MetricsSource, ask: Callable[[MetricsSource], Awaitable[object]]
) -> None:
    async def run() -> None:
        try:
            await ask(source)
        finally:
            await source.aclose()

    with pytest.raises(MetricsError):
        asyncio.run(run())


def series(source: MetricsSource) -> Awaitable[object]:
    return source.query_range("up", WINDOW, timedelta(minutes=1))


def prometheus(address: str) -> None:
    metrics_refused(PrometheusSource(address, TOKEN), series)


def alertmanager(address: str) -> None:
    beside = WithAlertmanager(PrometheusSource(address), address)
    metrics_refused(beside, lambda source: source.alerts(WINDOW))


def grafana(address: str) -> None:
    metrics_refused(GrafanaSource(address, TOKEN), series)


def grafana_documents(address: str) -> None:
    for kind in (SourceKind.DASHBOARDS, SourceKind.ALERTS):
        found = list(open_source(kind, name="g", url=address, token=TOKEN).read())
        assert found
        assert all(not hasattr(item, "sections") for item in found)


def embeddings(address: str) -> None:
    with pytest.raises(EncoderError):
        EndpointEncoder(address, "model", key="secret").embed_query("text")


def language_model(address: str) -> None:
    async def ask() -> None:
        model = OpenAiCompatible(address, "model", key="secret", timeout=5)
        try:
            await model.complete(
                [Message(role="user", content="evidence")],
                max_tokens=10,
                purpose="test",
                budget=Budget(tokens=1000, seconds=5),
            )
        finally:
            await model.aclose()

    with pytest.raises(LlmError):
        asyncio.run(ask())


def slack(address: str) -> None:
    async def say() -> None:
        settings = Settings(slack_bot_token=SecretStr("xoxb-made-up"), slack_api_url=f"{address}/")
        async with open_api(settings) as api:
            await api.client.chat_postMessage(channel="C1", text="what the report says")

    with pytest.raises(ClientError):
        asyncio.run(say())


def slack_socket(address: str) -> None:
    async def connect() -> None:
        app = AsyncApp(token="xoxb-made-up", signing_secret="made-up")  # noqa: S106
        client = socket_client(app, "xapp-made-up")
        try:
            await client.aiohttp_client_session.ws_connect(f"{address}/link")
        finally:
            await client.close()

    with pytest.raises(ClientError, match="redirect"):
        asyncio.run(connect())


def qdrant(address: str) -> None:
    async def ask() -> None:
        store = ServerStore(Connection.to(address, api_key="secret", timeout=5), "why")
        try:
            await store.open_current()
        finally:
            await store.aclose()

    with pytest.raises(IndexUnavailable):
        asyncio.run(ask())


@pytest.mark.parametrize(
    "client",
    [
        prometheus,
        alertmanager,
        grafana,
        grafana_documents,
        embeddings,
        language_model,
        slack,
        slack_socket,
        qdrant,
    ],
)
def test_a_redirect_is_not_followed(client: Callable[[str], None], trap: Trap) -> None:
    client(trap.address)

    assert trap.asked
    assert trap.stolen == []


CLIENTS = re.compile(
    r"\b(?:httpx2?\.(?:Async)?Client|aiohttp\.ClientSession|urlopen|requests\.\w)\("
)

SETTLED = re.compile("follow_redirects|verify")
"""Arguments by which a client would go elsewhere, or take anybody for the one that it asks."""


def test_nothing_asks_for_redirects_or_makes_a_client_in_passing() -> None:
    """A new way out must be looked at: it goes on this list once it refuses redirects."""
    found = set()
    for package in (ingest, service):
        root = Path(str(package.__file__)).parent
        for file in root.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            tree = ast.parse(text if SETTLED.search(text) else "")
            for node in ast.walk(tree):
                if isinstance(node, ast.keyword) and SETTLED.fullmatch(node.arg or ""):
                    assert isinstance(node.value, ast.Constant), file
                    assert node.value.value == (node.arg == "verify"), file
            if CLIENTS.search(text) and "testing" not in file.parts:
                found.add(file.relative_to(root.parent).as_posix())
    assert found <= {
        "ingest/encoders/endpoint.py",
        "ingest/sources/grafana_client.py",
        "service/metrics/http_calls.py",
        "service/surfaces/slack/api.py",
    }
