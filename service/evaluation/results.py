"""What an evaluation found, as values, as JSON and for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest.documents import Frozen, Problem
from service.evaluation.statistics import CONFIDENCE, MEASURES, RESAMPLES, Difference, Estimate
from service.retrieval import RetrievalPolicy

_PROBLEMS_SHOWN = 20


class System(Frozen):
    """One way of searching. ``latency_ms``: ``p50`` and ``p95`` of a search in milliseconds,
    the question's embedding included, one after another in a warm process."""

    name: str
    measures: dict[str, Estimate]
    latency_ms: dict[str, float]


class Comparison(Frozen):
    """``system`` minus ``other`` on the same questions, by measure."""

    system: str
    other: str
    measures: dict[str, Difference]


class Ingested(Frozen):
    """What went into the scratch index. ``texts_per_second`` counts chunks embedded and stored;
    ``seconds`` is the whole of it, reading and optimising included."""

    documents: int
    chunks: int
    texts_per_second: float
    seconds: float


class RetrievalEvaluation(Frozen):
    """The result of ``evaluate_retrieval``; the last system is the product's own setting."""

    systems: tuple[System, ...]
    comparisons: tuple[Comparison, ...]
    pairs: int
    ingested: Ingested
    model: str
    chunking: str
    policy: RetrievalPolicy
    problems: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON values: ``systems`` with a ``value``, ``low`` and ``high`` for each measure,
        ``latency_ms`` of the product's own setting, ``pairs``; then what else is known."""
        return {
            "systems": [
                {
                    "name": system.name,
                    **{name: found.model_dump() for name, found in system.measures.items()},
                    "latency_ms": system.latency_ms,
                }
                for system in self.systems
            ],
            "latency_ms": self.systems[-1].latency_ms,
            "pairs": self.pairs,
            "comparisons": [
                {
                    "system": comparison.system,
                    "other": comparison.other,
                    **{name: found.model_dump() for name, found in comparison.measures.items()},
                }
                for comparison in self.comparisons
            ],
            "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE},
            "ingested": self.ingested.model_dump(),
            "settings": {
                "model": self.model,
                "chunking": self.chunking,
                "retrieval": self.policy.model_dump(mode="json"),
            },
            "problems": [problem.model_dump(mode="json") for problem in self.problems],
        }


def render(result: RetrievalEvaluation) -> RenderableType:
    """The result for a terminal."""
    ingested = result.ingested
    parts: list[RenderableType] = [
        _systems(result),
        _comparisons(result),
        Text(
            f"{result.pairs} pairs, {ingested.documents} documents in {ingested.chunks} chunks; "
            f"ingested in {ingested.seconds:.1f} s at {ingested.texts_per_second:.0f} texts/s. "
            f"Intervals: {CONFIDENCE:.0%}, bootstrap over pairs ({RESAMPLES} resamples). "
            "recall@k: share of pairs with any gold page among the first k documents."
        ),
    ]
    if result.problems:
        parts.append(Text(f"\n{len(result.problems)} problems:"))
        parts += [Text(f"  {problem}") for problem in result.problems[:_PROBLEMS_SHOWN]]
        if len(result.problems) > _PROBLEMS_SHOWN:
            parts.append(Text("  … (--json has all of them)"))
    return Group(*parts)


def _systems(result: RetrievalEvaluation) -> Table:
    table = Table(title="Retrieval", title_justify="left")
    table.add_column("measure")
    for system in result.systems:
        table.add_column(system.name, justify="right")
    for name in MEASURES:
        table.add_row(name, *(_estimate(system.measures[name]) for system in result.systems))
    for quantile in ("p50", "p95"):
        table.add_row(
            f"{quantile} ms", *(f"{system.latency_ms[quantile]:.1f}" for system in result.systems)
        )
    return table


def _comparisons(result: RetrievalEvaluation) -> Table:
    table = Table(
        title="Paired differences (in brackets: share of resamples that are not better)",
        title_justify="left",
    )
    table.add_column("measure")
    for comparison in result.comparisons:
        table.add_column(f"{comparison.system} − {comparison.other}", justify="right")
    for name in MEASURES:
        table.add_row(name, *(_difference(c.measures[name]) for c in result.comparisons))
    return table


def _estimate(found: Estimate) -> str:
    return f"{found.value:.3f} {found.low:.3f}–{found.high:.3f}"


def _difference(found: Difference) -> str:
    return (
        f"{found.value:+.3f} {found.low:+.3f} to {found.high:+.3f} ({found.share_not_better:.3f})"
    )
