"""How Prometheus' failures are told apart, against a small server that really fails."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from service.metrics.prometheus import PrometheusSource
from service.metrics.source import (
    MetricMetadata,
    MetricsTimeout,
    MetricsUnavailable,
    QueryRejected,
    RangeResult,
    Window,
)

T = TypeVar("T")
WINDOW = Window(
    start=datetime(2026, 11, 12, 1, tzinfo=UTC), end=datetime(2026, 11, 12, 3, tzinfo=UTC)
)
MINUTE = timedelta(minutes=1)
TOKEN = "made-up"  # noqa: S105
Reply = tuple[int, bytes, dict[str, str]]


class Server:
    """Answers with ``replies`` in turn, the last one again and again; keeps what was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply | Callable[[BaseHTTPRequestHandler], None]] = []
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                server.asked.append((self.path, parse_qs(body), dict(self.headers)))
                place = min(len(server.asked), len(server.replies)) - 1
                reply = server.replies[place]
                if callable(reply):
                    reply(self)
                    return
                status, content, headers = reply
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """The test's output is not the server's log."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.host = f"127.0.0.1:{self._http.server_port}"
        self.url = f"http://{self.host}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def success(data: Any, **more: object) -> Reply:
    return 200, json.dumps({"status": "success", "data": data, **more}).encode(), {}


def failure(status: int, kind: str, error: str, **headers: str) -> Reply:
    content = json.dumps({"status": "error", "errorType": kind, "error": error})
    return status, content.encode(), headers


def matrix(series: int, points: int) -> dict[str, object]:
    values = [[1794445200 + 60 * index, str(index)] for index in range(points)]
    rows = [{"metric": {"n": f"{n:04}"}, "values": values} for n in reversed(range(series))]
    return {"resultType": "matrix", "result": rows}


def asked(source: PrometheusSource, question: Callable[[PrometheusSource], Awaitable[T]]) -> T:
    async def ask() -> T:
        try:
            return await question(source)
        finally:
            await source.aclose()

    return asyncio.run(ask())


def queried(source: PrometheusSource, query: str = "up") -> RangeResult:
    return asked(source, lambda source: source.query_range(query, WINDOW, MINUTE))


def test_a_query_is_posted_with_its_window_and_the_token(server: Server) -> None:
    server.replies = [success(matrix(2, 3), warnings=["partial"], infos=["rounded"])]
    result = queried(PrometheusSource(f"{server.url}/prom/", token=TOKEN), 'up{a="b"}')

    ((path, fields, headers),) = server.asked
    assert path == "/prom/api/v1/query_range"
    assert fields["query"] == ['up{a="b"}']
    assert (fields["start"], fields["end"]) == (["1794445200.000"], ["1794452400.000"])
    assert fields["step"] == ["60.000"]
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert [one.labels for one in result.series] == [{"n": "0000"}, {"n": "0001"}]
    assert result.series[0].times.tolist() == [1794445200.0, 1794445260.0, 1794445320.0]
    assert result.series[0].values.tolist() == [0.0, 1.0, 2.0]
    assert result.warnings == ("partial", "rounded")
    assert result.truncated is None


def test_an_empty_answer_is_no_error(server: Server) -> None:
    server.replies = [success({"resultType": "matrix", "result": []})]
    assert queried(PrometheusSource(server.url)).series == ()


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_failure_is_tried_again(server: Server, status: int) -> None:
    server.replies = [(status, b"<html>busy</html>", {}), success(matrix(1, 1))]
    assert len(queried(PrometheusSource(server.url)).series) == 1
    assert len(server.asked) == 2


def test_a_connection_that_breaks_in_the_middle_is_tried_again(server: Server) -> None:
    def breaks(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"status":')

    server.replies = [breaks, success(matrix(1, 1))]
    assert len(queried(PrometheusSource(server.url)).series) == 1


def test_a_failure_that_stays_is_unavailable_with_the_servers_words(server: Server) -> None:
    server.replies = [failure(503, "unavailable", "starting up")]
    with pytest.raises(MetricsUnavailable, match="HTTP 503 starting up; asked for `up`"):
        queried(PrometheusSource(server.url))
    assert len(server.asked) == 4


def test_the_server_says_when_to_come_back(server: Server) -> None:
    server.replies = [failure(429, "", "slow down", **{"Retry-After": "1"}), success(matrix(1, 1))]
    begun = time.monotonic()
    queried(PrometheusSource(server.url))
    assert time.monotonic() - begun >= 1.0


def test_there_is_no_waiting_for_a_server_that_comes_back_after_the_deadline(
    server: Server,
) -> None:
    server.replies = [failure(429, "", "slow down", **{"Retry-After": "3600"})]
    begun = time.monotonic()
    with pytest.raises(MetricsUnavailable, match="429"):
        queried(PrometheusSource(server.url))
    assert time.monotonic() - begun < 5.0


def test_no_answer_within_the_deadline_is_a_timeout(server: Server) -> None:
    def drips(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(30):
                handler.wfile.write(b" ")
                time.sleep(0.1)

    server.replies = [drips]
    begun = time.monotonic()
    with pytest.raises(MetricsTimeout, match=r"within 0\.3 s: `up`"):
        queried(PrometheusSource(server.url, timeout=0.3))
    assert time.monotonic() - begun < 2.0


def test_a_timeout_inside_the_server_is_a_timeout(server: Server) -> None:
    server.replies = [failure(503, "timeout", "query timed out in expression evaluation")]
    with pytest.raises(MetricsTimeout, match="timed out in expression"):
        queried(PrometheusSource(server.url))
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "kind"), [(400, "bad_data"), (422, "execution")])
def test_a_refused_query_is_not_tried_again(server: Server, status: int, kind: str) -> None:
    server.replies = [failure(status, kind, "parse error: no")]
    with pytest.raises(QueryRejected, match="refused `up`: parse error: no"):
        queried(PrometheusSource(server.url))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("reply", "hint"),
    [
        ((401, b"", {}), "check the token"),
        ((403, b"", {}), "check the token"),
        ((302, b"", {"Location": "/login"}), "redirects"),
        ((404, b"not found", {}), "no Prometheus API at this address"),
        ((200, b"<html>Welcome</html>", {}), "not how Prometheus answers"),
        (success([]), "did not answer as Prometheus does to `up`"),
        (success({"result": [{"metric": {}, "values": [["x"]]}]}), "did not answer as Prometheus"),
    ],
)
def test_what_is_no_prometheus_is_unavailable(server: Server, reply: Reply, hint: str) -> None:
    server.replies = [reply]
    with pytest.raises(MetricsUnavailable, match=hint):
        queried(PrometheusSource(server.url))


def test_more_series_than_allowed_are_cut_and_told(server: Server) -> None:
    server.replies = [success(matrix(30, 5))]
    result = queried(PrometheusSource(server.url, max_series=20))
    assert result.truncated == "only the first 20 of 30 series are here"
    assert [one.labels["n"] for one in result.series] == [f"{n:04}" for n in range(20)]


def test_more_points_than_allowed_are_cut_by_whole_series(server: Server) -> None:
    server.replies = [success(matrix(30, 5))]
    result = queried(PrometheusSource(server.url, max_points=52))
    assert result.truncated == "only the first 10 of 30 series are here"
    assert {len(one.times) for one in result.series} == {5}


LONG = Window(start=WINDOW.end - timedelta(days=30), end=WINDOW.end)


@pytest.mark.parametrize(
    ("query", "window", "step", "reason"),
    [
        ("up", LONG, timedelta(seconds=1), "more than 11,000 points per series.*longer step"),
        ("up", WINDOW, timedelta(0), "step must be positive"),
        ("rate(up[1000d])", WINDOW, MINUTE, "a range of 1000d is longer than 92d"),
        ("topk(scalar(sum_over_time(up[1000d])), up)", WINDOW, MINUTE, "longer than 92d"),
        ("max_over_time(rate(up[5m])[30d:1s])", WINDOW, MINUTE, "a subquery of more than 11,000"),
        ("1 + -(max_over_time(up[30d:]))", WINDOW, MINUTE, "a subquery of more than 11,000"),
        ("max_over_time(sum_over_time(up[4d:1m])[4d:1h])", WINDOW, MINUTE, "a subquery of more"),
        ("(" * 100 + "up" + ")" * 100, WINDOW, MINUTE, "more than 64 brackets"),
        ("a" * 30_000, WINDOW, MINUTE, "more than 20,000"),
    ],
)
def test_what_asks_for_too_much_is_refused_and_not_asked(
    server: Server, query: str, window: Window, step: timedelta, reason: str
) -> None:
    source = PrometheusSource(server.url)
    with pytest.raises(QueryRejected, match=reason):
        asked(source, lambda source: source.query_range(query, window, step))
    assert server.asked == []


@pytest.mark.parametrize(
    "query",
    ["increase(up[28d])", "max_over_time(rate(up[5m])[7d:1m])", "max_over_time(up[90d:1h])"],
)
def test_the_windows_of_service_levels_are_asked(server: Server, query: str) -> None:
    server.replies = [success(matrix(1, 1))]
    assert len(queried(PrometheusSource(server.url), query).series) == 1


def test_a_huge_answer_is_read_up_to_the_limit_and_told(server: Server) -> None:
    server.replies = [success(matrix(400, 100))]
    result = queried(PrometheusSource(server.url, max_bytes=100_000))
    assert 10 < len(result.series) < 100
    assert result.truncated == (
        f"the answer was too large: only its first {len(result.series)} series were read"
    )
    assert {len(one.times) for one in result.series} == {100}, "a half series"


def test_a_series_larger_than_the_limit_is_refused_with_advice(server: Server) -> None:
    server.replies = [success(matrix(1, 5000))]
    with pytest.raises(QueryRejected, match=r"too large for a single series.*longer step"):
        queried(PrometheusSource(server.url, max_bytes=50_000))


def test_an_answer_without_an_end_stops_at_the_limit(server: Server) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b" " * 65536)

    server.replies = [endless]
    with pytest.raises(MetricsUnavailable, match="not how Prometheus answers"):
        queried(PrometheusSource(server.url, max_bytes=1_000_000))


def test_metric_names_come_sorted(server: Server) -> None:
    server.replies = [success(["up", "ALERTS"])]
    source = PrometheusSource(server.url)
    names = asked(source, lambda source: source.label_values("__name__", WINDOW))
    assert names == ["ALERTS", "up"]
    assert server.asked[0][0].startswith("/api/v1/label/__name__/values?start=1794445200.000&")


def test_label_values_are_those_of_the_series_that_a_selector_leaves(server: Server) -> None:
    server.replies = [success(["b", "a"])]
    source = PrometheusSource(server.url)
    selector = '{service="checkout"}'
    found = asked(source, lambda source: source.label_values("region", WINDOW, selector))
    assert found == ["a", "b"]
    address = urlsplit(server.asked[0][0])
    assert address.path == "/api/v1/label/region/values"
    assert parse_qs(address.query)["match[]"] == [selector]


def test_metadata_is_what_all_targets_say(server: Server) -> None:
    def one(kind: str, text: str) -> dict[str, str]:
        return {"type": kind, "help": text, "unit": "seconds"}

    server.replies = [
        success({"a": [one("counter", "A.")], "b": [one("gauge", "B."), one("counter", "B.")]})
    ]
    assert asked(PrometheusSource(server.url), lambda source: source.metadata()) == {
        "a": MetricMetadata(type="counter", help="A.", unit="seconds"),
        "b": MetricMetadata(type="", help="B.", unit="seconds"),
    }


def test_a_list_that_is_too_long_loses_its_end(server: Server) -> None:
    server.replies = [success([f"metric_{n:04}" for n in range(2000)])]
    source = PrometheusSource(server.url, max_bytes=10_000)
    found = asked(source, lambda source: source.label_values("__name__", WINDOW))
    assert found == [f"metric_{n:04}" for n in range(len(found))]
    assert 100 < len(found) < 2000


@pytest.mark.parametrize("answer", [{"a": 1}, "x", None])
def test_what_lists_no_values_is_no_prometheus(server: Server, answer: object) -> None:
    server.replies = [success(answer)]
    with pytest.raises(MetricsUnavailable, match="did not answer as Prometheus does to the values"):
        asked(PrometheusSource(server.url), lambda s: s.label_values("service", WINDOW))


def test_credentials_in_the_address_work_and_are_never_shown(server: Server) -> None:
    server.replies = [success(matrix(1, 1)), (401, b"", {})]
    address = f"http://reader:pa55%20word@{server.host}/?key=k3y#f"

    async def ask(source: PrometheusSource) -> str:
        await source.query_range("up", WINDOW, MINUTE)
        with pytest.raises(MetricsUnavailable) as caught:
            await source.query_range("up", WINDOW, MINUTE)
        return " ".join([str(caught.value), source.name, source.link("up", WINDOW) or ""])

    shown = asked(PrometheusSource(address), ask)
    assert server.asked[0][2]["Authorization"].startswith("Basic ")
    assert server.host in shown
    for secret in ("reader", "pa55", "k3y"):
        assert secret not in shown


@pytest.mark.parametrize(
    "address", ["prometheus:9090", "ftp://x", "http://", "", "http://u:pa55#w@host"]
)
def test_an_address_that_cannot_work_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="the Prometheus address") as caught:
        PrometheusSource(address)
    assert "pa55" not in str(caught.value)


def test_a_token_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="token") as caught:
        PrometheusSource("http://localhost", token=f"{TOKEN}\nX")
    assert TOKEN not in str(caught.value)


def test_a_link_goes_to_the_address_that_people_open() -> None:
    source = PrometheusSource("http://10.0.0.1:9090", link_base="https://prometheus.example")
    link = source.link("up", WINDOW)
    asyncio.run(source.aclose())
    assert link is not None
    assert link.startswith("https://prometheus.example/graph?g0.expr=up&g0.range_input=2h&")
