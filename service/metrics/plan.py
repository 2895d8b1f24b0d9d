"""Which series are looked at, in which order: pure.

First what somebody wrote down about this question (panels and alert rules that were retrieved,
rules whose alert fires), because knowledge knows which ratio matters; then what tells a service's
health (RED and USE metrics) of the services that the question names; then every other metric, so
that one that nobody drew is still seen. Where the budget ends, the rest is left out and counted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from ingest.documents import Frozen, SourceKind
from service.metrics.catalog import Catalog, Reading
from service.metrics.kinds import MetricKind, kind_of
from service.metrics.panels import WrittenQuery, in_one_line, selection_of
from service.metrics.promql_text import parse_promql
from service.metrics.usage import Usage

_TELLING = (
    MetricKind.ERRORS,
    MetricKind.AVAILABILITY,
    MetricKind.LATENCY,
    MetricKind.CLIENT_LATENCY,
    MetricKind.TRAFFIC,
    MetricKind.SATURATION,
    MetricKind.CPU,
    MetricKind.MEMORY,
    MetricKind.NETWORK,
    MetricKind.IO,
)
"""Kinds of RED and USE metrics, the most telling first: symptoms before what runs out."""


class Lead(StrEnum):
    """Why a series is looked at."""

    PANEL = "of panels that match the question"
    RULE = "of alert rules"
    SERVICE = "of errors, latency, traffic and saturation of what was asked about"
    NONE = "of other metrics"


class Leads(Frozen):
    """What is known before the metrics are asked, the most telling first."""

    panels: tuple[WrittenQuery, ...] = ()
    rules: tuple[WrittenQuery, ...] = ()
    services: tuple[str, ...] = ()
    """Those that the question names."""
    usage: Usage = Usage()


class PlannedQuery(Frozen):
    """A query to ask, and what is known about it before it is."""

    query: str
    metric: str
    titles: tuple[tuple[str, dict[str, str]], ...]
    """Titles of the panels that draw it, each with the labels that its panel fixes."""
    unit: str | None
    labels: dict[str, str]
    written: WrittenQuery | None
    lead: Lead
    selector: str | None = None
    """For a scan: the query with ``%s`` in place of the matchers."""
    counted_over: timedelta | None = None
    """For the rate of a counter: its window."""

    def title_for(self, labels: Mapping[str, str]) -> str:
        """What to call one series: the title of a panel that is about it, else the metric.

        "Checkout latency" draws ``latency{service="checkout"}`` and names no other service's.
        """
        for title, fixed in self.titles:
            if self.selector is None or (fixed and fixed.items() <= labels.items()):
                return title
        return self.metric

    def of(self, labels: Mapping[str, str]) -> str:
        """The query for one series of the answer: what a reader opens and a check asks again."""
        if self.selector is None:
            return self.query
        matchers = ",".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}"
            for name, value in sorted(labels.items())
            if name != "__name__"
        )
        return self.selector % (f"{{{matchers}}}" if matchers else "")


class Plan(Frozen):
    """What is asked, the most telling first; ``left_out`` says what isn't for want of budget."""

    queries: tuple[PlannedQuery, ...]
    left_out: str | None = None


def plan_queries(leads: Leads, catalog: Catalog, step: timedelta, *, most: int) -> Plan:
    """At most ``most`` queries.

    A written query that reads one metric plainly is asked as a scan of that metric: the same
    samples with all their labels, where a panel's sum would hide which region it was. The scan
    takes title and unit from the first panel that draws it. Counters are asked as rates;
    Prometheus' own bookkeeping (``ALERTS``, ``up``, ``scrape_…``) is left out.
    """
    names = {*catalog.names}
    scannable = {name for name in names if _is_scanned(name, catalog)}
    drawn: dict[str, list[tuple[WrittenQuery, dict[str, str]]]] = {}
    order: dict[str, tuple[Lead, PlannedQuery | str]] = {}
    for lead, queries in ((Lead.PANEL, leads.panels), (Lead.RULE, leads.rules)):
        for written in queries:
            selection = selection_of(written.query)
            if selection is None or any(name.startswith("ALERTS") for name in selection.metrics):
                continue
            if selection.plain and selection.metrics[0] in scannable:
                if lead is Lead.PANEL:
                    place = (written, selection.labels)
                    drawn.setdefault(selection.metrics[0], []).append(place)
                order.setdefault(selection.metrics[0], (lead, selection.metrics[0]))
            elif not selection.plain or selection.metrics[0] in names:
                planned = _as_written(written, selection.labels, lead)
                # The same query is the same text, however it was laid out.
                text = in_one_line(parse_promql(written.query))
                order.setdefault(text, (lead, planned))
    of_services = {name for one in leads.services for name in catalog.of_component.get(one, ())}
    for name in sorted(scannable, key=lambda name: _rank(name, of_services, leads.usage)):
        health = kind_of(name) in _TELLING and (name in of_services or not of_services)
        order.setdefault(name, (Lead.SERVICE if health else Lead.NONE, name))
    kept = list(order.values())[:most]
    return Plan(
        queries=tuple(
            item
            if isinstance(item, PlannedQuery)
            else _scan(item, drawn.get(item, ()), catalog, step, lead)
            for lead, item in kept
        ),
        left_out=_left_out([lead for lead, _ in order.values()], most),
    )


def _is_scanned(name: str, catalog: Catalog) -> bool:
    if name in ("ALERTS", "ALERTS_FOR_STATE", "up") or name.startswith("scrape_"):
        return False
    return catalog.reading(name) is not Reading.NONE


def _rank(
    name: str, of_services: Collection[str], usage: Usage
) -> tuple[bool, bool, int, bool, bool, str]:
    """A key to sort metrics by: health of the services asked about, then health of others, then
    what a rule watches, then what a panel draws."""
    kind = kind_of(name)
    place = _TELLING.index(kind) if kind in _TELLING else len(_TELLING)
    uses = {use.kind for use in usage.metrics.get(name, ())}
    return (
        kind not in _TELLING,
        name not in of_services,
        place,
        SourceKind.ALERTS not in uses,
        SourceKind.DASHBOARDS not in uses,
        name,
    )


def _as_written(written: WrittenQuery, labels: dict[str, str], lead: Lead) -> PlannedQuery:
    return PlannedQuery(
        query=written.query,
        metric=written.title,
        titles=((written.title, {}),),
        unit=written.unit,
        labels=labels,
        written=written,
        lead=lead,
    )


def _scan(
    name: str,
    drawings: Sequence[tuple[WrittenQuery, dict[str, str]]],
    catalog: Catalog,
    step: timedelta,
    lead: Lead,
) -> PlannedQuery:
    over = max(timedelta(minutes=5), 4 * step)
    counter = catalog.reading(name) is Reading.RATE
    selector = f"rate({name}%s[{int(over.total_seconds())}s])" if counter else f"{name}%s"
    unit = drawings[0][0].unit if drawings else None
    if unit is None and not counter:  # bytes are not bytes per second
        unit = catalog.unit(name)
    return PlannedQuery(
        query=selector % "",
        metric=name,
        titles=tuple((written.title, fixed) for written, fixed in drawings),
        unit=unit,
        labels={},
        written=drawings[0][0] if drawings else None,
        lead=lead,
        selector=selector,
        counted_over=over if counter else None,
    )


def _left_out(leads: Sequence[Lead], most: int) -> str | None:
    rest = leads[most:]
    if not rest:
        return None
    parts = [f"{rest.count(lead)} {lead}" for lead in Lead if lead in rest]
    return f"{len(rest)} of {len(leads)} queries were not asked: {', '.join(parts)}"
