"""``why serve`` and ``why keys`` as processes: real ports, real signals, one database."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.settings import Settings
from service.testing.loopback import on_loopback
from tests.company import CONFIG
from tests.service.surfaces.http.conftest import QUESTION

COMMAND = (
    "import sys, typer; from service.surfaces.cli_serve import keys, serve; "
    "app = typer.Typer(pretty_exceptions_enable=False); app.command()(serve); "
    "app.add_typer(keys, name='keys'); app(sys.argv[1:])"
)


@pytest.fixture
def environment(served: Settings) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHY_")}
    return inherited | {
        "WHY_CONFIG": str(CONFIG),
        "WHY_INDEX_DIR": str(served.index_dir),
        "WHY_DATABASE_FILE": str(served.database_file),
        "WHY_PORT": "0",
    }


def why(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


@contextmanager
def server(
    environment: dict[str, str], *arguments: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Address and process of a running server."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        address = re.search(r"http://\S+?(?=\. )", line)
        assert address is not None, (line, process.stderr and process.stderr.read())
        yield address[0], process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_terminated_server_finishes_what_it_is_answering_and_closes_cleanly(
    environment: dict[str, str],
) -> None:
    with server(environment, "--open-access") as (address, process):
        httpx.post(f"{address}/v1/ask", json={"question": QUESTION}, timeout=60)
        answers: list[httpx.Response] = []
        scoped = threading.Event()

        def ask() -> None:
            with httpx.stream(
                "POST", f"{address}/v1/ask", json={"question": QUESTION, "stream": True}, timeout=60
            ) as response:
                for line in response.iter_lines():
                    if line == "event: scope":
                        scoped.set()
                    if line == "event: done":
                        answers.append(response)

        asking = threading.Thread(target=ask)
        asking.start()
        assert scoped.wait(30)
        process.send_signal(signal.SIGTERM)
        asking.join(60)
        assert answers, "the question was dropped"
        assert process.wait(30) == 0
        assert process.stderr is not None
        events = [json.loads(line) for line in process.stderr.read().splitlines()]
        assert not [event for event in events if event["level"] == "error"], events
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/healthz")


@pytest.mark.slow
def test_a_second_signal_waits_for_nothing(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a model that never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        stuck = {**environment, "WHY_LLM_URL": url, "WHY_LLM_MODEL": "silent"}
        with server(stuck, "--open-access") as (address, process):
            body = {"question": QUESTION, "stream": True}
            with httpx.stream("POST", f"{address}/v1/ask", json=body, timeout=60) as response:
                lines = response.iter_lines()  # kept: without it the stream would be closed
                assert any(line == "event: causes" for line in lines)
                process.send_signal(signal.SIGTERM)
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(2)
                process.send_signal(signal.SIGTERM)
                assert process.wait(15) is not None


class Collector:
    """Takes traces as an OpenTelemetry collector does (OTLP over HTTP, protobuf)."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = await Request(scope, receive).body()
            coded = Headers(scope=scope).get("content-encoding") == "gzip"
            self.bodies.append(gzip.decompress(body) if coded else body)
            await Response(b"", media_type="application/x-protobuf")(scope, receive, send)


@pytest.mark.slow
def test_requests_and_questions_are_traced_where_an_endpoint_says_so(
    environment: dict[str, str],
) -> None:
    collector = Collector()
    with on_loopback(collector) as endpoint:
        traced = {**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        with server(traced, "--open-access") as (address, process):
            httpx.post(f"{address}/v1/ask", json={"question": QUESTION}, timeout=60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    spans = [
        span
        for body in collector.bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    request, question = (
        next(one for one in spans if one.name == name) for name in ("POST /v1/ask", "ask")
    )
    assert question.parent_span_id == request.span_id
    told = {one.key: one.value.string_value for one in question.attributes}
    assert (told["why.surface"], told["why.outcome"]) == ("http", "causes")
    assert QUESTION not in str(spans)


@pytest.mark.slow
def test_two_servers_share_keys_reports_and_jobs(
    environment: dict[str, str], served: Settings, tmp_path: Path
) -> None:
    made = why(environment, "keys", "create", "ci", "--scope", "admin")
    assert made.returncode == 0, made.stderr
    key = {"Authorization": f"Bearer {made.stdout.strip()}"}
    # The embedded index serves one process; with Qdrant's server they would share it, too.
    other = shutil.copytree(served.index_dir, tmp_path / "other")
    with (
        server(environment) as (first, _),
        server({**environment, "WHY_INDEX_DIR": str(other)}) as (second, _),
        httpx.Client(headers=key, timeout=60) as client,
    ):
        report = client.post(f"{first}/v1/ask", json={"question": QUESTION}).json()
        assert client.get(f"{second}{report['url']}").json() == report
        sent = {"verdict": "up"}
        assert client.post(f"{second}{report['url']}/feedback", json=sent).status_code == 201
        items = client.get(f"{first}{report['url']}/feedback").json()["items"]
        assert [item["verdict"] for item in items] == ["up"]
        again = {"Idempotency-Key": "same-job"}
        jobs = {
            client.post(f"{at}/v1/sync", headers=again).json()["id"]
            for at in (first, second, first)
        }
        assert len(jobs) == 1
        job = client.get(f"{second}/v1/jobs/{jobs.pop()}").json()
        until = time.monotonic() + 60
        while job["state"] != "done" and time.monotonic() < until:
            time.sleep(0.1)
            job = client.get(f"{second}/v1/jobs/{job['id']}").json()
        assert (job["state"], job["attempts"]) == ("done", 1)
        revoked = why(environment, "keys", "revoke", "ci")
        assert revoked.returncode == 0
        assert client.get(f"{first}/v1/reports").status_code == 401
        assert client.get(f"{second}/v1/reports").status_code == 401


@pytest.mark.slow
def test_keys_are_made_listed_and_revoked_and_shown_once(environment: dict[str, str]) -> None:
    made = why(
        environment,
        "keys",
        "create",
        "ci",
        "--scope",
        "ingest",
        "--audience",
        "slack:sec",
        "--json",
    )
    key = json.loads(made.stdout)
    assert (key["scopes"], key["audience"]) == (["ingest"], ["slack:sec"])
    secret = key["key"].split("_", 2)[2]
    [listed] = json.loads(why(environment, "keys", "list", "--json").stdout)
    assert listed["id"] == key["id"]
    assert listed["revoked_at"] is None
    assert secret not in json.dumps(listed)
    assert "Revoked ci" in why(environment, "keys", "revoke", key["id"]).stdout


@pytest.mark.slow
def test_what_keeps_it_from_serving_is_said(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        taken = why(environment, "serve", "--port", port)
    assert taken.returncode != 0
    assert f"cannot listen on 127.0.0.1 port {port}" in taken.stderr
    refused = why(environment, "serve", "--open-access", "--host", "0.0.0.0")
    assert refused.returncode != 0
    assert "open_access is for a loopback address" in refused.stderr
    channel = why({**environment, "WHY_BRIEFING_CHANNEL": "C01"}, "serve")
    assert channel.returncode != 0
    assert "briefing_channel" in channel.stderr
