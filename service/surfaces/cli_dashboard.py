"""``why dashboard``: a Grafana dashboard for a question."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from service.surfaces.options import AsOf, Config, Json, Since, Until, settings_at

if TYPE_CHECKING:
    from service.dashboard_orders import DashboardOrder


def dashboard(
    question: Annotated[
        str, typer.Argument(help='For example "Why did checkout fail last night?"')
    ],
    config: Config = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    save: Annotated[
        bool, typer.Option("--save", help='Save it in Grafana\'s folder "Why"; print the link.')
    ] = False,
    as_json: Json = False,
) -> None:
    """Build a Grafana dashboard out of a report's evidence, or of the panels for a question."""
    from service.dashboard_orders import open_maker

    settings, moment = settings_at(config, as_of)

    async def make() -> DashboardOrder:
        async with open_maker(settings, as_of=moment) as maker:
            return await maker.make(question, now=moment, since=since, until=until, save=save)

    order = asyncio.run(make())
    if as_json:
        typer.echo(order.model_dump_json(indent=2))
    else:
        _print(order)
    if order.dashboard is None or order.not_saved is not None:
        raise typer.Exit(1)


def _print(order: DashboardOrder) -> None:
    """The link or the JSON on stdout, for whatever comes next; everything else on stderr."""
    if order.not_saved is not None:
        typer.echo(f"Not saved: {order.not_saved}", err=True)
    if order.dashboard is None:
        typer.echo("Nothing to draw: no cited metric and no panel for this question.", err=True)
    else:
        typer.echo(f"{order.panels} panels out of {order.based_on}: {order.title}", err=True)
        if order.url is not None:
            typer.echo(order.url)
        else:
            typer.echo("Import it in Grafana (Dashboards, New, Import).", err=True)
            typer.echo(json.dumps(order.dashboard, indent=2, ensure_ascii=False))
    for line in order.not_seen:
        typer.echo(f"Not seen: {line}", err=True)
