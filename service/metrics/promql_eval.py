"""Evaluates the PromQL that dashboards and alert rules are made of, over samples in memory.

Not a Prometheus: it answers range queries on the sample night where no server runs. What it
knows it computes as Prometheus 2.x does (a test compares the two); anything else raises
``QueryRejected`` and names what isn't supported, never an approximation.

Supported: selectors with ``= != =~ !~`` and ``offset``; the range functions of
``promql_ranges``; ``sum avg min max count topk`` with ``by``/``without``; arithmetic and
comparison (``bool`` too) of scalars and vectors, matched one to one by ``on``/``ignoring``;
``time()`` and ``timestamp(selector)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import promql_parser as ast

from service.metrics.prometheus_bounds import bounded
from service.metrics.promql_ranges import (
    RANGE_FUNCTIONS,
    Millis,
    Samples,
    Track,
    newest,
    newest_time,
    over_range,
)
from service.metrics.promql_text import parse_promql, whole_match
from service.metrics.promql_vectors import (
    AGGREGATIONS,
    ARITHMETIC,
    COMPARISONS,
    Matching,
    Row,
    Value,
    Vector,
    aggregate,
    binary,
    merged,
    topk,
    unnamed,
)
from service.metrics.source import QueryRejected, Series, Window


def evaluate(
    query: str, samples: Sequence[Samples], window: Window, step: timedelta
) -> list[Series]:
    """Evaluates ``query`` at ``window.start``, ``start + step``, … ≤ ``window.end``.

    Series come sorted by their labels; steps without a value are absent.

    Raises: QueryRejected, for bad PromQL, PromQL outside of the subset and what is too much.
    """
    bounded(query, window, step)
    steps = _steps(window, step)
    with np.errstate(all="ignore"):
        answer = _Evaluation(samples, steps).value(_parse(query))
    if isinstance(answer, np.ndarray):
        answer = [Row({}, Track(answer, np.full(len(steps), True)))]
    times = steps / 1000.0
    found = [
        Series(row.labels, times[row.track.present], row.track.values[row.track.present])
        for row in answer
        if row.track.present.any()
    ]
    return sorted(found, key=lambda series: sorted(series.labels.items()))


def select(selector: str, samples: Sequence[Samples]) -> list[Samples]:
    """The series that a selector such as ``{service="checkout"}`` selects.

    Raises: QueryRejected, for what is none.
    """
    node = _parse(selector)
    if not isinstance(node, ast.VectorSelector):
        raise QueryRejected(f"not a selector: {selector!r}")
    return _selected(node, samples)


def _selected(selector: ast.VectorSelector, samples: Sequence[Samples]) -> list[Samples]:
    if selector.matchers.or_matchers:
        raise _unsupported("`or` inside of a selector")
    matches = [_matcher(matcher) for matcher in selector.matchers.matchers]
    return [
        one
        for one in samples
        if selector.name in (None, one.labels["__name__"])
        and all(match(one.labels) for match in matches)
    ]


def _steps(window: Window, step: timedelta) -> Millis:
    every = round(step / timedelta(milliseconds=1))
    if every <= 0:
        raise QueryRejected(f"the step must be positive, not {step}")
    start, end = (round(moment.timestamp() * 1000) for moment in (window.start, window.end))
    if end < start:
        raise QueryRejected(f"the window ends before it starts: {window.start} … {window.end}")
    return np.arange(start, end + 1, every, dtype=np.int64)


def _parse(query: str) -> object:
    try:
        return parse_promql(query)
    except ValueError as error:
        raise QueryRejected(f"bad PromQL: {error} in {query!r}") from error


def _unsupported(what: str) -> QueryRejected:
    return QueryRejected(f"the file source does not support {what}; ask a Prometheus for this")


def _matcher(matcher: ast.Matcher) -> Callable[[dict[str, str]], bool]:
    name, wanted = matcher.name, matcher.value
    # A label that a series lacks counts as empty, as in Prometheus.
    if matcher.op == ast.MatchOp.Equal:
        return lambda labels: labels.get(name, "") == wanted
    if matcher.op == ast.MatchOp.NotEqual:
        return lambda labels: labels.get(name, "") != wanted
    try:
        matches = whole_match(wanted)
    except ValueError as error:
        raise QueryRejected(f"the pattern {wanted!r} of {name}: {error}") from error
    negated = matcher.op == ast.MatchOp.NotRe
    return lambda labels: matches(labels.get(name, "")) != negated


class _Evaluation:
    def __init__(self, samples: Sequence[Samples], steps: Millis) -> None:
        self._samples = samples
        self._steps = steps

    def value(self, node: object) -> Value:
        match node:
            case ast.NumberLiteral():
                return np.full(len(self._steps), node.val)
            case ast.ParenExpr():
                return self.value(node.expr)
            case ast.VectorSelector():
                return self._select(node, newest)
            case ast.UnaryExpr():
                minus = np.full(len(self._steps), -1.0)
                return binary("*", minus, self.value(node.expr), matching=Matching())
            case ast.Call():
                return self._call(node)
            case ast.AggregateExpr():
                return self._aggregate(node)
            case ast.BinaryExpr():
                return self._binary(node)
            case ast.MatrixSelector():
                raise QueryRejected("a range vector can't be drawn; wrap it, as in rate(…)")
            case _:
                raise _unsupported(f"{type(node).__name__} ({node})")

    def _select(
        self,
        selector: ast.VectorSelector,
        seen: Callable[[Samples, Millis], Track],
    ) -> Vector:
        if selector.at is not None:
            raise _unsupported("the @ modifier")
        offset = (selector.offset or timedelta(0)) // timedelta(milliseconds=1)
        return [
            Row(one.labels, seen(one, self._steps - offset))
            for one in _selected(selector, self._samples)
        ]

    def _call(self, call: ast.Call) -> Value:
        name = call.func.name
        argument = call.args[0] if call.args else None
        if name == "time":
            return self._steps / 1000.0
        if name == "timestamp" and isinstance(argument, ast.VectorSelector):
            return _nameless(self._select(argument, newest_time))
        if name in RANGE_FUNCTIONS and isinstance(argument, ast.MatrixSelector):
            range_ms = argument.range // timedelta(milliseconds=1)
            rows = self._select(
                argument.vector_selector,
                lambda samples, steps: over_range(name, samples, steps, range_ms),
            )
            return _nameless(rows)
        raise _unsupported(f"{name}() of {type(argument).__name__ if argument else 'nothing'}")

    def _aggregate(self, node: ast.AggregateExpr) -> Vector:
        operation = str(node.op)
        rows = self.value(node.expr)
        if isinstance(rows, np.ndarray):
            raise QueryRejected(f"{operation} needs a vector, not a scalar")
        names = frozenset(node.modifier.labels) if node.modifier else frozenset()
        without = bool(node.modifier and node.modifier.type == ast.AggModifierType.Without)
        if operation == "topk":
            limit = self.value(node.param)
            if not isinstance(limit, np.ndarray):
                raise QueryRejected("topk needs a number as its first argument")
            return topk(rows, limit, names, without=without)
        if operation not in AGGREGATIONS:
            raise _unsupported(f"the aggregation {operation}")
        return aggregate(operation, rows, names, without=without)

    def _binary(self, node: ast.BinaryExpr) -> Value:
        operator, modifier = str(node.op), node.modifier
        if operator not in ARITHMETIC and operator not in COMPARISONS:
            raise _unsupported(f"the operator {operator}")
        matching = Matching()
        if modifier is not None:
            if modifier.card != ast.VectorMatchCardinality.OneToOne:
                raise _unsupported("group_left and group_right")
            if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
                raise _unsupported("fill values")
            if modifier.matching is not None:
                on = modifier.matching.type == ast.LabelModifierType.Include
                matching = Matching(frozenset(modifier.matching.labels), on)
        return binary(
            operator,
            self.value(node.lhs),
            self.value(node.rhs),
            as_bool=modifier is not None and modifier.return_bool,
            matching=matching,
        )


def _nameless(rows: Vector) -> Vector:
    return merged(Row(unnamed(row.labels), row.track) for row in rows)
