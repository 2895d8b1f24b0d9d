"""Whether a query may be asked: it parses, reads what there is, and is bounded. Pure.

A query that somebody wrote for other metrics, or that a language model wrote, looks right long
before it is. What is refused comes with a reason that a person (or a model) can act on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import timedelta

import promql_parser as ast
from pydantic import Field

from ingest.documents import Frozen
from service.metrics.promql_text import whole_match
from service.queries.expressions import metrics_of, nodes, parse, selectors

_NEAREST = 3
_MADE_BY = {"label_replace": 1, "label_join": 1}
"""What makes a label, and which argument names it."""


class CheckPolicy(Frozen):
    """Bounds of a query."""

    longest: int = 4_000
    """Characters."""
    selectors: int = 24
    range: timedelta = timedelta(days=7)
    """Of a range vector or subquery, and of how far an offset goes back, at most."""
    subquery_steps: int = 2_000
    """Evaluations of a subquery for each point, at most."""


class Known(Frozen):
    """What the metrics have, as far as it was asked for. ``names`` is None where nobody knows.

    ``labels``: by metric and label its values; an empty one says that there are none.
    """

    names: frozenset[str] | None = None
    labels: Mapping[str, Mapping[str, tuple[str, ...]]] = Field(default_factory=dict)

    def values(self, metric: str, label: str) -> tuple[str, ...] | None:
        """The values of a metric's label, or None where nobody asked."""
        return self.labels.get(metric, {}).get(label)

    def lacks(self, metric: str, label: str) -> bool:
        return self.values(metric, label) == ()


def objections(query: str, known: Known, policy: CheckPolicy) -> tuple[str, ...]:
    """What speaks against asking this query, in words; nothing if it may be asked."""
    if len(query) > policy.longest:
        return (f"it has {len(query):,} characters, more than {policy.longest:,}",)
    try:
        tree = parse(query)
    except ValueError as error:
        return (f"it is not PromQL: {' '.join(str(error).split())}",)
    return tuple(
        dict.fromkeys([*_of_shape(tree, policy), *_of_names(tree, known), *_of_labels(tree, known)])
    )


def _of_shape(tree: ast.Expr, policy: CheckPolicy) -> Iterable[str]:
    if isinstance(tree, ast.MatrixSelector | ast.SubqueryExpr):
        yield "a range of samples can't be drawn; wrap it, as in rate(…)"
    found = selectors(tree)
    if not found:
        yield "it reads no metric"
    if len(found) > policy.selectors:
        yield f"it reads {len(found)} times, more than {policy.selectors}"
    for selector in found:
        if not metrics_of(selector):
            yield "a selector names no metric, so it would read all of them"
        if selector.offset is not None and abs(selector.offset) > policy.range:
            yield f"its offset goes further than {ast.display_duration(policy.range)}"
    for node in nodes(tree):
        if not isinstance(node, ast.MatrixSelector | ast.SubqueryExpr) or node.range is None:
            continue
        if node.range > policy.range:
            yield (
                f"a range of {ast.display_duration(node.range)} is longer than "
                f"{ast.display_duration(policy.range)}"
            )
        # Without a step of its own it takes Prometheus' evaluation interval.
        step = getattr(node, "step", None) or timedelta(minutes=1)
        if isinstance(node, ast.SubqueryExpr) and node.range / step > policy.subquery_steps:
            yield f"a subquery of more than {policy.subquery_steps:,} steps for each point"


def _of_names(tree: ast.Expr, known: Known) -> Iterable[str]:
    if known.names is None:
        return
    for name in metrics_of(tree):
        if name not in known.names:
            close = difflib.get_close_matches(name, known.names, n=_NEAREST)
            hint = f"; nearest are {', '.join(close)}" if close else ""
            yield f"there is no metric {name} here{hint}"


def _of_labels(tree: ast.Expr, known: Known) -> Iterable[str]:
    for metric, label in matched_labels(tree):
        if known.lacks(metric, label):
            yield f"{metric} has no label {label}"
    metrics = metrics_of(tree)
    made = _made_labels(tree)
    for label in grouped_labels(tree):
        if label not in made and metrics and all(known.lacks(metric, label) for metric in metrics):
            yield f"none of its metrics has a label {label} to group by"


def matched_labels(tree: ast.Expr) -> list[tuple[str, str]]:
    """Metric and label of every matcher that a series without that label can't pass."""
    found = []
    for selector in selectors(tree):
        for metric in metrics_of(selector):
            found += [
                (metric, matcher.name)
                for matcher in selector.matchers.matchers
                if matcher.name != "__name__" and not _passes_empty(matcher)
            ]
    return list(dict.fromkeys(found))


def grouped_labels(tree: ast.Expr) -> list[str]:
    """The labels of every ``by``."""
    return list(
        dict.fromkeys(
            label
            for node in nodes(tree)
            if isinstance(node, ast.AggregateExpr)
            and node.modifier is not None
            and node.modifier.type == ast.AggModifierType.By
            for label in node.modifier.labels
        )
    )


def needed_labels(tree: ast.Expr) -> list[tuple[str, str]]:
    """Metric and label of everything that ``objections`` would like to know."""
    grouped = [(metric, label) for metric in metrics_of(tree) for label in grouped_labels(tree)]
    return list(dict.fromkeys([*matched_labels(tree), *grouped]))


def _passes_empty(matcher: ast.Matcher) -> bool:
    match matcher.op:
        case ast.MatchOp.Equal:
            return matcher.value == ""
        case ast.MatchOp.Re:
            try:
                return whole_match(matcher.value)("")
            except ValueError:  # the source will say
                return True
    # What excludes something lets through who never had it; `!= ""` is the exception.
    return bool(matcher.value)


def _made_labels(tree: ast.Expr) -> set[str]:
    made: set[str] = set()
    for node in nodes(tree):
        match node:
            case ast.Call() if node.func.name in _MADE_BY:
                made.add(str(getattr(node.args[_MADE_BY[node.func.name]], "val", "")))
            case ast.AggregateExpr() if str(node.op) == "count_values":
                made.add(str(node.param).strip('"'))
    return made
