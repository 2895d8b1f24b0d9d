"""Metrics out of Grafana: PromQL through its data source proxy, changes out of its annotations.

The proxy passes Prometheus' own answers through (``/api/datasources/proxy/uid/<uid>/api/v1/…``,
"Data source proxy calls" in Grafana's data source API documentation; the Prometheus plugin's
``plugin.json`` allows ``POST …/query_range`` to the role Viewer), so steps are exact and errors
are Prometheus' own. ``POST /api/ds/query`` would move the window onto multiples of the step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import quote

import httpx

from service.metrics.events import changes_from_annotations, changes_in, from_milliseconds
from service.metrics.grafana_alerts import managed_alerts
from service.metrics.grafana_api import (
    IF_DENIED,
    AccessDenied,
    GrafanaApi,
    NotThere,
)
from service.metrics.grafana_models import DataSource, FrontendSettings
from service.metrics.http_calls import clean_address
from service.metrics.links import dashboard_link, explore_link
from service.metrics.prometheus import MAX_BYTES, TIMEOUT_SECONDS, Bounds, PrometheusSource
from service.metrics.source import (
    Alert,
    Change,
    MetricMetadata,
    MetricsError,
    MetricsUnavailable,
    RangeResult,
    Window,
)

ALERT_HISTORY = timedelta(days=1)
"""How far before a window the alert that still fires in it is looked for."""
AROUND_CHANGE = timedelta(minutes=30)
"""What a link to a change shows before and after it."""
_PROMETHEUS = "prometheus"


class Place(NamedTuple):
    """What is known of a Grafana once it was asked."""

    source: DataSource
    prometheus: PrometheusSource
    public_url: str


class GrafanaSource:
    """Asks a Grafana, and the Prometheus behind it, with a service account's token.

    ``datasource``: uid or name of the Prometheus data source; without it the default one, or the
    only one. ``timeout``: seconds for one question, retries included. An answer larger than
    ``max_bytes`` or ``bounds`` is cut, and says so. ``transport`` replaces the network.

    Links need Grafana's public address and the data source, so there are none before the first
    answer. Raises: ValueError for an address or token that can't work.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        datasource: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_BYTES,
        bounds: Bounds | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.api = GrafanaApi(
            base_url, token=token, timeout=timeout, max_bytes=max_bytes, transport=transport
        )
        self._base_url = base_url
        self._token = token
        self._datasource = datasource
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._bounds = bounds or Bounds()
        self._transport = transport
        self._found: Place | None = None
        self._finding = asyncio.Lock()

    @property
    def name(self) -> str:
        return self.api.name

    async def query_range(self, query: str, window: Window, step: timedelta) -> RangeResult:
        """Series come sorted by their labels.

        Raises: MetricsUnavailable, MetricsTimeout, QueryRejected.
        """
        return await (await self.place()).prometheus.query_range(query, window, step)

    async def label_values(
        self, label: str, window: Window, selector: str | None = None
    ) -> list[str]:
        return await (await self.place()).prometheus.label_values(label, window, selector)

    async def metadata(self) -> dict[str, MetricMetadata]:
        return await (await self.place()).prometheus.metadata()

    async def alerts(self, window: Window) -> list[Alert]:
        """Alerts of Prometheus' rules (its ``ALERTS`` series) and of Grafana-managed ones.

        Where Grafana doesn't let its own be seen, Prometheus' are the answer; if there are none
        of those either, that is an error and no quiet night.
        """
        place = await self.place()
        ours, theirs = await asyncio.gather(
            self._managed_alerts(window), place.prometheus.alerts(window), return_exceptions=True
        )
        if isinstance(theirs, BaseException):
            raise theirs
        if isinstance(ours, NotThere):
            return theirs
        if isinstance(ours, BaseException):
            if theirs and isinstance(ours, MetricsError):
                return theirs
            raise ours
        return sorted([*theirs, *ours], key=lambda alert: (alert.started, alert.name))

    async def changes(self, window: Window) -> list[Change]:
        place = await self.place()
        rows = await self.api.annotations(window, kind="annotation")

        def link(row: Mapping[str, object]) -> str | None:
            return _annotation_link(place, row)

        return changes_in(changes_from_annotations(rows, link), window)

    def link(self, query: str, window: Window) -> str | None:
        """Grafana Explore with this query over this window."""
        if self._found is None:
            return None
        source = self._found.source
        return explore_link(
            self._found.public_url, uid=source.uid, kind=source.type, query=query, window=window
        )

    async def aclose(self) -> None:
        await self.api.aclose()
        if self._found is not None:
            await self._found.prometheus.aclose()

    async def _managed_alerts(self, window: Window) -> list[Alert]:
        earlier = Window(start=window.start - ALERT_HISTORY, end=window.end)
        history = await self.api.annotations(earlier, kind="alert")
        return managed_alerts(history, await self.api.managed_rules(), window)

    async def place(self) -> Place:
        """Which data source it is and where people open Grafana; asked once.

        Raises: MetricsUnavailable, naming the setting.
        """
        async with self._finding:
            if self._found is None:
                settings = await self.api.settings()
                source = self._choose(await self._data_sources(settings), settings)
                self._found = Place(
                    source=source,
                    prometheus=self._behind(source),
                    public_url=self._public_url(settings),
                )
            return self._found

    async def _data_sources(self, settings: FrontendSettings) -> list[DataSource]:
        try:
            return await self.api.data_sources()
        except AccessDenied:
            # The role Viewer may query data sources, but not list them.
            return [
                source.model_copy(update={"name": source.name or name})
                for name, source in settings.datasources.items()
            ]

    def _choose(self, sources: Sequence[DataSource], settings: FrontendSettings) -> DataSource:
        usable = [source for source in sources if _PROMETHEUS in source.type and source.uid]
        names = ", ".join(sorted(source.name for source in usable))
        if self._datasource is not None:
            for source in usable:
                if self._datasource in (source.uid, source.name):
                    return source
            raise MetricsUnavailable(
                f"{self.name} has no Prometheus data source {self._datasource!r}; set "
                f"WHY_GRAFANA_DATASOURCE to the uid or name of one of: {names or '(none)'}"
            )
        if not usable:
            raise MetricsUnavailable(
                f"{self.name} shows this token no Prometheus data source; {IF_DENIED}"
            )
        for source in usable:
            if source.isDefault or source.name == settings.defaultDatasource:
                return source
        if len(usable) > 1:
            raise MetricsUnavailable(
                f"{self.name} has several Prometheus data sources and none is its default; "
                f"set WHY_GRAFANA_DATASOURCE to the uid or name of one of: {names}"
            )
        return usable[0]

    def _behind(self, source: DataSource) -> PrometheusSource:
        proxy = httpx.URL(self._base_url)
        path = proxy.path.rstrip("/")
        uid = quote(source.uid, safe="")
        return PrometheusSource(
            str(proxy.copy_with(path=f"{path}/api/datasources/proxy/uid/{uid}", query=None)),
            token=self._token,
            timeout=self._timeout,
            max_bytes=self._max_bytes,
            max_series=self._bounds.series,
            max_points=self._bounds.points,
            product=f"Grafana's data source {source.name!r}",
            if_denied=f"{IF_DENIED}; it needs the permission datasources:query",
            transport=self._transport,
        )

    def _public_url(self, settings: FrontendSettings) -> str:
        """Where people open Grafana; ``appUrl`` where it is a usable address, else ours."""
        try:
            return str(clean_address("Grafana", settings.appUrl)).rstrip("/")
        except ValueError:
            return self.api.address


def _annotation_link(place: Place, row: Mapping[str, object]) -> str | None:
    """The annotation's dashboard or panel around its time, else Explore at that time."""
    start = from_milliseconds(row.get("time"))
    if start is None:
        return None
    end = max(from_milliseconds(row.get("timeEnd")) or start, start)
    window = Window(start=start - AROUND_CHANGE, end=end + AROUND_CHANGE)
    dashboard, panel = row.get("dashboardUID"), row.get("panelId")
    if isinstance(dashboard, str) and dashboard:
        panel_id = panel if isinstance(panel, int) and panel > 0 else None
        return dashboard_link(place.public_url, dashboard, window, panel_id)
    source = place.source
    return explore_link(
        place.public_url, uid=source.uid, kind=source.type, query=None, window=window
    )
