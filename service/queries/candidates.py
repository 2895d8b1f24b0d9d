"""What could answer a question: queries that somebody wrote, those about a sibling of their metric,
and plain queries of metrics whose names say the same as the question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from ingest.documents import AlertRuleFacts, Frozen, PanelFacts
from service.metrics.alert_rules import rule_query
from service.metrics.catalog import Catalog, Reading
from service.metrics.panels import WrittenQuery, panel_queries
from service.metrics.source import MetricMetadata
from service.metrics.usage import rule_of
from service.queries.expressions import (
    Grouping,
    grouping_of,
    metrics_of,
    one_line,
    parse,
    regrouped,
    renamed,
)
from service.queries.words import Count, Wish, words
from service.retrieval import Passage
from service.scope import QuestionScope

LEAST_RANGE = timedelta(minutes=5)
"""Of a rate, where the step is shorter: rates over less find too few samples."""


class Origin(StrEnum):
    """Where a query comes from."""

    PANEL = "panel"
    RULE = "rule"
    METRIC = "metric"
    MODEL = "model"


class Candidate(Frozen):
    """A query that could answer, and the words that are known about it.

    ``document_id``, ``document`` and ``url`` are those of the panel or rule; ``changes`` says in
    words how the query differs from what stands there. ``own``: words of this very query (its
    metrics, its legend), ``title_words`` of its title, ``place_words`` of the dashboard and row
    that it stands in, ``about`` of everything around it.
    ``position``: how many queries stand before it in its panel. ``similarity``: how well the
    search found its document, 1 for the best.
    """

    query: str
    metrics: tuple[str, ...]
    title: str
    unit: str | None = None
    origin: Origin
    document_id: str | None = None
    document: str | None = None
    url: str | None = None
    changes: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    title_words: frozenset[str] = frozenset()
    place_words: frozenset[str] = frozenset()
    about: frozenset[str] = frozenset()
    position: int = 0
    similarity: float = 0.0
    sibling: bool = False
    """Whether it asks another metric than the document does."""
    regrouped: bool = False
    """Whether it groups by something else than the document does."""


def written_candidates(
    passages: Sequence[Passage],
    *,
    scope: QuestionScope,
    labels: Mapping[str, Sequence[str]],
    step: timedelta,
) -> list[Candidate]:
    """The queries of the panels and rules that were found, variables resolved."""
    best = max((passage.score for passage in passages), default=0.0)
    least = min((passage.score for passage in passages), default=0.0)
    found: list[Candidate] = []
    for passage in passages:
        chunk = passage.chunk
        similarity = (passage.score - least) / (best - least) if best > least else 1.0
        match chunk.facts:
            case PanelFacts() as facts:
                queries = _of_panel(facts, passage, scope, labels, step)
                title, place = facts.panel, f"{facts.dashboard} {facts.row or ''}"
            case AlertRuleFacts() as facts:
                watched = rule_query(rule_of(chunk, facts), scope=scope, step=step)
                queries = [] if watched is None else [(watched, 0, facts.alert)]
                title = place = facts.alert
            case _:
                continue
        around = words(chunk.text)
        for query, position, legend in queries:
            metrics = _metrics(query.query)
            if not metrics:
                continue
            found.append(
                Candidate(
                    query=one_line(query.query),
                    metrics=metrics,
                    title=query.title,
                    unit=query.unit,
                    origin=Origin.PANEL if isinstance(facts, PanelFacts) else Origin.RULE,
                    document_id=query.document_id,
                    document=chunk.title,
                    url=query.url,
                    own=words(" ".join([*metrics, legend])),
                    title_words=words(title),
                    place_words=words(place),
                    about=around,
                    position=position,
                    similarity=similarity,
                )
            )
    return found


def _of_panel(
    facts: PanelFacts,
    passage: Passage,
    scope: QuestionScope,
    labels: Mapping[str, Sequence[str]],
    step: timedelta,
) -> list[tuple[WrittenQuery, int, str]]:
    """The panel's queries with position and legend, where it is clear which legend is whose."""
    aligned = facts.legends if len(facts.legends) == len(facts.queries) else ()
    found = []
    for position, query in enumerate(facts.queries):
        kinds = facts.data_sources[position : position + 1]
        one = panel_queries(
            facts.model_copy(update={"queries": (query,), "data_sources": kinds}),
            document_id=passage.chunk.document_id,
            url=passage.chunk.url,
            scope=scope,
            labels=labels,
            step=step,
        )
        legend = _LEGEND_LABEL.sub(" ", aligned[position]) if aligned else ""
        found += [(written, position, legend) for written in one.queries]
    return found


_LEGEND_LABEL = re.compile(r"\{\{[^{}]*\}\}")


def _metrics(query: str) -> tuple[str, ...]:
    try:
        return metrics_of(parse(query))
    except ValueError:
        return ()


def siblings(
    candidate: Candidate, wish: Wish, names: Mapping[str, frozenset[str]], *, most: int
) -> list[Candidate]:
    """The candidate's query about metrics that are called nearly the same, and say a word of the
    question that its own doesn't: received and transmitted, limits and requests.

    ``names``: the words of every known metric.
    """
    found: list[tuple[int, str, Candidate]] = []
    for metric in candidate.metrics:
        own = names.get(metric, words(metric))
        ending = metric.rpartition("_")[2]
        for other, its in names.items():
            gained = (its - own) & wish.subject
            lost = (own - its) & wish.subject
            if other in candidate.metrics or not gained or lost:
                continue
            # As long as most words are the same, and it ends alike: it is the same kind of thing.
            if (
                2 * len(own & its) <= len(own | its)
                or other.rpartition("_")[2] != ending
                or other.count(":") != metric.count(":")
            ):
                continue
            query = renamed(parse(candidate.query), metric, other)
            found.append(
                (
                    len(gained) - len(its ^ own),
                    other,
                    candidate.model_copy(
                        update={
                            "query": query,
                            "metrics": _metrics(query),
                            "own": (candidate.own - own) | its,
                            "changes": (*candidate.changes, f"asks {other} instead of {metric}"),
                            "sibling": True,
                        }
                    ),
                )
            )
    found.sort(key=lambda item: (-item[0], item[1]))
    return [one for _, _, one in found[:most]]


def regroupings(candidate: Candidate, groupings: Sequence[Grouping]) -> list[Candidate]:
    """The candidate's query, grouped as others group that the search found."""
    tree = parse(candidate.query)
    own = grouping_of(tree)
    found = []
    for grouping in groupings:
        if own is None or grouping == own or grouping.without:
            continue
        labels = sorted(grouping.labels)
        query = regrouped(tree, labels)
        if query is None:
            continue
        change = f"grouped by {', '.join(labels) if labels else 'nothing'}"
        found.append(
            candidate.model_copy(
                update={
                    "query": query,
                    "changes": (*candidate.changes, change),
                    "regrouped": True,
                }
            )
        )
    return found


def metric_candidates(
    wish: Wish,
    catalog: Catalog,
    names: Mapping[str, frozenset[str]],
    rarity: Mapping[str, float],
    *,
    step: timedelta,
    most: int,
) -> list[Candidate]:
    """Plain queries of the metrics whose name and help say most of what was asked."""
    ranked: list[tuple[float, str, frozenset[str]]] = []
    for name, own in names.items():
        shared = own & wish.subject
        if not shared:
            continue
        weight = sum(rarity.get(word, 1.0) for word in shared)
        spare = sum(rarity.get(word, 1.0) for word in own - wish.subject)
        ranked.append((weight - 0.25 * spare, name, own))
    ranked.sort(key=lambda item: (-item[0], item[1]))
    found: dict[str, Candidate] = {}
    for _, name, own in ranked[: 3 * most]:
        made = plain_query(name, wish, catalog, step)
        if made is None:
            continue
        query, how = made
        stated = _stated(name, catalog)
        found.setdefault(
            query,
            Candidate(
                query=query,
                metrics=_metrics(query),
                title=_title(name, wish),
                unit=None if how else catalog.unit(name),
                origin=Origin.METRIC,
                own=own,
                title_words=own,
                about=own | words(stated.help),
                changes=(f"{name}: {how or 'its values, as they are'}",),
            ),
        )
        if len(found) == most:
            break
    return list(found.values())


def plain_query(name: str, wish: Wish, catalog: Catalog, step: timedelta) -> tuple[str, str] | None:
    """How a metric is drawn that nobody drew yet, and that in words; None where it can't be.

    Counters as rates put together, of histograms a quantile where one is asked for (else the
    mean), gauges as they are.
    """
    over = max(LEAST_RANGE, 4 * step)
    window = f"[{int(over.total_seconds())}s]"
    family, part = _histogram(name, catalog)
    if family is not None and (part != "_count" or wish.quantile is not None):
        if wish.quantile is None and wish.count is Count.AVERAGE:
            query = f"sum (rate({family}_sum{window})) / sum (rate({family}_count{window}))"
            return query, "its mean, as the sum over the count"
        quantile = wish.quantile if wish.quantile is not None else 0.95
        stated = "" if wish.quantile is not None else ", as the question names no other"
        query = f"histogram_quantile({quantile:g}, sum by (le) (rate({family}_bucket{window})))"
        return query, f"the {quantile:g} quantile of its histogram{stated}"
    match catalog.reading(name):
        case Reading.RATE:
            return f"sum (rate({name}{window}))", "a counter, so its rate per second"
        case Reading.VALUE:
            return name, ""
    return None


def _histogram(name: str, catalog: Catalog) -> tuple[str | None, str]:
    for part in ("_bucket", "_sum", "_count"):
        family = name.removesuffix(part)
        if family != name and f"{family}_bucket" in catalog.names:
            return family, part
    return None, ""


def _stated(name: str, catalog: Catalog) -> MetricMetadata:
    family = re.sub(r"_(?:total|bucket|sum|count)$", "", name)
    return catalog.metadata.get(name) or catalog.metadata.get(family) or MetricMetadata()


def _title(name: str, wish: Wish) -> str:
    percentile = f" p{wish.quantile * 100:g}" if wish.quantile is not None else ""
    return f"{name.removesuffix('_bucket')}{percentile}"
