"""``why eval``: how good retrieval, ranking, reports and queries are, on known answers."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from service.settings import load_settings
from service.surfaces.options import Config, Json, NoLlm, settings_at

if TYPE_CHECKING:
    from service.evaluation.promql import PromqlEvaluation

evaluate = typer.Typer(help="Measure how good the answers are.", no_args_is_help=True)


@evaluate.command()
def retrieval(
    corpus: Annotated[
        list[Path],
        typer.Option(exists=True, file_okay=False, help="A folder of pages (repeatable)."),
    ],
    pairs: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help='JSON lines of {"query", "gold"}.')
    ],
    more: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, file_okay=False, help="More folders, as --corpus."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Measure retrieval on questions with known answers, against BM25 and dense alone."""
    from service.evaluation import evaluate_retrieval, render
    from service.surfaces.progress import progress_bar

    settings, _ = settings_at(config)
    with progress_bar() as on_progress:
        result = asyncio.run(
            evaluate_retrieval(
                [*corpus, *(more or ())], pairs, settings=settings, on_progress=on_progress
            )
        )
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        Console().print(render(result))


class Through(StrEnum):
    """What the samples of backtest cases can be fetched through."""

    PROMETHEUS = "prometheus"


@evaluate.command()
def causes(
    cases: Annotated[
        list[Path],
        typer.Argument(exists=True, file_okay=False, help="A folder with a cases.jsonl."),
    ],
    through: Annotated[
        Through | None,
        typer.Option(help="Replay the samples into a real Prometheus and ask it over HTTP."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the ranking of causes on past failures, metrics only, against N-Sigma and BARO."""
    from service.evaluation.causes import evaluate_causes, render_causes
    from service.evaluation.replay import prometheus_with

    result = evaluate_causes(cases, through=prometheus_with if through else None)
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        Console().print(render_causes(result))


@evaluate.command()
def reports(
    cases: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="A TOML file of [[cases]]."),
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Measure how far reports can be trusted: without a model, with a lying one, with yours."""
    from service.assembly import llm_of, writer_of
    from service.evaluation.reports import (
        ReportsEvaluation,
        evaluate_reports,
        offline_writers,
        render_reports,
    )

    settings, _ = settings_at(config)

    async def run() -> ReportsEvaluation:
        models = llm_of(settings)
        writers = offline_writers()
        if models is None:
            return await evaluate_reports(cases, writers)
        writers[models.report.name] = lambda: writer_of(settings, models)
        try:
            return await evaluate_reports(cases, writers)
        finally:
            await models.aclose()

    result = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        Console().print(render_reports(result))


@evaluate.command()
def promql(
    panels: Annotated[
        Path,
        typer.Option(
            exists=True,
            help='JSON lines of {"dashboard", "panel", "description", "promql"}, or a folder of '
            "exported dashboards.",
        ),
    ],
    config: Config = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Name the dashboard in each question, too.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Ask for so many panels, drawn at random.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    no_llm: NoLlm = False,
    as_json: Json = False,
) -> None:
    """Measure text → PromQL on panels that the index doesn't contain when they are asked for."""
    from service.assembly import llm_of, metrics_of, moment_of
    from service.evaluation.promql import evaluate_promql, render_promql
    from service.surfaces.progress import progress_bar

    settings = load_settings(config)
    models = None if no_llm else llm_of(settings)

    async def run() -> PromqlEvaluation:
        async with AsyncExitStack() as stack:
            metrics = metrics_of(settings)
            if metrics is not None:
                stack.push_async_callback(metrics.aclose)
            if models is not None:
                stack.push_async_callback(models.aclose)
            with progress_bar() as on_progress:
                return await evaluate_promql(
                    panels,
                    settings=settings,
                    metrics=metrics,
                    now=moment_of(settings),
                    models=models,
                    limit=limit,
                    seed=seed,
                    name_dashboard=dashboard,
                    on_progress=on_progress,
                )

    result = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        Console().print(render_promql(result))
