"""Makes the sample company's bad night: its metrics, its annotations and the truth about it.

    python -m bench.make_night [--out data/night]

writes three files, the same bytes every time:

``metrics.om``        OpenMetrics text, 24 h, one sample per series every 120 s (alert states every
                      60 s, as rules are evaluated more often than targets are scraped)
``annotations.json``  deployments and notes, in the shape of Grafana's ``GET /api/annotations``
``truth.json``        what really happened; for benchmarks only, the program never reads it

Every series is ``baseline x daily rhythm x (1 + slow noise) + what the night did to it``. The
noise of a series is seeded by the series' own name and labels, so that a new series leaves the
others as they are; other seeds, and nights in which nothing happens, are for ``bench.quiet``.
Targets are scraped at their own phase, as in a real Prometheus: checkout and the GPU exporter on
odd minutes, everything else on even ones. Alerts are not drawn but computed from the samples, by
the thresholds and durations of the alert rules.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bench.night_alerts import alerts
from bench.night_events import AP, EU, US, announced, truth
from bench.night_samples import (
    GRID,
    ODD_GRID,
    SIZE,
    STEP_SECONDS,
    Family,
    Floats,
    Night,
    Sampled,
    Shape,
    between,
    counter,
    grid_of,
    path,
    rhythm,
)


def fault(times: Floats, rising: tuple[tuple[str, float], ...], height: float) -> Floats:
    """The incident's course: ``rising`` points (0..1), a plateau, the recovery after 03:08."""
    falling = (("03:08", 1.0), ("03:10", 0.75), ("03:12", 0.3), ("03:14", 0.03), ("03:16", 0.0))
    return height * path(times, *rising, *falling)


QUOTA = (("01:42", 0.0), ("01:44", 0.04), ("01:46", 0.18), ("01:48", 0.5), ("01:50", 1.0))
AUTH = (("01:44", 0.0), ("01:46", 0.1), ("01:48", 0.45), ("01:50", 0.85), ("01:54", 1.0))
CHECKOUT = (("01:46", 0.0), ("01:47", 0.03), ("01:49", 0.6), ("01:51", 0.9), ("01:53", 1.0))
GATEWAY = (("01:46", 0.0), ("01:48", 0.12), ("01:50", 0.7), ("01:54", 1.0))
STOREFRONT = (("01:48", 0.0), ("01:50", 0.5), ("01:54", 1.0))


MAX_CLIENTS = 4000


def leaked_connections(times: Floats) -> Floats:
    """Clients of the cache that quota opened and forgot; the cache refuses more than 4000."""
    return path(
        times, ("01:37", 0), ("01:49", 3700), ("03:08", 3700), ("03:10", 210), ("07:59", 2420)
    )


FAILING: dict[str, Shape] = {
    "inference-gateway": lambda t: fault(t, GATEWAY, 0.15),
    "checkout": lambda t: fault(t, CHECKOUT, 0.03),
    "auth": lambda t: fault(t, AUTH, 0.02),
    "storefront": lambda t: fault(t, STOREFRONT, 0.003),
}
"""The share of requests in eu-west that the incident makes fail."""

SLOW: dict[tuple[str, str], Shape] = {
    ("quota", EU): lambda t: fault(t, QUOTA, 2.1),
    ("auth", EU): lambda t: fault(t, AUTH, 1.25),
    ("checkout", EU): lambda t: fault(t, CHECKOUT, 2.8),
    ("inference-gateway", EU): lambda t: fault(t, GATEWAY, 0.35),
    ("storefront", EU): lambda t: fault(t, STOREFRONT, 0.14),
    ("search", US): lambda t: path(t, ("02:00", 0), ("02:06", 0.19), ("02:36", 0.19), ("02:42", 0)),
}
"""Seconds that the night adds to a service's p99."""


def p99(night: Night, service: str, region: str, base: float) -> Sampled:
    name = "service:http_request_duration_seconds:p99"
    labels = {"service": service, "region": region}
    shape = SLOW.get((service, region))
    return night.gauge(name, labels, base, spread=0.06, depth=0.12, event=shape, digits=".3f")


def requests(
    night: Night, service: str, region: str, per_second: float, failing: float
) -> list[Sampled]:
    labels = {"service": service, "region": region}
    times = grid_of(labels)
    rate = per_second * SIZE[region] * rhythm(times, region)
    rate *= 1.0 + night.noise(f"requests{service}{region}", len(times), 0.03)
    share = failing * np.exp(night.noise(f"failing{service}{region}", len(times), 0.25))
    reset = ""
    if region == EU and not night.calm:
        share += FAILING[service](times)
        if service == "auth":
            rate *= 1.0 + fault(times, AUTH, 0.35)  # clients try again
        if service == "storefront":
            reset = "01:10"
    return [
        counter({**labels, "code": "2xx"}, rate * (1.0 - share), times, reset=reset),
        counter({**labels, "code": "5xx"}, rate * share, times, reset=reset),
    ]


def cache_clients(night: Night, labels: dict[str, str]) -> Sampled:
    region = labels["region"]
    shape = leaked_connections if region == EU else None
    name = "redis_connected_clients"
    drawn = night.gauge(name, labels, 420 * SIZE[region], depth=0.1, event=shape, digits=".0f")
    clients = np.minimum(drawn.numbers(), MAX_CLIENTS)
    if region == EU and not night.calm:
        clients[between(GRID, "01:49", "03:08")] = MAX_CLIENTS
    return Sampled(labels, GRID, [format(value, ".0f") for value in clients])


def cache_memory(night: Night, labels: dict[str, str]) -> Sampled:
    name, region = "redis_memory_used_bytes", labels["region"]
    # A client connection costs the cache about 20 kB of buffers.
    buffers: Shape | None = (lambda t: 2e4 * leaked_connections(t)) if region == EU else None
    base = 6.1e9 * SIZE[region]
    return night.gauge(name, labels, base, spread=0.008, depth=0.06, event=buffers, digits=".4g")


def cache_refusals(night: Night, labels: dict[str, str]) -> Sampled:
    refusing = labels["region"] == EU and not night.calm
    full = between(GRID, "01:50", "03:08") & refusing
    refused = np.cumsum(np.where(full, 38 * STEP_SECONDS, 0))
    return Sampled(labels, GRID, [str(int(total)) for total in refused])


def redis(night: Night) -> Iterable[Family]:
    caches = [{"service": "session-cache", "region": region} for region in (EU, US, AP)]
    limits = [Sampled(labels, GRID, [str(MAX_CLIENTS)] * len(GRID)) for labels in caches]
    clients, memory, refused = (
        [drawn(night, labels) for labels in caches]
        for drawn in (cache_clients, cache_memory, cache_refusals)
    )
    for name, kind, help_text, series in (
        ("redis_connected_clients", "gauge", "Client connections.", clients),
        ("redis_config_maxclients", "gauge", "Client connections accepted at most.", limits),
        ("redis_memory_used_bytes", "gauge", "Memory in use.", memory),
        (
            "redis_rejected_connections",
            "counter",
            "Connections refused because maxclients was reached.",
            refused,
        ),
    ):
        yield Family(name, kind, help_text, series)


def processes(night: Night) -> Iterable[Family]:
    descriptors = []
    for service, region, base in (
        ("quota", EU, 180),
        ("quota", US, 205),
        ("auth", EU, 310),
        ("billing", EU, 240),
    ):
        labels = {"service": service, "region": region}
        leak = leaked_connections if (service, region) == ("quota", EU) else None
        descriptors.append(
            night.gauge("process_open_fds", labels, base, depth=0.08, event=leak, digits=".0f")
        )
    yield Family("process_open_fds", "gauge", "Open file descriptors.", descriptors)
    name = "container_memory_working_set_bytes"
    quota = {"service": "quota", "region": EU}
    grown: Shape = lambda t: 6.5e4 * leaked_connections(t)  # noqa: E731 - for the type
    memory = night.gauge(name, quota, 4.1e8, spread=0.015, depth=0.05, event=grown)
    yield Family(name, "gauge", "Memory in use.", [memory])


def stores(night: Night) -> Iterable[Family]:
    connections = []
    for region in (EU, US, AP):
        labels = {"service": "orders-db", "region": region}
        held = (lambda t: fault(t, CHECKOUT, 40.0)) if region == EU else None
        connections.append(
            night.gauge(
                "pg_stat_activity_count",
                labels,
                120 * SIZE[region],
                spread=0.06,
                depth=0.25,
                event=held,
                digits=".0f",
            )
        )
    yield Family("pg_stat_activity_count", "gauge", "Connections to the database.", connections)
    orders = {"service": "orders-db", "region": EU}
    yield Family(
        "pg_replication_lag_seconds",
        "gauge",
        "How far the slowest replica is behind.",
        [night.gauge("pg_replication_lag_seconds", orders, 0.4, spread=0.3, digits=".2f")],
    )
    billing = {"consumergroup": "billing", "region": EU, "service": "event-bus"}
    yield Family(
        "kafka_consumergroup_lag",
        "gauge",
        "Messages that a consumer group has not read yet.",
        [night.gauge("kafka_consumergroup_lag", billing, 85, spread=0.35, depth=0.3, digits=".0f")],
    )


def machines(night: Night) -> Iterable[Family]:
    rebuild = (("02:00", 0.0), ("02:02", 0.44), ("02:38", 0.44), ("02:42", 0.0))
    cpu = [
        night.gauge(
            "node_cpu_utilisation_ratio",
            {"node": node, "cluster": cluster, "region": region},
            base,
            spread=0.05,
            depth=0.2,
            event=(lambda t: path(t, *rebuild)) if node == "search-us-01" else None,
            digits=".3f",
        )
        for node, cluster, region, base in (
            ("search-us-01", "shop-us-1", US, 0.38),
            ("cache-eu-01", "shop-eu-1", EU, 0.22),
        )
    ]
    yield Family("node_cpu_utilisation_ratio", "gauge", "Share of CPU time in use.", cpu)
    hot = (("00:47", 0), ("00:49", 7), ("00:51", 17), ("01:05", 18), ("01:21", 16), ("01:23", 5))
    slow = (("00:49", 0), ("00:53", -13), ("01:19", -13), ("01:25", 0))
    gpus = [
        {"node": node, "cluster": cluster, "region": region}
        for node, cluster, region in (
            ("gpu-eu-06", "train-eu-1", EU),
            ("gpu-eu-07", "train-eu-1", EU),
            ("gpu-us-01", "train-us-1", US),
            ("gpu-ap-01", "train-ap-1", AP),
        )
    ]
    heat: list[Sampled] = []
    load: list[Sampled] = []
    for labels in gpus:
        throttled = labels["node"] == "gpu-eu-07"
        shape = (lambda t: path(t, *hot, ("01:35", 0))) if throttled else None
        heat.append(
            night.gauge("temp", labels, 73, spread=0.012, times=ODD_GRID, event=shape, digits=".0f")
        )
        shape = (lambda t: path(t, *slow)) if throttled else None
        load.append(
            night.gauge("util", labels, 97, spread=0.008, times=ODD_GRID, event=shape, digits=".0f")
        )
    yield Family("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature in Celsius.", heat)
    yield Family("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilisation in percent.", load[:2])
    errors = [Sampled(labels, ODD_GRID, ["0"] * len(ODD_GRID)) for labels in gpus[1:2]]
    yield Family("DCGM_FI_DEV_XID_ERRORS", "gauge", "The last XID error, 0 for none.", errors)


def training(night: Night) -> Iterable[Family]:
    aurelia = {"run": "aurelia-70b-ft-12", "cluster": "train-eu-1"}
    cobalt = {"run": "cobalt-13b-pre-4", "cluster": "train-us-1"}
    learned = -0.09 * (GRID - GRID[0]) / (GRID[-1] - GRID[0])
    yield Family(
        "training_loss",
        "gauge",
        "Training loss.",
        [
            night.gauge("loss", aurelia, 1.71, spread=0.006, trend=lambda t: learned, digits=".3f"),
            night.gauge("loss", cobalt, 2.24, spread=0.006, trend=lambda t: learned, digits=".3f"),
        ],
    )
    norm = night.gauge("grad", aurelia, 0.62, spread=0.12, digits=".2f")
    yield Family("training_grad_norm", "gauge", "Norm of the gradient.", [norm])
    dip = (("00:50", 0.0), ("00:54", -2600.0), ("01:20", -2600.0), ("01:26", 0.0))
    yield Family(
        "training_tokens_per_second",
        "gauge",
        "Training throughput.",
        [
            night.gauge(
                "tps", aurelia, 41200, spread=0.01, event=lambda t: path(t, *dip), digits=".0f"
            ),
            night.gauge("tps", cobalt, 88500, spread=0.01, digits=".0f"),
        ],
    )


def web(night: Night) -> Iterable[Family]:
    traffic = {
        "storefront": (210.0, 0.0009),
        "checkout": (26.0, 0.0012),
        "auth": (320.0, 0.0004),
        "inference-gateway": (95.0, 0.0022),
    }
    yield Family(
        "http_requests",
        "counter",
        "Requests answered, by class of status code.",
        [
            series
            for service, (rate, failing) in traffic.items()
            for region in (EU, US, AP)
            for series in requests(night, service, region, rate, failing)
        ],
    )
    everywhere = {"storefront": 0.21, "checkout": 0.37, "auth": 0.082, "quota": 0.046}
    places = [(s, r, base) for s, base in everywhere.items() for r in (EU, US, AP)]
    places += [("inference-gateway", EU, 0.36)]
    places += [("payments", EU, 0.44), ("billing", EU, 0.12)]
    places += [("search", EU, 0.118), ("search", US, 0.124)]
    yield Family(
        "service:http_request_duration_seconds:p99",
        "gauge",
        "99th percentile of the time to answer, in seconds.",
        [p99(night, *place) for place in places],
    )


def families_of(night: Night) -> list[Family]:
    """Everything that is measured in a night, and the alerts that follow from it."""
    parts = (web, redis, processes, stores, machines, training)
    families = [family for part in parts for family in part(night)]
    return [*families, alerts(families)]


def openmetrics(families: Iterable[Family]) -> str:
    lines = []
    for family in families:
        name = family.name + ("_total" if family.kind == "counter" else "")
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        for series in family.series:
            labels = ",".join(f'{key}="{value}"' for key, value in series.labels.items())
            head = f"{name}{{{labels}}}"
            lines += [
                f"{head} {value} {int(moment)}"
                for moment, value in zip(series.times, series.values, strict=True)
            ]
    return "\n".join([*lines, "# EOF", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("data/night"), help="folder to write to")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    families = families_of(Night())
    text = openmetrics(families)
    (folder / "metrics.om").write_text(text, encoding="utf-8")
    for name, content in (("annotations", announced()), ("truth", truth())):
        rows = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(rows + "\n", encoding="utf-8")
    count = sum(len(family.series) for family in families)
    print(f"{folder}/metrics.om: {count} series, {len(text):,} bytes")


if __name__ == "__main__":
    main()
