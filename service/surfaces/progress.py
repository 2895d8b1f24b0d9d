"""A progress bar with rate and time left; nothing at all where nobody is looking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as RichProgress,
)

from ingest.sync_report import Progress


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """A callback for ``sync`` that draws on stderr, if stderr is a terminal."""
    console = Console(stderr=True)
    with RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} texts/s"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task("reading", total=None, rate=0.0)

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=f"embedding {progress.source}",
                completed=progress.done,
                total=progress.total,
                rate=progress.texts_per_second,
            )

        yield show
