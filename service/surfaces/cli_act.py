"""``why act``: propose an issue or incident from a report, and say yes or no to it."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from service.actions.kinds import ActionKind, Urgency
from service.settings import SettingsError, load_settings
from service.surfaces.options import Config, Json

if TYPE_CHECKING:
    from service.actions.desk import ActionDesk
    from service.readers import Reader
    from service.reports.model import Report
    from service.store import Database, Proposal

T = TypeVar("T")

act = typer.Typer(
    help="Propose Jira issues and PagerDuty incidents from reports; approve or reject them.",
    no_args_is_help=True,
)
ProposalId = Annotated[str, typer.Argument(help="The proposal's id; `why act list` has them.")]


@act.command()
def propose(
    kind: Annotated[ActionKind, typer.Argument(help="What is proposed.")],
    report: Annotated[
        str, typer.Argument(help="A report's id, or a file that `why ask --json` printed.")
    ],
    config: Config = None,
    incident: Annotated[
        str | None, typer.Option(help="For pagerduty-note: the incident's id.")
    ] = None,
    urgency: Annotated[
        Urgency | None, typer.Option(help="For pagerduty. Default: high, low on a quiet night.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fill in an issue, incident or note from a report. Nothing is created yet."""

    read = _read_report(Path(report))

    async def run(
        desk: ActionDesk, database: Database, reader: Reader
    ) -> tuple[Proposal, str | None]:
        report_id = report if read is None else await _kept(read, database, reader)
        made = await desk.propose(kind, report_id, reader, incident=incident, urgency=urgency)
        return made, await desk.caution(made)

    proposal, caution = _with_desk(config, run)
    if as_json:
        typer.echo(proposal.model_dump_json(indent=2))
        return
    _print_payload(proposal)
    typer.echo(f"\n{_state(proposal)}")
    if caution:
        typer.echo(caution)
    typer.echo(f"Say yes: why act approve {proposal.id}    Say no: why act reject {proposal.id}")


@act.command("list")
def list_proposals(config: Config = None, as_json: Json = False) -> None:
    """List proposals, the newest first."""
    found = _with_desk(config, lambda desk, _, reader: desk.list(reader))
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        return
    for one in found:
        typer.echo(f"{one.id}  {one.kind}, proposed {one.proposed_at:%Y-%m-%d %H:%M} UTC")
        typer.echo(f"  {_state(one)}")
    if not found:
        typer.echo("Nothing is proposed.")


@act.command()
def show(proposal: ProposalId, config: Config = None, as_json: Json = False) -> None:
    """Show what would be created, and everything that was done about it."""

    async def run(desk: ActionDesk, database: Database, reader: Reader) -> tuple[Proposal, str]:
        found = await desk.get(proposal, reader)
        rows = await database.actions.audit(found.id)
        lines = [
            f"{row.at:%Y-%m-%d %H:%M:%S} {row.what} by {row.who}"
            f"{f': {row.detail}' if row.detail else ''}"
            for row in rows
        ]
        return found, "\n".join(lines)

    found, audit = _with_desk(config, run)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    _print_payload(found)
    typer.echo(f"\n{_state(found)}\n\n{audit}")


@act.command()
def approve(proposal: ProposalId, config: Config = None, as_json: Json = False) -> None:
    """Say yes: what was proposed is created, once; or only written down, in a dry run."""
    from service.store import ActionState

    done = _with_desk(config, lambda desk, _, reader: desk.approve(proposal, reader))
    typer.echo(done.model_dump_json(indent=2) if as_json else _state(done))
    if done.state not in (ActionState.DONE, ActionState.DRY_RUN):
        raise typer.Exit(1)


@act.command()
def reject(
    proposal: ProposalId,
    config: Config = None,
    reason: Annotated[str | None, typer.Option(help="Why not; kept in the audit.")] = None,
    as_json: Json = False,
) -> None:
    """Say no."""
    done = _with_desk(config, lambda desk, _, reader: desk.reject(proposal, reader, reason))
    typer.echo(done.model_dump_json(indent=2) if as_json else _state(done))


def _with_desk(
    config: Path | None, use: Callable[[ActionDesk, Database, Reader], Awaitable[T]]
) -> T:
    """What ``use`` returns; what went wrong is one line on stderr and exit code 2."""
    from service.actions.desk import ActionDesk
    from service.actions.errors import ActionError
    from service.readers import Reader
    from service.store import Database, StoreError

    settings = load_settings(config)
    reader = Reader(name=f"cli:{getpass.getuser()}", audience=settings.audience)

    async def run() -> T:
        async with await Database.open(settings) as database:
            return await use(ActionDesk(settings, database), database, reader)

    try:
        return asyncio.run(run())
    except (ActionError, StoreError) as error:
        typer.echo(f"why: {error}", err=True)
        raise typer.Exit(2) from error


def _read_report(file: Path) -> Report | None:
    """The report in a file; None where there is no such file. Raises: SettingsError."""
    from pydantic import ValidationError

    from service.reports.model import Report

    if not file.is_file():
        return None
    try:
        return Report.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise SettingsError(
            f"{file} is no report; write one with `why ask … --json > {file.name}`"
        ) from error


async def _kept(report: Report, database: Database, reader: Reader) -> str:
    """The id of a report from a file, which is kept as the reader's own."""
    from service.store import Surface

    stored = await database.reports.add(
        report,
        surface=Surface.CLI,
        asked_by=reader.name,
        audience=reader.audience,
    )
    return stored.id


def _print_payload(proposal: Proposal) -> None:
    for name, value in proposal.payload.items():
        text = str(value)
        typer.echo(f"{name}:\n{text}\n" if "\n" in text else f"{name}: {text}")


def _state(proposal: Proposal) -> str:
    from service.actions.desk import outcome_of

    return outcome_of(proposal)
