"""``why fleet`` and ``why run``: what needs maintenance, and how training runs are doing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.surfaces.options import AsOf, Config, Json, Since, Until, settings_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.inspected import FleetReport, RunReport, RunsReport
    from service.reports.model import Citation, Claim


def fleet(
    question: Annotated[
        str, typer.Argument(help='For example "Which clusters need maintenance?"')
    ] = "What needs maintenance?",
    config: Config = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Rank clusters and nodes by what speaks for maintenance, each reason cited."""
    from service.inspection import open_inspector

    settings, moment = settings_at(config, as_of)

    async def ask() -> FleetReport:
        async with open_inspector(settings, as_of=moment) as inspector:
            return await inspector.fleet(question, now=moment, since=since, until=until)

    report = asyncio.run(ask())
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_fleet(report)


def run(
    question: Annotated[
        str, typer.Argument(help='A run\'s name, or "Is run X healthy?". Default: every run.')
    ] = "",
    config: Config = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Say whether training runs are healthy: loss, gradient norm, throughput and their GPUs."""
    from service.inspection import open_inspector

    settings, moment = settings_at(config, as_of)

    async def ask() -> RunsReport:
        async with open_inspector(settings, as_of=moment) as inspector:
            return await inspector.runs(question, now=moment, since=since, until=until)

    report = asyncio.run(ask())
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_runs(report)


def _print_fleet(report: FleetReport) -> None:
    from service.inspected import FleetOutcome

    console = Console()
    _heading(console, report)
    if report.outcome is FleetOutcome.ALL_WELL:
        console.print("Everything is fine: nothing speaks for maintenance.", style="bold")
    elif report.outcome is FleetOutcome.NOTHING_SEEN:
        console.print("No cluster and no node is visible.", style="bold")
    else:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for column in ("", "component", "kind", "where"):
            table.add_column(column, no_wrap=True)
        table.add_column("score", justify="right", no_wrap=True)
        table.add_column("made of")
        for row in report.rows:
            where = row.region or ""
            if row.cluster and row.cluster != row.name:
                where = f"{row.cluster}, {where}" if where else row.cluster
            table.add_row(
                str(row.rank),
                escape(row.name),
                row.kind.value,
                escape(where),
                f"{row.score:.2f}",
                " + ".join(f"{part.concern} {part.points:.2f}" for part in row.parts),
            )
        console.print(table)
    for row in report.rows:
        console.print(f"{row.rank}. {row.name}", style="bold", markup=False)
        _claims(console, [reason.claim for reason in row.reasons])
        if row.next_check is not None:
            _claims(console, [row.next_check], lead="Next: ")
    if report.well:
        console.print(f"Nothing against: {', '.join(report.well)}", markup=False, soft_wrap=True)
    _rest(console, report.not_seen, report.dropped_claims, report.citations)


def _print_runs(report: RunsReport) -> None:
    console = Console()
    _heading(console, report)
    if not report.runs:
        console.print("Unknown: no training run is visible.", style="bold")
    elif len(report.runs) == len(report.visible) and len(report.runs) > 1:
        console.print(
            f"Every run that is visible: {', '.join(report.visible)}", markup=False, soft_wrap=True
        )
    for one in report.runs:
        _print_run(console, one)
    _rest(console, report.not_seen, report.dropped_claims, report.citations)


def _print_run(console: Console, run: RunReport) -> None:
    where = f" ({', '.join(run.clusters)})" if run.clusters else ""
    console.print(f"{run.name}{where}: {run.verdict}", style="bold", markup=False)
    _claims(console, run.problems)
    _claims(console, run.state)
    _claims(console, run.over, lead="Over: ")


def _heading(console: Console, report: FleetReport | RunsReport) -> None:
    window = report.window
    console.print(
        f"{window.start:%Y-%m-%d %H:%M} – {window.end:%Y-%m-%d %H:%M} UTC ({report.reason})",
        style="dim",
        markup=False,
        soft_wrap=True,
    )


def _claims(console: Console, claims: Iterable[Claim], lead: str = "") -> None:
    for claim in claims:
        numbers = "".join(f"[{number}]" for number in claim.citations)
        console.print(f"- {lead}{claim.text} {numbers}", markup=False, soft_wrap=True)


def _rest(
    console: Console, not_seen: Sequence[str], dropped: int, citations: Sequence[Citation]
) -> None:
    from service.reports.markdown import source_line

    console.print("\nWhat I could not see", style="bold")
    missing = [*not_seen]
    if dropped:
        missing.append(f"{dropped} sentence(s) were removed: their citations did not check out")
    for line in missing or ["Nothing is known to be missing."]:
        console.print(f"- {line}" if missing else line, markup=False, soft_wrap=True)
    if citations:
        console.print("\nSources", style="bold")
    for citation in citations:
        console.print(source_line(citation), markup=False, soft_wrap=True)
