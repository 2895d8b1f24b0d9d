"""Which alerts fire over the made-up samples, by the thresholds and durations of the rules.

The same numbers as in ``data/alerts``; evaluated every 60 s over the newest sample of a series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.night_samples import GRID, Family, Floats, Sampled

EVALUATION_SECONDS = 60
LOOKBACK_SECONDS = 300
LATENCY = "service:http_request_duration_seconds:p99"


class Rule(NamedTuple):
    alert: str
    severity: str
    limit: float
    held_minutes: int


AUTH_LATENCY = Rule("AuthTokenLatencyHigh", "critical", 0.5, 3)
CHECKOUT_LATENCY = Rule("CheckoutLatencyHigh", "critical", 1.5, 4)
GATEWAY_ERRORS = Rule("InferenceGatewayErrorRateHigh", "critical", 0.05, 5)
GPU_HEAT = Rule("GpuThermalThrottling", "warning", 87.0, 3)


def evaluations() -> Floats:
    return np.arange(GRID[0], GRID[-1] + 1, EVALUATION_SECONDS)


def latest(series: Sampled) -> Floats:
    """At each evaluation the newest sample at most a lookback old, else NaN."""
    index = np.searchsorted(series.times, evaluations(), side="right") - 1
    fresh = (index >= 0) & (series.times[index] >= evaluations() - LOOKBACK_SECONDS)
    return np.where(fresh, series.numbers()[index], np.nan)


def failing_ratio(good: Sampled, bad: Sampled) -> Floats:
    """``rate(5xx[5m]) / rate(all[5m])``; both extrapolate alike, so the increases divide."""
    last = np.searchsorted(good.times, evaluations(), side="right") - 1
    first = np.searchsorted(good.times, evaluations() - 300, side="left")
    failed, served = (
        counts[last] - counts[np.minimum(first, last)] for counts in (bad.numbers(), good.numbers())
    )
    with np.errstate(invalid="ignore"):
        return failed / (failed + served)


def firing(rule: Rule, target: dict[str, str], observed: Floats) -> list[Sampled]:
    """The ALERTS series of a rule for one target: a 1 wherever it has held long enough."""
    since: float | None = None
    fired: list[float] = []
    for moment, value in zip(evaluations().tolist(), observed.tolist(), strict=True):
        since = (moment if since is None else since) if value > rule.limit else None
        if since is not None and moment - since >= rule.held_minutes * 60:
            fired.append(moment)
    labels = {"alertname": rule.alert, "alertstate": "firing", "severity": rule.severity, **target}
    return [Sampled(labels, np.array(fired), ["1"] * len(fired))] if fired else []


def alerts(families: list[Family]) -> Family:
    """The ``ALERTS`` family; a rule that never fires has no series in it."""
    by_name = {family.name: family.series for family in families}
    services = {"auth": AUTH_LATENCY, "checkout": CHECKOUT_LATENCY}
    fired: list[Sampled] = []
    for series in by_name[LATENCY]:
        rule = services.get(series.labels["service"])
        fired += firing(rule, series.labels, latest(series)) if rule else []
    for series in by_name["DCGM_FI_DEV_GPU_TEMP"]:
        fired += firing(GPU_HEAT, series.labels, latest(series))
    gateway = [s for s in by_name["http_requests"] if s.labels["service"] == "inference-gateway"]
    for good, bad in zip(gateway[::2], gateway[1::2], strict=True):
        target = {key: value for key, value in good.labels.items() if key != "code"}
        fired += firing(GATEWAY_ERRORS, target, failing_ratio(good, bad))
    return Family("ALERTS", "gauge", "Alerts that fire.", fired)
