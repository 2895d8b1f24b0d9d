"""The command ``why``: what it can do, and how its failures are told.

Exit codes: 0 all is well; 1 it ran, and something was reported (a file that could not be read);
2 it could not run (a wrong setting, no index).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

from ingest.documents import SourceKind
from service.settings import SettingsError
from service.surfaces.cli_act import act
from service.surfaces.cli_brief import brief
from service.surfaces.cli_dashboard import dashboard
from service.surfaces.cli_fleet import fleet, run
from service.surfaces.cli_incidents import incidents
from service.surfaces.cli_llm import llm
from service.surfaces.cli_mcp import mcp
from service.surfaces.cli_promql import chart, promql
from service.surfaces.cli_serve import keys, serve
from service.surfaces.options import AsOf, Config, Json, Since, Until, settings_at

if TYPE_CHECKING:
    from ingest.sync_report import SyncReport
    from service.backtest import BacktestReport, Found
    from service.reports.model import Report

app = typer.Typer(
    name="why",
    help="Answers 'why?' from what your company wrote and what the metrics say, with citations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
evaluate = typer.Typer(help="Measure how good the answers are.", no_args_is_help=True)
app.add_typer(evaluate, name="eval")
app.add_typer(llm, name="llm")
app.add_typer(incidents, name="incidents")
app.add_typer(act, name="act")
app.add_typer(keys, name="keys")
app.command()(chart)
app.command()(mcp)
evaluate.command()(promql)
for command in (fleet, run, dashboard, brief, serve):
    app.command()(command)

_PROBLEMS_SHOWN = 20


def main() -> None:
    """Entry point: failures that a reader can repair become one line on stderr."""
    from ingest.encoders.base import EncoderError
    from ingest.index import IndexFailure
    from service.briefing.errors import BriefingError
    from service.llm.base import LlmError
    from service.scope import ScopeError

    # Retries are no news: what finally failed is in the answer. stdout is for answers alone.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    set_on_retry_hooks([LoggingOnRetryHook])
    try:
        app()
    except (
        SettingsError,
        ScopeError,
        IndexFailure,
        EncoderError,
        LlmError,
        BriefingError,
    ) as error:
        typer.echo(f"why: {error}", err=True)
        sys.exit(2)


@app.command()
def ingest(
    config: Config = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the index up to date with the configured sources."""
    from service.store import Database, StoreError
    from service.surfaces.progress import progress_bar
    from service.workspace import open_workspace

    settings, _ = settings_at(config)

    async def run() -> SyncReport:
        async with (
            await Database.open(settings) as database,
            open_workspace(settings, database=database) as workspace,
        ):
            with progress_bar() as on_progress:
                return await workspace.sync(dry_run=dry_run, on_progress=on_progress)

    try:
        report = asyncio.run(run())
    except StoreError as error:
        raise SettingsError(f"the database of what was added by hand: {error}") from error
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_sync(report)
    if report.failed:
        raise typer.Exit(1)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    config: Config = None,
    kind: Annotated[
        list[SourceKind] | None, typer.Option(help="Only this kind of source (repeatable).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many documents.")] = 5,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Find passages, with the scores of each stage."""
    from ingest.index import Scope
    from service.assembly import open_knowledge
    from service.retrieval import Passage

    settings, moment = settings_at(config, as_of)

    async def run() -> list[Passage]:
        async with open_knowledge(settings) as knowledge:
            scope = Scope(audience=settings.audience, as_of=moment, kinds=tuple(kind or ()))
            return await knowledge.retriever.search(text, scope=scope, limit=limit)

    passages = asyncio.run(run())
    if as_json:
        found = [
            passage.model_dump(mode="json", exclude={"chunk": {"facts"}}) for passage in passages
        ]
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    console = Console()
    if not passages:
        console.print("Nothing was found.")
    for passage in passages:
        chunk = passage.chunk
        place = " › ".join((chunk.title, *chunk.headings))
        console.print(f"{passage.rank}. {place}", style="bold", markup=False, soft_wrap=True)
        stages = ", ".join(
            f"{name} #{stage.rank} ({stage.score:.3f})" if stage else f"{name} –"
            for name, stage in (("dense", passage.dense), ("bm25", passage.sparse))
        )
        written = f", {chunk.written_at:%Y-%m-%d}" if chunk.written_at else ""
        console.print(
            f"   {chunk.url or chunk.document_id} · {chunk.kind}{written} · characters "
            f"{chunk.start}–{chunk.end} · score {passage.score:.4f}: {stages}",
            style="dim",
            markup=False,
            soft_wrap=True,
        )
        short = " ".join(chunk.text.split())
        console.print(
            f"   {short[:280]}{'…' if len(short) > 280 else ''}", markup=False, soft_wrap=True
        )


@app.command()
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
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        typer.echo(text)


def _read_report(file: Path) -> Report:
    from pydantic import ValidationError

    from service.reports.model import Report

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


@evaluate.command()
def retrieval(
    corpus: Annotated[
        list[Path],
        typer.Option(exists=True, file_okay=False, help="A folder of pages (repeatable)."),
    ],
    pairs: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help='JSON lines of {"query", "gold"}.')
    ],
    more: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, file_okay=False, help="More folders, as --corpus."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Measure retrieval on questions with known answers, against BM25 and dense alone."""
    from service.evaluation import evaluate_retrieval, render
    from service.surfaces.progress import progress_bar

    settings, _ = settings_at(config)
    with progress_bar() as on_progress:
        result = asyncio.run(
            evaluate_retrieval(
                [*corpus, *(more or ())], pairs, settings=settings, on_progress=on_progress
            )
        )
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        Console().print(render(result))


class Through(StrEnum):
    """What the samples of backtest cases can be fetched through."""

    PROMETHEUS = "prometheus"


@evaluate.command()
def causes(
    cases: Annotated[
        list[Path],
        typer.Argument(exists=True, file_okay=False, help="A folder with a cases.jsonl."),
    ],
    through: Annotated[
        Through | None,
        typer.Option(help="Replay the samples into a real Prometheus and ask it over HTTP."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the ranking of causes on past failures, metrics only, against N-Sigma and BARO."""
    from service.evaluation.causes import evaluate_causes, render_causes
    from service.evaluation.replay import prometheus_with

    result = evaluate_causes(cases, through=prometheus_with if through else None)
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        Console().print(render_causes(result))


@evaluate.command()
def reports(
    cases: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="A TOML file of [[cases]]."),
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Measure how far reports can be trusted: without a model, with a lying one, with yours."""
    from service.assembly import llm_of, writer_of
    from service.evaluation.reports import (
        ReportsEvaluation,
        evaluate_reports,
        offline_writers,
        render_reports,
    )

    settings, _ = settings_at(config)

    async def run() -> ReportsEvaluation:
        models = llm_of(settings)
        writers = offline_writers()
        if models is None:
            return await evaluate_reports(cases, writers)
        writers[models.report.name] = lambda: writer_of(settings, models)
        try:
            return await evaluate_reports(cases, writers)
        finally:
            await models.aclose()

    result = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        Console().print(render_reports(result))


@app.command(name="backtest")
def backtest_command(config: Config = None, as_of: AsOf = None, as_json: Json = False) -> None:
    """Ask about your own past incidents, as if they were new, and see what is found."""
    from service.assembly import open_engine, open_knowledge
    from service.backtest import backtest

    settings, moment = settings_at(config, as_of)

    async def run() -> BacktestReport:
        async with (
            open_knowledge(settings) as knowledge,
            open_engine(settings, as_of=moment, knowledge=knowledge) as engine,
        ):
            return await backtest(
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


def _print_sync(report: SyncReport) -> None:
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
