"""``why ask``: a question's cited report, or what the question asks for instead of one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.surfaces.options import AsOf, Config, Json, Since, Until, settings_at

if TYPE_CHECKING:
    from service.reports.model import Report


def ask(
    question: Annotated[
        str, typer.Argument(help='For example "Why did checkout fail last night?"')
    ],
    config: Config = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    charts: Annotated[
        Path | None, typer.Option(help="Write the charts as SVG into this folder.")
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help='A report that `--json` printed; the question goes on from it: "and in us-east?"',
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question: with a cited report, or as `why chart`, `why fleet` or `why run` do."""
    from service.assembly import open_engine
    from service.follow_up import FollowUp, follow_up
    from service.intent import Intent, intent_by_rule
    from service.reports.markdown import compared, to_markdown
    from service.surfaces.cli_chart import chart
    from service.surfaces.cli_fleet import fleet, run

    others: dict[Intent, Callable[..., None]] = {
        Intent.SHOW: chart,
        Intent.FLEET: fleet,
        Intent.RUN: run,
    }
    answer = None if after else others.get(intent_by_rule(question) or Intent.WHY)
    if answer is not None:
        answer(
            question=question,
            config=config,
            since=since,
            until=until,
            as_of=as_of,
            as_json=as_json,
        )
        return
    settings, moment = settings_at(config, as_of)
    before = _read_report(after) if after else None

    async def investigate() -> tuple[FollowUp, Report]:
        async with open_engine(settings, as_of=moment) as engine:
            asked = FollowUp(question=question, since=since, until=until)
            if before is not None and since is None and until is None:
                asked = follow_up(question, before, engine.vocabulary)
            intent = await engine.intent_of(question)
            return asked, await engine.ask(
                asked.question,
                now=moment,
                since=asked.since,
                until=asked.until,
                audience=settings.audience,
                intent=intent,
            )

    asked, report = asyncio.run(investigate())
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
        return
    text = to_markdown(report, _write_charts(report, charts) if charts else None)
    if asked.compare and before is not None:
        text += "\n" + compared(report, before)
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        typer.echo(text)


def _read_report(file: Path) -> Report:
    from pydantic import ValidationError

    from service.reports.model import Report
    from service.settings import SettingsError

    try:
        return Report.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise SettingsError(
            f"--after: {file} is no report; write one with `why ask … --json > {file.name}`"
        ) from error


def _write_charts(report: Report, folder: Path) -> dict[int, str]:
    from service.reports.charts import as_svg

    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for drawn in report.charts:
        file = folder / f"chart-{drawn.citation}.svg"
        file.write_text(as_svg(drawn), encoding="utf-8")
        images[drawn.citation] = str(file)
    return images
