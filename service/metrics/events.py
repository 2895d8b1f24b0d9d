"""From raw answers to the two kinds of events: alerts that fired and changes that were made.

Pure functions, shared by every metrics source. Prometheus records an alert as a series
``ALERTS{alertstate="firing", …}`` that has a sample at every rule evaluation while it fires and
none otherwise. A selector repeats the last sample for up to five minutes where no staleness
marker was written (backfilled or remote data), so presence alone makes alerts end late; the
*time* of the sample does not, which is why ``ALERTS_QUERY`` asks for that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from service.metrics.source import Alert, Change, MetricsUnavailable, Series, Window

ALERTS_QUERY = 'timestamp(ALERTS{alertstate="firing"})'
"""Its values are unix seconds: when the sample seen at a step was written."""

FLAPPING = timedelta(minutes=5)
"""An alert that is silent for no longer than this is one alert that flapped."""

MAX_ALERT_STEPS = 10_000
ALERT_STEP = timedelta(seconds=60)
_NOT_LABELS = frozenset({"__name__", "alertname", "alertstate"})


def alert_step(window: Window) -> timedelta:
    """The step at which to ask ``ALERTS_QUERY``: a minute, longer for windows beyond a week."""
    seconds = math.ceil(window.duration.total_seconds() / MAX_ALERT_STEPS)
    return max(ALERT_STEP, timedelta(seconds=seconds))


def alerts_from_series(series: Iterable[Series], step: timedelta, window: Window) -> list[Alert]:
    """Reads alerts out of the answer to ``ALERTS_QUERY`` at ``step`` over ``window``.

    ``started`` and ``ended`` are the first and the last moment at which the alert was seen to
    fire inside the window; ``ended`` is None if that is the window's end, give or take one rule
    evaluation. Series without an ``alertname`` are left out. Sorted by start, then name.
    """
    alerts = []
    for one in series:
        name = one.labels.get("alertname")
        moments = np.unique(one.values)
        first, last = window.start.timestamp(), window.end.timestamp()
        moments = moments[(moments >= first) & (moments <= last)]
        if not name or not moments.size:
            continue
        gaps = np.diff(moments)
        every = max(step.total_seconds(), float(np.median(gaps)) if gaps.size else 0.0)
        silent = max(FLAPPING.total_seconds(), 2 * every)
        labels = {key: value for key, value in one.labels.items() if key not in _NOT_LABELS}
        for episode in np.split(moments, np.flatnonzero(gaps > silent) + 1):
            fires_still = last - episode[-1] <= every
            alerts.append(
                Alert(
                    name=name,
                    labels=labels,
                    started=_utc(float(episode[0])),
                    ended=None if fires_still else _utc(float(episode[-1])),
                    severity=labels.get("severity"),
                )
            )
    return sorted(
        alerts, key=lambda alert: (alert.started, alert.name, sorted(alert.labels.items()))
    )


def changes_from_annotations(
    rows: Iterable[object], link: Callable[[Mapping[str, object]], str | None] | None = None
) -> list[Change]:
    """Reads changes out of the rows of Grafana's ``GET /api/annotations``, sorted by time.

    ``link`` gives the URL at which a person sees a row's annotation.

    Tolerant, since other tools write annotations too: a row that is no object, has no usable
    ``time`` (epoch milliseconds) or no text is left out, and so are the state changes of alerts,
    which Grafana keeps in the same place.
    """
    changes = []
    for row in rows:
        if not isinstance(row, dict) or row.get("newState") or row.get("alertName"):
            continue
        at = from_milliseconds(row.get("time"))
        text = str(row.get("text") or row.get("title") or "").strip()
        if at is None or not text:
            continue
        until = from_milliseconds(row.get("timeEnd"))
        tags = row.get("tags")
        changes.append(
            Change(
                at=at,
                text=text,
                tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
                until=until if until is not None and until > at else None,
                url=None if link is None else link(row),
            )
        )
    return sorted(changes, key=lambda change: (change.at, change.text))


def changes_in(changes: Sequence[Change], window: Window) -> list[Change]:
    """Those changes that happened, or were going on, inside the window."""
    return [
        change
        for change in changes
        if change.at <= window.end and (change.until or change.at) >= window.start
    ]


def read_annotations(path: Path) -> list[Change]:
    """The changes in a file that holds the JSON of Grafana's ``GET /api/annotations``.

    Raises: MetricsUnavailable, naming the file.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MetricsUnavailable(f"the annotations file {path} can't be read: {error}") from error
    if not isinstance(rows, list):
        raise MetricsUnavailable(f"the annotations file {path} holds no JSON list of annotations")
    return changes_from_annotations(rows)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def from_milliseconds(value: Any) -> datetime | None:
    """Epoch milliseconds as a moment; None for what is none."""
    try:
        milliseconds = float(value)
        return _utc(milliseconds / 1000.0) if milliseconds > 0 else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None
