"""How often a panel's title and description lead to its query, from an index without the panel.

The panels of the file become dashboards of a scratch index, by the same ingestion as in service.
Each is then asked for by its title and description, hidden from that question by a filter inside of
the search (what the index as a whole still knows of it is how rare its words are). Beside the
product, in the same run: the first query of the panel that is nearest by BM25, by dense vectors
and by both, unchanged.

Two queries agree on their metrics if they read the same set, on their grouping if their result is
told apart by the same labels (of the outermost aggregation; ``topk`` and the like keep those of
what they pick, ``histogram_quantile`` takes ``le`` away). Where metrics are configured, queries are
also run, over the last day: equal are the same labels with the same values.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest.chunking import ChunkingPolicy
from ingest.documents import Frozen, SourceKind, TemplateVariable
from ingest.encoders.base import Encoder
from ingest.index import Index, Scope, open_store
from ingest.sources import open_source
from ingest.sync import sync
from ingest.sync_report import Progress
from service.assembly import encoder_of
from service.evaluation.pairs import EvaluationError
from service.evaluation.statistics import CONFIDENCE, RESAMPLES, Bootstrap, Difference, Estimate
from service.llm.models import Models
from service.metrics.catalog import Catalog, fetch_catalog
from service.metrics.panels import resolve
from service.metrics.source import MetricsError, MetricsSource, Series, Window
from service.promql import QueryPolicy, find_query, step_of
from service.queries.candidates import written_candidates
from service.queries.expressions import Grouping, grouping_in, metrics_of, parse
from service.retrieval import RetrievalPolicy, Retriever
from service.scope import QuestionScope
from service.settings import Settings

PRODUCT = "why"
WITH_MODEL = "why + LLM"
WITHOUT_NAMES = "why, names of metrics unknown"
NEAREST = {
    "nearest panel, BM25": RetrievalPolicy(dense=False),
    "nearest panel, dense": RetrievalPolicy(sparse=False),
    "nearest panel, both": RetrievalPolicy(),
}
MEASURES = ("metrics", "grouping", "both", "answered")
_SOURCE = "panels"
_SHOWN = 5
_TOLERANCE = 1e-6
_VARIABLE = re.compile(r"\$\{?(\w+)|\[\[(\w+)")


class PanelLine(BaseModel):
    """One query of a panel, a line of the file; other fields are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dashboard: str
    panel: str
    promql: str
    description: str | None = None
    legend: str | None = None
    unit: str | None = None
    source: str = ""
    uid: str = ""


class Panel(Frozen):
    """A panel with all of its queries. ``document_id``: in the scratch index. ``place``: what
    tells its dashboard from others."""

    document_id: str
    place: str
    dashboard: str
    title: str
    description: str | None
    unit: str | None
    queries: tuple[str, ...]
    legends: tuple[str | None, ...]

    def question(self, *, name_dashboard: bool) -> str:
        place = f"{self.dashboard}: " if name_dashboard else ""
        return place + " ".join(filter(None, (self.title, self.description)))


class Answer(Frozen):
    """What a query is compared by; None where there is no query."""

    metrics: frozenset[str]
    grouping: Grouping | None


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
    """The result of ``evaluate_promql``. ``runnable``: share of panels with a query that gives
    samples here; None without metrics. ``advantages``: of the product over each baseline, on
    panels, for metrics and grouping together."""

    systems: tuple[SystemResult, ...]
    advantages: dict[str, Difference]
    panels: int
    queries: int
    runnable: float | None
    named_dashboard: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """JSON values: ``{"systems": [{"name", "panels": {measure: {value, low, high}},
        "queries": …, "equal"}], "advantages", "counts", "runnable"}``."""
        return {
            "systems": [system.model_dump() for system in self.systems],
            "advantages": {name: found.model_dump() for name, found in self.advantages.items()},
            "counts": {"panels": self.panels, "queries": self.queries},
            "runnable": self.runnable,
            "named_dashboard": self.named_dashboard,
            "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE},
            "seconds": round(self.seconds, 1),
        }


def read_panels(file: Path) -> list[Panel]:
    """The panels of a file of queries, in its order. Raises: EvaluationError, naming lines."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{file}: cannot read it ({error})") from error
    lines: dict[tuple[str, str, str, str], list[PanelLine]] = {}
    wrong: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            read = PanelLine.model_validate_json(line)
            answer_of(plain(read.promql))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            wrong.append(f"{file}:{number}: {place}: {first['msg']}")
        except ValueError as error:
            wrong.append(f"{file}:{number}: not PromQL: {error}")
        else:
            lines.setdefault((read.source, read.uid, read.dashboard, read.panel), []).append(read)
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more lines"] if len(wrong) > _SHOWN else []
        raise EvaluationError("\n".join([*wrong[:_SHOWN], *more]))
    if len(lines) < 2:
        raise EvaluationError(f"{file}: a panel is found by others: there must be more than one")
    dashboards = {key[:3]: number for number, key in reversed([*enumerate(lines)])}
    numbers: dict[int, int] = {}
    panels = []
    for key, read_lines in lines.items():
        dashboard = dashboards[key[:3]]
        numbers[dashboard] = numbers.get(dashboard, 0) + 1
        first_line = read_lines[0]
        panels.append(
            Panel(
                document_id=f"{_SOURCE}/dashboard-{dashboard}/{numbers[dashboard]}",
                place="".join(key[:3]),
                dashboard=first_line.dashboard,
                title=first_line.panel,
                description=first_line.description,
                unit=first_line.unit,
                queries=tuple(line.promql for line in read_lines),
                legends=tuple(line.legend for line in read_lines),
            )
        )
    return panels


def variables_in(query: str) -> dict[str, TemplateVariable]:
    """What a file of queries leaves out: its variables, taken to be what their place suggests.

    In a range an interval, in quotes something that offers "All", anywhere else a number.
    """
    found: dict[str, TemplateVariable] = {}
    for braced, square in _VARIABLE.findall(query):
        name = braced or square
        if name.startswith("__") or name.isdigit():
            continue
        written = rf"(?:\$\{{?{name}\b|\[\[{name}\b)"
        if re.search(rf"\[[^\]\"]*\$\{{?{name}\b", query):
            found[name] = TemplateVariable(kind="interval", values=("5m",), options=("5m",))
        elif re.search(rf"[\"'][^\"']*{written}", query):
            found[name] = TemplateVariable(offers_all=True)
        else:
            found[name] = TemplateVariable(kind="custom", values=("1",), options=("1",))
    return found


ANY_TIME = datetime.fromisoformat("2026-01-02T00:00:00+00:00")


def last_day(now: datetime) -> QuestionScope:
    """The last day, whatever times a description mentions."""
    window = Window(start=now - timedelta(days=1), end=now)
    return QuestionScope(window=window, reason="no time in the question", as_of=now)


def plain(query: str, now: datetime = ANY_TIME) -> str:
    """A panel's query without its variables."""
    scope = last_day(now)
    step = step_of(scope.window, QueryPolicy())
    return resolve(query, variables_in(query), scope=scope, labels={}, step=step).query


def answer_of(query: str | None) -> Answer | None:
    """Raises: ValueError where it is no PromQL."""
    if query is None:
        return None
    return Answer(metrics=frozenset(metrics_of(parse(query))), grouping=grouping_in(query))


def agreement(answer: Answer | None, gold: Answer) -> tuple[float, float, float]:
    """Whether metrics, grouping and both agree."""
    if answer is None:
        return 0.0, 0.0, 0.0
    metrics, grouping = answer.metrics == gold.metrics, answer.grouping == gold.grouping
    return float(metrics), float(grouping), float(metrics and grouping)


async def evaluate_promql(
    file: Path,
    *,
    settings: Settings,
    metrics: MetricsSource | None,
    now: datetime,
    models: Models | None = None,
    name_dashboard: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    encoder: Encoder | None = None,
    policy: QueryPolicy | None = None,
) -> PromqlEvaluation:
    """Measure text → PromQL on the panels of ``file``.

    With ``metrics``, candidates are held against what they have, and results are compared; without,
    the metrics are taken to have all names of the file (no types, no labels), as those behind the
    dashboards would. Raises: EvaluationError, EncoderError, IndexFailure, MetricsError.
    """
    panels = read_panels(file)
    encoder = encoder or encoder_of(settings)
    scope = last_day(now)
    catalog = (
        names_of(panels, scope)
        if metrics is None
        else await fetch_catalog(metrics, scope.window, now)
    )
    async with open_panels(panels, encoder, on_progress) as index:
        evaluation = _Evaluation(
            panels,
            scope,
            {name: Retriever(index, encoder, policy=one) for name, one in NEAREST.items()},
            Retriever(index, encoder),
            metrics,
            catalog,
            policy or QueryPolicy(),
            name_dashboard,
        )
        return await evaluation.run(models, settings.llm_timeout)


@asynccontextmanager
async def open_panels(
    panels: Sequence[Panel],
    encoder: Encoder,
    on_progress: Callable[[Progress], None] | None = None,
) -> AsyncIterator[Index]:
    """A scratch index of the panels, until the block ends. Raises: EncoderError, IndexFailure."""
    with TemporaryDirectory(prefix="why-eval-") as scratch:
        folder = Path(scratch)
        _write_dashboards(panels, folder / "dashboards")
        async with AsyncExitStack() as stack:
            store = open_store(directory=folder / "index")
            stack.push_async_callback(store.aclose)
            await sync(
                [open_source(SourceKind.DASHBOARDS, name=_SOURCE, path=folder / "dashboards")],
                store,
                encoder=encoder,
                policy=ChunkingPolicy(),
                on_progress=on_progress,
            )
            index = await store.open_current()
            stack.push_async_callback(index.aclose)
            yield index


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
        for panel in self._panels:
            question = panel.question(name_dashboard=self._name_dashboard)
            reader = Scope(excluded_documents=(panel.document_id,))
            for name, retriever in self._nearest.items():
                answers.setdefault(name, []).append(await self._copied(retriever, question, reader))
            answers.setdefault(WITHOUT_NAMES, []).append(
                await self._found(question, reader, None, None, seconds)
            )
            answers.setdefault(PRODUCT, []).append(
                await self._found(question, reader, self._catalog, None, seconds)
            )
            if models is not None:
                answers.setdefault(WITH_MODEL, []).append(
                    await self._found(question, reader, self._catalog, models, seconds)
                )
        runnable, equal = await self._equal(answers)
        return self._scored(answers, runnable, equal, perf_counter() - began)

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
    ) -> str | None:
        answer = await find_query(
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
        return answer.query

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
            queries=sum(len(panel.queries) for panel in self._panels),
            runnable=len(runnable) / len(self._panels) if self._metrics is not None else None,
            named_dashboard=self._name_dashboard,
            seconds=seconds,
        )


def same_results(found: Sequence[Series], gold: Sequence[Series]) -> bool:
    """Whether two answers have the same series (but for the metric's name) with the same values."""
    if len(found) != len(gold):
        return False
    by_labels = {_labels(one): one for one in gold}
    return all(
        (other := by_labels.get(_labels(one))) is not None
        and np.array_equal(one.times, other.times)
        and np.allclose(one.values, other.values, rtol=_TOLERANCE, atol=0.0, equal_nan=True)
        for one in found
    )


def _labels(series: Series) -> frozenset[tuple[str, str]]:
    return frozenset((k, v) for k, v in series.labels.items() if k != "__name__")


def _arrays(rows: Mapping[str, Sequence[tuple[float, ...]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.array(found) for name, found in rows.items()}


def names_of(panels: Iterable[Panel], scope: QuestionScope) -> Catalog:
    """What a source that serves these dashboards would list: the names, and nothing else."""
    names = {
        name
        for panel in panels
        for query in panel.queries
        for name in metrics_of(parse(plain(query)))
    }
    return Catalog(
        source="the panels' own metrics",
        window=scope.window,
        fetched_at=scope.as_of,
        names=tuple(sorted(names)),
    )


def _write_dashboards(panels: Iterable[Panel], folder: Path) -> None:
    """The panels as Grafana would export them, one file for each dashboard."""
    folder.mkdir()
    boards: dict[str, list[Panel]] = {}
    for panel in panels:
        boards.setdefault(panel.document_id.split("/")[1], []).append(panel)
    for uid, held in boards.items():
        variables: dict[str, TemplateVariable] = {}
        for panel in held:
            for query in panel.queries:
                variables |= variables_in(query)
        board = {
            "uid": uid,
            "title": held[0].dashboard,
            "templating": {"list": [_exported(name, one) for name, one in variables.items()]},
            "panels": [
                {
                    "id": int(panel.document_id.rpartition("/")[2]),
                    "title": panel.title,
                    "description": panel.description,
                    "fieldConfig": {"defaults": {"unit": panel.unit}},
                    "targets": [
                        {"expr": query, "legendFormat": legend}
                        for query, legend in zip(panel.queries, panel.legends, strict=True)
                    ],
                }
                for panel in held
            ],
        }
        (folder / f"{uid}.json").write_text(json.dumps(board), encoding="utf-8")


def _exported(name: str, variable: TemplateVariable) -> dict[str, object]:
    return {
        "name": name,
        "type": variable.kind,
        "includeAll": variable.offers_all,
        "query": ",".join(variable.options),
        "current": {"value": list(variable.values)},
    }


def render_promql(result: PromqlEvaluation) -> RenderableType:
    """The result for a terminal."""
    asked = "dashboard, title and description" if result.named_dashboard else "title, description"
    title = f"Text → PromQL by {asked} ({result.panels} panels, {result.queries} queries)"
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
