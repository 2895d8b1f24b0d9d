"""What a metrics source has, and for how long that counts as known."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from service.metrics.catalog import Catalog, CatalogCache, Reading, Served
from service.metrics.openmetrics import OpenMetricsSource
from service.metrics.prometheus import PrometheusSource
from service.metrics.source import MetricMetadata, MetricsSource, MetricsUnavailable, Window

T = TypeVar("T")
NIGHT = Path(__file__).parents[3] / "data" / "night"
START = datetime(2026, 11, 12, 1, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(hours=2))
TOKEN = "very-secret-token"  # noqa: S105
VALUES = {
    "__name__": ["http_requests_total", "up"],
    "service": ["auth", "checkout"],
    "node": ["gpu-7"],
    "region": ["eu-west"],
}
METADATA = {"http_requests_total": [{"type": "counter", "help": "H" * 500, "unit": ""}]}


class Server:
    """A Prometheus that counts what it is asked; ``broken`` paths are refused."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: tuple[str, ...] = ()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if any(part in path for part in self.broken):
            return httpx.Response(403)
        data: object = METADATA
        if path.startswith("/api/v1/label/"):
            data = VALUES.get(path.split("/")[4], [])
            if request.url.params.get("match[]") == '{service="checkout"}':
                data = ["http_requests_total"]
        return httpx.Response(200, json={"status": "success", "data": data})

    def source(self) -> PrometheusSource:
        transport = httpx.MockTransport(self)
        return PrometheusSource("http://reader:pa55@prom/", token=TOKEN, transport=transport)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 12, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def run(server: Server, question: Callable[[MetricsSource], Awaitable[T]]) -> T:
    async def ask() -> T:
        source = server.source()
        try:
            return await question(source)
        finally:
            await source.aclose()

    return asyncio.run(ask())


def served(server: Server, cache: CatalogCache, window: Window = WINDOW) -> Served:
    return run(server, lambda source: cache.of(source, window))


# what a metric is


def catalog(*names: str, **types: str) -> Catalog:
    return Catalog(
        source="x",
        window=WINDOW,
        fetched_at=START,
        names=names,
        metadata={name: MetricMetadata(type=kind) for name, kind in types.items()},
    )


@pytest.mark.parametrize(
    ("name", "kind", "reading"),
    [
        ("a_total", "counter", Reading.RATE),
        ("bytes_sent", "counter", Reading.RATE),
        ("seats_total", "gauge", Reading.VALUE),
        ("a_total", "unknown", Reading.RATE),
        ("took_seconds", "summary", Reading.VALUE),
        ("took_seconds", "histogram", Reading.NONE),
    ],
)
def test_a_metric_is_read_as_what_it_is_stated_to_be(
    name: str, kind: str, reading: Reading
) -> None:
    assert catalog(name, **{name: kind}).reading(name) is reading


def test_of_a_histogram_only_its_count_says_something_by_itself() -> None:
    stated = catalog(took="histogram", waited="summary", requests="counter")
    assert {
        name: stated.reading(name)
        for name in ("took_bucket", "took_sum", "took_count", "waited_sum", "waited_count")
    } == {
        "took_bucket": Reading.NONE,
        "took_sum": Reading.NONE,
        "took_count": Reading.RATE,
        "waited_sum": Reading.NONE,
        "waited_count": Reading.RATE,
    }
    assert stated.reading("requests_total") is Reading.RATE
    assert stated.reading("requests_created") is Reading.NONE


def test_without_metadata_names_tell() -> None:
    named = catalog("took_sum", "took_count", "pg_stat_activity_count", "disk_sum", "a_total")
    assert {name: named.reading(name) for name in named.names} == {
        "took_sum": Reading.NONE,
        "took_count": Reading.RATE,
        "pg_stat_activity_count": Reading.VALUE,
        "disk_sum": Reading.VALUE,
        "a_total": Reading.RATE,
    }
    assert named.reading("a_bucket") is Reading.NONE


def test_units_are_told_as_grafana_names_them() -> None:
    stated = {"took_seconds": MetricMetadata(type="summary", unit="seconds")}
    known = catalog("took_seconds").model_copy(update={"metadata": stated})
    assert (known.unit("took_seconds"), known.unit("took_seconds_sum")) == ("s", "s")
    assert known.unit("free") is None


# what it is asked for


def test_the_catalog_has_names_types_and_the_values_of_telling_labels() -> None:
    found, asked, stale = served(Server(), CatalogCache(clock=Clock()))
    assert (asked, stale, found.missing) == (True, None, ())
    assert found.names == ("http_requests_total", "up")
    assert found.metadata["http_requests_total"].type == "counter"
    assert len(found.metadata["http_requests_total"].help) == 200
    assert found.components == ("auth", "checkout", "gpu-7")
    assert found.regions == ("eu-west",)


def test_the_next_question_about_the_same_night_asks_nothing() -> None:
    server, cache, clock = Server(), CatalogCache(clock=(clock := Clock())), clock
    first = served(server, cache)
    count = len(server.asked)
    clock.now += timedelta(minutes=9)
    later = Window(start=WINDOW.start + timedelta(hours=5), end=WINDOW.end + timedelta(hours=9))
    second = served(server, cache, later)
    assert (second.catalog, second.asked) == (first.catalog, False)
    assert len(server.asked) == count


@pytest.mark.parametrize("days", [0, 3])
def test_what_is_too_old_or_about_other_days_is_asked_again(days: int) -> None:
    server, clock = Server(), Clock()
    cache = CatalogCache(clock=clock)
    served(server, cache)
    clock.now += timedelta(minutes=9 if days else 11)
    moved = timedelta(days=days)
    again = served(server, cache, Window(start=WINDOW.start + moved, end=WINDOW.end + moved))
    assert again.asked
    assert again.catalog.fetched_at == clock.now


def test_questions_at_the_same_time_ask_once() -> None:
    server, cache = Server(), CatalogCache()

    async def several(source: MetricsSource) -> list[Served]:
        return await asyncio.gather(*(cache.of(source, WINDOW) for _ in range(5)))

    found = run(server, several)
    assert [one.asked for one in found] == [True, False, False, False, False]
    assert server.asked.count("/api/v1/label/__name__/values") == 1


def test_the_metrics_of_a_component_are_asked_for_once_and_only_if_it_has_any() -> None:
    server, cache = Server(), CatalogCache()

    async def ask(source: MetricsSource) -> Catalog:
        known = (await cache.of(source, WINDOW)).catalog
        await cache.with_components(source, known, ["checkout"])
        return await cache.with_components(source, known, ["checkout", "unheard-of"])

    found = run(server, ask)
    assert found.of_component == {"checkout": ("http_requests_total",), "unheard-of": ()}
    assert server.asked.count("/api/v1/label/__name__/values") == 2


def test_without_the_metrics_of_a_component_the_rest_is_still_known() -> None:
    server, cache = Server(), CatalogCache()

    async def ask(source: MetricsSource) -> Catalog:
        known = (await cache.of(source, WINDOW)).catalog
        server.broken = ("__name__",)
        return await cache.with_components(source, known, ["checkout"])

    assert run(server, ask).names == ("http_requests_total", "up")


# what goes wrong


def test_without_metadata_and_labels_there_is_a_catalog_that_says_so() -> None:
    server = Server()
    server.broken = ("metadata", "region", "zone")
    found = served(server, CatalogCache()).catalog
    assert found.names == ("http_requests_total", "up")
    assert found.components == ("auth", "checkout", "gpu-7")
    types, values = found.missing
    assert types.startswith("types and units of metrics: Prometheus at http://prom denies access")
    assert values.startswith("values of region, zone: Prometheus at http://prom denies access")


def test_without_names_there_is_none() -> None:
    server = Server()
    server.broken = ("__name__",)
    with pytest.raises(MetricsUnavailable, match="denies access"):
        served(server, CatalogCache())


def test_an_old_one_is_better_than_none_and_tells_its_age() -> None:
    server, clock = Server(), Clock()
    cache = CatalogCache(clock=clock)
    fresh = served(server, cache)
    server.broken = ("__name__",)
    clock.now += timedelta(minutes=25)
    found, asked, stale = served(server, cache)
    assert (found, asked) == (fresh.catalog, False)
    assert stale is not None
    assert stale.startswith("the list of metrics is 25 minutes old: Prometheus at http://prom")
    clock.now += timedelta(hours=3)
    assert "3 hours old" in str(served(server, cache).stale)


# between processes


def test_the_next_process_finds_it_on_the_disk(tmp_path: Path) -> None:
    server, clock = Server(), Clock()
    first = served(server, CatalogCache(clock=clock, directory=tmp_path / "c"))
    count = len(server.asked)
    second = served(server, CatalogCache(clock=clock, directory=tmp_path / "c"))
    assert second.catalog == first.catalog
    assert len(server.asked) == count
    (file,) = (tmp_path / "c").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for secret in (TOKEN, "pa55", "reader"):
        assert secret not in file.read_text() + file.name


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"source": "x"}', b"\xff\xfe"])
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    server = Server()
    served(server, CatalogCache(directory=tmp_path))
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    again = served(server, CatalogCache(directory=tmp_path))
    assert again.asked
    assert Catalog.model_validate_json(file.read_text()) == again.catalog


def test_another_data_source_of_the_same_grafana_has_its_own(tmp_path: Path) -> None:
    served(Server(), CatalogCache(directory=tmp_path, key="prom-1"))
    assert served(Server(), CatalogCache(directory=tmp_path, key="prom-2")).asked
    assert len(list(tmp_path.iterdir())) == 2


def test_a_disk_that_takes_nothing_costs_only_the_next_process(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("in the way")
    cache = CatalogCache(directory=tmp_path / "c")
    assert served(Server(), cache).catalog.names


def test_a_file_of_samples_has_a_catalog_too() -> None:
    async def ask() -> Catalog:
        cache = CatalogCache()
        source = OpenMetricsSource(NIGHT / "metrics.om")
        known = (await cache.of(source, WINDOW)).catalog
        return await cache.with_components(source, known, ["session-cache"])

    found = asyncio.run(ask())
    assert "gpu-eu-07" in found.components
    assert "redis_connected_clients" in found.of_component["session-cache"]
    assert found.reading("http_requests_total") is Reading.RATE
    assert found.reading("pg_stat_activity_count") is Reading.VALUE
