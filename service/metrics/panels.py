"""Dashboard panels → queries that can be asked: template variables resolved, labels understood.

Variable syntax as in Grafana's documentation ("Variable syntax"): ``$name``, ``${name}``,
``${name:format}`` and ``[[name]]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import promql_parser

from ingest.documents import Frozen, PanelFacts

_VARIABLE = re.compile(
    r"\$\{(?P<braced>\w+)(?::\w+)?\}|\[\[(?P<square>\w+)(?::\w+)?\]\]|\$(?P<plain>\w+)"
)
_MATCHER = re.compile(r"""(?P<op>=~|!~|!=|=)\s*(?P<quote>["'])(?P<value>[^"']*)(?P=quote)""")


class PanelQuery(Frozen):
    """One query of a panel, ready to be asked."""

    query: str
    title: str
    unit: str | None
    document_id: str
    url: str | None


class Selection(Frozen):
    """What a query reads: its metric names, and the labels that all its selectors fix."""

    metrics: tuple[str, ...]
    labels: dict[str, str]
    plain: bool
    """True if the query's values are those (or the rate) of one metric, False if computed."""


def panel_queries(
    facts: PanelFacts, *, title: str, document_id: str, url: str | None, step: timedelta
) -> list[PanelQuery]:
    """The panel's queries with their variables resolved to "all"; unreadable ones are left out."""
    found = []
    for text in facts.queries:
        query = resolve_variables(text, facts.variables, step=step)
        if selection_of(query) is not None:
            found.append(
                PanelQuery(
                    query=query, title=title, unit=facts.unit, document_id=document_id, url=url
                )
            )
    return found


def resolve_variables(
    query: str, variables: Mapping[str, tuple[str, ...]], *, step: timedelta
) -> str:
    """Replace template variables so that the query covers everything the panel could show.

    A matcher whose value holds a variable matches any value: an investigation looks at every
    region before it looks at the one that somebody last had selected. Intervals become the
    query's own: ``$__rate_interval`` is four steps, at least five minutes (Grafana: at least four
    scrape intervals).
    """
    rate_interval = f"{max(300, int(4 * step.total_seconds()))}s"

    def matcher(match: re.Match[str]) -> str:
        if not _VARIABLE.search(match["value"]):
            return match[0]
        negative = match["op"] in ("!=", "!~")
        return '!~""' if negative else '=~".+"'

    def elsewhere(match: re.Match[str]) -> str:
        name = match["braced"] or match["square"] or match["plain"]
        if name.startswith("__") and ("interval" in name or "range" in name):
            return rate_interval
        values = variables.get(name, ())
        return values[0] if values else match[0]

    return _VARIABLE.sub(elsewhere, _MATCHER.sub(matcher, query))


def selection_of(query: str) -> Selection | None:
    """What a query selects, or None where it is no PromQL."""
    try:
        tree = promql_parser.parse(query)
    except ValueError:
        return None
    selectors: list[promql_parser.VectorSelector] = []
    computed = False

    def visit(node: promql_parser.Expr) -> bool:
        nonlocal computed
        if isinstance(node, promql_parser.VectorSelector):
            selectors.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            selectors.append(node.vector_selector)
            return True
        elif isinstance(node, promql_parser.BinaryExpr):
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
