"""``why mcp``: the tools for a language model of another program."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from service.settings import load_settings
from service.surfaces.options import Config

if TYPE_CHECKING:
    from service.settings import Settings


def mcp(
    config: Config = None,
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP instead of stdio, at /mcp.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="With --http: the address.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="With --http: the port; 0 for a free one.")
    ] = None,
) -> None:
    """Serve search, ask, signals, promql and briefing over MCP, read-only: docs/mcp.md."""
    from service.store import StoreError

    given = {"host": host, "port": port}
    changed = {name: value for name, value in given.items() if value is not None}
    settings = load_settings(config).model_copy(update=changed)
    try:
        if http:
            _serve_http(settings)
        else:
            asyncio.run(_serve_stdio(settings))
    except StoreError as error:
        typer.echo(f"why: {error}", err=True)
        raise typer.Exit(2) from error


def _serve_http(settings: Settings) -> None:
    import uvicorn

    from service.surfaces.mcp.over_http import mcp_app
    from service.telemetry import configure_logging

    configure_logging(settings)
    uvicorn.run(
        mcp_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
    )


async def _serve_stdio(settings: Settings) -> None:
    from service.desk import Desk
    from service.readers import Reader
    from service.store import Database
    from service.surfaces.mcp.briefs import briefs_of
    from service.surfaces.mcp.server import mcp_server
    from service.workspace import open_workspace

    async with (
        await Database.open(settings) as database,
        open_workspace(settings, database=database) as workspace,
    ):
        reader = Reader(name="mcp", audience=settings.audience)
        desk = Desk(workspace, database)
        await mcp_server(desk, briefs_of(desk), reader).run_stdio_async()
