"""The settings' own tokens and passwords, when what they open fails and says them back.

Every dependency is a server on loopback that answers with what it was sent: status codes, bodies
in the product's own form that quote the credentials, connections that are refused, cut or not TLS.
Looked at is what anybody gets to see of it: the error with its whole traceback, a report, the state
of the dependencies, what is logged, and the settings themselves.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stamina
from pydantic import SecretStr

from ingest.documents import SourceKind
from service.actions.jira_issues import JiraIssues
from service.actions.kinds import Urgency
from service.actions.pagerduty_incidents import PagerDutyIncidents
from service.actions.payloads import JiraIssue, PagerDutyIncident
from service.assembly import encoder_of, llm_of, metrics_of, sources_of, store_of
from service.briefing.delivery import MailTarget
from service.llm.base import Message
from service.llm.budget import Budget
from service.metrics.source import Window
from service.settings import Settings, SourceSettings
from service.store import Database
from service.surfaces.slack.api import open_api
from service.telemetry import secrets_of
from service.workspace import Asked, open_workspace
from tests.security.planted import found_in, logged
from tests.service.learning.small_company import FIRST


def made_up(name: str) -> str:
    """Of no token's shape: it can be known only from the settings."""
    digest = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
    return f"{digest[:12]}/{digest[12:]}"


OWN = {
    name: made_up(name)
    for name in (
        *("grafana", "prometheus", "llm", "openai", "qdrant", "embedding", "jira", "pagerduty"),
        *("slack", "app", "signing", "webhook"),
    )
}
PASSWORDS = {name: made_up(name).replace("/", "") for name in ("smtp", "database", "address")}
ALL_OWN = OWN | PASSWORDS
WINDOW = Window(start=FIRST - timedelta(hours=2), end=FIRST)
MODES = ("200", "400", "401", "500", "cut", "refused", "not TLS")


def said_back(headers: dict[str, str]) -> str:
    """Every credential of a request, as it was sent and decoded."""
    given = [value for name, value in headers.items() if name.lower() not in ("host", "accept")]
    for value in list(given):
        scheme, _, rest = value.partition(" ")
        given.append(rest)
        if scheme == "Basic":
            given.append(base64.b64decode(rest).decode())
    return f"not with {' or '.join(given)}"


BODIES: dict[str, Callable[[str], object]] = {
    "prometheus": lambda said: {"status": "error", "errorType": "bad_data", "error": said},
    "grafana": lambda said: {"message": said, "error": said},
    "openai": lambda said: {"error": {"message": said, "type": said, "code": said, "param": said}},
    "qdrant": lambda said: {"status": {"error": said}, "result": None, "time": 0.0},
    "jira": lambda said: {"errorMessages": [said], "errors": {"project": said}},
    "pagerduty": lambda said: {"error": {"message": said, "code": 1, "errors": [said]}},
    "slack": lambda said: {"ok": False, "error": said, "needed": said},
}


class Hostile:
    """``mode`` and ``body``: how it answers next."""

    def __init__(self) -> None:
        self.mode, self.body = "500", "prometheus"
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked += 1
                if outer.mode == "cut":
                    return
                said = said_back(dict(self.headers.items()))
                body = json.dumps(BODIES[outer.body](said)).encode()
                self.send_response(int(outer.mode), said.replace("\n", " "))
                self.send_header("Content-Type", "application/json")
                self.send_header("X-Said", said)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._closed = free.getsockname()[1]

    def address(self, login: str = "") -> str:
        scheme = "https" if self.mode == "not TLS" else "http"
        port = self._closed if self.mode == "refused" else self._server.server_port
        return f"{scheme}://{login}127.0.0.1:{port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    server = Hostile()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Without the pauses between attempts."""
    stamina.set_testing(True, attempts=1)
    yield
    stamina.set_testing(False)


def settings_for(server: Hostile, folder: Path, **changed: Any) -> Settings:
    own = {name: SecretStr(value) for name, value in OWN.items()}
    there = server.address()
    given = {
        "index_dir": folder / "index",
        "cache_dir": folder / "cache",
        "database_file": folder / "why.db",
        "grafana_token": own["grafana"],
        "prometheus_token": own["prometheus"],
        "llm_url": f"{there}/v1",
        "llm_model": "scripted",
        "llm_api_key": own["llm"],
        "openai_api_key": own["openai"],
        "qdrant_api_key": own["qdrant"],
        "embedding_api_key": own["embedding"],
        "jira_url": there,
        "jira_token": own["jira"],
        "jira_project": "OPS",
        "pagerduty_url": there,
        "pagerduty_token": own["pagerduty"],
        "slack_api_url": f"{there}/api/",
        "slack_bot_token": own["slack"],
        "slack_app_token": own["app"],
        "slack_signing_secret": own["signing"],
        "grafana_webhook_secret": own["webhook"],
        "smtp_host": "127.0.0.1",
        "smtp_user": "why",
        "smtp_password": SecretStr(PASSWORDS["smtp"]),
        "smtp_security": "none",
        "as_of": FIRST.isoformat(),
        "llm_timeout": 5.0,
        "qdrant_timeout": 5.0,
    }
    return Settings(**{**given, **changed})


LOGIN = f"why:{PASSWORDS['address']}@"
Ask = Callable[[Settings], Awaitable[object]]


async def metrics(settings: Settings) -> object:
    source = metrics_of(settings)
    assert source is not None
    try:
        await source.query_range("up", WINDOW, timedelta(minutes=1))
        return await source.alerts(WINDOW)
    finally:
        await source.aclose()


async def language_model(settings: Settings) -> object:
    models = llm_of(settings)
    assert models is not None
    try:
        return await models.report.complete(
            [Message(role="user", content="why?")],
            max_tokens=10,
            purpose="report",
            budget=Budget(tokens=1000, seconds=5),
        )
    finally:
        await models.aclose()


async def index(settings: Settings) -> object:
    store = store_of(settings)
    try:
        return await store.open_current()
    finally:
        await store.aclose()


async def embeddings(settings: Settings) -> object:
    return await asyncio.to_thread(lambda: encoder_of(settings).embed_query("text"))


async def documents(settings: Settings) -> object:
    return [one for source in sources_of(settings) for one in source.read()]


async def jira(settings: Settings) -> object:
    token = OWN["jira"]
    issues = JiraIssues(settings.jira_url or "", settings.jira_user, token)
    return await issues.create(
        JiraIssue(project="OPS", issue_type="Task", summary="s", description="d"), "a_1"
    )


async def pagerduty(settings: Settings) -> object:
    incidents = PagerDutyIncidents(settings.pagerduty_url, OWN["pagerduty"], "why@example.com")
    return await incidents.create(
        PagerDutyIncident(service="P1", title="t", details="d", urgency=Urgency.LOW), "a_1"
    )


async def slack(settings: Settings) -> object:
    async with open_api(settings) as api:
        return await api("auth.test")


CASES: dict[str, tuple[str, Ask, Callable[[Hostile], dict[str, Any]]]] = {
    "prometheus by token": ("prometheus", metrics, lambda s: {"prometheus_url": s.address()}),
    "prometheus by password": (
        "prometheus",
        metrics,
        lambda s: {"prometheus_url": s.address(LOGIN), "prometheus_token": None},
    ),
    "grafana by token": ("grafana", metrics, lambda s: {"grafana_url": s.address()}),
    "grafana by password": (
        "grafana",
        metrics,
        lambda s: {"grafana_url": s.address(LOGIN), "grafana_token": None},
    ),
    "grafana's documents": (
        "grafana",
        documents,
        lambda s: {
            "sources": (
                SourceSettings(kind=SourceKind.DASHBOARDS, url=s.address()),
                SourceSettings(kind=SourceKind.ALERTS, url=s.address()),
            )
        },
    ),
    "language model": ("openai", language_model, lambda _: {}),
    "embeddings": (
        "openai",
        embeddings,
        lambda s: {"embedding_url": s.address(), "embedding_model": "m"},
    ),
    "index by key": ("qdrant", index, lambda s: {"qdrant_url": s.address()}),
    "index by password": (
        "qdrant",
        index,
        lambda s: {"qdrant_url": s.address(LOGIN), "qdrant_api_key": None},
    ),
    "jira by token": ("jira", jira, lambda _: {}),
    "jira by password": ("jira", jira, lambda _: {"jira_user": "why@example.com"}),
    "pagerduty": ("pagerduty", pagerduty, lambda _: {}),
    "slack": ("slack", slack, lambda _: {}),
}


async def told(ask: Ask, settings: Settings) -> str:
    """All that there is to see: what came back, or the error with all that led to it."""
    try:
        return repr(await ask(settings))
    except Exception as error:
        return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("case", CASES)
def test_no_failure_tells_a_credential(case: str, hostile: Hostile, tmp_path: Path) -> None:
    hostile.body, ask, changes = CASES[case]
    seen: dict[str, str] = {}
    before = hostile.asked
    with logged(settings_for(hostile, tmp_path, log_level="debug")) as log:
        for mode in MODES:
            hostile.mode = mode
            settings = settings_for(hostile, tmp_path, **changes(hostile))
            seen[mode] = asyncio.run(told(ask, settings))

    assert hostile.asked > before
    assert {mode: found for mode, text in seen.items() if (found := found_in(text, ALL_OWN))} == {}
    assert found_in(log.getvalue(), ALL_OWN) == []


def test_a_mail_server_that_says_the_password_back(hostile: Hostile, tmp_path: Path) -> None:
    async def run(refuses: str) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 here\r\n")
            heard: list[str] = []
            while line := (await reader.readline()).decode():
                word, _, rest = line.strip().partition(" ")
                heard.append(rest)
                if word == refuses or (refuses == "AUTH" and word not in ("EHLO", "QUIT")):
                    writer.write(f"535 {PASSWORDS['smtp']} is wrong {heard}\r\n".encode())
                elif word == "EHLO":
                    writer.write(b"250-here\r\n250 AUTH PLAIN\r\n")
                else:
                    writer.write(b"235 yes\r\n" if word == "AUTH" else b"250 yes\r\n")
                await writer.drain()
            writer.close()
            ended.set()

        ended = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        target = MailTarget(settings_for(hostile, tmp_path, smtp_port=port), "ops@example.com")
        try:
            return await told(lambda _: target._send(b"mail"), target._settings)
        finally:
            await ended.wait()
            server.close()

    for refuses in ("AUTH", "MAIL", "RCPT"):
        shown = asyncio.run(run(refuses))
        assert "NotDelivered" in shown
        assert found_in(shown, ALL_OWN) == []


@pytest.mark.parametrize(
    "url", ["postgresql://why:{}@127.0.0.1:{}/why", "postgresql://why:{}@127.0.0.1:port{}/why"]
)
def test_a_database_that_is_not_there(url: str, hostile: Hostile, tmp_path: Path) -> None:
    async def open_it(settings: Settings) -> object:
        async with await Database.open(settings):
            return None

    hostile.mode = "refused"
    port = hostile.address().rpartition(":")[2]
    address = SecretStr(url.format(PASSWORDS["database"], port))
    settings = settings_for(hostile, tmp_path, database_url=address)
    shown = asyncio.run(told(open_it, settings))
    assert "StoreUnavailable" in shown
    assert found_in(shown, ALL_OWN) == []


@pytest.mark.parametrize(("mode", "body"), [("500", "prometheus"), ("401", "grafana")])
def test_a_report_and_the_state_say_what_is_missing_and_no_credential(
    mode: str, body: str, hostile: Hostile, tmp_path: Path
) -> None:
    hostile.mode, hostile.body = mode, body
    place = "prometheus_url" if body == "prometheus" else "grafana_url"
    settings = settings_for(
        hostile,
        tmp_path,
        qdrant_url=hostile.address(LOGIN),
        alertmanager_url=hostile.address(LOGIN),
        **{place: hostile.address()},
    )

    async def run() -> str:
        async with (
            await Database.open(settings) as database,
            open_workspace(settings, database=database) as workspace,
        ):
            report = await workspace.report(Asked(text="why is checkout slow?"), ("everyone",))
            state = await workspace.health()
        assert report.not_seen
        assert [one.ok for one in state] == [False, False, True]
        return f"{report.model_dump_json()}{state!r}"

    assert found_in(asyncio.run(run()), ALL_OWN) == []


def test_the_settings_show_no_credential_and_know_all_of_them(
    hostile: Hostile, tmp_path: Path
) -> None:
    hostile.mode = "500"
    address = hostile.address(LOGIN)
    source = SourceSettings(kind=SourceKind.ALERTS, url=address)
    database = f"postgresql://why:{PASSWORDS['database']}@db/why"
    settings = settings_for(
        hostile,
        tmp_path,
        grafana_url=address,
        prometheus_url=address,
        alertmanager_url=address,
        qdrant_url=address,
        embedding_url=address,
        sources=(source,),
        database_url=SecretStr(database),
    )

    assert found_in(f"{settings!r} {settings} {settings.sources!r}", ALL_OWN) == []
    assert {*ALL_OWN.values()} <= {*secrets_of(settings)}
