"""Grafana dashboards: one document per panel.

A dashboard is found where it lies in practice: as a JSON file, wrapped by Grafana's API
(``{"dashboard": …, "meta": …}``), or as a string in a ConfigMap, alone, in a stream of YAML
documents or in a ``List``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from ingest.documents import (
    Document,
    PanelFacts,
    Problem,
    ProblemLevel,
    Section,
    SourceKind,
    TemplateVariable,
)
from ingest.sources.files import TextFile, parse_json, read_text_files
from ingest.sources.front_matter import parse_moment
from ingest.sources.place import Origin, Place
from ingest.sources.prometheus_labels import matched_names
from ingest.sources.yaml_files import parse_yaml

Json = Mapping[str, object]

_SUFFIXES = frozenset({".json", ".yaml", ".yml"})
_QUERY_KEYS = ("expr", "query", "rawSql", "target", "expression")
_ALL = "$__all"
_LISTED = frozenset({"custom", "interval"})
"""Kinds of variables whose options are the dashboard's own; those of others are looked up when it
is opened, and what is saved of them is old."""
_STATED = frozenset({"constant", "textbox"})
"""Kinds of variables whose ``query`` is their value."""
_VARIABLE = re.compile(r"\$\{?(?P<name>\w+)")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard's JSON model; ``origin`` is its file, and its key in a ConfigMap."""

    origin: str
    model: Json
    updated: datetime | None

    @property
    def uid(self) -> str:
        stem = PurePosixPath(self.origin.replace("#", "/")).stem
        return _text(self.model.get("uid")) or stem

    @property
    def title(self) -> str:
        return _text(self.model.get("title")) or self.uid


class DashboardSource(Place):
    """A folder of dashboards; ``base_url`` is Grafana's address."""

    @property
    def kind(self) -> SourceKind:
        return SourceKind.DASHBOARDS

    def read(self) -> Iterator[Document | Problem]:
        origins: dict[str, str] = {}
        for file in read_text_files(self.path, _SUFFIXES):
            for found in [file] if isinstance(file, Problem) else _dashboards(file):
                if isinstance(found, Problem):
                    yield found
                elif (other := origins.setdefault(found.uid, found.origin)) != found.origin:
                    yield Problem(
                        path=found.origin,
                        reason=f"has the uid {found.uid!r} of {other}; give it one of its own",
                    )
                else:
                    yield from panel_documents(self, found)


def panel_documents(source: Origin, dashboard: Dashboard) -> Iterator[Document]:
    """One document for each panel of the dashboard that says something."""
    variables = _variables(dashboard.model)
    named = _named_data_sources(dashboard.model)
    seen: set[str] = set()
    for ordinal, (row, panel) in enumerate(_panels(dashboard.model)):
        asked, legends = _targets(panel, named)
        queries = tuple(asked)
        description = _text(panel.get("description"))
        if not queries and not description and not _words(panel):
            continue
        number = panel.get("id")
        panel_id = number if isinstance(number, int) else None
        key = str(panel_id) if panel_id is not None else f"panel-{ordinal}"
        if key in seen:  # copied by hand, with its id
            key = f"{key}-{ordinal}"
        seen.add(key)
        title = _text(panel.get("title")) or "(untitled)"
        facts = PanelFacts(
            dashboard_uid=dashboard.uid,
            dashboard=dashboard.title,
            panel=title,
            panel_id=panel_id,
            row=row,
            unit=_unit(panel),
            queries=queries,
            data_sources=tuple(asked.values()),
            legends=legends,
            variables=variables,
        )
        view = f"?viewPanel={panel_id}" if panel_id is not None else ""
        yield Document(
            id=source.document_id(f"{dashboard.uid}/{key}"),
            source=source.name,
            kind=SourceKind.DASHBOARDS,
            title=" › ".join(part for part in (dashboard.title, row, title) if part),
            url=source.url(f"d/{dashboard.uid}{view}"),
            origin=f"{dashboard.origin}#{key}",
            sections=(Section(text=_panel_text(facts, description, _words(panel))),),
            written_at=dashboard.updated,
            services=matched_names(queries, "service"),
            regions=matched_names(queries, "region"),
            audience=source.audience,
            facts=facts,
        )


def _dashboards(file: TextFile) -> Iterator[Dashboard | Problem]:
    if file.path.lower().endswith(".json"):
        value = parse_json(file.text, file.path)
        values = [value]
    else:
        values = list(parse_yaml(file.text, file.path))
    found = [dashboard for value in values for dashboard in find_dashboards(value, file.path)]
    yield from found
    if not found and file.path.lower().endswith(".json"):
        # Other YAML beside dashboards is usual in a folder of manifests; other JSON is not.
        yield Problem(
            path=file.path,
            reason="no dashboard in it: it has neither `panels` nor `rows`",
            level=ProblemLevel.NOTICE,
        )


def find_dashboards(
    value: object, origin: str, updated: datetime | None = None
) -> Iterator[Dashboard | Problem]:
    """Dashboards in a parsed file, or in an answer of Grafana's API."""
    if isinstance(value, Problem):
        yield value
    elif not isinstance(value, Mapping):
        return
    elif isinstance(value.get("dashboard"), Mapping):
        meta = value.get("meta")
        changed = meta.get("updated") if isinstance(meta, Mapping) else None
        yield from find_dashboards(value["dashboard"], origin, parse_moment(changed))
    elif isinstance(value.get("panels"), list) or isinstance(value.get("rows"), list):
        yield Dashboard(origin, value, updated)
    elif isinstance(value.get("items"), list):
        for item in value["items"]:
            yield from find_dashboards(item, origin)
    elif value.get("kind") == "ConfigMap" and isinstance(value.get("data"), Mapping):
        for name, content in value["data"].items():
            if str(name).endswith(".json") and isinstance(content, str):
                yield from find_dashboards(
                    parse_json(content, f"{origin}#{name}"), f"{origin}#{name}"
                )


def _panels(model: Json) -> Iterator[tuple[str | None, Json]]:
    """Panels with the title of their row: nested in it, below it, or of the old ``rows``."""
    for old in _objects(model.get("rows")):
        for panel in _objects(old.get("panels")):
            yield _text(old.get("title")), panel
    row: str | None = None
    for panel in _objects(model.get("panels")):
        if panel.get("type") != "row":
            yield row, panel
            continue
        row = _text(panel.get("title"))
        for nested in _objects(panel.get("panels")):
            yield row, nested


def _targets(panel: Json, named: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Queries, each with the type of its data source, and legends, each once."""
    queries: dict[str, str] = {}
    legends: dict[str, None] = {}
    whole = _data_source(panel.get("datasource"), named)
    for target in _objects(panel.get("targets")):
        query = next((text for key in _QUERY_KEYS if (text := _text(target.get(key)))), None)
        if query is None:
            continue
        queries.setdefault(query, _data_source(target.get("datasource"), named) or whole)
        legend = _text(target.get("legendFormat"))
        if legend and legend != "__auto":
            legends[legend] = None
    return queries, tuple(legends)


def _data_source(reference: object, named: Mapping[str, str]) -> str:
    """The type that a panel or target states or names by a variable; ``""`` where it doesn't."""
    if isinstance(reference, Mapping):
        stated = _text(reference.get("type"))
        reference = reference.get("uid")
        if stated and stated != "datasource":  # that is Grafana's own: "mixed", "dashboard"
            return stated
    name = _VARIABLE.match(reference) if isinstance(reference, str) else None
    return named.get(name["name"], "") if name else ""


def _named_data_sources(model: Json) -> dict[str, str]:
    """Types of the data sources behind variables, and behind the inputs of an exported file."""
    templating = model.get("templating")
    variables = templating.get("list") if isinstance(templating, Mapping) else None
    found: dict[str, str] = {}
    for listed, key in ((variables, "query"), (model.get("__inputs"), "pluginId")):
        for item in _objects(listed):
            name, kind = _text(item.get("name")), _text(item.get(key))
            if item.get("type") == "datasource" and name and kind:
                found.setdefault(name, kind)
    return found


def _unit(panel: Json) -> str | None:
    """The unit as Grafana names it, e.g. ``s`` or ``percentunit``."""
    for path in (("fieldConfig", "defaults", "unit"), ("format",)):
        value: object = panel
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if text := _text(value):
            return text
    return next(
        (unit for axis in _objects(panel.get("yaxes")) if (unit := _text(axis.get("format")))), None
    )


def _words(panel: Json) -> str | None:
    """What a text panel says."""
    options = panel.get("options")
    content = options.get("content") if isinstance(options, Mapping) else None
    return _text(content) or _text(panel.get("content"))


def _variables(model: Json) -> dict[str, TemplateVariable]:
    templating = model.get("templating")
    listed = templating.get("list") if isinstance(templating, Mapping) else None
    return {
        name: _variable(variable)
        for variable in _objects(listed)
        if (name := _text(variable.get("name")))
    }


def _variable(variable: Json) -> TemplateVariable:
    """With its options and "All" as Grafana would resolve them."""
    kind = _text(variable.get("type")) or "query"
    current = variable.get("current")
    selected = _strings(current.get("value") if isinstance(current, Mapping) else None)
    saved = [str(option.get("value")) for option in _objects(variable.get("options"))]
    saved = [option for option in saved if option != _ALL]
    query = _text(variable.get("query"))
    options = (saved or _listed(query or "")) if kind in _LISTED else []
    if not selected:
        # What Grafana selects when nobody did.
        selected = [query] if kind in _STATED and query else options[:1]
    all_value = _text(variable.get("allValue"))
    offers_all = variable.get("includeAll") is True or _ALL in selected
    if _ALL in selected:
        selected = [all_value] if all_value else saved or options or [".*"]
    return TemplateVariable(
        kind=kind,
        values=tuple(selected),
        options=tuple(options),
        offers_all=offers_all,
        all_value=all_value if offers_all else None,
    )


def _strings(value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [str(item) for item in items if item and not isinstance(item, Mapping)]


def _listed(query: str) -> list[str]:
    """The options that a variable lists: ``a,b`` or ``text : a, text : b``, ``\\,`` for a comma."""
    parts = [part.replace("\\,", ",").strip() for part in re.split(r"(?<!\\),", query)]
    return [part.rpartition(" : ")[2].strip() for part in parts if part]


def _panel_text(facts: PanelFacts, description: str | None, words: str | None) -> str:
    lines = [" › ".join(part for part in (facts.dashboard, facts.row, facts.panel) if part)]
    lines += [part for part in (description, words) if part]
    if facts.unit:
        lines.append(f"Unit: {facts.unit}")
    lines += [f"Query: {query}" for query in facts.queries]
    if facts.legends:
        lines.append(f"Legend: {', '.join(facts.legends)}")
    used = [
        f"${name} = {', '.join(variable.values)}"
        for name, variable in facts.variables.items()
        if variable.values
        and any(re.search(rf"\$\{{?{re.escape(name)}\b", query) for query in facts.queries)
    ]
    if used:
        lines.append(f"Variables: {'; '.join(used)}")
    return "\n".join(lines)


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
