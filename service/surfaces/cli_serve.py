"""``why serve`` and ``why keys``: the server, and who may use it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingest.documents import EVERYONE
from service.settings import Settings, load_settings
from service.surfaces.options import Config, Json

if TYPE_CHECKING:
    from service.store import ApiKey, Database

T = TypeVar("T")

keys = typer.Typer(help="API keys: who may use `why serve`, and for what.", no_args_is_help=True)


class KeyScope(StrEnum):
    """What a key is good for."""

    ASK = "ask"
    INGEST = "ingest"
    ADMIN = "admin"


def serve(
    config: Config = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, instead of the settings'.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on, instead of the settings'."),
    ] = None,
    open_access: Annotated[
        bool,
        typer.Option("--open-access", help="Ask for no keys; only on a loopback address."),
    ] = False,
) -> None:
    """Serve the HTTP API, the web page and what else is configured, until Ctrl-C or SIGTERM."""
    from service.surfaces.http.server import serve as run

    settings = load_settings(config)
    given = {"host": host, "port": port, "open_access": open_access or None}
    changed = {name: value for name, value in given.items() if value is not None}
    run(settings.model_copy(update=changed), typer.echo)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for logs and records.")],
    config: Config = None,
    scope: Annotated[
        list[KeyScope] | None,
        typer.Option(help="What it is good for (repeatable; admin has all). Default: ask."),
    ] = None,
    audience: Annotated[
        list[str] | None,
        typer.Option(help="Label of what it may read (repeatable). Default: everyone."),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(min=1, help="Requests a minute, instead of the settings'."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it. This is the only time that it can be read."""
    from service.store import Scope

    scopes = [Scope(one.value) for one in scope or [KeyScope.ASK]]

    async def make(database: Database) -> tuple[ApiKey, str]:
        made = await database.keys.create(
            name, scopes=scopes, audience=audience or [EVERYONE], rate_per_minute=rate
        )
        return made.key, made.clear

    key, clear = _with_database(load_settings(config), make)
    if as_json:
        shown = key.model_dump(mode="json", include={"id", "name", "scopes", "audience"})
        Console(soft_wrap=True).print_json(data={**shown, "key": clear})
    else:
        typer.echo(clear)


@keys.command(name="list")
def list_keys(config: Config = None, as_json: Json = False) -> None:
    """Show all keys, the revoked ones too, without their secrets."""
    found = _with_database(load_settings(config), lambda database: database.keys.list())
    if as_json:
        Console(soft_wrap=True).print_json(data=[key.model_dump(mode="json") for key in found])
        return
    if not found:
        typer.echo("There are no keys; `why keys create NAME` makes one.")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("id", "name", "scopes", "audience", "a minute", "made", "last used", "revoked"):
        table.add_column(title, overflow="fold")
    for key in found:
        table.add_row(
            key.id,
            escape(key.name),
            ", ".join(key.scopes),
            escape(", ".join(key.audience)),
            str(key.rate_per_minute or ""),
            _day(key.created_at),
            _day(key.last_used),
            _day(key.revoked_at),
        )
    Console().print(table)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its name or id.")], config: Config = None
) -> None:
    """End a key: from now on it is refused."""
    gone = _with_database(load_settings(config), lambda database: database.keys.revoke(key))
    typer.echo(f"Revoked {gone.name} ({gone.id}).")


def _with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    from service.store import Database

    async def run() -> T:
        async with await Database.open(settings) as database:
            return await work(database)

    return asyncio.run(run())


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""
