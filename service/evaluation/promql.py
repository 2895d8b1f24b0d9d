"""How often a panel's title and description lead to its query, from an index without the panel.

The panels of the file become dashboards of a scratch index, by the same ingestion as in service.
Each is then asked for by its title and description, hidden from that question by a filter inside of
the search (what the index as a whole still knows of it is how rare its words are). Beside the
product, in the same run: the first query of the panel that is nearest by BM25, by dense vectors
and by both, unchanged.

Where metrics are configured, queries are also run, over the last day, and their results compared
(``agreement``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest.documents import Frozen
from ingest.encoders.base import Encoder
from ingest.index import Scope
from ingest.sync_report import Progress
from service.assembly import encoder_of
from service.evaluation.agreement import agreement, answer_of, same_results
from service.evaluation.model_use import ModelUse, use_of
from service.evaluation.panels import Panel, last_day, names_of, open_panels, plain, read_panels
from service.evaluation.statistics import CONFIDENCE, RESAMPLES, Bootstrap, Difference, Estimate
from service.llm.models import Models
from service.metrics.catalog import Catalog, fetch_catalog
from service.metrics.source import MetricsError, MetricsSource, Series
from service.promql import find_query
from service.queries.answer import QueryAnswer
from service.queries.candidates import written_candidates
from service.queries.policy import QueryPolicy, step_of
from service.retrieval import RetrievalPolicy, Retriever
from service.scope import QuestionScope
from service.settings import Settings

PRODUCT = "why"
WITH_MODEL = "why + LLM"
WITHOUT_NAMES = "why, names of metrics unknown"
NEAREST = {
    "nearest panel, BM25": RetrievalPolicy(dense=0.0),
    "nearest panel, dense": RetrievalPolicy(sparse=0.0),
    "nearest panel, both": RetrievalPolicy(),
}
MEASURES = ("metrics", "grouping", "both", "answered")


class SystemResult(Frozen):
    """One way of answering. ``panels``: a panel counts as right if any of its queries is met;
    ``queries``: every query is a question of its own, so of a panel's five one can be right.

    ``equal``: share of the panels whose own queries give samples for which one gives the same;
    None where nothing could be run.
    """

    name: str
    panels: dict[str, Estimate]
    queries: dict[str, Estimate]
    equal: Estimate | None


class PromqlEvaluation(Frozen):
    """The result of ``evaluate_promql``. ``panels`` were asked for, of ``panels_given``.
    ``runnable``: share of them with a query that gives samples here; None without metrics.
    ``advantages``: of the product over each baseline, on panels, for metrics and grouping
    together. ``seed``: which panels were drawn; None where it is all of them."""

    systems: tuple[SystemResult, ...]
    advantages: dict[str, Difference]
    panels: int
    panels_given: int
    queries: int
    seed: int | None
    runnable: float | None
    model: ModelUse | None
    named_dashboard: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """JSON values: ``{"systems": [{"name", "panels": {measure: {value, low, high}},
        "queries": …, "equal"}], "advantages", "counts", "runnable"}``."""
        return {
            "systems": [system.model_dump() for system in self.systems],
            "advantages": {name: found.model_dump() for name, found in self.advantages.items()},
            "counts": {"panels": self.panels, "queries": self.queries, "of": self.panels_given},
            "seed": self.seed,
            "model": None if self.model is None else self.model.model_dump(),
            "runnable": self.runnable,
            "named_dashboard": self.named_dashboard,
            "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE},
            "seconds": round(self.seconds, 1),
        }


async def evaluate_promql(
    place: Path,
    *,
    settings: Settings,
    metrics: MetricsSource | None,
    now: datetime,
    models: Models | None = None,
    limit: int | None = None,
    seed: int = 0,
    name_dashboard: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    encoder: Encoder | None = None,
    policy: QueryPolicy | None = None,
) -> PromqlEvaluation:
    """Measure text → PromQL on the panels of ``place``, a file or a folder (``read_panels``).

    With a ``limit``, so many of them are asked for, drawn with ``seed``; all are in the index.

    With ``metrics``, candidates are held against what they have, and results are compared; without,
    the metrics are taken to have all names of the file (no types, no labels), as those behind the
    dashboards would. Raises: EvaluationError, EncoderError, IndexFailure, MetricsError.
    """
    panels = read_panels(place)
    asked = panels
    if limit is not None and limit < len(panels):
        numbers = random.Random(seed).sample(range(len(panels)), limit)  # noqa: S311
        asked = [panels[number] for number in sorted(numbers)]
    encoder = encoder or encoder_of(settings)
    scope = last_day(now)
    catalog = (
        names_of(panels, scope)
        if metrics is None
        else await fetch_catalog(metrics, scope.window, now)
    )
    async with open_panels(panels, encoder, on_progress) as index:
        evaluation = _Evaluation(
            asked,
            scope,
            {name: Retriever(index, encoder, policy=one) for name, one in NEAREST.items()},
            Retriever(index, encoder),
            metrics,
            catalog,
            policy or QueryPolicy(),
            name_dashboard,
        )
        result = await evaluation.run(models, settings.llm_timeout)
    return result.model_copy(
        update={"panels_given": len(panels), "seed": None if asked is panels else seed}
    )


class _Evaluation:
    def __init__(
        self,
        panels: Sequence[Panel],
        scope: QuestionScope,
        nearest: Mapping[str, Retriever],
        retriever: Retriever,
        metrics: MetricsSource | None,
        catalog: Catalog,
        policy: QueryPolicy,
        name_dashboard: bool,
    ) -> None:
        self._panels = panels
        self._scope = scope
        self._nearest = nearest
        self._retriever = retriever
        self._metrics = metrics
        self._catalog = catalog
        self._policy = policy
        self._name_dashboard = name_dashboard
        self._step = step_of(scope.window, policy)
        self._results: dict[str, tuple[Series, ...] | None] = {}

    async def run(self, models: Models | None, seconds: float) -> PromqlEvaluation:
        began = perf_counter()
        answers: dict[str, list[str | None]] = {}
        worded: list[QueryAnswer] = []
        for panel in self._panels:
            question = panel.question(name_dashboard=self._name_dashboard)
            reader = Scope(excluded_documents=(panel.document_id,))
            for name, retriever in self._nearest.items():
                answers.setdefault(name, []).append(await self._copied(retriever, question, reader))
            for name, catalog in ((WITHOUT_NAMES, None), (PRODUCT, self._catalog)):
                found = await self._found(question, reader, catalog, None, seconds)
                answers.setdefault(name, []).append(found.query)
            if models is not None:
                found = await self._found(question, reader, self._catalog, models, seconds)
                answers.setdefault(WITH_MODEL, []).append(found.query)
                worded.append(found)
        runnable, equal = await self._equal(answers)
        used = use_of(models, worded, answers[PRODUCT]) if models is not None else None
        return self._scored(answers, runnable, equal, used, perf_counter() - began)

    async def _copied(self, retriever: Retriever, question: str, reader: Scope) -> str | None:
        """The first query of the nearest panel that has one."""
        passages = await retriever.search(question, scope=reader, limit=3)
        found = written_candidates(passages, scope=self._scope, labels={}, step=self._step)
        return found[0].query if found else None

    async def _found(
        self,
        question: str,
        reader: Scope,
        catalog: Catalog | None,
        models: Models | None,
        seconds: float,
    ) -> QueryAnswer:
        return await find_query(
            question,
            self._scope,
            retriever=self._retriever,
            reader=reader,
            metrics=self._metrics if catalog is not None else None,
            catalog=catalog,
            model=models.small if models else None,
            budget=models.budget(seconds) if models else None,
            policy=self._policy,
        )

    # -- results -------------------------------------------------------------------------------

    async def _series(self, query: str) -> tuple[Series, ...] | None:
        """What a query gives; None where it can't be run or gives nothing."""
        if self._metrics is None:
            return None
        if query not in self._results:
            try:
                result = await self._metrics.query_range(query, self._scope.window, self._step)
            except MetricsError:
                self._results[query] = None
            else:
                self._results[query] = result.series or None
        return self._results[query]

    async def _equal(
        self, answers: Mapping[str, Sequence[str | None]]
    ) -> tuple[list[int], dict[str, list[float]]]:
        """The panels that can be run, and by system whether it gave the same for each of them."""
        runnable: list[int] = []
        equal: dict[str, list[float]] = {name: [] for name in answers}
        for number, panel in enumerate(self._panels):
            gold = [
                series
                for query in panel.queries
                if (series := await self._series(plain(query, self._scope.as_of)))
            ]
            if not gold:
                continue
            runnable.append(number)
            for name, given in answers.items():
                query = given[number]
                series = None if query is None else await self._series(query)
                same = series is not None and any(same_results(series, one) for one in gold)
                equal[name].append(float(same))
        return runnable, equal

    def _scored(
        self,
        answers: Mapping[str, Sequence[str | None]],
        runnable: Sequence[int],
        equal: Mapping[str, Sequence[float]],
        used: ModelUse | None,
        seconds: float,
    ) -> PromqlEvaluation:
        by_panel: dict[str, list[tuple[float, ...]]] = {}
        by_query: dict[str, list[tuple[float, ...]]] = {}
        for name, given in answers.items():
            for panel, query in zip(self._panels, given, strict=True):
                answer = answer_of(query)
                answered = float(query is not None)
                rows = [
                    (*agreement(answer, gold), answered)
                    for own in panel.queries
                    if (gold := answer_of(plain(own, self._scope.as_of))) is not None
                ]
                by_query.setdefault(name, []).extend(rows)
                best = tuple(max(column) for column in zip(*rows, strict=True))
                by_panel.setdefault(name, []).append(best)
        panels = Bootstrap(_arrays(by_panel), measures=MEASURES)
        queries = Bootstrap(_arrays(by_query), measures=MEASURES)
        same = (
            Bootstrap({n: np.array(v)[:, None] for n, v in equal.items()}, measures=("equal",))
            if runnable
            else None
        )
        return PromqlEvaluation(
            systems=tuple(
                SystemResult(
                    name=name,
                    panels=panels.estimates(name),
                    queries=queries.estimates(name),
                    equal=None if same is None else same.estimates(name)["equal"],
                )
                for name in answers
            ),
            advantages={
                name: panels.differences(PRODUCT, name)["both"]
                for name in answers
                if name != PRODUCT
            },
            panels=len(self._panels),
            panels_given=len(self._panels),
            queries=sum(len(panel.queries) for panel in self._panels),
            seed=None,
            model=used,
            runnable=len(runnable) / len(self._panels) if self._metrics is not None else None,
            named_dashboard=self._name_dashboard,
            seconds=seconds,
        )


def _arrays(rows: Mapping[str, Sequence[tuple[float, ...]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.array(found) for name, found in rows.items()}


def render_promql(result: PromqlEvaluation) -> RenderableType:
    """The result for a terminal."""
    asked = "dashboard, title and description" if result.named_dashboard else "title, description"
    title = f"Text → PromQL by {asked} ({result.panels} panels, {result.queries} queries)"
    if result.seed is not None:
        title += f", drawn from {result.panels_given} with seed {result.seed}"
    table = Table(title=title, title_justify="left")
    table.add_column("system")
    columns = ("same metrics", "same grouping", "both", "both, by query", "answered")
    for column in (*columns, *(("equal results",) if result.runnable else ())):
        table.add_column(column, justify="right")
    for system in result.systems:
        cells = [
            *(system.panels[name] for name in ("metrics", "grouping", "both")),
            system.queries["both"],
        ]
        shown = [f"{one.value:.3f} {one.low:.3f}–{one.high:.3f}" for one in cells]
        shown.append(f"{system.panels['answered'].value:.3f}")
        if system.equal is not None:
            equal = system.equal
            shown.append(f"{equal.value:.3f} {equal.low:.3f}–{equal.high:.3f}")
        table.add_row(system.name, *shown)
    parts: list[RenderableType] = [table]
    parts += [
        Text(f"{PRODUCT} − {name}, both: {one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})")
        for name, one in result.advantages.items()
    ]
    if used := result.model:
        tokens = used.prompt_tokens + used.completion_tokens
        parts.append(
            Text(
                f"{used.model}: asked for {used.asked} panels, another query than without it in "
                f"{used.changed}, {used.written} of them written by it; {used.refused} of its "
                f"queries refused, no usable answer {used.failed} times; {tokens:,} tokens, "
                f"{used.seconds:.0f} s, {used.completion_tokens / (used.seconds or 1.0):.1f} "
                "tokens/s written"
            )
        )
    run = (
        f"{result.runnable:.0%} of the panels could be run here."
        if result.runnable is not None
        else "No metrics are configured, so nothing was run."
    )
    parts.append(
        Text(
            f"{run} A panel counts if any of its queries is met; “by query”, each of them is a "
            f"question of its own. Intervals: {CONFIDENCE:.0%}, bootstrap ({RESAMPLES} resamples)."
        )
    )
    return Group(*parts)
