"""Which service is blamed, on incidents small enough to see why."""

import numpy as np

from service.causes.component_ranking import (
    ComponentPolicy,
    Incident,
    RankedComponent,
    Symptom,
    rank_components,
)
from service.metrics.kinds import MetricKind
from service.metrics.table import MetricTable
from tests.service.causes.incidents import (
    BEFORE,
    INCIDENT,
    ONSET,
    UNTIL,
    WITHIN,
    noise,
    table,
    then,
)

POLICY = ComponentPolicy()
CALLS = (("shop", "cart"), ("cart", "db"))
SLOW = Symptom(service="shop", metric="latency")


def ranked(series: MetricTable, incident: Incident = INCIDENT) -> list[RankedComponent]:
    return rank_components(series, incident, policy=POLICY)


def names(components: list[RankedComponent]) -> list[str]:
    return [component.service for component in components]


def quiet(*services: str) -> dict[tuple[str, str], np.ndarray]:
    return {
        (service, metric): noise(level, 10 * seed + len(metric))
        for seed, service in enumerate(services)
        for metric, level in (("latency", 0.1), ("cpu", 20), ("memory", 300), ("requests", 50))
    }


def test_the_service_whose_own_resources_change_comes_before_the_one_that_waits_for_it() -> None:
    series = quiet("shop", "cart", "db")
    series["shop", "latency"] = then(series["shop", "latency"], 0.9)
    series["cart", "cpu"] = then(series["cart", "cpu"], 90)
    series["cart", "latency"] = then(series["cart", "latency"], 0.8)
    assert names(ranked(table(series)))[:2] == ["cart", "shop"]


def test_a_clients_latency_blames_less_than_a_servers() -> None:
    series = quiet("shop", "cart")
    series["shop", "client_latency"] = then(noise(0.1, 1), 0.9)
    series["cart", "server_latency"] = then(noise(0.1, 1), 0.9)
    assert names(ranked(table(series))) == ["cart", "shop"]


def test_a_latency_that_falls_blames_less_than_one_that_rises_as_much() -> None:
    series = quiet("shop", "cart")
    series["shop", "latency"] = then(np.full(BEFORE + WITHIN, 0.1), 0.01)
    series["cart", "latency"] = then(np.full(BEFORE + WITHIN, 0.01), 0.1)
    assert names(ranked(table(series))) == ["cart", "shop"]


def test_many_metrics_of_one_kind_count_once() -> None:
    series = {("cart", f"latency_p{n}"): then(noise(0.1, n), 0.9) for n in range(50, 60)}
    series["db", "latency"] = then(noise(0.1, 1), 0.9)
    series["db", "cpu"] = then(noise(10, 1), 90)
    assert names(ranked(table(series))) == ["db", "cart"]


def test_the_parts_of_the_evidence_are_told() -> None:
    series = quiet("shop")
    series["shop", "cpu"] = then(series["shop", "cpu"], 90)
    [shop] = ranked(table(series))
    assert shop.evidence == shop.score == 1
    assert shop.accounted is None
    assert max(shop.kinds, key=lambda kind: shop.kinds[kind]) is MetricKind.CPU


def test_with_symptom_and_calls_the_service_that_adds_the_time_is_first() -> None:
    series = quiet("shop", "cart", "db")
    for service in ("shop", "cart", "db"):
        series[service, "latency"] = then(series[service, "latency"], 0.5)
    # Without the graph, all three are alike but for this.
    series["shop", "cpu"] = then(series["shop", "cpu"], 60)
    incident = INCIDENT.model_copy(update={"symptom": SLOW, "topology": CALLS})
    found = ranked(table(series), incident)
    assert names(ranked(table(series)))[0] == "shop"
    assert names(found)[0] == "db"
    assert found[0].accounted is not None
    assert found[0].accounted > 0.9


def test_with_calls_alone_a_victim_steps_back() -> None:
    series = quiet("shop", "cart", "db")
    series["cart", "latency"] = then(series["cart", "latency"], 0.52)
    series["db", "latency"] = then(series["db", "latency"], 0.5)
    assert names(ranked(table(series)))[0] == "cart"
    incident = INCIDENT.model_copy(update={"topology": CALLS})
    assert names(ranked(table(series), incident))[0] == "db"


def test_other_things_that_users_feel_count_less_than_the_symptom() -> None:
    series = quiet("shop", "cart", "db")
    series["cart", "latency"] = then(series["cart", "latency"], 0.4)
    series["db", "errors"] = then(np.zeros(BEFORE + WITHIN), 9.0)
    assert names(ranked(table(series)))[0] == "db"
    incident = INCIDENT.model_copy(update={"symptom": SLOW})
    assert names(ranked(table(series), incident))[0] == "cart"


def test_the_order_of_the_series_changes_nothing() -> None:
    series = quiet("shop", "cart", "db", "search")
    series["cart", "cpu"] = then(series["cart", "cpu"], 90)
    incident = INCIDENT.model_copy(update={"symptom": SLOW, "topology": CALLS})
    shuffled = dict(sorted(series.items(), reverse=True))
    assert ranked(table(series), incident) == ranked(table(shuffled), incident)


def test_when_nothing_happened_all_services_are_named_and_none_stands_out() -> None:
    still = {(service, "cpu"): np.full(BEFORE + WITHIN, 5.0) for service in ("b", "a")}
    assert [(c.service, c.score) for c in ranked(table(still))] == [("a", 0.0), ("b", 0.0)]


def test_no_series_no_services() -> None:
    empty = MetricTable(times=np.arange(3.0), values=np.empty((0, 3)), services=[], metrics=[])
    assert ranked(empty, Incident(onset=ONSET, until=UNTIL)) == []
