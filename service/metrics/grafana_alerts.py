"""Alerts that Grafana evaluates itself, out of the two places where it tells of them.

Shapes checked against Grafana's source. State history (``GET /api/annotations?type=alert``,
written by ``pkg/services/ngalert/state/historian/annotation.go``): one row per change of state
with ``newState`` and ``prevState`` such as ``Alerting`` or ``Normal (MissingSeries)`` and the
text ``<rule> {<label>=<value>, …} - <values>``. State now (``GET
/api/prometheus/grafana/api/v1/rules``): each rule's active alerts with ``state`` and
``activeAt``. A Grafana whose history goes to Loki has only the second.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from service.metrics.events import from_milliseconds
from service.metrics.grafana_models import ManagedRule
from service.metrics.source import Alert, Window, without_secrets

_TEXT = re.compile(r"^(?>(?P<name>.*?) \{)(?P<labels>.*?)\}(?: - .*)?$", re.DOTALL)
_NEXT_LABEL = re.compile(r",\s*(?=[A-Za-z_]\w*=)")
_NOT_LABELS = frozenset({"alertname", "grafana_folder"})


class _Identity(NamedTuple):
    name: str
    labels: tuple[tuple[str, str], ...]

    def alert(self, started: datetime, ended: datetime | None) -> Alert:
        labels = dict(self.labels)
        return Alert(
            name=self.name,
            labels=labels,
            started=started,
            ended=ended,
            severity=labels.get("severity"),
        )


def managed_alerts(
    history: Iterable[Mapping[str, Any]], rules: Iterable[ManagedRule], window: Window
) -> list[Alert]:
    """The alerts of Grafana-managed rules that fired inside the window, by start.

    ``history`` may begin before the window: what began earlier starts with the window, as every
    other alert does. An alert that fires now is here if it did at the window's end and history
    doesn't know it.
    """
    alerts = _from_history(history, window)
    known = {(alert.name, tuple(sorted(alert.labels.items()))) for alert in alerts}
    for rule in rules:
        for active in rule.alerts or ():
            if not _fires(active.state) or active.activeAt is None:
                continue
            identity = _identity(rule.name, {**(rule.labels or {}), **active.labels})
            if identity in known or active.activeAt > window.end:
                continue
            alerts.append(identity.alert(max(active.activeAt, window.start), None))
    return sorted(
        alerts, key=lambda alert: (alert.started, alert.name, sorted(alert.labels.items()))
    )


def _from_history(rows: Iterable[Mapping[str, Any]], window: Window) -> list[Alert]:
    changes: dict[_Identity, list[tuple[datetime, bool, bool]]] = defaultdict(list)
    for row in rows:
        at = from_milliseconds(row.get("time"))
        if at is None or not row.get("newState"):
            continue
        found = _TEXT.match(str(row.get("text") or ""))
        name = found["name"] if found else str(row.get("alertName") or row.get("text") or "")
        if name:
            identity = _identity(name, _labels(found["labels"]) if found else {})
            fired, fires = _fires(row.get("prevState")), _fires(row["newState"])
            changes[identity].append((at, fired, fires))
    alerts = []
    for identity, states in changes.items():
        started: datetime | None = None
        for at, fired, fires in sorted(states):
            if fires:
                started = started or at
                continue
            begun = started or (window.start if fired else None)
            if begun is not None and at >= window.start and begun <= window.end:
                ended = at if at <= window.end else None
                alerts.append(identity.alert(max(begun, window.start), ended))
            started = None
        if started is not None and started <= window.end:
            alerts.append(identity.alert(max(started, window.start), None))
    return alerts


def _fires(state: object) -> bool:
    return str(state or "").lower().startswith(("alerting", "firing"))


def _identity(name: str, labels: Mapping[str, str]) -> _Identity:
    kept = {
        key: without_secrets(value)
        for key, value in labels.items()
        if key not in _NOT_LABELS and not key.startswith("__")
    }
    return _Identity(without_secrets(name), tuple(sorted(kept.items())))


def _labels(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in _NEXT_LABEL.split(text) if "=" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}
