"""The seam to live metrics: what can be asked, and what an answer is.

An empty result, an error and a timeout are three different things here: an empty
``RangeResult`` is an answer, the others are exceptions::

    MetricsError
     ├── MetricsUnavailable   nobody answers, or the server fails (5xx, 429 after retries)
     ├── MetricsTimeout       no answer within the deadline
     └── QueryRejected        the server understood and refused (bad PromQL, too many points)

Labels, alerts and annotations are text that anybody may have written: whatever an answer is made
of loses its secrets here, whichever source gave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from ingest.documents import Frozen, UtcTime
from ingest.redaction import Redacted, redact_text


class MetricsError(Exception):
    """Root of what can go wrong when metrics are asked; the message names query and setting."""


class MetricsUnavailable(MetricsError):
    """The source does not answer, or fails."""


class MetricsTimeout(MetricsError):
    """No answer within the deadline."""


class QueryRejected(MetricsError):
    """The source refused this query."""


@lru_cache(maxsize=100_000)
def without_secrets(value: str) -> str:
    """A label's value without secrets. The same few values come again and again."""
    return redact_text(value)


class Window(Frozen):
    """A span of time ``[start, end]`` in UTC."""

    start: UtcTime
    end: UtcTime

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    def contains(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end


class Series:
    """One time series of an answer.

    ``times``: unix seconds, shape ``(n,)`` float64, ascending; ``values``: shape ``(n,)``
    float64, in the unit of the query. Steps without a sample are absent, never filled.
    """

    __slots__ = ("labels", "times", "values")

    def __init__(
        self, labels: dict[str, str], times: NDArray[np.float64], values: NDArray[np.float64]
    ) -> None:
        self.labels = {name: without_secrets(value) for name, value in labels.items()}
        self.times = times
        self.values = values


class RangeResult:
    """The answer to a range query. ``truncated`` says in words what was cut, or is None."""

    __slots__ = ("series", "truncated", "warnings")

    def __init__(
        self,
        series: Sequence[Series],
        *,
        warnings: Sequence[str] = (),
        truncated: str | None = None,
    ) -> None:
        self.series = tuple(series)
        self.warnings = tuple(map(without_secrets, warnings))
        self.truncated = truncated


class Alert(Frozen):
    """An alert that fired. ``ended`` is None while it still fires at the end of the window."""

    name: Redacted
    labels: dict[str, Annotated[str, AfterValidator(without_secrets)]]
    started: UtcTime
    ended: UtcTime | None = None
    severity: Redacted | None = None


class Change(Frozen):
    """A deployment, config change or other annotation at a point in time."""

    at: UtcTime
    text: Redacted
    tags: tuple[Redacted, ...] = ()
    until: UtcTime | None = None
    url: Redacted | None = None


class MetricMetadata(Frozen):
    """What is stated about a metric, or about a family of them; ``""`` where nothing is.

    ``type``: as in OpenMetrics and Prometheus (``counter``, ``gauge``, ``histogram``, …).
    ``unit``: e.g. ``seconds``.
    """

    type: str = ""
    help: Redacted = ""
    unit: str = ""


class MetricsSource(Protocol):
    """Where live metrics come from: Prometheus, Grafana, or a file of samples."""

    @property
    def name(self) -> str:
        """What a reader calls it, e.g. ``Prometheus at https://…`` (no secrets)."""
        ...

    async def query_range(self, query: str, window: Window, step: timedelta) -> RangeResult:
        """Evaluate PromQL at ``window.start``, ``start + step``, … ≤ ``window.end``.

        Raises: MetricsUnavailable, MetricsTimeout, QueryRejected.
        """
        ...

    async def label_values(
        self, label: str, window: Window, selector: str | None = None
    ) -> list[str]:
        """The values of a label among the series with samples in the window, sorted.

        ``selector`` narrows the series, e.g. to ``{service="checkout"}``. The label ``__name__``
        has the names of the metrics. Raises: MetricsUnavailable, MetricsTimeout, QueryRejected.
        """
        ...

    async def metadata(self) -> dict[str, MetricMetadata]:
        """What is stated about metrics, by the name of each or of its family; may be empty.

        Raises: MetricsUnavailable, MetricsTimeout, QueryRejected.
        """
        ...

    async def alerts(self, window: Window) -> list[Alert]:
        """Alerts that fired in the window, by start."""
        ...

    async def changes(self, window: Window) -> list[Change]:
        """Deployments and other annotations in the window, by time."""
        ...

    def link(self, query: str, window: Window) -> str | None:
        """A URL at which a person sees this query over this window, or None."""
        ...

    async def aclose(self) -> None: ...
