"""Which series are looked at, and in which order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from ingest.documents import SourceKind
from service.metrics.catalog import Catalog
from service.metrics.panels import WrittenQuery
from service.metrics.plan import Leads, Plan, plan_queries
from service.metrics.source import MetricMetadata, Window
from service.metrics.usage import Usage, Use

MOMENT = datetime(2026, 11, 12, tzinfo=UTC)
STEP = timedelta(minutes=2)
NAMES = (
    "ALERTS",
    "zebra",
    "queue_length",
    "http_requests_total",
    "cpu_load",
    "app_errors_total",
    "up",
    "scrape_duration_seconds",
    "took_seconds_bucket",
    "took_seconds_count",
    "took_seconds_sum",
    "aardvark",
    "stripes",
)


def catalog(*names: str, checkout: tuple[str, ...] = (), **types: str) -> Catalog:
    return Catalog(
        source="x",
        window=Window(start=MOMENT, end=MOMENT),
        fetched_at=MOMENT,
        names=names,
        metadata={name: MetricMetadata(type=kind) for name, kind in types.items()},
        of_component={"checkout": checkout},
    )


def written(query: str, title: str = "T", unit: str | None = None) -> WrittenQuery:
    return WrittenQuery(query=query, title=title, unit=unit, document_id=f"d/{title}", url=None)


def planned(leads: Leads, known: Catalog, most: int = 300) -> Plan:
    return plan_queries(leads, known, STEP, most=most)


def queries(leads: Leads, known: Catalog, most: int = 300) -> list[str]:
    return [item.query for item in planned(leads, known, most).queries]


def test_panels_come_first_then_rules_then_the_health_of_the_service_then_the_rest() -> None:
    leads = Leads(
        panels=(written("a / b"), written("sum(zebra)")),
        rules=(written("c / d"), written("max by (x) (aardvark)"), written("sum(zebra)")),
        services=("checkout",),
    )
    known = catalog(*NAMES, checkout=("queue_length", "http_requests_total", "stripes"))
    assert queries(leads, known) == [
        "a / b",
        "zebra",
        "c / d",
        "aardvark",
        # traffic and saturation of checkout
        "rate(http_requests_total[480s])",
        "queue_length",
        # of the others: errors, traffic, CPU
        "rate(app_errors_total[480s])",
        "cpu_load",
        "stripes",
        "rate(took_seconds_count[480s])",
    ]


def test_what_no_service_narrows_starts_with_the_health_of_all() -> None:
    first = queries(Leads(), catalog("stripes", "queue_length", "latency_seconds", "errors_total"))
    assert first == ["rate(errors_total[480s])", "latency_seconds", "queue_length", "stripes"]


def test_of_the_rest_what_a_rule_or_a_panel_uses_comes_first() -> None:
    def use(kind: SourceKind) -> Use:
        return Use(kind=kind, document_id="x", title="x", url=None, written_at=None)

    usage = Usage(
        metrics={"c": (use(SourceKind.DASHBOARDS),), "d": (use(SourceKind.ALERTS),)},
    )
    assert queries(Leads(usage=usage), catalog("a", "b", "c", "d")) == ["d", "c", "a", "b"]


def test_what_the_budget_leaves_out_is_counted_by_kind() -> None:
    leads = Leads(panels=(written("a / b"), written("b / a")), rules=(written("c / d"),))
    known = catalog("errors_total", "zebra", "aardvark")
    plan = planned(leads, known, most=1)
    assert [item.query for item in plan.queries] == ["a / b"]
    assert plan.left_out == (
        "5 of 6 queries were not asked: 1 of panels that match the question, 1 of alert rules, "
        "1 of errors, latency, traffic and saturation of what was asked about, 2 of other metrics"
    )
    assert planned(leads, known, most=6).left_out is None


def test_the_plan_does_not_depend_on_the_order_of_names() -> None:
    shuffled = list(NAMES)
    random.Random(7).shuffle(shuffled)  # noqa: S311
    assert queries(Leads(), catalog(*shuffled)) == queries(Leads(), catalog(*NAMES))


def test_a_counter_is_what_is_stated_to_be_one() -> None:
    known = catalog("seats_total", "bytes_sent", seats_total="gauge", bytes_sent="counter")
    found = {item.query: item.counted_over for item in planned(Leads(), known).queries}
    assert found == {"seats_total": None, "rate(bytes_sent[480s])": timedelta(minutes=8)}


def test_a_quantile_of_a_histogram_is_asked_as_it_is_written() -> None:
    quantile = "histogram_quantile(0.9, sum by (le) (rate(took_seconds_bucket[5m])))"
    total = "sum(rate(took_seconds_sum[5m]))"
    leads = Leads(panels=(written(quantile), written(total)))
    assert queries(leads, catalog(*NAMES))[:2] == [quantile, total]


def test_the_same_query_is_asked_once_however_it_is_laid_out() -> None:
    leads = Leads(
        panels=(written('sum(a{x="1", y="2"})\n / b'),), rules=(written('sum(a{x="1",y="2"}) / b'),)
    )
    assert len(queries(leads, catalog("zebra"))) == 2


def test_a_panel_of_a_metric_that_is_not_there_is_not_asked() -> None:
    assert queries(Leads(panels=(written("sum(gone)"), written("ALERTS"))), catalog("a")) == ["a"]


def test_a_scan_is_called_what_the_panel_about_a_series_is_called() -> None:
    panel = written('sum(zebra{service="checkout"})', title="Checkout stripes", unit="s")
    (item,) = planned(Leads(panels=(panel,)), catalog("zebra")).queries
    assert item.title_for({"service": "checkout", "region": "eu"}) == "Checkout stripes"
    assert item.title_for({"service": "auth"}) == "zebra"
    assert item.unit == "s"
    assert item.of({"service": 'a"b', "__name__": "zebra"}) == 'zebra{service="a\\"b"}'


def test_a_unit_is_the_panels_else_the_stated_one_unless_it_is_counted() -> None:
    known = catalog("waited", "sent", "free").model_copy(
        update={
            "metadata": {
                "waited": MetricMetadata(type="gauge", unit="seconds"),
                "sent": MetricMetadata(type="counter", unit="bytes"),
                "free": MetricMetadata(type="gauge", unit="bytes"),
            }
        }
    )
    leads = Leads(panels=(written("free", unit="decbytes"),))
    found = {item.metric: item.unit for item in planned(leads, known).queries}
    assert found == {"free": "decbytes", "waited": "s", "sent": None}
