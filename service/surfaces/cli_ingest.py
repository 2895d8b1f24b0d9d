"""``why ingest``: the index follows the sources, and a table says what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from service.surfaces.options import Config, Json, settings_at

if TYPE_CHECKING:
    from ingest.crew import Crew
    from ingest.sync_report import SyncReport
    from service.settings import Settings

_PROBLEMS_SHOWN = 20


def ingest(
    config: Config = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; write nothing.")
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            help="Read and embed with this many processes, on this machine or the Ray cluster "
            "at ray_address. 0: in this one.",
        ),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Bring the index up to date with the configured sources."""
    from service.settings import SettingsError
    from service.store import Database, StoreError
    from service.surfaces.progress import progress_bar
    from service.workspace import open_workspace

    settings, _ = settings_at(config)

    async def run(crew: Crew | None) -> SyncReport:
        async with (
            await Database.open(settings) as database,
            open_workspace(settings, database=database) as workspace,
        ):
            with progress_bar() as on_progress:
                return await workspace.sync(dry_run=dry_run, on_progress=on_progress, crew=crew)

    try:
        with _crew(settings, workers) as crew:
            report = asyncio.run(run(crew))
    except StoreError as error:
        raise SettingsError(f"the database of what was added by hand: {error}") from error
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_sync(report)
    if report.failed:
        raise typer.Exit(1)


@contextmanager
def _crew(settings: Settings, workers: int) -> Iterator[Crew | None]:
    """Raises: WorkersLost."""
    if not workers:
        yield None
        return
    from ingest.chunking import ChunkingPolicy
    from ingest.spread import Spread, ray_running
    from service.assembly import encoder_opener

    with ray_running(workers, settings.ray_address):
        yield Spread(encoder_opener(settings), ChunkingPolicy(), workers=workers)


def _print_sync(report: SyncReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title="Dry run: nothing was written" if report.dry_run else None)
    table.add_column("source")
    columns = ("added", "changed", "removed", "unchanged", "kept", "chunks_embedded")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for outcome in report.sources:
        name = outcome.source if outcome.configured else f"{outcome.source} (not configured)"
        table.add_row(name, *(str(getattr(outcome, column)) for column in columns))
    console.print(table)
    if report.redacted:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.redacted.items())
        console.print(f"Redacted before anything was stored: {kinds}", markup=False)
    if report.chunks_embedded and not report.dry_run:
        console.print(
            f"{report.chunks_embedded} chunks in {report.writing_seconds:.1f} s "
            f"({report.texts_per_second:.0f} texts/s)"
        )
    if not report.published and not report.dry_run:
        console.print("The index was not switched: see the problems below.", style="bold")
    problems = Console(stderr=True)
    for outcome in report.sources:
        for problem in outcome.problems[:_PROBLEMS_SHOWN]:
            line = f"{problem.level}: {outcome.source}: {problem}"
            problems.print(line, markup=False, soft_wrap=True)
        more = len(outcome.problems) - _PROBLEMS_SHOWN
        if more > 0:
            problems.print(f"… and {more} more in {outcome.source} (all of them with --json)")
