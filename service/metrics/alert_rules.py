"""Alerting rules → queries: what a rule compares with its threshold."""

from __future__ import annotations

from datetime import timedelta

import promql_parser

from service.metrics.panels import WrittenQuery, in_one_line, resolve, selection_of
from service.metrics.promql_text import parse_promql
from service.metrics.usage import Rule
from service.scope import QuestionScope

_SETS = frozenset({"and", "or", "unless"})
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})


def rule_query(rule: Rule, *, scope: QuestionScope, step: timedelta) -> WrittenQuery | None:
    """What the rule watches, as a query; None where it reads no metric or is no PromQL.

    The values themselves, not the comparison: a rule's expression has samples only while it is
    true, and such a series has no past to compare with. They are called after the alert, whose
    name says what it means when they rise or fall.
    """
    expression = resolve(rule.expression, {}, scope=scope, labels={}, step=step).query
    try:
        watched = _watched(parse_promql(expression))
    except ValueError:
        return None
    query = in_one_line(watched)
    selection = selection_of(query)
    if selection is None or not selection.metrics:
        return None
    return WrittenQuery(
        query=query,
        title=f"The value of {rule.alert}",
        unit="percentunit" if _is_share(watched) else None,
        document_id=rule.use.document_id,
        url=rule.use.url,
    )


def _watched(node: promql_parser.Expr) -> promql_parser.Expr:
    """The first operand of a rule's conditions, without what it is compared with."""
    match node:
        case promql_parser.ParenExpr():
            return _watched(node.expr)
        case promql_parser.BinaryExpr() if str(node.op) in _SETS:
            return _watched(node.lhs)
        case promql_parser.BinaryExpr() if str(node.op) in _COMPARISONS:
            is_turned = isinstance(node.lhs, promql_parser.NumberLiteral)  # 0.5 < x
            return _watched(node.rhs if is_turned else node.lhs)
    return node


def _is_share(node: promql_parser.Expr) -> bool:
    """Whether it divides a metric by itself, some of it by all of it: that goes from 0 to 1."""
    if not isinstance(node, promql_parser.BinaryExpr) or str(node.op) != "/":
        return False
    part, whole = selection_of(in_one_line(node.lhs)), selection_of(in_one_line(node.rhs))
    if part is None or whole is None:
        return False
    return part.plain and whole.plain and part.metrics == whole.metrics
