"""``why incidents``: knowledge without a file: list, show, add, edit, delete, confirm, reject."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from service.settings import Settings
from service.surfaces.editor import edited
from service.surfaces.options import Config, Json, settings_at

if TYPE_CHECKING:
    from service.learning import Taken
    from service.readers import Reader
    from service.store import Database, KnowledgeItem

T = TypeVar("T")

incidents = typer.Typer(
    help="Knowledge without a file: incident reports that were added, and confirmed causes.",
    invoke_without_command=True,
)

ItemId = Annotated[str, typer.Argument(help="The item's id; `why incidents` has them.")]
ReportId = Annotated[str, typer.Argument(help="The report's id.")]
CauseRank = Annotated[int, typer.Option("--cause", min=1, help="Its number in the report.")]
File = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, allow_dash=True, help="Markdown with front matter; - is stdin."
    ),
]
Text = Annotated[str | None, typer.Option(help="The report, in Markdown.")]
Title = Annotated[str | None, typer.Option(help="What happened, in one line.")]
Component = Annotated[str | None, typer.Option(help="The component at fault.")]
Why = Annotated[str | None, typer.Option("--cause", help="Why it happened, in one sentence.")]
Confirmed = Annotated[
    bool | None, typer.Option("--confirmed/--suspected", help="Whether the cause is sure.")
]
Services = Annotated[
    list[str] | None, typer.Option("--service", help="A service that was affected (repeatable).")
]
Regions = Annotated[list[str] | None, typer.Option("--region", help="A region (repeatable).")]
Audience = Annotated[
    list[str] | None, typer.Option("--audience", help="A label of who may read it (repeatable).")
]
Started = Annotated[str | None, typer.Option(help="When it began, e.g. 2026-11-12T01:50:00Z.")]
Resolved = Annotated[str | None, typer.Option(help="When it was over.")]
Sync = Annotated[bool, typer.Option("--sync", help="Bring it into the index now.")]


class _Here(NamedTuple):
    """What a command works with. ``now``: the moment of the settings, UTC."""

    settings: Settings
    database: Database
    reader: Reader
    now: datetime


@incidents.callback()
def list_items(context: typer.Context, config: Config = None, as_json: Json = False) -> None:
    """List what was added and what was confirmed, the newest last."""
    if context.invoked_subcommand is not None:
        if config is not None:  # given to the group, it is meant for the command
            context.default_map = {context.invoked_subcommand: {"config": config}}
        return

    async def run(here: _Here) -> tuple[KnowledgeItem, ...]:
        return await here.database.knowledge.list(here.settings.audience)

    items = _with(config, run)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in items], indent=2))
        return
    if not items:
        typer.echo("Nothing was added and no cause was confirmed yet.")
        return
    _print_items(items)


@incidents.command()
def show(item: ItemId, config: Config = None, as_json: Json = False) -> None:
    """Print an item as Markdown with front matter: what `edit` takes."""
    from service.learning import as_page

    found = _with(config, lambda here: _item(here, item))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    typer.echo(f"{found.id}: {found.provenance}", err=True)
    typer.echo(as_page(found.document), nl=False)


@incidents.command()
def add(
    config: Config = None,
    file: File = None,
    text: Text = None,
    title: Title = None,
    component: Component = None,
    cause: Why = None,
    confirmed: Confirmed = None,
    service: Services = None,
    region: Regions = None,
    started: Started = None,
    resolved: Resolved = None,
    audience: Audience = None,
    sync: Sync = False,
    as_json: Json = False,
) -> None:
    """Add a report on an incident. What the options say wins over what the text says."""
    from service.learning import NewIncident, add_incident

    written = _read(file) if file is not None else text or cause
    if written is None:
        raise typer.BadParameter("say what happened, with --file, --text or --cause")
    given = _given(
        title=title,
        component=component,
        cause=cause,
        confirmed=confirmed,
        services=service,
        regions=region,
        started=started,
        resolved=resolved,
        audience=audience,
    )

    async def run(here: _Here) -> KnowledgeItem:
        return await add_incident(
            here.database,
            NewIncident.model_validate({"text": written, **given}),
            by=here.reader.name,
            at=here.now,
            redact_emails=here.settings.redact_emails,
        )

    _print_done("Added", _with(config, run, sync=sync), sync=sync, as_json=as_json)


@incidents.command()
def edit(
    item: ItemId,
    config: Config = None,
    file: File = None,
    title: Title = None,
    component: Component = None,
    cause: Why = None,
    confirmed: Confirmed = None,
    service: Services = None,
    region: Regions = None,
    started: Started = None,
    resolved: Resolved = None,
    audience: Audience = None,
    sync: Sync = False,
    as_json: Json = False,
) -> None:
    """Change an item: by options, by a page as `show` prints it, or else in $EDITOR."""
    from ingest.documents import SourceKind
    from service.learning import NewIncident, NewPage, as_page
    from service.learning import edit as put

    given = _given(
        title=title,
        component=component,
        cause=cause,
        confirmed=confirmed,
        services=service,
        regions=region,
        started=started,
        resolved=resolved,
        audience=audience,
    )

    async def run(here: _Here) -> KnowledgeItem:
        found = await _item(here, item)
        written = as_page(found.document)
        if file is not None:
            written = _read(file)
        elif not given:
            written = edited(written)
        is_incident = found.document.kind is SourceKind.INCIDENTS
        model: type[NewIncident | NewPage] = NewIncident if is_incident else NewPage
        return await put(
            here.database,
            found,
            model.model_validate({"text": written, **given}),
            by=here.reader.name,
            at=here.now,
            redact_emails=here.settings.redact_emails,
        )

    _print_done("Changed", _with(config, run, sync=sync), sync=sync, as_json=as_json)


@incidents.command()
def delete(
    item: ItemId,
    config: Config = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    sync: Sync = False,
) -> None:
    """Delete an item; a sync takes it out of the index."""
    from service.learning import delete as forget

    async def run(here: _Here) -> KnowledgeItem:
        found = await _item(here, item)
        if not yes:
            typer.confirm(f"Delete “{found.document.title}” ({found.provenance})?", abort=True)
        await forget(here.database, found.id)
        return found

    _print_done("Deleted", _with(config, run, sync=sync), sync=sync, as_json=False)


@incidents.command()
def confirm(
    report: ReportId,
    cause: CauseRank,
    config: Config = None,
    text: Annotated[
        str | None,
        typer.Option(help="The cause in your own words; whoever may read the record reads them."),
    ] = None,
    sync: Sync = False,
    as_json: Json = False,
) -> None:
    """Say that a cause of a report was the right one: it becomes an incident record."""
    taken = _with(config, lambda here: _say(here, report, "confirm", cause, text), sync=sync)
    if taken.record is not None and not as_json:
        _print_done("Confirmed", taken.record, sync=sync, as_json=False)
    else:
        _print_taken(taken, as_json=as_json)


@incidents.command()
def reject(
    report: ReportId,
    cause: CauseRank,
    config: Config = None,
    text: Annotated[str | None, typer.Option(help="Why not.")] = None,
    as_json: Json = False,
) -> None:
    """Say that a cause of a report was not the right one; it takes your confirmation back."""
    taken = _with(config, lambda here: _say(here, report, "reject", cause, text))
    _print_taken(taken, as_json=as_json)


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} is no UTF-8 text: {error}") from error


async def _item(here: _Here, item_id: str) -> KnowledgeItem:
    """Raises: NotFound, also where the reader may not see it."""
    from service.store import NotFound

    item = await here.database.knowledge.get(item_id)
    if item is None or not set(item.document.audience) & set(here.settings.audience):
        raise NotFound(f"there is no item {item_id!r} that you may read")
    return item


async def _say(here: _Here, report_id: str, verdict: str, rank: int, text: str | None) -> Taken:
    from ingest.index import IndexLocked
    from service.desk import Desk
    from service.learning import cause_of, take_feedback
    from service.store import Verdict
    from service.workspace import open_workspace

    async with open_workspace(here.settings, database=here.database) as workspace:
        desk = Desk(workspace, here.database)
        stored = await desk.get(report_id, here.reader)
        component = cause_of(stored, rank).component
        word = Verdict(verdict)
        try:
            return await desk.say(report_id, here.reader, word, component=component, note=text)
        except IndexLocked:  # by a server: then the record quotes no document
            return await take_feedback(
                here.database,
                stored,
                word,
                component=component,
                by=here.reader.name,
                at=here.now,
                note=text,
                redact_emails=here.settings.redact_emails,
            )


def _with(config: Path | None, use: Callable[[_Here], Awaitable[T]], *, sync: bool = False) -> T:
    """What ``use`` returns; what went wrong is one line on stderr and exit code 2."""
    from pydantic import ValidationError

    from service.learning import LearningError
    from service.readers import Reader
    from service.store import Database, StoreError

    settings, now = settings_at(config)

    async def run() -> T:
        async with await Database.open(settings) as database:
            reader = Reader(name=f"cli:{getpass.getuser()}", audience=settings.audience)
            result = await use(_Here(settings, database, reader, now))
            if sync:
                await _sync(settings, database)
            return result

    try:
        return asyncio.run(run())
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            where = ".".join(map(str, one["loc"]))
            typer.echo(f"why: {f'{where}: ' if where else ''}{one['msg']}", err=True)
        raise typer.Exit(2) from error
    except (LearningError, StoreError) as error:
        typer.echo(f"why: {error}", err=True)
        raise typer.Exit(2) from error


async def _sync(settings: Settings, database: Database) -> None:
    from service.workspace import open_workspace

    async with open_workspace(settings, database=database) as workspace:
        report = await workspace.sync()
    for problem in report.problems:
        typer.echo(f"{problem.level}: {problem}", err=True)


def _print_items(items: Sequence[KnowledgeItem]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from ingest.documents import IncidentFacts

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("id", "title", "component", "cause", "known since", "from"):
        table.add_column(column, no_wrap=column == "id", overflow="fold")
    for item in items:
        document = item.document
        facts = document.facts if isinstance(document.facts, IncidentFacts) else None
        known = document.written_at or item.created_at
        row = (
            item.id,
            document.title,
            (facts.component if facts else None) or "",
            ("confirmed" if facts.confirmed else "suspected") if facts and facts.cause else "",
            f"{known:%Y-%m-%d}",
            item.provenance,
        )
        table.add_row(*map(escape, row))
    Console().print(table)


def _print_done(what: str, item: KnowledgeItem, *, sync: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(item.model_dump_json(indent=2))
        return
    typer.echo(f"{what} {item.id}: {item.document.title}")
    if not sync:
        typer.echo(
            "The index follows with the next sync: a running `why serve` does it by itself, "
            "`why ingest` does it now.",
            err=True,
        )


def _print_taken(taken: Taken, *, as_json: bool) -> None:
    if as_json:
        typer.echo(taken.model_dump_json(indent=2))
    elif taken.entry.verdict == "reject":
        typer.echo(f"Noted: {taken.entry.component} was not the cause.")
    else:
        typer.echo(
            f"Noted: {taken.entry.component} was the cause. No record was written, since nobody "
            "is known who may read all of its evidence."
        )
