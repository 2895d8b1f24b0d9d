"""``why chart``: what a question asks for, as PromQL and as a chart of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.surfaces.options import AsOf, Config, Json, NoLlm, Since, Until, settings_at

if TYPE_CHECKING:
    from service.queries.answer import QueryAnswer


def chart(
    question: Annotated[
        str, typer.Argument(help='For example "failed jobs by cluster since midnight".')
    ],
    config: Config = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    svg: Annotated[Path | None, typer.Option(help="Write the chart as SVG to this file.")] = None,
    no_llm: NoLlm = False,
    as_json: Json = False,
) -> None:
    """Draw what a question asks for: the PromQL, where it comes from, and its chart."""
    from ingest.index import Scope
    from service.assembly import catalogs_of, llm_of, open_parts, zone_of
    from service.promql import chart_of
    from service.queries.drawing import as_markdown, draw_svg

    settings, now = settings_at(config, as_of)

    async def run() -> QueryAnswer:
        async with AsyncExitStack() as stack:
            parts = await stack.enter_async_context(open_parts(settings, as_of=now))
            models = None if no_llm else llm_of(settings)
            if models is not None:
                stack.push_async_callback(models.aclose)
            return await chart_of(
                question,
                now=now,
                zone=zone_of(settings),
                since=since,
                until=until,
                vocabulary=parts.vocabulary,
                retriever=parts.retriever,
                reader=Scope(audience=settings.audience, as_of=now),
                metrics=parts.metrics,
                catalogs=catalogs_of(settings),
                model=models.small if models else None,
                budget=models.budget(settings.llm_timeout) if models else None,
                missing=parts.missing,
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
