"""``why backtest``: your own past incidents, asked about as if they were new."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from service.surfaces.options import AsOf, Config, Json, settings_at

if TYPE_CHECKING:
    from service.backtest import BacktestReport, Found


def backtest(config: Config = None, as_of: AsOf = None, as_json: Json = False) -> None:
    """Ask about your own past incidents, as if they were new, and see what is found."""
    from service.assembly import open_engine, open_knowledge
    from service.backtest import backtest as ask_about_all

    settings, moment = settings_at(config, as_of)

    async def run() -> BacktestReport:
        async with (
            open_knowledge(settings) as knowledge,
            open_engine(settings, as_of=moment, knowledge=knowledge) as engine,
        ):
            return await ask_about_all(
                engine,
                knowledge.index,
                knowledge.encoder,
                audience=settings.audience,
                now=moment,
            )

    report = asyncio.run(run())
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_backtest(report)


def _print_backtest(report: BacktestReport) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from service.backtest import RANKS

    console = Console()
    # The two columns of words share what the four of figures and the gaps leave.
    rest = max(30, console.width - 51)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("incident", no_wrap=True, width=rest * 3 // 5)
    table.add_column("as of", no_wrap=True, width=10)
    table.add_column("found", no_wrap=True, width=12)
    table.add_column("cosine", justify="right", no_wrap=True, width=6)
    table.add_column("recent", justify="right", no_wrap=True, width=6)
    table.add_column("named", no_wrap=True, width=rest * 2 // 5)
    for row in report.rows:
        recent = row.recent.rank
        table.add_row(
            escape(row.case.title),
            f"{row.asked_at:%Y-%m-%d}",
            _how_found(row.found),
            f"{row.found.similarity:.2f}" if row.named else "",
            f"#{recent}" if recent else "no",
            escape(", ".join(row.named)) or row.outcome.value.replace("_", " "),
        )
    console.print(table)
    scores = Table(box=SIMPLE_HEAD)
    scores.add_column("AC@k")
    scores.add_column("cases", justify="right")
    for k in RANKS:
        scores.add_column(f"@{k}", justify="right")
    for score in report.scores:
        scores.add_row(
            score.of,
            str(score.cases),
            *(f"{score.at[k]:.2f}" if score.cases else "–" for k in RANKS),
        )
    console.print(scores)
    skipped = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items())
    console.print(
        f"{len(report.rows)} incidents asked about{f'; not asked: {skipped}' if skipped else ''}. "
        f"Found by component: the one at fault is named; by text: a quotation means the confirmed "
        f"cause (cosine ≥ {report.policy.similarity}). Most recent: the last "
        f"{report.policy.recent} different causes, without looking.",
        markup=False,
    )
    helpful: dict[str, list[str]] = {}
    for row in report.rows:
        for line in row.would_have_helped:
            helpful.setdefault(line, []).append(row.case.title)
    if helpful:
        console.print("What would have helped:", style="bold")
    for line, titles in sorted(helpful.items(), key=lambda item: (-len(item[1]), item[0])):
        whom = f"{len(titles)} incidents" if len(titles) > 1 else titles[0]
        console.print(f"- {line} ({whom})", markup=False)


def _how_found(found: Found) -> str:
    """Such as "#1 component", "#2 text" and "#1 both"."""
    if found.rank is None:
        return "no"
    if found.by_component == found.by_text:
        return f"#{found.rank} both"
    return f"#{found.rank} {'component' if found.rank == found.by_component else 'text'}"
