"""How much one range query may ask for; what asks for more is refused before a server is asked.

Prometheus answers at most 11,000 points per series (``queryRange`` in its ``web/api/v1/api.go``)
and lets a subquery or a range selector take anything, up to ``--query.max-samples``. What speaks
like Prometheus, or stands behind Grafana's proxy, may have no bound at all. So the rule for points
is Prometheus' own, to the same step; a subquery is a range query within a query and keeps to it,
too; and no selector reads further back than the longest window of a service level objective.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import promql_parser as ast

from service.metrics.promql_text import TooComplex, parse_promql
from service.metrics.source import QueryRejected, Window

MOST_STEPS = 11_000
"""Steps from the first point of a series to its last."""
LONGEST_RANGE = timedelta(days=92)
"""Of a range selector or subquery: a quarter."""
LONGEST_QUOTE = 200
"""Characters of a query in an error."""
_DEFAULT_RESOLUTION = timedelta(minutes=1)
"""Of a subquery that names none: Prometheus' default ``evaluation_interval``."""


def bounded(query: str, window: Window, step: timedelta) -> None:
    """Raises: QueryRejected, for a query that asks for too much.

    What can't be parsed passes: it is for the server to say what is wrong with it.
    """
    if step <= timedelta(0):
        raise QueryRejected(f"the step must be positive, not {step}")
    if window.duration // step > MOST_STEPS:
        raise QueryRejected(
            f"more than {MOST_STEPS:,} points per series; ask for a longer step than {step}"
        )
    try:
        tree = parse_promql(query)
    except TooComplex as error:
        raise QueryRejected(str(error)) from error
    except ValueError:
        return
    if reason := next(_reasons(tree, window.duration), None):
        raise QueryRejected(f"{reason}: `{query[:LONGEST_QUOTE]}`")


def _reasons(node: ast.Expr, span: timedelta) -> Iterator[str]:
    """What is too much in a tree that is evaluated over ``span``."""
    if isinstance(node, ast.MatrixSelector | ast.SubqueryExpr):
        length = node.range or timedelta(0)
        if length > LONGEST_RANGE:
            longest = ast.display_duration(LONGEST_RANGE)
            yield f"a range of {ast.display_duration(length)} is longer than {longest}"
    match node:
        case ast.SubqueryExpr():
            span += node.range or timedelta(0)
            if span // (node.step or _DEFAULT_RESOLUTION) > MOST_STEPS:
                yield f"a subquery of more than {MOST_STEPS:,} points; give it a longer step"
            yield from _reasons(node.expr, span)
        case ast.Call():
            for argument in node.args:
                yield from _reasons(argument, span)
        case ast.AggregateExpr():
            yield from _reasons(node.expr, span)
            if node.param is not None:
                yield from _reasons(node.param, span)
        case ast.BinaryExpr():
            yield from _reasons(node.lhs, span)
            yield from _reasons(node.rhs, span)
        case ast.ParenExpr() | ast.UnaryExpr():
            yield from _reasons(node.expr, span)
