"""A question → one query that may be asked, with its chart and where it comes from.

Somebody has mostly drawn it already: panels and alert rules that the search finds are adapted to
the question's services, regions, groups and percentiles. Beside them stand plain queries of
metrics whose names say what was asked. Every query is parsed, held against what the metrics have
and bounded before it is asked; the best one that gives samples is the answer, the others are told
with what speaks against them. A language model, where there is one, may choose another or write
one, by the same rules. Where nothing is left there is no chart, and the reason and the nearest
metrics are the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from ingest.index import Scope
from service.llm.base import LanguageModel
from service.llm.budget import Budget
from service.metrics.catalog import Catalog, CatalogCache
from service.metrics.source import MetricsError, MetricsSource
from service.queries.answer import QueryAnswer
from service.queries.policy import QueryPolicy
from service.queries.search import QuerySearch
from service.retrieval import Retriever
from service.scope import QuestionScope, Vocabulary, mentioned, scope_of


async def find_query(
    question: str,
    scope: QuestionScope,
    *,
    retriever: Retriever | None,
    reader: Scope,
    metrics: MetricsSource | None,
    catalog: Catalog | None,
    model: LanguageModel | None = None,
    budget: Budget | None = None,
    policy: QueryPolicy | None = None,
) -> QueryAnswer:
    """The query for a question, and its chart where the metrics can be asked.

    ``scope`` holds what the question names and its window; ``reader`` what may be seen of the
    documents. Without ``catalog`` nothing says which metrics exist; without ``metrics`` nothing is
    drawn. A ``model`` needs a ``budget``. What fails is in ``missing``: raises nothing of its own.
    """
    return await QuerySearch(
        question, scope, retriever, reader, metrics, catalog, policy or QueryPolicy()
    ).answer(model, budget)


async def chart_of(
    question: str,
    *,
    now: datetime,
    zone: tzinfo = UTC,
    since: str | None = None,
    until: str | None = None,
    vocabulary: Vocabulary,
    retriever: Retriever | None,
    reader: Scope,
    metrics: MetricsSource | None,
    catalogs: CatalogCache,
    model: LanguageModel | None = None,
    budget: Budget | None = None,
    missing: Sequence[str] = (),
    policy: QueryPolicy | None = None,
) -> QueryAnswer:
    """The chart for a question asked at ``now`` by someone in ``zone``; see ``find_query``.

    Names that only the metrics know (nodes, clusters) count as names in the question, too.
    ``missing``: what the caller already knows to be absent. Raises: ScopeError.
    """
    policy = policy or QueryPolicy()
    scope = scope_of(question, now=now, zone=zone, since=since, until=until, vocabulary=vocabulary)
    absent = list(missing)
    catalog: Catalog | None = None
    if metrics is None:
        absent.append("metrics: no source is configured, so nothing was drawn")
    else:
        try:
            async with asyncio.timeout(policy.deadline.total_seconds()):
                served = await catalogs.of(metrics, scope.window)
        except TimeoutError:
            absent.append(f"metrics: no answer within {policy.deadline.total_seconds():g} s")
            metrics = None
        except MetricsError as error:
            absent.append(f"metrics: {error}")
            metrics = None
        else:
            catalog = served.catalog
            absent += [served.stale] if served.stale else []
            scope = with_names_of(catalog, question, scope)
    answer = await find_query(
        question,
        scope,
        retriever=retriever,
        reader=reader.model_copy(update={"as_of": scope.as_of}),
        metrics=metrics,
        catalog=catalog,
        model=model,
        budget=budget,
        policy=policy,
    )
    return answer.model_copy(update={"missing": tuple(dict.fromkeys([*absent, *answer.missing]))})


def with_names_of(catalog: Catalog, question: str, scope: QuestionScope) -> QuestionScope:
    """The scope with the components and regions that the metrics know."""
    components = mentioned(question, catalog.components)
    regions = mentioned(question, catalog.regions)
    return scope.model_copy(
        update={
            "services": tuple(dict.fromkeys([*scope.services, *components])),
            "regions": tuple(dict.fromkeys([*scope.regions, *regions])),
        }
    )
