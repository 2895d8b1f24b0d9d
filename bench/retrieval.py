"""How well pages are found, as the tables of docs/benchmarks.md: ``python -m bench.retrieval``.

``why eval retrieval`` on the shared runbooks, printed as Markdown.
"""

from __future__ import annotations

import argparse
import asyncio

from bench.shared_data import PAIRS, add_data_option, runbook_folders
from service.evaluation import RetrievalEvaluation, evaluate_retrieval
from service.evaluation.statistics import MEASURES
from service.settings import Settings
from service.surfaces.progress import progress_bar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    data = parser.parse_args().data
    with progress_bar() as on_progress:
        result = asyncio.run(
            evaluate_retrieval(
                runbook_folders(data),
                data / PAIRS,
                settings=Settings(),
                on_progress=on_progress,
            )
        )
    print(markdown(result))


def markdown(result: RetrievalEvaluation) -> str:
    """The systems, their differences, and what they were measured on."""
    names = list(MEASURES)
    lines = [
        _row("system", *names, "p50 / p95 ms"),
        _row("---", *["---:"] * (len(names) + 1)),
    ]
    for system in result.systems:
        cells = [
            f"**{found.value:.3f}** {found.low:.3f}–{found.high:.3f}"
            for found in system.measures.values()
        ]
        latency = system.latency_ms
        lines.append(_row(system.name, *cells, f"{latency['p50']:.1f} / {latency['p95']:.1f}"))
    lines += ["", _row("difference", *names), _row("---", *["---:"] * len(names))]
    for pair in result.comparisons:
        cells = [
            f"**{found.value:+.3f}** {found.low:+.3f} to {found.high:+.3f} "
            f"({found.share_not_better:.3f})"
            for found in pair.measures.values()
        ]
        lines.append(_row(f"{pair.system} − {pair.other}", *cells))
    ingested = result.ingested
    lines += [
        "",
        f"{result.pairs} pairs, {ingested.documents} documents, {ingested.chunks} chunks; "
        f"{result.model}; chunking {result.chunking}; {result.policy}; "
        f"{ingested.texts_per_second:.0f} texts/s.",
    ]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
