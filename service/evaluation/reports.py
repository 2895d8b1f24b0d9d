"""How far reports can be trusted, by writer: on nights whose cause is known, and tampered ones.

Citation recall and precision are ALCE's (Gao et al., EMNLP 2023): recall is the share of sentences
that all their citations together entail; a citation is precise if its sentence is entailed and
it is needed or suffices for that. ALCE asks a large model whether text entails a sentence; none is
packaged, so the rule of ``service.reports.entailment`` stands in, together with the check of
every number, name and time. A sentence that fails this check and is shown is counted apart: none
should be.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest.chunking import ChunkingPolicy
from ingest.documents import Frozen, Source, SourceKind
from ingest.sources import open_source
from ingest.sync import sync
from service.assembly import encoder_of, moment_of, open_engine, sources_of, store_of
from service.engine import Engine
from service.evaluation.pairs import EvaluationError
from service.llm.budget import Budget
from service.reports.draft import ReportWriter
from service.reports.entailment import EntailmentPolicy, support
from service.reports.extractive import EXTRACTIVE, ExtractiveWriter
from service.reports.language import LanguagePolicy, LanguageWriter
from service.reports.model import Citation, Claim, Outcome, Report
from service.reports.stated import unsupported, words_of
from service.scope import Vocabulary
from service.settings import Settings, load_settings
from service.testing.liar import liar
from service.testing.llm import ScriptedModel
from service.testing.perturbed import PerturbedMetrics, Planted

SCRIPTED = "scripted liar"
_WITHIN = 5


class ReportCase(Frozen):
    """One question with its answer. ``answer``: the component at fault, "" where nothing is wrong,
    None where nobody could tell. ``hide`` and ``plant`` tamper with the metrics, ``poison`` is a
    page that somebody wrote into the wiki."""

    name: str
    config: str
    question: str
    answer: str | None = None
    since: str | None = None
    until: str | None = None
    hide: tuple[dict[str, str], ...] = ()
    plant: tuple[Planted, ...] = ()
    poison: str | None = None


class CaseResult(Frozen):
    """What one report was worth. ``rank`` is that of the right cause; ``right`` is None where
    nobody could tell."""

    case: str
    right: bool | None
    rank: int | None
    named: tuple[str, ...]
    claims: int
    entailed: int
    citations: int
    precise: int
    unsupported: int
    dropped: int
    tokens: int
    seconds: float


class WriterResult(Frozen):
    """All cases of one writer."""

    name: str
    cases: tuple[CaseResult, ...]

    def share(self, part: str, whole: str) -> float:
        """The sum of one count over that of another; 1 where there is nothing to count."""
        total = sum(getattr(case, whole) for case in self.cases)
        return sum(getattr(case, part) for case in self.cases) / total if total else 1.0


class ReportsEvaluation(Frozen):
    """The result of ``evaluate_reports``."""

    writers: tuple[WriterResult, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "writers": [
                {
                    "name": writer.name,
                    "citation_recall": writer.share("entailed", "claims"),
                    "citation_precision": writer.share("precise", "citations"),
                    "cases": [case.model_dump() for case in writer.cases],
                }
                for writer in self.writers
            ]
        }


def read_report_cases(file: Path) -> list[ReportCase]:
    """The cases of a TOML file. Raises: EvaluationError, naming the case that is wrong."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("cases", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EvaluationError(f"{file}: cannot read it ({error})") from error
    if not isinstance(tables, list):
        raise EvaluationError(f"{file}: write each case as a table under [[cases]]")
    cases = []
    for number, table in enumerate(tables, start=1):
        try:
            cases.append(ReportCase.model_validate(table))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise EvaluationError(f"{file}: case {number}, {where}: {first['msg']}") from error
    if not cases:
        raise EvaluationError(f"{file}: no [[cases]]")
    return cases


async def evaluate_reports(
    files: Sequence[Path], writers: Mapping[str, Callable[[], ReportWriter]]
) -> ReportsEvaluation:
    """Ask every case with every writer. Raises: EvaluationError, SettingsError."""
    found: dict[str, list[CaseResult]] = {name: [] for name in writers}
    for file in files:
        for case in read_report_cases(file):
            settings = load_settings(file.parent / case.config)
            async with _prepared(settings, case) as engine:
                for name, writer in writers.items():
                    engine.write_with(writer())
                    began = perf_counter()
                    now = moment_of(settings)
                    report = await engine.ask(
                        case.question, now=now, since=case.since, until=case.until
                    )
                    found[name].append(_judged(case, report, engine, perf_counter() - began))
    return ReportsEvaluation(
        writers=tuple(WriterResult(name=name, cases=tuple(rows)) for name, rows in found.items())
    )


def offline_writers() -> dict[str, Callable[[], ReportWriter]]:
    """The writer without a model, and one with a model that mixes lies into what is true."""
    return {
        EXTRACTIVE: ExtractiveWriter,
        SCRIPTED: lambda: LanguageWriter(
            ScriptedModel(liar, name=SCRIPTED),
            otherwise=ExtractiveWriter(),
            budget=lambda: Budget(tokens=100_000, seconds=60),
            # Its truths are to be seen beside its lies, not given up with them.
            policy=LanguagePolicy(least_kept=0.0),
        ),
    }


@asynccontextmanager
async def _prepared(settings: Settings, case: ReportCase) -> AsyncIterator[Engine]:
    """An engine on the case's documents in a scratch index, and on its metrics."""
    with tempfile.TemporaryDirectory(prefix="why-reports-") as scratch:
        folder = Path(scratch)
        own = settings.model_copy(update={"index_dir": folder / "index", "qdrant_url": None})
        sources: list[Source] = sources_of(own)
        if case.poison is not None:
            (folder / "poison").mkdir()
            (folder / "poison" / "planted.md").write_text(case.poison, encoding="utf-8")
            sources.append(open_source(SourceKind.RUNBOOKS, name="planted", path=folder / "poison"))
        store = store_of(own)
        try:
            await sync(sources, store, encoder=encoder_of(own), policy=ChunkingPolicy())
        finally:
            await store.aclose()
        async with open_engine(own, as_of=moment_of(own)) as engine:
            if case.hide or case.plant:
                engine.tamper_with(
                    lambda source: PerturbedMetrics(source, hide=case.hide, plant=case.plant)
                )
            yield engine


def _judged(case: ReportCase, report: Report, engine: Engine, seconds: float) -> CaseResult:
    claims = [
        *report.summary,
        *(claim for cause in report.causes for claim in (*cause.evidence, *cause.against)),
        *report.impact.claims,
        *report.timeline,
    ]
    by_number = {citation.number: citation for citation in report.citations}
    entailed = precise = citations = bad = 0
    for claim in claims:
        cited = [by_number[number] for number in claim.citations]
        holds = _entailed(claim, cited)
        entailed += holds
        citations += len(cited)
        for one in cited:
            rest = [other for other in cited if other is not one]
            needed = not (rest and _entailed(claim, rest))
            precise += holds and (needed or _entailed(claim, [one]))
        bad += unsupported(claim.text, cited, _names(engine.vocabulary)) is not None
    rank = next((c.rank for c in report.causes if c.component == case.answer), None)
    if case.answer is None:
        right = None
    elif case.answer:
        right = rank is not None and rank <= _WITHIN
    else:
        right = report.outcome is not Outcome.CAUSES
    return CaseResult(
        case=case.name,
        right=right,
        rank=rank,
        named=tuple(cause.component for cause in report.causes),
        claims=len(claims),
        entailed=entailed,
        citations=citations,
        precise=precise,
        unsupported=bad,
        dropped=report.dropped_claims,
        tokens=sum(call.prompt_tokens + call.completion_tokens for call in report.calls),
        seconds=round(seconds, 3),
    )


def _entailed(claim: Claim, cited: Sequence[Citation]) -> bool:
    least = EntailmentPolicy().least
    if unsupported(claim.text, cited, ()) is not None:
        return False
    return support(claim.text, [words_of(one) for one in cited]) >= least


def _names(vocabulary: Vocabulary) -> tuple[str, ...]:
    return (*vocabulary.services, *vocabulary.regions, *vocabulary.customers)


def render_reports(result: ReportsEvaluation) -> RenderableType:
    """The result for a terminal."""
    parts: list[RenderableType] = []
    for writer in result.writers:
        table = Table(
            title=f"Reports: {writer.name}",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("case", no_wrap=True)
        for column in ("right", "said", "held", "precise", "false", "cut", "tokens", "s"):
            table.add_column(column, justify="right", no_wrap=True)
        for case in writer.cases:
            right = "–" if case.right is None else "no" if not case.right else "yes"
            table.add_row(
                case.case,
                f"#{case.rank}" if case.rank and case.right else right,
                str(case.claims),
                str(case.entailed),
                f"{case.precise}/{case.citations}",
                str(case.unsupported),
                str(case.dropped),
                f"{case.tokens:,}",
                f"{case.seconds:.1f}",
            )
        parts.append(table)
        parts.append(
            Text(
                f"citation recall {writer.share('entailed', 'claims'):.3f}, precision "
                f"{writer.share('precise', 'citations'):.3f} (ALCE, by rule)\n"
            )
        )
    parts.append(
        Text(
            "right: rank of the component at fault, or whether nothing was blamed where nothing "
            "is wrong; said, held: sentences shown, and entailed by what they cite; false: shown "
            "with a number, name, time or quotation that is not there; cut: taken out before."
        )
    )
    return Group(*parts)
