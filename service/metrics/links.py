"""Links at which a person sees a query drawn, or a panel at the time in question.

Checked against Grafana's documentation: "Get started with Explore", section "Generate Explore
URLs from external tools" (``panes``, ``schemaVersion=1``, ``orgId``; times are epoch
milliseconds as strings), and "Use dashboards", section "Control the time range using a URL"
(``from`` and ``to``).
"""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import promql_parser

from service.metrics.source import Window

EXPLORE_SCHEMA = 1


def graph_link(base: str, query: str, window: Window) -> str:
    """Prometheus' own graph page (``/graph``) of a query over a window, times in UTC."""
    fields = {
        "g0.expr": query,
        "g0.range_input": promql_parser.display_duration(window.duration),
        "g0.end_input": f"{window.end:%Y-%m-%d %H:%M:%S}",
        "g0.tab": "0",
    }
    return f"{base.rstrip('/')}/graph?{urlencode(fields)}"


def explore_link(
    base: str, *, uid: str, kind: str, query: str | None, window: Window, org: int = 1
) -> str:
    """Grafana Explore on the data source ``uid`` of type ``kind`` over a window.

    Without a query, Explore opens at that time for the reader to ask.
    """
    source = {"uid": uid, "type": kind}
    asked = {} if query is None else {"expr": query, "range": True, "instant": False}
    pane = {
        "datasource": uid,
        "queries": [{"refId": "A", "datasource": source, **asked}],
        "range": grafana_range(window),
    }
    panes = json.dumps({"why": pane}, separators=(",", ":"), ensure_ascii=False)
    fields = {"schemaVersion": EXPLORE_SCHEMA, "panes": panes, "orgId": org}
    return f"{base.rstrip('/')}/explore?{urlencode(fields)}"


def dashboard_link(base: str, uid: str, window: Window, panel_id: int | None = None) -> str:
    """A dashboard, or one panel of it, over a window."""
    view = {} if panel_id is None else {"viewPanel": str(panel_id)}
    fields = {**view, **grafana_range(window)}
    return f"{base.rstrip('/')}/d/{quote(uid, safe='')}?{urlencode(fields)}"


def at_time(url: str, window: Window) -> str:
    """The link of a dashboard or panel, opened over a window instead of its default range."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("from", "to")]
    query = urlencode([*kept, *grafana_range(window).items()])
    return urlunsplit(parts._replace(query=query))


def grafana_range(window: Window) -> dict[str, str]:
    """``from`` and ``to`` as Grafana's URLs and ``/api/ds/query`` want them."""
    return {
        "from": str(round(window.start.timestamp() * 1000)),
        "to": str(round(window.end.timestamp() * 1000)),
    }
