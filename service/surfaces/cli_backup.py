"""``why backup`` and ``why restore``: a copy of index and database, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.settings import SettingsError, load_settings
from service.surfaces.options import Config

if TYPE_CHECKING:
    from service.backup import Contents


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; what is there is replaced.")],
    config: Config = None,
    database_only: Annotated[
        bool,
        typer.Option(
            "--database-only",
            help="Without the index, which `why ingest` can make again: the embedded one can't be "
            "read while `why serve` runs.",
        ),
    ] = False,
) -> None:
    """Copy the index and the database into one file."""
    from service.backup import back_up

    settings = load_settings(config)
    contents = _told(back_up(settings, file, with_index=not database_only))
    typer.echo(f"{file} ({file.stat().st_size / 1e6:.1f} MB) has {_in_words(contents)}.")


def restore(
    file: Annotated[Path, typer.Argument(help="What `why backup` wrote.")],
    config: Config = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the index and the database that are there.")
    ] = False,
) -> None:
    """Make index and database what they were when the file was written."""
    from service.backup import restore as bring_back

    contents = _told(bring_back(load_settings(config), file, force=force))
    typer.echo(f"Restored {_in_words(contents)}.")


def _told(work: Coroutine[Any, Any, Contents]) -> Contents:
    """Raises: SettingsError, for what the reader can repair; IndexFailure."""
    from service.archive import BackupError
    from service.store import StoreError

    try:
        return asyncio.run(work)
    except (BackupError, StoreError) as error:
        raise SettingsError(str(error)) from error


def _in_words(contents: Contents) -> str:
    index = f"{contents.index.chunks} chunks" if contents.index else "no index"
    return f"{index}, {contents.rows['reports']} reports and {sum(contents.rows.values())} rows"
