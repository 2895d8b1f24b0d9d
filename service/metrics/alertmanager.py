"""Alerts that fire now according to an Alertmanager, beside those of a metrics source.

For rules whose ``ALERTS`` series aren't where the metrics are (another Prometheus, Loki's ruler).
An Alertmanager keeps no history: what ended before it was asked is not there.

Shape checked against ``api/v2/openapi.yaml`` of prometheus/alertmanager (``GET /alerts``,
``gettableAlert``).
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from service.metrics.http_calls import HttpCaller, PassingFailure, Reply
from service.metrics.prometheus import MAX_BYTES, TIMEOUT_SECONDS
from service.metrics.source import (
    Alert,
    Change,
    MetricMetadata,
    MetricsError,
    MetricsSource,
    MetricsUnavailable,
    RangeResult,
    Window,
    without_secrets,
)


class _Alert(BaseModel):
    labels: dict[str, str]
    startsAt: datetime  # noqa: N815 - Alertmanager's spelling


_ALERTS = TypeAdapter(list[_Alert])


class WithAlertmanager:
    """A metrics source whose alerts are also those of an Alertmanager.

    ``timeout``: seconds for one question, retries included. ``transport`` replaces the network.

    Raises: ValueError for an address that can't work.
    """

    def __init__(
        self,
        source: MetricsSource,
        base_url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._source = source
        self._caller = HttpCaller(
            "Alertmanager", base_url, timeout=timeout, max_bytes=MAX_BYTES, transport=transport
        )

    @property
    def name(self) -> str:
        return f"{self._source.name}, {self._caller.name}"

    async def query_range(self, query: str, window: Window, step: timedelta) -> RangeResult:
        return await self._source.query_range(query, window, step)

    async def label_values(
        self, label: str, window: Window, selector: str | None = None
    ) -> list[str]:
        return await self._source.label_values(label, window, selector)

    async def metadata(self) -> dict[str, MetricMetadata]:
        return await self._source.metadata()

    async def alerts(self, window: Window) -> list[Alert]:
        """The source's alerts, and those that fire now, did so in the window and aren't among
        them.

        Alertmanager's labels are the rule's and the sender's external ones, so an alert of the
        source with the same name and no other labels than those is the same alert. If
        Alertmanager fails, the source's are the answer; if there are none of those, that is an
        error and no quiet night.
        """
        known, active = await asyncio.gather(
            self._source.alerts(window), self._active(), return_exceptions=True
        )
        if isinstance(known, BaseException):
            raise known
        if isinstance(active, BaseException):
            if known and isinstance(active, MetricsError):
                return known
            raise active
        found = list(known)
        for one in active:
            # As the source's alerts are: without secrets.
            labels = {key: without_secrets(value) for key, value in one.labels.items()}
            name = labels.pop("alertname", "")
            if (
                not name
                or one.startsAt > window.end
                or any(
                    alert.name == name and alert.labels.items() <= labels.items() for alert in known
                )
            ):
                continue
            found.append(
                Alert(
                    name=name,
                    labels=labels,
                    started=max(one.startsAt, window.start),
                    severity=labels.get("severity"),
                )
            )
        return sorted(found, key=lambda alert: (alert.started, alert.name))

    async def changes(self, window: Window) -> list[Change]:
        return await self._source.changes(window)

    def link(self, query: str, window: Window) -> str | None:
        return self._source.link(query, window)

    async def aclose(self) -> None:
        await self._caller.aclose()
        await self._source.aclose()

    async def _active(self) -> list[_Alert]:
        return await self._caller.call("GET", "/api/v2/alerts", self._understand, "its alerts")

    def _understand(self, reply: Reply) -> list[_Alert]:
        if reply.status == 429 or reply.status >= 500:
            raise PassingFailure(f"HTTP {reply.status}")
        try:
            if reply.status == 200 and not reply.cut:
                return _ALERTS.validate_json(reply.body)
        except ValidationError:
            pass
        raise MetricsUnavailable(
            f"{self._caller.name}: HTTP {reply.status}, this is not how Alertmanager answers; "
            "check WHY_ALERTMANAGER_URL"
        )
