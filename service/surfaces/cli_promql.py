"""``why chart`` and ``why eval promql``: a chart for a question, and how often it is right."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from service.settings import load_settings

if TYPE_CHECKING:
    from service.evaluation.promql import PromqlEvaluation
    from service.queries.answer import QueryAnswer

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="WHY_CONFIG", help="TOML file with settings."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NoLlm = Annotated[bool, typer.Option("--no-llm", help="Ask no language model.")]


def chart(
    question: Annotated[
        str, typer.Argument(help='For example "failed jobs by cluster since midnight".')
    ],
    config: Config = None,
    since: Annotated[str | None, typer.Option(help="Start of the window, as in `why ask`.")] = None,
    until: Annotated[str | None, typer.Option(help="End of the window. Default: now.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Ask as of this moment (ISO 8601).")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the chart as SVG to this file.")] = None,
    no_llm: NoLlm = False,
    as_json: Json = False,
) -> None:
    """Draw what a question asks for: the PromQL, where it comes from, and its chart."""
    from ingest.encoders.base import EncoderError
    from ingest.index import IndexFailure, Scope
    from service.assembly import (
        catalogs_of,
        llm_of,
        metrics_of,
        moment_of,
        open_knowledge,
        vocabulary_of,
        zone_of,
    )
    from service.promql import chart_of
    from service.queries.drawing import as_markdown, draw_svg
    from service.scope import Vocabulary

    settings = load_settings(config)
    if as_of is not None:
        settings = settings.model_copy(update={"as_of": as_of})
    now = moment_of(settings)

    async def run() -> QueryAnswer:
        async with AsyncExitStack() as stack:
            reader = Scope(audience=settings.audience, as_of=now)
            vocabulary, retriever, missing = Vocabulary(), None, []
            try:
                knowledge = await stack.enter_async_context(open_knowledge(settings))
                vocabulary = await vocabulary_of(knowledge.index, reader)
                retriever = knowledge.retriever
            except (IndexFailure, EncoderError) as error:
                missing.append(f"the documents: {error}")
            metrics = metrics_of(settings)
            if metrics is not None:
                stack.push_async_callback(metrics.aclose)
            models = None if no_llm else llm_of(settings)
            if models is not None:
                stack.push_async_callback(models.aclose)
            return await chart_of(
                question,
                now=now,
                zone=zone_of(settings),
                since=since,
                until=until,
                vocabulary=vocabulary,
                retriever=retriever,
                reader=reader,
                metrics=metrics,
                catalogs=catalogs_of(settings),
                model=models.small if models else None,
                budget=models.budget(settings.llm_timeout) if models else None,
                missing=missing,
            )

    answer = asyncio.run(run())
    if svg is not None and answer.series:
        svg.parent.mkdir(parents=True, exist_ok=True)
        svg.write_text(draw_svg(answer), encoding="utf-8")
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        typer.echo(as_markdown(answer))
    if answer.query is None:
        raise typer.Exit(1)


def promql(
    panels: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help='JSON lines of {"dashboard", "panel", "description", "promql"}.',
        ),
    ],
    config: Config = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Name the dashboard in each question, too.")
    ] = False,
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
                    name_dashboard=dashboard,
                    on_progress=on_progress,
                )

    result = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        Console().print(render_promql(result))
