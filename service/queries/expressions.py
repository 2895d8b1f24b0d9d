"""PromQL as a tree: what it reads and groups by, and the same query with something changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import promql_parser as ast

from ingest.documents import Frozen
from service.metrics.panels import in_one_line
from service.metrics.promql_text import parse_promql

_SELECTOR = re.compile(
    r"(?P<name>[A-Za-z_:][\w:]*)?(?P<matchers>\{(?:\"(?:\\.|[^\"\\])*\"|[^\"}])*\})?(?P<rest>.*)",
    re.DOTALL,
)
_PICKS = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
"""Aggregations that leave the labels of what they pick as they are."""

Rewrite = Callable[[ast.Expr], str | None]
"""The text that stands for a node, or None to leave the node and look at its parts."""


class Grouping(Frozen):
    """The labels that a result is told apart by; ``without``: all but these."""

    labels: frozenset[str]
    without: bool = False


def parse(query: str) -> ast.Expr:
    """Raises: ValueError, saying what is wrong."""
    return parse_promql(query)


def nodes(tree: ast.Expr) -> Iterator[ast.Expr]:
    """Every node, parents first."""
    found: list[ast.Expr] = []

    def visit(node: ast.Expr) -> bool:
        found.append(node)
        return True

    ast.walk(tree, visit)
    return iter(found)


def selectors(tree: ast.Expr) -> list[ast.VectorSelector]:
    """Every selector; those of ranges too, which the walk visits inside of them."""
    return [node for node in nodes(tree) if isinstance(node, ast.VectorSelector)]


def metrics_of(tree: ast.Expr) -> tuple[str, ...]:
    """The names of what it reads, each once; a name in a ``__name__`` matcher counts."""
    names: dict[str, None] = {}
    for selector in selectors(tree):
        name = selector.name or next(
            (
                matcher.value
                for matcher in selector.matchers.matchers
                if matcher.name == "__name__" and matcher.op == ast.MatchOp.Equal
            ),
            None,
        )
        if name:
            names[name] = None
    return tuple(names)


def grouping_of(tree: ast.Expr) -> Grouping | None:
    """What the result is grouped by; None where nothing is put together.

    Of two operands the first that is grouped counts. ``histogram_quantile`` takes ``le`` away.
    """
    match tree:
        case ast.AggregateExpr() if str(tree.op) in _PICKS:
            return grouping_of(tree.expr)
        case ast.AggregateExpr():
            if tree.modifier is None:
                return Grouping(labels=frozenset())
            return Grouping(
                labels=frozenset(tree.modifier.labels),
                without=tree.modifier.type == ast.AggModifierType.Without,
            )
        case ast.BinaryExpr():
            left = grouping_of(tree.lhs)
            return grouping_of(tree.rhs) if left is None else left
        case ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            return grouping_of(tree.expr)
        case ast.Call():
            inner = next((one for arg in tree.args if (one := grouping_of(arg))), None)
            if inner is not None and tree.func.name == "histogram_quantile":
                return inner.model_copy(update={"labels": inner.labels - {"le"}})
            return inner
    return None


@lru_cache(maxsize=4096)
def grouping_in(query: str) -> Grouping | None:
    """As ``grouping_of``, of a text. Raises: ValueError where it is no PromQL."""
    return grouping_of(parse(query))


def written(node: ast.Expr, rewrite: Rewrite) -> str:
    """The tree as PromQL in one line, with what ``rewrite`` puts in place of its nodes."""
    replaced = rewrite(node)
    if replaced is not None:
        return replaced
    match node:
        case ast.ParenExpr():
            return f"({written(node.expr, rewrite)})"
        case ast.UnaryExpr():
            return f"-{written(node.expr, rewrite)}"
        case ast.Call():
            return f"{node.func.name}({', '.join(written(arg, rewrite) for arg in node.args)})"
        case ast.AggregateExpr():
            return aggregate(
                str(node.op),
                written(node.expr, rewrite),
                labels=None if node.modifier is None else node.modifier.labels,
                without=node.modifier is not None
                and node.modifier.type == ast.AggModifierType.Without,
                param=None if node.param is None else _parameter(node.param, rewrite),
            )
        case ast.BinaryExpr():
            modifier = "" if node.modifier is None else f" {node.modifier}".rstrip()
            left, right = written(node.lhs, rewrite), written(node.rhs, rewrite)
            return f"{left} {node.op}{modifier} {right}"
        case ast.SubqueryExpr():
            # Its own text, but for what is inside of it.
            whole, inner = in_one_line(node), in_one_line(node.expr)
            return whole.replace(inner, written(node.expr, rewrite), 1)
    return in_one_line(node)


def one_line(query: str) -> str:
    """The query without comments and line breaks. Raises: ValueError where it is no PromQL."""
    return written(parse(query), lambda _: None)


def is_vector(query: str) -> bool:
    """Whether it has series, that can be put together."""
    try:
        parse(aggregate("sum", query))
    except ValueError:
        return False
    return True


def aggregate(
    operation: str,
    inner: str,
    *,
    labels: Sequence[str] | None = None,
    without: bool = False,
    param: str | None = None,
) -> str:
    """An aggregation as PromQL; ``labels`` None groups everything into one."""
    head = operation
    if labels is not None:
        head += f" {'without' if without else 'by'} ({', '.join(labels)})"
    return f"{head} ({param}, {inner})" if param is not None else f"{head} ({inner})"


def with_selectors(tree: ast.Expr, change: Callable[[ast.VectorSelector], str | None]) -> str:
    """The query with other selectors: ``change`` gives name and matchers, or None."""

    def rewrite(node: ast.Expr) -> str | None:
        match node:
            case ast.VectorSelector():
                selector = node
            case ast.MatrixSelector():
                selector = node.vector_selector
            case _:
                return None
        changed = change(selector)
        if changed is None:
            return None
        rest = _SELECTOR.fullmatch(in_one_line(node))
        return changed + (rest["rest"] if rest else "")

    return written(tree, rewrite)


def selector_text(name: str | None, matchers: Sequence[ast.Matcher]) -> str:
    """A selector of these matchers, all of which have to hold."""
    inner = ", ".join(
        matcher.name + _OPERATORS[str(matcher.op)] + json.dumps(matcher.value, ensure_ascii=False)
        for matcher in matchers
    )
    return f"{name or ''}{{{inner}}}" if inner or not name else name


_OPERATORS = {
    str(ast.MatchOp.Equal): "=",
    str(ast.MatchOp.NotEqual): "!=",
    str(ast.MatchOp.Re): "=~",
    str(ast.MatchOp.NotRe): "!~",
}


def renamed(tree: ast.Expr, name: str, other: str) -> str:
    """The query about another metric."""
    return with_selectors(
        tree,
        lambda selector: (
            selector_text(other, selector.matchers.matchers)
            if selector.name == name and not selector.matchers.or_matchers
            else None
        ),
    )


def regrouped(tree: ast.Expr, labels: Sequence[str]) -> str | None:
    """The query with its result by these labels, or None where that isn't safe to say.

    Only what puts the result together is changed. Where operands are matched by labels that are
    written out (``on``, ``ignoring``), other groups would no longer meet.
    """
    if any(
        isinstance(node, ast.BinaryExpr)
        and node.modifier is not None
        and node.modifier.matching is not None
        and grouping_of(node) is not None
        and not _is_inside_aggregate(tree, node)
        for node in nodes(tree)
    ):
        return None
    changed = False

    def rewrite(node: ast.Expr) -> str | None:
        nonlocal changed
        if isinstance(node, ast.Call) and node.func.name == "scalar":
            return in_one_line(node)  # of several series it would be no number
        if not isinstance(node, ast.AggregateExpr) or str(node.op) in _PICKS:
            return None
        changed = True
        own = grouping_of(node)
        # The buckets of a histogram stay apart, whatever else is put together.
        kept = ["le"] if own is not None and not own.without and "le" in own.labels else []
        return aggregate(
            str(node.op),
            in_one_line(node.expr),
            labels=[*kept, *labels],
            param=None if node.param is None else _parameter(node.param, lambda _: None),
        )

    text = written(tree, rewrite)
    return text if changed else None


def _is_inside_aggregate(tree: ast.Expr, wanted: ast.Expr) -> bool:
    text = in_one_line(wanted)
    return any(
        isinstance(node, ast.AggregateExpr)
        and str(node.op) not in _PICKS
        and text in in_one_line(node.expr)
        for node in nodes(tree)
    )


def with_quantile(tree: ast.Expr, quantile: float) -> str | None:
    """The query with another quantile; None where it has none."""
    changed = False

    def rewrite(node: ast.Expr) -> str | None:
        nonlocal changed
        match node:
            case ast.Call() if node.func.name == "histogram_quantile":
                changed = True
                return f"histogram_quantile({quantile:g}, {in_one_line(node.args[1])})"
        return None

    text = written(tree, rewrite)
    return text if changed else None


def _parameter(param: object, rewrite: Rewrite) -> str:
    if isinstance(param, str):
        return json.dumps(param, ensure_ascii=False)
    return written(param, rewrite) if isinstance(param, ast.Expr) else str(param)
