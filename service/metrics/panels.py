"""Dashboard panels → queries that can be asked: template variables resolved, labels understood.

Variable syntax and the built-in variables are those of Grafana's documentation ("Variable
syntax", "Global variables"): ``$name``, ``${name}``, ``${name:format}`` and ``[[name]]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import promql_parser

from ingest.documents import Frozen, PanelFacts, TemplateVariable
from service.metrics.labels import COMPONENT_LABELS, REGION_LABELS
from service.metrics.promql_text import parse_promql
from service.metrics.source import Window
from service.scope import QuestionScope

SCRAPE_INTERVAL = timedelta(seconds=60)
"""Prometheus' default, assumed: a dashboard doesn't say how often its metrics are scraped."""
LEAST_RATE = timedelta(minutes=5)
"""Shorter rates find fewer than two samples where metrics are scraped every other minute."""

_VARIABLE = re.compile(
    r"\$\{(?P<braced>\w+)(?:\.[^:}$]*)?(?::(?P<format>[^}$]*))?\}"
    r"|\[\[(?P<square>\w+)(?::\w+)?\]\]|\$(?P<plain>\w+)"
)
_MATCHER = re.compile(
    r"""(?P<label>(?<!\w)\w+|)(?P<space>\s{0,99})(?P<op>=~|!~|!=|=)\s*"""
    r"""(?P<quote>["'`])(?P<value>(?:\\.|(?!(?P=quote))[^\\])*)(?P=quote)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_ANYTHING = (".*", ".+")

_WHERE = frozenset({*COMPONENT_LABELS, *REGION_LABELS, "namespace", "pod", "container", "workload"})
"""Labels that say where something runs, not what is counted."""

_SAME_METRIC = re.compile(
    r"i?rate|increase|i?delta|deriv|abs|ceil|floor|round|clamp(?:_min|_max)?|sort(?:_desc)?"
    r"|label_(?:replace|join)|(?:last|avg|min|max|sum|quantile)_over_time"
)
"""Functions whose values are still about the metric itself."""
_COMPUTED_AGGREGATIONS = frozenset({"count", "count_values", "stddev", "stdvar", "group"})


class WrittenQuery(Frozen):
    """One query that a panel or an alert rule holds, ready to be asked."""

    query: str
    title: str
    unit: str | None
    document_id: str
    url: str | None


class Skipped(Frozen):
    """A panel's query that can't be asked, and why, in words."""

    panel: str
    dashboard: str
    reason: str


class PanelQueries(Frozen):
    """What of a panel can be asked and what can't."""

    queries: tuple[WrittenQuery, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class Selection(Frozen):
    """What a query reads: its metric names, and the labels that all its selectors fix."""

    metrics: tuple[str, ...]
    labels: dict[str, str]
    plain: bool
    """True if the query's values are those (or the rate) of one metric, False if computed."""


def panel_queries(
    facts: PanelFacts,
    *,
    document_id: str,
    url: str | None,
    scope: QuestionScope,
    labels: Mapping[str, Sequence[str]],
    step: timedelta,
) -> PanelQueries:
    """The panel's queries for this question. ``labels``: the values that labels have, as far as
    that is known."""
    queries: list[WrittenQuery] = []
    skipped: list[Skipped] = []
    for position, text in enumerate(facts.queries):
        kind = facts.data_sources[position] if position < len(facts.data_sources) else ""
        if _speaks_promql(kind):
            found = resolve(text, facts.variables, scope=scope, labels=labels, step=step)
            reason = found.reason
        else:
            found = Resolved(text, ())
            reason = (
                "is computed by Grafana itself"
                if kind == "__expr__"
                else f"reads a {kind} data source"
            )
        if reason is not None:
            skipped.append(Skipped(panel=facts.panel, dashboard=facts.dashboard, reason=reason))
            continue
        queries.append(
            WrittenQuery(
                query=found.query,
                title=facts.panel,
                unit=facts.unit,
                document_id=document_id,
                url=url,
            )
        )
    return PanelQueries(queries=tuple(queries), skipped=tuple(skipped))


def skipped_in_words(skipped: Iterable[Skipped], *, most: int = 4) -> list[str]:
    """One line for each reason and dashboard, the panels together; at most ``most`` + 1 lines."""
    panels: dict[tuple[str, str], dict[str, None]] = {}
    for item in skipped:
        panels.setdefault((item.dashboard, item.reason), {})[item.panel] = None
    lines = []
    for (dashboard, reason), titles in list(panels.items())[:most]:
        first, *others = titles
        more = f" and {len(others)} more" if others else ""
        lines.append(f'panel "{first}"{more} ({dashboard}): {reason}')
    rest = sum(len(titles) for titles in list(panels.values())[most:])
    if rest:
        lines.append(f"{rest} more panels that the search found could not be asked either")
    return lines


class Resolved(NamedTuple):
    """A query without variables. ``open``: names of those for which there is no value."""

    query: str
    open: tuple[str, ...]

    @property
    def reason(self) -> str | None:
        """Why it can't be asked, or None."""
        if self.open:
            names = ", ".join(f"${name}" for name in self.open)
            have = "has" if len(self.open) == 1 else "have"
            return f"{names} {have} no value and nothing in the question names one"
        return None if selection_of(self.query) is not None else "is not PromQL"


def resolve(
    query: str,
    variables: Mapping[str, TemplateVariable],
    *,
    scope: QuestionScope,
    labels: Mapping[str, Sequence[str]],
    step: timedelta,
) -> Resolved:
    """Replace a query's template variables.

    In a label matcher: what the question names, where the label can have that value. Else
    everything that the panel could show, where the dashboard offers "All" or the label says
    *where* something runs: an investigation looks at every region before it looks at the one that
    somebody last had selected. Else what is selected (a quantile, a status code: a panel that is
    drawn for one of them means nothing with all of them together).

    Elsewhere the selected value, the first if there are several.
    """
    filler = _Filler(variables, scope, labels, step)
    text = _VARIABLE.sub(filler.elsewhere, _MATCHER.sub(filler.matcher, query))
    left = filler.open
    if not left and selection_of(text) is None:
        names = (_name(match) for match in _VARIABLE.finditer(text))
        left = dict.fromkeys(name for name in names if not name.isdigit())
    return Resolved(text, tuple(left))


class _Filling(NamedTuple):
    """What stands for a variable: as it is (None where only a pattern will do), as a pattern."""

    literal: str | None
    pattern: str


class _Filler:
    """Fills in the variables of one query; ``open`` collects those that have no value."""

    def __init__(
        self,
        variables: Mapping[str, TemplateVariable],
        scope: QuestionScope,
        labels: Mapping[str, Sequence[str]],
        step: timedelta,
    ) -> None:
        self._variables = variables
        self._scope = scope
        self._labels = labels
        self._built_in = _built_in(scope.window, step)
        self.open: dict[str, None] = {}

    def matcher(self, match: re.Match[str]) -> str:
        """A label matcher with its variables filled in."""
        op, is_raw = match["op"], match["quote"] == "`"
        text = match["value"] if is_raw else _unescaped(match["value"])
        references = list(_VARIABLE.finditer(text))
        if not references and not is_raw:
            return match[0]
        head, negative = match["label"] + match["space"], op.startswith("!")
        fill = self._excluded if negative else self._wanted
        fillings: list[_Filling] = []
        for reference in references:
            filling = fill(match["label"], _name(reference))
            if filling is None:
                if negative:
                    return f'{head}!~""'  # nothing is excluded
                self.open[_name(reference)] = None
                return match[0]
            fillings.append(filling)
        by_pattern = op.endswith("~") or any(one.literal is None for one in fillings)
        if by_pattern and not op.endswith("~"):
            op = "!~" if negative else "=~"
            between = [_escaped(piece) for piece in _pieces(text, references)]
        else:
            between = _pieces(text, references)
        parts = [between[0]]
        for filling, piece in zip(fillings, between[1:], strict=True):
            filled = filling.pattern if by_pattern else filling.literal or ""
            if by_pattern and "|" in filled and any(between):
                filled = f"(?:{filled})"
            parts += [filled, piece]
        return f"{head}{op}{json.dumps(''.join(parts), ensure_ascii=False)}"

    def elsewhere(self, match: re.Match[str]) -> str:
        """What stands for a variable outside of matchers; itself if that is unknown."""
        name = _name(match)
        if name in ("__from", "__to") and (match["format"] or "").endswith("seconds"):
            return self._built_in[name].removesuffix("000")
        if name in self._built_in:
            return self._built_in[name]
        values = self._variables[name].values if name in self._variables else ()
        if not values:
            return match[0]
        # "auto" of a variable of intervals
        return self._built_in["__interval"] if values[0].startswith("$__auto") else values[0]

    def _wanted(self, label: str, name: str) -> _Filling | None:
        if name in self._built_in:
            return _literal(self._built_in[name])
        variable = self._variables.get(name, TemplateVariable())
        if variable.kind == "datasource":
            return _Filling(None, ".*")  # it names a Prometheus, not a value of this label
        if named := self._named(label, name, variable):
            return _one_of(named)
        if variable.offers_all:
            return _everything(variable)
        if anything := next((value for value in variable.values if value in _ANYTHING), None):
            return _Filling(None, anything)
        if label in _WHERE or name in _WHERE:
            # Without any value it isn't even sure that the label exists.
            return _everything(variable) if variable.values else _Filling(None, ".*")
        if not variable.values:
            return None
        return _selected(variable.values)

    def _excluded(self, label: str, name: str) -> _Filling | None:
        variable = self._variables.get(name, TemplateVariable())
        values = variable.values
        if variable.offers_all or not values or any(value in _ANYTHING for value in values):
            return None
        return _selected(values)

    def _named(self, label: str, name: str, variable: TemplateVariable) -> list[str]:
        """What of the question's scope this variable can be."""
        listed = {*variable.options, *variable.values}
        for key in (label, name):
            if key in COMPONENT_LABELS:
                asked = self._scope.services
            elif key in REGION_LABELS:
                asked = self._scope.regions
            else:
                continue
            # Only what it is known to be: a service's name is no value of `instance`.
            possible = variable.options or self._labels.get(key, ())
            if found := [one for one in asked if one in possible]:
                return found
        return [one for one in (*self._scope.services, *self._scope.regions) if one in listed]


def _built_in(window: Window, step: timedelta) -> dict[str, str]:
    """Grafana's own variables, as its documentation defines them; a step is their interval."""
    rate = max(4 * SCRAPE_INTERVAL, step + SCRAPE_INTERVAL, LEAST_RATE)
    values = {
        "__from": f"{round(window.start.timestamp())}000",
        "__to": f"{round(window.end.timestamp())}000",
        "__range_s": str(round(window.duration.total_seconds())),
    }
    for name, span in (
        ("__interval", step),
        ("__rate_interval", rate),
        ("__range", window.duration),
    ):
        milliseconds = round(span / timedelta(milliseconds=1))
        values[name] = f"{max(1, round(span.total_seconds()))}s"
        values[f"{name}_ms"] = str(milliseconds)
    return values


def _name(match: re.Match[str]) -> str:
    return match["braced"] or match["square"] or match["plain"]


def _pieces(text: str, references: Sequence[re.Match[str]]) -> list[str]:
    """What stands before, between and after the references."""
    ends = [0, *(reference.end() for reference in references)]
    starts = [*(reference.start() for reference in references), len(text)]
    return [text[end:start] for end, start in zip(ends, starts, strict=True)]


def _unescaped(text: str) -> str:
    """What a quoted PromQL string says."""
    return _ESCAPE.sub(lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], escape[1]), text)


def _escaped(text: str) -> str:
    """A pattern that matches this text."""
    return _META.sub(lambda char: f"\\{char[0]}", text)


def _literal(text: str) -> _Filling:
    return _Filling(text, _escaped(text))


def _one_of(values: Sequence[str]) -> _Filling:
    only = [_literal(value) for value in dict.fromkeys(values)]
    if len(only) == 1:
        return only[0]
    return _Filling(None, "|".join(filling.pattern for filling in only))


def _selected(values: Sequence[str]) -> _Filling:
    """As Grafana fills it in: one value as it is, maybe a pattern; of several each one escaped."""
    return _Filling(values[0], values[0]) if len(values) == 1 else _one_of(values)


def _everything(variable: TemplateVariable) -> _Filling:
    if variable.all_value is not None:
        return _Filling(None, variable.all_value)
    return _Filling(None, _one_of(variable.options).pattern if variable.options else ".+")


def _speaks_promql(kind: str) -> bool:
    """Whether this type of data source takes PromQL; a dashboard that doesn't say is tried."""
    if kind.startswith("victoriametrics-"):
        return "logs" not in kind
    return not kind or "prometheus" in kind


def selection_of(query: str) -> Selection | None:
    """What a query selects, or None where it is no PromQL."""
    try:
        tree = parse_promql(query)
    except ValueError:
        return None
    selectors: list[promql_parser.VectorSelector] = []
    computed = False

    def visit(node: promql_parser.Expr) -> bool:
        nonlocal computed
        match node:
            case promql_parser.VectorSelector():
                selectors.append(node)
            case promql_parser.MatrixSelector():
                selectors.append(node.vector_selector)
            case promql_parser.BinaryExpr():
                computed = True
            case promql_parser.Call() if not _SAME_METRIC.fullmatch(node.func.name):
                computed = True
            case promql_parser.AggregateExpr() if str(node.op) in _COMPUTED_AGGREGATIONS:
                computed = True
        return True

    promql_parser.walk(tree, visit)
    names = dict.fromkeys(selector.name for selector in selectors if selector.name)
    fixed = [
        {
            m.name: m.value
            for m in selector.matchers.matchers
            if m.op == promql_parser.MatchOp.Equal and m.name != "__name__"
        }
        for selector in selectors
    ]
    common = (
        {k: v for k, v in fixed[0].items() if all(other.get(k) == v for other in fixed[1:])}
        if fixed
        else {}
    )
    return Selection(metrics=tuple(names), labels=common, plain=not computed and len(names) == 1)


def in_one_line(node: promql_parser.Expr) -> str:
    """PromQL in its usual layout. (``str`` of a node loses the escapes of its strings.)"""
    return " ".join(line.strip() for line in node.prettify().splitlines())
