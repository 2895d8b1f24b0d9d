"""Dashboards made to order: what was found → Grafana's dashboard JSON, pure.

Built with Grafana's own SDK (``grafana-foundation-sdk``), so that the JSON is what Grafana's
schema says and not what we remember of it. Each panel asks a query that a report cites, or one
that a dashboard of the house already asks; none is made up here. The Prometheus behind it is a
variable of the dashboard, so that the JSON can be imported anywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    Row,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery as PrometheusQuery
from grafana_foundation_sdk.builders.text import Panel as TextPanel
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeriesPanel
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    AnnotationTarget,
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
    VariableOption,
)
from grafana_foundation_sdk.models.text import TextMode

from ingest.documents import Frozen
from service.metrics.labels import component_of, region_of
from service.metrics.links import at_time
from service.metrics.panels import WrittenQuery
from service.metrics.source import Window
from service.reports.markdown import to_markdown
from service.reports.model import (
    ChangeCitation,
    Citation,
    Claim,
    MetricCitation,
    PassageCitation,
    Report,
)
from service.scope import mentioned

TAG = "why"
MOST_PANELS = 24
MOST_LINKS = 8
_LONGEST_TITLE = 120
_DATA_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_ANNOTATIONS = DataSourceRef(type_val="grafana", uid="-- Grafana --")
"""Grafana's own annotations, as its dashboards name them."""
_UNITS = {
    "s": "s",
    "ms": "ms",
    "ratio": "percentunit",
    "%": "percent",
    "B": "bytes",
    "°C": "celsius",
    "/s": "cps",
}
"""How numbers are written in sentences → Grafana's ids of units."""


class PanelPlan(Frozen):
    """One graph. ``unit`` is Grafana's id of it."""

    title: str
    query: str
    unit: str | None
    description: str = ""


class SectionPlan(Frozen):
    """A row and its panels."""

    title: str
    panels: tuple[PanelPlan, ...]


class LinkPlan(Frozen):
    title: str
    url: str


class ChangePlan(Frozen):
    """Annotations that have all of these tags."""

    name: str
    tags: tuple[str, ...]


class DashboardPlan(Frozen):
    """What a dashboard is to show. ``text``: Markdown at its top; ``based_on``: in words."""

    title: str
    window: Window
    based_on: str
    sections: tuple[SectionPlan, ...]
    text: str = ""
    links: tuple[LinkPlan, ...] = ()
    changes: tuple[ChangePlan, ...] = ()

    @property
    def panels(self) -> int:
        return sum(len(section.panels) for section in self.sections)


def plan_from_report(report: Report) -> DashboardPlan | None:
    """The evidence of a report: what carries its summary first, then each cause's; None where it
    cites no metric."""
    cited = {citation.number: citation for citation in report.citations}
    sections = [("In short", [*report.summary, *report.impact.claims])]
    sections += [
        (
            f"{cause.rank}. {cause.component}{f' ({cause.region})' if cause.region else ''}",
            [*cause.evidence, *cause.against],
        )
        for cause in report.causes
    ]
    sections.append(("Also in this window", list(report.also_seen)))
    drawn: set[str] = set()
    planned = []
    for title, claims in sections:
        panels = tuple(_graphs(claims, cited, drawn))[: max(0, MOST_PANELS - len(drawn))]
        drawn.update(panel.query for panel in panels)
        if panels:
            planned.append(SectionPlan(title=title, panels=panels))
    if not planned:
        return None
    return DashboardPlan(
        title=_title(report.question, report.scope.window),
        window=report.scope.window,
        based_on="the evidence of the report",
        sections=tuple(planned),
        # Its charts are drawn as text, and here are better ones.
        text=to_markdown(report.model_copy(update={"charts": ()})),
        links=_links(report.citations),
        changes=_changes(report.citations),
    )


def plan_from_panels(
    question: str, window: Window, queries: Sequence[tuple[str, WrittenQuery]]
) -> DashboardPlan | None:
    """Panels of the house's own dashboards, each with its dashboard's name; None without any."""
    sections: dict[str, dict[str, PanelPlan]] = {}
    places: dict[str, LinkPlan] = {}
    drawn: set[str] = set()
    for dashboard, written in queries:
        if written.query in drawn or len(drawn) == MOST_PANELS:
            continue
        drawn.add(written.query)
        sections.setdefault(dashboard, {})[written.query] = PanelPlan(
            title=written.title, query=written.query, unit=written.unit
        )
        if written.url is not None and _is_web(written.url):
            places.setdefault(
                dashboard, LinkPlan(title=dashboard, url=at_time(written.url, window))
            )
    if not sections:
        return None
    return DashboardPlan(
        title=_title(question, window),
        window=window,
        based_on="panels that were found for the question",
        sections=tuple(
            SectionPlan(title=title, panels=tuple(panels.values()))
            for title, panels in sections.items()
        ),
        links=tuple(places.values())[:MOST_LINKS],
    )


def build(plan: DashboardPlan, *, data_source: str | None = None) -> dict[str, Any]:
    """The plan as Grafana's dashboard JSON, with a uid made of what it draws: the same graphs of
    the same window are the same dashboard.

    ``data_source``: uid of the Prometheus that is selected at first, else Grafana's default.
    """
    variable = DatasourceVariable("datasource").label("Data source").type("prometheus")
    if data_source is not None:
        chosen = VariableOption(selected=True, text=data_source, value=data_source)
        variable = variable.current(chosen)
    dashboard = (
        Dashboard(plan.title)
        .description(f"Made by Why out of {plan.based_on}.")
        .tags([TAG])
        .timezone("utc")
        .time(*(f"{at:%Y-%m-%dT%H:%M:%S.000Z}" for at in (plan.window.start, plan.window.end)))
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(variable)
    )
    for link in plan.links:
        dashboard = dashboard.link(
            DashboardLink(link.title)
            .type(DashboardLinkType.LINK)
            .icon("doc")
            .url(link.url)
            .target_blank(True)
        )
    for change in plan.changes:
        dashboard = dashboard.annotation(
            AnnotationQuery()
            .name(change.name)
            .datasource(_ANNOTATIONS)
            .enable(True)
            .icon_color("blue")
            .target(_TagsBuilder(change.tags))
        )
    number = 0
    for section in plan.sections:
        number += 1
        dashboard = dashboard.with_row(Row(section.title).id(number))
        for panel in section.panels:
            number += 1
            dashboard = dashboard.with_panel(_graph(panel, number))
    if plan.text:
        dashboard = dashboard.with_row(Row("The report").id(number + 1)).with_panel(
            TextPanel()
            .id(number + 2)
            .title("")
            .mode(TextMode.MARKDOWN)
            .content(plan.text)
            .grid_pos(GridPos(h=20, w=24, x=0, y=0))
        )
    model: dict[str, Any] = json.loads(json.dumps(dashboard.build(), cls=JSONEncoder))
    for shown in (*model.get("links", ()), *model["annotations"].get("list", ())):
        shown.pop("placement", None)  # the SDK would put all of them into a menu
    # Not of the text: it says how long the report took.
    content = plan.model_dump_json(exclude={"text"}).encode()
    digest = hashlib.blake2b(content, digest_size=12).hexdigest()
    return {**model, "uid": f"{TAG}-{digest}"}


class _Tags(AnnotationTarget, Dataquery):
    """The SDK does not declare this target to be a query, though it takes it for one."""


class _TagsBuilder(Builder[Dataquery]):
    def __init__(self, tags: Sequence[str]) -> None:
        self._tags = list(tags)

    def build(self) -> Dataquery:
        return _Tags(limit=100, match_any=False, tags=self._tags, type_val="tags")


def _graph(panel: PanelPlan, number: int) -> TimeSeriesPanel:
    query = PrometheusQuery().expr(panel.query).range().legend_format("__auto").ref_id("A")
    graph = (
        TimeSeriesPanel()
        .id(number)
        .title(panel.title)
        .description(panel.description)
        .datasource(_DATA_SOURCE)
        .with_target(query.datasource(_DATA_SOURCE))
    )
    return graph if panel.unit is None else graph.unit(panel.unit)


def _graphs(
    claims: Sequence[Claim], cited: dict[int, Citation], drawn: set[str]
) -> Iterable[PanelPlan]:
    """A graph of each series that the claims cite and that is not drawn yet; its description is
    the first of the sentences that rest on it."""
    panels: dict[str, PanelPlan] = {}
    for claim in claims:
        for number in claim.citations:
            citation = cited.get(number)
            if not isinstance(citation, MetricCitation) or citation.query in drawn:
                continue
            panels.setdefault(
                citation.query,
                PanelPlan(
                    title=_called(citation),
                    query=citation.query,
                    unit=_UNITS.get(citation.unit or ""),
                    description=claim.text,
                ),
            )
    return panels.values()


def _called(citation: MetricCitation) -> str:
    names = (component_of(citation.labels), region_of(citation.labels), citation.labels.get("code"))
    parts = [name for name in names if name and not mentioned(citation.title, [name])]
    return f"{citation.title} ({', '.join(parts)})" if parts else citation.title


def _title(question: str, window: Window) -> str:
    """With its window: Grafana may want titles of a folder to differ."""
    words = " ".join(question.split())
    short = words if len(words) <= _LONGEST_TITLE else f"{words[: _LONGEST_TITLE - 1]}…"
    return f"{short} · {window.start:%Y-%m-%d %H:%M} – {window.end:%Y-%m-%d %H:%M} UTC"


def _links(citations: Sequence[Citation]) -> tuple[LinkPlan, ...]:
    found: dict[str, LinkPlan] = {}
    for citation in citations:
        if isinstance(citation, PassageCitation) and citation.url and _is_web(citation.url):
            found.setdefault(citation.document_id, LinkPlan(title=citation.title, url=citation.url))
    return tuple(found.values())[:MOST_LINKS]


def _changes(citations: Sequence[Citation]) -> tuple[ChangePlan, ...]:
    found = {
        citation.tags: ChangePlan(name=citation.text[:_LONGEST_TITLE], tags=citation.tags)
        for citation in citations
        if isinstance(citation, ChangeCitation) and citation.tags
    }
    return tuple(found.values())


def _is_web(url: str) -> bool:
    """Whether it is an address that a dashboard may link to: never a script."""
    return urlsplit(url).scheme in ("http", "https")
