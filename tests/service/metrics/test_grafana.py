"""Grafana's API through the package's fake of it, and the failures that are told apart."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest

from service.assembly import metrics_of
from service.metrics.grafana import GrafanaSource
from service.metrics.links import at_time
from service.metrics.prometheus import Bounds
from service.metrics.source import (
    Alert,
    Change,
    MetricMetadata,
    MetricsError,
    MetricsTimeout,
    MetricsUnavailable,
    QueryRejected,
    RangeResult,
    Window,
)
from service.settings import Settings
from service.testing import FakeGrafana
from service.testing.grafana import Answer, as_json, message

T = TypeVar("T")
WINDOW = Window(
    start=datetime(2026, 11, 12, 1, tzinfo=UTC), end=datetime(2026, 11, 12, 3, tzinfo=UTC)
)
START_MS, END_MS = "1794445200000", "1794452400000"
MINUTE = timedelta(minutes=1)
TOKEN = "glsa_made_up"  # noqa: S105
Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


def matrix(*rows: tuple[dict[str, str], list[float]]) -> dict[str, object]:
    result = [
        {
            "metric": labels,
            "values": [[1794445200 + 60 * n, str(value)] for n, value in enumerate(values)],
        }
        for labels, values in rows
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


NOTHING = matrix()


def answering(answer: dict[str, object], status: int = 200) -> Handler:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=answer)

    return handle


def grafana(prometheus: Handler | None = None, **options: Any) -> FakeGrafana:
    transport = httpx.MockTransport(prometheus or answering(NOTHING))
    return FakeGrafana(
        token=TOKEN, prometheus_url="http://prometheus", prometheus=transport, **options
    )


def asked(
    fake: FakeGrafana, question: Callable[[GrafanaSource], Awaitable[T]], **options: Any
) -> T:
    async def ask() -> T:
        given = {"token": TOKEN, **options}
        source = GrafanaSource("http://grafana", transport=httpx.ASGITransport(fake), **given)
        try:
            return await question(source)
        finally:
            await source.aclose()

    return asyncio.run(ask())


def queried(fake: FakeGrafana, **options: Any) -> RangeResult:
    return asked(fake, lambda source: source.query_range("up", WINDOW, MINUTE), **options)


def alerts_of(fake: FakeGrafana) -> list[Alert]:
    return asked(fake, lambda source: source.alerts(WINDOW))


def changes_of(fake: FakeGrafana) -> list[Change]:
    return asked(fake, lambda source: source.changes(WINDOW))


def at(hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 11, 12, hour, minute, tzinfo=UTC).timestamp() * 1000)


# metrics, through the proxy


def test_a_query_goes_through_the_proxy_of_the_default_data_source() -> None:
    bodies: list[dict[str, list[str]]] = []

    async def prometheus(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        bodies.append(parse_qs(request.content.decode()))
        return httpx.Response(200, json=matrix(({"job": "b"}, [1, 2]), ({"job": "a"}, [3])))

    fake = grafana(prometheus)
    fake.data_sources.insert(0, {"uid": "prom-2", "name": "Other", "type": "prometheus"})
    result = queried(fake)

    assert [one.labels["job"] for one in result.series] == ["a", "b"]
    assert result.series[1].values.tolist() == [1.0, 2.0]
    assert fake.asked[-1] == ("POST", "/api/datasources/proxy/uid/prom-main/api/v1/query_range")
    assert bodies[0]["query"] == ["up"]
    assert (bodies[0]["start"], bodies[0]["step"]) == (["1794445200.000"], ["60.000"])


def test_labels_and_metadata_are_asked_through_the_proxy() -> None:
    asked_for: list[httpx.Request] = []

    async def prometheus(request: httpx.Request) -> httpx.Response:
        asked_for.append(request)
        values: object = ["checkout"]
        if request.url.path == "/api/v1/metadata":
            values = {"up": [{"type": "gauge", "help": "", "unit": ""}]}
        return httpx.Response(200, json={"status": "success", "data": values})

    async def ask(source: GrafanaSource) -> tuple[list[str], dict[str, MetricMetadata]]:
        return await source.label_values("service", WINDOW, "up"), await source.metadata()

    values, metadata = asked(grafana(prometheus), ask)
    assert values == ["checkout"]
    assert metadata == {"up": MetricMetadata(type="gauge")}
    assert [request.method for request in asked_for] == ["GET", "GET"]
    assert asked_for[0].url.path == "/api/v1/label/service/values"
    assert asked_for[0].url.params["match[]"] == "up"


def test_grafana_is_asked_about_itself_only_once() -> None:
    fake = grafana()

    async def ask(source: GrafanaSource) -> None:
        await asyncio.gather(*(source.query_range("up", WINDOW, MINUTE) for _ in range(5)))

    asked(fake, ask)
    assert [path for _, path in fake.asked].count("/api/datasources") == 1


def test_a_viewers_token_that_may_not_list_data_sources_finds_them() -> None:
    assert queried(grafana(viewer=True)).series == ()


@pytest.mark.parametrize("chosen", ["prom-2", "Other"])
def test_a_data_source_is_chosen_by_uid_or_name(chosen: str) -> None:
    fake = grafana()
    fake.data_sources.append({"uid": "prom-2", "name": "Other", "type": "prometheus"})
    queried(fake, datasource=chosen)
    assert fake.asked[-1][1].startswith("/api/datasources/proxy/uid/prom-2/")


def test_a_data_source_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(MetricsUnavailable, match=r"'x'; set WHY_GRAFANA_DATASOURCE.*Prometheus"):
        queried(grafana(), datasource="x")


def test_several_data_sources_and_no_default_ask_for_a_choice() -> None:
    fake = grafana()
    fake.data_sources = [
        {"uid": uid, "name": uid.upper(), "type": "prometheus"} for uid in ("b", "a")
    ]
    with pytest.raises(MetricsUnavailable, match=r"WHY_GRAFANA_DATASOURCE .* one of: A, B"):
        queried(fake)


def test_a_grafana_without_prometheus_says_so() -> None:
    fake = grafana()
    fake.data_sources = [{"uid": "l", "name": "Loki", "type": "loki", "isDefault": True}]
    with pytest.raises(MetricsUnavailable, match="no Prometheus data source"):
        queried(fake)


def test_empty_refused_and_late_are_three_different_things() -> None:
    async def sleeps(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(5)
        return httpx.Response(200)

    bad = {"status": "error", "errorType": "bad_data", "error": "parse error: no"}
    assert queried(grafana()).series == ()
    with pytest.raises(QueryRejected, match=r"'Prometheus'.* refused `up`: parse error: no"):
        queried(grafana(answering(bad, 400)))
    begun = time.monotonic()
    with pytest.raises(MetricsTimeout, match=r"within 0\.3 s: `up`"):
        queried(grafana(sleeps), timeout=0.3)
    assert time.monotonic() - begun < 2.0


def test_what_asks_for_too_much_reaches_no_prometheus_behind_it() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError("it was asked")

    second, range_ = timedelta(seconds=1), "rate(up[1000d])"
    month = Window(start=WINDOW.end - timedelta(days=30), end=WINDOW.end)
    with pytest.raises(QueryRejected, match="11,000 points"):
        asked(grafana(never), lambda source: source.query_range("up", month, second))
    with pytest.raises(QueryRejected, match="longer than 92d"):
        asked(grafana(never), lambda source: source.query_range(range_, WINDOW, MINUTE))


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("path", ["/api/frontend/settings", "/api/datasources/proxy"])
def test_a_passing_failure_is_tried_again(path: str, status: int) -> None:
    fake = grafana(answering(matrix(({}, [1]))))
    fake.failures[path] = [message(status, "busy")]
    assert len(queried(fake).series) == 1


def test_a_failure_that_stays_is_unavailable_with_grafanas_words() -> None:
    fake = grafana()
    fake.failures["/api/frontend/settings"] = [message(503, "database is locked")] * 4
    with pytest.raises(MetricsUnavailable, match="HTTP 503 database is locked; asked for its"):
        queried(fake)


def test_grafana_says_when_to_come_back() -> None:
    fake = grafana()
    fake.failures["/api/frontend/settings"] = [message(429, "slow", [(b"retry-after", b"1")])]
    begun = time.monotonic()
    queried(fake)
    assert time.monotonic() - begun >= 1.0


def test_a_prometheus_that_is_down_behind_grafana_is_unavailable() -> None:
    async def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(MetricsUnavailable, match=r"data source 'Prometheus'.*HTTP 502"):
        queried(grafana(down))


def test_a_prometheus_that_refuses_grafana_is_told_from_a_wrong_token() -> None:
    with pytest.raises(MetricsUnavailable, match="the data source's own credentials"):
        queried(grafana(answering({}, 401)))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (message(401, "Invalid API key"), "denies access .*Invalid API key.*WHY_GRAFANA_TOKEN"),
        (message(403, "no"), "denies access .*WHY_GRAFANA_TOKEN"),
        (Answer(302, b"", ((b"location", b"/login"),)), "redirects .*WHY_GRAFANA_URL"),
        (Answer(404, b"<html>nginx</html>"), "HTTP 404.*WHY_GRAFANA_URL"),
        (Answer(200, b"<html>Welcome</html>"), "not answer as Grafana does.*WHY_GRAFANA_URL"),
        (as_json([]), "not answer as Grafana does"),
    ],
)
def test_what_is_wrong_names_the_setting_to_check(answer: Answer, hint: str) -> None:
    fake = grafana()
    fake.failures["/api/frontend/settings"] = [answer]
    with pytest.raises(MetricsUnavailable, match=hint):
        queried(fake)


def test_a_token_without_the_right_to_query_is_told() -> None:
    fake = grafana()
    fake.failures["/api/datasources/proxy"] = [message(403, "no")]
    with pytest.raises(MetricsUnavailable, match=r"WHY_GRAFANA_TOKEN.*datasources:query"):
        queried(fake)


def test_more_than_allowed_is_cut_and_told() -> None:
    rows = [({"n": f"{n:02}"}, [1.0] * 5) for n in range(30)]
    fake = grafana(answering(matrix(*rows)))
    result = queried(fake, bounds=Bounds(series=20))
    assert (len(result.series), result.truncated) == (
        20,
        "only the first 20 of 30 series are here",
    )
    assert len(queried(fake, bounds=Bounds(points=52)).series) == 10
    cut = queried(fake, max_bytes=2_000)
    assert cut.truncated == (
        f"the answer was too large: only its first {len(cut.series)} series were read"
    )


def test_the_token_and_the_password_are_never_shown() -> None:
    fake = grafana(answering(matrix(({}, [1]))))
    fake.public_url = ""

    async def ask() -> str:
        source = GrafanaSource(
            "http://reader:pa55@grafana/?key=k3y", TOKEN, transport=httpx.ASGITransport(fake)
        )
        shown = [source.name]
        for failing in ("/api/frontend/settings", "/api/datasources/proxy"):
            fake.failures[failing] = [message(401, "Invalid API key")]
        for _ in range(2):
            with pytest.raises(MetricsError) as caught:
                await source.query_range("up", WINDOW, MINUTE)
            shown.append(str(caught.value))
            fake.token = TOKEN
        shown.append(str(source.link("up", WINDOW)))
        await source.aclose()
        return " ".join(shown)

    shown = asyncio.run(ask())
    assert "http://grafana" in shown
    for secret in (TOKEN, "reader", "pa55", "k3y"):
        assert secret not in shown


@pytest.mark.parametrize("address", ["grafana:3000", "ftp://x", "http://", "http://u:pa55#w@h"])
def test_an_address_that_cannot_work_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="the Grafana address") as caught:
        GrafanaSource(address, TOKEN)
    assert "pa55" not in str(caught.value)


def test_grafana_wins_over_prometheus_and_a_file() -> None:
    settings = Settings(grafana_url="https://g.example", prometheus_url="http://p.example")
    source = metrics_of(settings)
    assert source is not None
    assert source.name == "Grafana at https://g.example"
    asyncio.run(source.aclose())


# links


def test_a_link_opens_explore_on_the_public_address() -> None:
    fake = grafana(public_url="https://grafana.example/sub/")

    async def ask(source: GrafanaSource) -> str | None:
        assert source.link("up", WINDOW) is None
        await source.label_values("__name__", WINDOW)
        return source.link('rate(x{a="ü b"}[5m])', WINDOW)

    fake_names = answering({"status": "success", "data": ["up"]})
    fake.prometheus = httpx.MockTransport(fake_names)
    link = urlsplit(asked(fake, ask) or "")
    fields = parse_qs(link.query)
    assert link._replace(query="").geturl() == "https://grafana.example/sub/explore"
    assert (fields["schemaVersion"], fields["orgId"]) == (["1"], ["1"])
    (pane,) = json.loads(fields["panes"][0]).values()
    assert pane["datasource"] == "prom-main"
    assert pane["range"] == {"from": START_MS, "to": END_MS}
    (query,) = pane["queries"]
    assert query["expr"] == 'rate(x{a="ü b"}[5m])'
    assert query["datasource"] == {"uid": "prom-main", "type": "prometheus"}


def test_a_panels_link_opens_it_at_the_incidents_time() -> None:
    url = "https://grafana.example/d/shop?viewPanel=7&from=now-1h&to=now"
    assert at_time(url, WINDOW) == (
        f"https://grafana.example/d/shop?viewPanel=7&from={START_MS}&to={END_MS}"
    )


# changes


def test_changes_are_annotations_with_links_to_where_they_are_shown() -> None:
    fake = grafana()
    fake.annotations = [
        {"id": 1, "time": at(0, 10), "timeEnd": at(1, 20), "text": "Migration", "tags": ["db"]},
        {"id": 2, "time": at(1, 37), "text": "Deploy quota 4.12.0", "tags": ["deploy"],
         "dashboardUID": "shop", "panelId": 7},
        {"id": 3, "time": at(4), "text": "after the window"},
        {"id": 4, "time": at(2), "text": "X {} - ", "alertId": 9, "newState": "Alerting"},
    ]  # fmt: skip
    migration, deploy = changes_of(fake)
    assert (migration.text, migration.tags) == ("Migration", ("db",))
    assert migration.until == datetime(2026, 11, 12, 1, 20, tzinfo=UTC)
    assert migration.url is not None
    assert migration.url.startswith("https://grafana.example/explore?")
    assert deploy.url == (
        "https://grafana.example/d/shop?viewPanel=7"
        f"&from={at(1, 37) - 1_800_000}&to={at(1, 37) + 1_800_000}"
    )


def test_more_annotations_than_one_answer_holds_are_all_found() -> None:
    fake = grafana()
    fake.annotations = [
        {"id": n, "time": at(1) + n * 2_000, "text": f"change {n}"} for n in range(2500)
    ]
    assert len(changes_of(fake)) == 2500


def test_too_many_annotations_at_once_are_an_error_and_no_silent_part() -> None:
    fake = grafana()
    fake.annotations = [{"id": n, "time": at(2), "text": "x"} for n in range(1001)]
    with pytest.raises(QueryRejected, match=r"annotations from .* too many"):
        changes_of(fake)


# alerts


def alerting(start: int, end: int) -> dict[str, object]:
    """The answer to a query for the time of ALERTS, firing from ``start`` to ``end`` minutes."""
    values = [[1794445200 + 60 * n, str(1794445200 + 60 * n)] for n in range(start, end + 1)]
    labels = {"alertname": "SearchSlow", "severity": "page", "service": "search"}
    data = {"resultType": "matrix", "result": [{"metric": labels, "values": values}]}
    return {"status": "success", "data": data}


def state(minute: int, text: str, before: str, now: str) -> dict[str, object]:
    return {"alertId": 5, "time": at(1) + minute * 60_000, "text": text, "prevState": before,
            "newState": now}  # fmt: skip


def test_alerts_of_prometheus_and_of_grafana_itself_are_one_list() -> None:
    fake = grafana(answering(alerting(20, 30)))
    text = "Checkout slow {alertname=Checkout slow, region=eu-west, severity=page} - A=1.5, C=1"
    fake.annotations = [
        state(10, text, "Pending", "Alerting"),
        state(40, text, "Alerting (NoData)", "Normal"),
    ]
    grafanas, prometheus = alerts_of(fake)
    assert grafanas == Alert(
        name="Checkout slow",
        labels={"region": "eu-west", "severity": "page"},
        started=datetime(2026, 11, 12, 1, 10, tzinfo=UTC),
        ended=datetime(2026, 11, 12, 1, 40, tzinfo=UTC),
        severity="page",
    )
    assert (prometheus.name, prometheus.labels["service"]) == ("SearchSlow", "search")


def test_an_alert_that_began_before_the_window_and_goes_on_is_there() -> None:
    fake = grafana()
    fake.annotations = [
        state(-300, "Old {a=b} - ", "Normal", "Alerting"),
        state(-300, "Gone {a=b} - ", "Normal", "Alerting"),
        state(-60, "Gone {a=b} - ", "Alerting", "Normal"),
        state(30, "Longer {} - ", "Alerting", "Normal"),
    ]
    longer, old = alerts_of(fake)
    assert (old.name, old.started, old.ended) == ("Old", WINDOW.start, None)
    assert (longer.name, longer.started) == ("Longer", WINDOW.start)
    assert longer.ended == datetime(2026, 11, 12, 1, 30, tzinfo=UTC)


def test_a_grafana_that_keeps_its_history_elsewhere_tells_what_fires_now() -> None:
    fake = grafana()

    def active(state: str, since: str) -> dict[str, object]:
        return {"labels": {"region": "eu-west"}, "state": state, "activeAt": since}

    fake.rule_groups = [
        {
            "name": "g",
            "file": "f",
            "rules": [
                {"name": "Now", "labels": {"severity": "page"}, "alerts": [
                    active("Alerting", "2026-11-12T02:30:00Z")]},
                {"name": "Pending", "alerts": [active("Pending", "2026-11-12T02:30:00Z")]},
                {"name": "Later", "alerts": [active("Alerting", "2026-11-12T05:00:00Z")]},
                {"name": "Quiet", "alerts": None},
            ],
        }
    ]  # fmt: skip
    (alert,) = alerts_of(fake)
    assert (alert.name, alert.severity, alert.ended) == ("Now", "page", None)
    assert alert.started == datetime(2026, 11, 12, 2, 30, tzinfo=UTC)


def test_no_alerts_is_said_only_by_who_could_look() -> None:
    fake = grafana()
    assert alerts_of(fake) == []
    fake.failures["/api/annotations"] = [message(403, "no")] * 2
    with pytest.raises(MetricsUnavailable, match="denies access"):
        alerts_of(fake)
    fake.prometheus = httpx.MockTransport(answering(alerting(20, 30)))
    assert [alert.name for alert in alerts_of(fake)] == ["SearchSlow"]


# the other calls


def test_good_queries_survive_a_bad_one_among_them() -> None:
    async def prometheus(request: httpx.Request) -> httpx.Response:
        fields = parse_qs(request.content.decode())
        if fields["query"] == ["sum("]:
            bad = {"status": "error", "errorType": "bad_data", "error": "parse error"}
            return httpx.Response(400, json=bad)
        return httpx.Response(200, json=matrix(({"job": "a"}, [1.0, np.nan, np.inf, -np.inf])))

    fake = grafana(prometheus)

    async def ask(source: GrafanaSource) -> dict[str, RangeResult | QueryRejected]:
        (prom,) = await source.api.data_sources()
        return await source.api.query(prom, {"A": "up", "B": "sum("}, WINDOW, MINUTE)

    results = asked(fake, ask)
    good, bad = results["A"], results["B"]
    assert isinstance(good, RangeResult)
    (series,) = good.series
    assert series.labels == {"job": "a"}
    assert series.times[:2].tolist() == [1794445200.0, 1794445260.0]
    np.testing.assert_array_equal(series.values, [1.0, np.nan, np.inf, -np.inf])
    assert isinstance(bad, QueryRejected)
    assert "refused `sum(`: bad_data: parse error" in str(bad)


def test_a_step_without_a_sample_is_absent_and_notices_come_through() -> None:
    fake = grafana()
    frame = {
        "schema": {
            "meta": {"notices": [{"severity": "warning", "text": "partial"}]},
            "fields": [
                {"name": "Time", "type": "time"},
                {"name": "Value", "type": "number", "labels": {"a": "b"}},
            ],
        },
        "data": {"values": [[1794445200000, 1794445260000], [None, 2]]},
    }
    fake.failures["/api/ds/query"] = [as_json({"results": {"A": {"frames": [frame]}}})]

    async def ask(source: GrafanaSource) -> dict[str, RangeResult | QueryRejected]:
        (prom,) = await source.api.data_sources()
        return await source.api.query(prom, {"A": "up", "B": "down"}, WINDOW, MINUTE)

    results = asked(fake, ask)
    found = results["A"]
    assert isinstance(found, RangeResult)
    assert found.series[0].times.tolist() == [1794445260.0]
    assert found.warnings == ("partial",)
    assert isinstance(results["B"], QueryRejected)


def test_health_search_and_dashboards() -> None:
    fake = grafana()
    for n in range(1001):
        fake.save({"uid": f"d{n}", "title": f"Board {n:04}"})
    fake.save({"uid": "d0", "title": "Board 0000"})

    async def ask(source: GrafanaSource) -> None:
        assert (await source.api.health()).database == "ok"
        hits = await source.api.search()
        assert len({hit.uid for hit in hits}) == 1001
        assert [hit.title for hit in await source.api.search("board 0007")] == ["Board 0007"]
        stored = await source.api.dashboard("d0")
        assert (stored.meta.version, stored.dashboard["title"]) == (2, "Board 0000")
        with pytest.raises(MetricsUnavailable, match="has nothing for the dashboard nope"):
            await source.api.dashboard("nope")

    asked(fake, ask)
