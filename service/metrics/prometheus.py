"""Metrics out of a Prometheus server, over its HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

from service.metrics.events import (
    ALERTS_QUERY,
    alert_step,
    alerts_from_series,
    changes_in,
    read_annotations,
)
from service.metrics.links import graph_link
from service.metrics.prometheus_api import CHECK_TOKEN, Answer, PrometheusApi
from service.metrics.prometheus_bounds import LONGEST_QUOTE, bounded
from service.metrics.source import (
    Alert,
    Change,
    MetricMetadata,
    MetricsUnavailable,
    QueryRejected,
    RangeResult,
    Series,
    Window,
    without_secrets,
)

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 16 * 1024 * 1024
MAX_SERIES = 500
MAX_POINTS = 500_000
MAX_METADATA = 20_000
"""Metrics whose metadata is asked for at most."""


class Bounds(NamedTuple):
    """How much of one answer is kept."""

    series: int = MAX_SERIES
    points: int = MAX_POINTS

    def kept(self, series: Sequence[Series]) -> Sequence[Series]:
        """The first of ``series`` that fit; none is cut in the middle."""
        series = series[: self.series]
        points = np.cumsum([len(one.times) for one in series])
        return series[: int(np.searchsorted(points, self.points, side="right"))]


class PrometheusSource:
    """Asks a Prometheus, or what speaks like it (Thanos, Mimir, VictoriaMetrics).

    ``annotations_path``: a file with the JSON of Grafana's ``GET /api/annotations``, since
    Prometheus knows no deployments. ``link_base``: the address that people open, if it isn't
    ``base_url``. ``timeout``: seconds for one question, retries included. An answer larger than
    ``max_bytes``, ``max_series`` or ``max_points`` is cut, and says so. ``product`` is what a
    reader calls it, ``if_denied`` what to do when access is denied; ``transport`` replaces the
    network.

    Raises: ValueError for an address or token that can't work.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        annotations_path: Path | None = None,
        link_base: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_BYTES,
        max_series: int = MAX_SERIES,
        max_points: int = MAX_POINTS,
        product: str = "Prometheus",
        if_denied: str = CHECK_TOKEN,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._api = PrometheusApi(
            base_url,
            token=token,
            timeout=timeout,
            max_bytes=max_bytes,
            product=product,
            if_denied=if_denied,
            transport=transport,
        )
        self._annotations_path = annotations_path
        self._link_base = link_base or self._api.address
        self._timeout = timeout
        self._bounds = Bounds(max_series, max_points)

    @property
    def name(self) -> str:
        return self._api.name

    async def query_range(self, query: str, window: Window, step: timedelta) -> RangeResult:
        """Series come sorted by their labels.

        Raises: MetricsUnavailable, MetricsTimeout, QueryRejected, the last without asking for
        what ``prometheus_bounds`` finds too much.
        """
        bounded(query, window, step)
        fields = {
            "query": query,
            **_span(window),
            "step": f"{step.total_seconds():.3f}",
            "timeout": f"{self._timeout:.3f}",
        }
        answer = await self._api.call("POST", "/api/v1/query_range", fields, quoted(query))
        series = self._series(answer, query)
        kept = self._bounds.kept(series)
        truncated = None
        if answer.cut:
            truncated = f"the answer was too large: only its first {len(kept)} series were read"
        elif len(kept) < len(series):
            truncated = f"only the first {len(kept)} of {len(series)} series are here"
        return RangeResult(kept, warnings=answer.warnings, truncated=truncated)

    async def label_values(
        self, label: str, window: Window, selector: str | None = None
    ) -> list[str]:
        """As precise as the server's index: of its blocks that overlap the window."""
        what = f"the values of the label {label}"
        fields = _span(window) | ({} if selector is None else {"match[]": selector})
        answer = await self._api.call("GET", f"/api/v1/label/{label}/values", fields, what)
        if not isinstance(answer.data, list):
            raise self._not_understood(what)
        # Where it was cut the last one may be incomplete.
        values = answer.data[:-1] if answer.cut else answer.data
        shown = str if label == "__name__" else without_secrets
        return sorted(shown(str(value)) for value in values)

    async def metadata(self) -> dict[str, MetricMetadata]:
        """Of the targets that are scraped now; what they disagree about is left out."""
        what = "the metadata of the metrics"
        fields = {"limit": str(MAX_METADATA)}
        answer = await self._api.call("GET", "/api/v1/metadata", fields, what)
        if not isinstance(answer.data, dict):
            raise self._not_understood(what)
        return {str(name): _to_metadata(stated) for name, stated in answer.data.items()}

    async def alerts(self, window: Window) -> list[Alert]:
        step = alert_step(window)
        answer = await self.query_range(ALERTS_QUERY, window, step)
        return alerts_from_series(answer.series, step, window)

    async def changes(self, window: Window) -> list[Change]:
        if self._annotations_path is None:
            return []
        changes = await asyncio.to_thread(read_annotations, self._annotations_path)
        return changes_in(changes, window)

    def link(self, query: str, window: Window) -> str | None:
        return graph_link(self._link_base, query, window)

    async def aclose(self) -> None:
        await self._api.aclose()

    def _series(self, answer: Answer, query: str) -> list[Series]:
        try:
            rows: list[Any] = answer.data["result"]
            if answer.cut:
                # The last one may be incomplete, and a half series looks like a healthy end.
                rows = rows[:-1]
            series = [_to_series(row) for row in rows if row.get("values")]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._not_understood(quoted(query)) from error
        if answer.cut and not series:
            raise QueryRejected(
                f"the answer of {self.name} is too large for a single series: {quoted(query)}; "
                "ask for a longer step"
            )
        return sorted(series, key=lambda one: sorted(one.labels.items()))

    def _not_understood(self, what: str) -> MetricsUnavailable:
        return MetricsUnavailable(f"{self.name} did not answer as Prometheus does to {what}")


def _to_series(row: Any) -> Series:
    points = np.array([(time, float(value)) for time, value in row["values"]], dtype=np.float64)
    labels = {str(name): str(value) for name, value in row["metric"].items()}
    return Series(labels, points[:, 0], points[:, 1])


def _to_metadata(stated: Any) -> MetricMetadata:
    rows = [row for row in stated if isinstance(row, dict)] if isinstance(stated, list) else []
    agreed = {
        field: values.pop() if len(values := {str(row.get(field, "")) for row in rows}) == 1 else ""
        for field in ("type", "help", "unit")
    }
    return MetricMetadata(**agreed)


def _span(window: Window) -> dict[str, str]:
    return {
        "start": f"{window.start.timestamp():.3f}",
        "end": f"{window.end.timestamp():.3f}",
    }


def quoted(query: str) -> str:
    shown = query if len(query) <= LONGEST_QUOTE else f"{query[: LONGEST_QUOTE - 1]}…"
    return f"`{shown}`"
