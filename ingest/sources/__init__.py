"""Where documents come from: one module per kind of source.

``open_source`` is the way in. A source reads a file or a folder (a git checkout, an export), or a
running Grafana, and yields a Document for each thing that a person would link to, and a Problem,
with path, line and reason, for each that it could not read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ingest.documents import EVERYONE, Source, SourceKind
from ingest.sources.alerts import AlertSource
from ingest.sources.dashboards import DashboardSource
from ingest.sources.glossary import GlossarySource
from ingest.sources.grafana import GrafanaAlerts, GrafanaDashboards
from ingest.sources.incidents import IncidentSource
from ingest.sources.runbooks import RunbookSource
from ingest.sources.slack import SlackSource

__all__ = ["open_source"]

_SOURCES: dict[SourceKind, Callable[..., Source]] = {
    SourceKind.RUNBOOKS: RunbookSource,
    SourceKind.INCIDENTS: IncidentSource,
    SourceKind.SLACK: SlackSource,
    SourceKind.DASHBOARDS: DashboardSource,
    SourceKind.ALERTS: AlertSource,
    SourceKind.GLOSSARY: GlossarySource,
}
_GRAFANA: dict[SourceKind, Callable[..., Source]] = {
    SourceKind.DASHBOARDS: GrafanaDashboards,
    SourceKind.ALERTS: GrafanaAlerts,
}


def open_source(
    kind: SourceKind,
    *,
    name: str,
    path: Path | None = None,
    url: str | None = None,
    token: str | None = None,
    base_url: str | None = None,
    audience: tuple[str, ...] = (EVERYONE,),
) -> Source:
    """The source of this kind at ``path``, or at ``url``; nothing is read before its ``read``.

    Dashboards and alerts can be read from a Grafana at ``url``, with ``token``.

    ``base_url`` is where people open the same things: a folder of a wiki or of a repository (see
    ``Origin.page_url``), a Slack workspace (``https://example.slack.com``), Grafana for dashboards
    and alerts, a glossary's own page. Without it documents have no links. ``audience`` is who may
    read documents that do not name their own.

    Raises: ValueError without a path, or a URL for a kind that has none.
    """
    if url is not None and kind in _GRAFANA:
        return _GRAFANA[kind](
            name=name, address=url, token=token, base_url=base_url, audience=audience
        )
    if path is None:
        raise ValueError(f"the source {name!r} needs a path")
    return _SOURCES[kind](name=name, path=path, base_url=base_url, audience=audience)
