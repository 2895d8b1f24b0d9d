"""A query that somebody wrote for something else → this question's: its services and regions, its
groups, its percentile, its "top 5". Pure; what can't be done is said, and costs the query its
place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import promql_parser as ast

from ingest.documents import Frozen
from service.metrics.labels import COMPONENT_LABELS, REGION_LABELS
from service.queries.candidates import Candidate
from service.queries.checks import Known
from service.queries.expressions import (
    Grouping,
    aggregate,
    grouping_of,
    is_vector,
    metrics_of,
    nodes,
    one_line,
    parse,
    regrouped,
    selector_text,
    selectors,
    with_quantile,
    with_selectors,
)
from service.queries.words import Count, Wish, words

WHERE_LABELS = (*COMPONENT_LABELS, *REGION_LABELS, "namespace", "customer", "tenant")
STATE_LABELS = (
    "status",
    "state",
    "phase",
    "outcome",
    "result",
    "code",
    "reason",
    "type",
    "method",
    "level",
)
"""Labels whose values are words of a question: failed jobs, 5xx requests."""

_MEANT = {
    "node": ("node", "instance", "host", "hostname", "nodename"),
    "status": ("status", "code", "status_code", "outcome", "result"),
    "cod": ("code", "status_code", "status"),
    "servic": ("service", "app", "application", "job", "component"),
    "region": ("region", "zone", "datacenter", "dc"),
    "pod": ("pod", "pod_name"),
    "container": ("container", "container_name"),
    "customer": ("customer", "tenant", "customer_id"),
    "job": ("job", "job_name"),
    "disk": ("device", "disk"),
}
"""Stems of what people group by, and the labels that say so, the likeliest first."""
_TELLING = 4
"""Characters of a word from which a label that holds it means it: `consumergroup`."""
_ADDED = re.compile(r"\b(?:rate|irate)\s*\(")
_PUT_TOGETHER = {
    Count.SUM: "sum",
    Count.AVERAGE: "mean",
    Count.MOST: "highest",
    Count.LEAST: "lowest",
}
_MEAN_UNITS = frozenset({"s", "ms", "percent", "percentunit", "celsius"})
_PERCENTILE_NAME = re.compile(r"p(\d{2,3})(?![a-z\d])")


_Step = tuple[Candidate, tuple[str, ...]]
"""The candidate, changed or as it was, and what of the question it still doesn't answer."""


class Adapted(Frozen):
    """A candidate made fit. ``unmet``: what of the question it doesn't answer, in words."""

    candidate: Candidate
    unmet: tuple[str, ...] = ()


def labels_meant(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """The labels that a word to group by may mean, the likeliest first.

    ``known``: names of labels that are used somewhere.
    """
    stem = words(word)
    written = word.lower().replace("-", "_")
    exact = [written, *([written[:-1]] if written.endswith("s") else [])]
    meant = [label for one in stem for label in _MEANT.get(one, ())]
    alike = [
        label
        for label in sorted(known)
        if (stem and stem <= words(label)) or (len(written) >= _TELLING and written in label)
    ]
    return tuple(dict.fromkeys([*exact, *meant, *alike]))


def adapt(
    candidate: Candidate,
    wish: Wish,
    *,
    named: Sequence[str],
    known: Known,
    label_names: Sequence[str],
) -> Adapted:
    """The candidate for this question. ``named``: what it is to be about (services, regions,
    customers), ``label_names``: labels that are used somewhere."""
    unmet: list[str] = []
    steps: tuple[Callable[[Candidate], _Step], ...] = (
        lambda one: _narrowed(one, named, known),
        lambda one: _in_state(one, wish, known),
        lambda one: _at_quantile(one, wish, known),
        lambda one: _grouped(one, wish, named, known, label_names),
        lambda one: _per(one, wish),
        lambda one: _top(one, wish),
    )
    for step in steps:
        candidate, missed = step(candidate)
        unmet += missed
    return Adapted(candidate=candidate, unmet=tuple(unmet))


def _changed(candidate: Candidate, query: str, change: str) -> Candidate:
    return candidate.model_copy(
        update={
            "query": query,
            "metrics": metrics_of(parse(query)),
            "changes": (*candidate.changes, change),
        }
    )


def _narrowed(candidate: Candidate, named: Sequence[str], known: Known) -> _Step:
    """Only what was named: by the label of each metric that has this value."""
    tree = parse(candidate.query)
    wanted: dict[str, dict[str, list[str]]] = {}
    unmet: list[str] = []
    for name in named:
        places = [
            (metric, label)
            for metric in candidate.metrics
            for label in WHERE_LABELS
            if name in (known.values(metric, label) or ())
        ]
        first: dict[str, str] = {}
        for metric, label in places:
            first.setdefault(metric, label)
        for metric, label in first.items():
            wanted.setdefault(metric, {}).setdefault(label, []).append(name)
        is_said = words(name) <= candidate.own or f'"{name}"' in candidate.query
        if not first and not is_said:
            unmet.append(f"nothing in it tells {name} from others")
    if not wanted:
        return candidate, tuple(unmet)

    def change(selector: ast.VectorSelector) -> str | None:
        fixed = wanted.get(selector.name or "")
        if not fixed or selector.matchers.or_matchers:
            return None
        kept = [m for m in selector.matchers.matchers if m.name not in fixed]
        added = [
            ast.Matcher(ast.MatchOp.Equal, label, values[0])
            if len(values) == 1
            else ast.Matcher(ast.MatchOp.Re, label, "|".join(map(re.escape, values)))
            for label, values in fixed.items()
        ]
        return selector_text(selector.name, [*kept, *added])

    query = with_selectors(tree, change)
    if parse(query).prettify() == tree.prettify():
        return candidate, tuple(unmet)
    said = dict.fromkeys(
        f"{label} {' or '.join(values)}"
        for fixed in wanted.values()
        for label, values in fixed.items()
    )
    changed = _changed(candidate, query, f"only {', '.join(said)}")
    gained = words(" ".join(v for fixed in wanted.values() for vs in fixed.values() for v in vs))
    return changed.model_copy(update={"own": changed.own | gained}), tuple(unmet)


def _in_state(candidate: Candidate, wish: Wish, known: Known) -> _Step:
    """A word of the question that is a value of the metric: `failed` jobs.

    Not where the query reads twice: the share of what failed would become all of it.
    """
    tree = parse(candidate.query)
    found = selectors(tree)
    if len(found) != 1 or not found[0].name or found[0].matchers.or_matchers:
        return candidate, ()
    metric, taken = found[0].name, {m.name for m in found[0].matchers.matchers}
    for label in STATE_LABELS:
        values = [
            value
            for value in known.values(metric, label) or ()
            if (said := words(value)) and said <= wish.subject and not said <= words(metric)
        ]
        if not values or label in taken:
            continue
        matcher = (
            ast.Matcher(ast.MatchOp.Equal, label, values[0])
            if len(values) == 1
            else ast.Matcher(ast.MatchOp.Re, label, "|".join(map(re.escape, values)))
        )
        text = selector_text(metric, [*found[0].matchers.matchers, matcher])
        query = with_selectors(tree, lambda _, text=text: text)  # type: ignore[misc]
        changed = _changed(candidate, query, f"only {label} {' or '.join(values)}")
        gained = frozenset(word for value in values for word in words(value))
        return changed.model_copy(update={"own": changed.own | gained}), ()
    return candidate, ()


def _at_quantile(candidate: Candidate, wish: Wish, known: Known) -> _Step:
    if wish.quantile is None:
        return candidate, ()
    tree = parse(candidate.query)
    query = with_quantile(tree, wish.quantile)
    if query is not None:
        if parse(query).prettify() == tree.prettify():
            return candidate, ()
        return _changed(candidate, query, f"the {wish.quantile:g} quantile"), ()
    percent = f"{wish.quantile * 100:g}".replace(".", "")
    if any(percent in _PERCENTILE_NAME.findall(metric) for metric in candidate.metrics):
        return candidate, ()
    value = f"{wish.quantile:g}"
    if len(candidate.metrics) == 1 and value in (
        known.values(candidate.metrics[0], "quantile") or ()
    ):
        matcher = ast.Matcher(ast.MatchOp.Equal, "quantile", value)
        query = with_selectors(
            tree,
            lambda selector: selector_text(
                selector.name,
                [*(m for m in selector.matchers.matchers if m.name != "quantile"), matcher],
            ),
        )
        return _changed(candidate, query, f"the {value} quantile"), ()
    return candidate, (f"it has no {wish.quantile:g} quantile",)


def _grouped(
    candidate: Candidate,
    wish: Wish,
    named: Sequence[str],
    known: Known,
    label_names: Sequence[str],
) -> _Step:
    if not wish.by:
        return candidate, ()
    labels: list[str] = []
    unmet: list[str] = []
    for word in wish.by:
        label = _label_for(word, candidate.metrics, known, label_names)
        if label is None:
            unmet.append(f"its metrics have no label for “{word}”")
        else:
            labels.append(label)
    if labels:
        candidate = _of_all(candidate, frozenset(labels), named)
    tree = parse(candidate.query)
    own = grouping_of(tree)
    if not labels or own == Grouping(labels=frozenset(labels)):
        return candidate, tuple(unmet)
    change = f"grouped by {', '.join(labels)}"
    query: str | None = None
    if own is None and is_vector(candidate.query):
        operation = wish.count or _together(candidate)
        query = aggregate(operation, candidate.query, labels=labels)
        change += f", each the {_PUT_TOGETHER[operation]} of its series"
    elif own is not None:
        query = regrouped(tree, labels)
    if query is None:
        return candidate, (*unmet, f"it can't be grouped by {', '.join(labels)} as it is written")
    return _changed(candidate, query, change), tuple(unmet)


def _of_all(candidate: Candidate, labels: frozenset[str], named: Sequence[str]) -> Candidate:
    """Without what fixes a label that it is to be grouped by, if the question doesn't name that."""

    def change(selector: ast.VectorSelector) -> str | None:
        if selector.matchers.or_matchers:
            return None
        kept = [
            matcher
            for matcher in selector.matchers.matchers
            if matcher.name not in labels
            or matcher.op not in (ast.MatchOp.Equal, ast.MatchOp.Re)
            or any(name in matcher.value for name in named)
        ]
        return selector_text(selector.name, kept)

    tree = parse(candidate.query)
    query = with_selectors(tree, change)
    if parse(query).prettify() == tree.prettify():
        return candidate
    if not any(fixed in labels for fixed, _ in restrictions(candidate.query)):
        return candidate.model_copy(update={"query": query})  # it only said "any"
    return _changed(candidate, query, f"of every {', '.join(sorted(labels))}, not only some")


def restrictions(query: str) -> list[tuple[str, str]]:
    """Label and value of the matchers that keep a query to a part of what runs."""
    return list(
        dict.fromkeys(
            (matcher.name, matcher.value)
            for selector in selectors(parse(query))
            for matcher in selector.matchers.matchers
            if matcher.name in WHERE_LABELS
            and matcher.op in (ast.MatchOp.Equal, ast.MatchOp.Re)
            and matcher.value not in ("", ".*", ".+")
        )
    )


def _label_for(
    word: str, metrics: Sequence[str], known: Known, label_names: Sequence[str]
) -> str | None:
    """The label that a word means for these metrics: one that they have, if that is known."""
    options = labels_meant(word, label_names)
    for label in options:
        values = [known.values(metric, label) for metric in metrics]
        if any(values):
            return label
    unknown = [
        label
        for label in options
        if label in label_names and any(known.values(metric, label) is None for metric in metrics)
    ]
    return unknown[0] if unknown else None


def _together(candidate: Candidate) -> Count:
    """How series of this kind are put together: counts are added, times and shares are not."""
    name = candidate.metrics[0] if candidate.metrics else ""
    is_mean = candidate.unit in _MEAN_UNITS or re.search(
        r"(?:ratio|percent|celsius|seconds|p\d\d+)$", name
    )
    added = _ADDED.search(candidate.query) is not None
    return Count.AVERAGE if _is_computed(candidate.query) or (is_mean and not added) else Count.SUM


def _is_computed(query: str) -> bool:
    """Whether its values are shares or quantiles, of which there are no more in a minute."""
    return any(
        (isinstance(node, ast.Call) and node.func.name == "histogram_quantile")
        or (isinstance(node, ast.BinaryExpr) and str(node.op) == "/")
        for node in nodes(parse(query))
    )


def _per(candidate: Candidate, wish: Wish) -> _Step:
    if wish.per is None or wish.per == 1:
        return candidate, ()
    if not _ADDED.search(candidate.query) or _is_computed(candidate.query):
        return candidate, ()
    query = f"({candidate.query}) * {wish.per}"
    changed = _changed(candidate, query, f"times {wish.per:,}, for a rate over that many seconds")
    return changed.model_copy(update={"unit": None}), ()


def _top(candidate: Candidate, wish: Wish) -> _Step:
    if wish.top is None:
        return candidate, ()
    tree = parse(candidate.query)
    inner = candidate.query
    if isinstance(tree, ast.AggregateExpr) and str(tree.op) == "topk" and tree.modifier is None:
        inner = one_line(tree.expr.prettify())
    if not is_vector(inner):
        return candidate, (f"it is one number, of which there is no top {wish.top}",)
    query = aggregate("topk", inner, param=str(wish.top))
    if parse(query).prettify() == tree.prettify():
        return candidate, ()
    return _changed(candidate, query, f"the {wish.top} highest at each moment"), ()
