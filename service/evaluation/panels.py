"""Panels to be asked for, from a file of queries or a folder of dashboards, and their index.

The panels become dashboards of an index of their own, by the same ingestion as in service.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.chunking import ChunkingPolicy
from ingest.documents import (
    Document,
    Frozen,
    PanelFacts,
    ProblemLevel,
    SourceKind,
    TemplateVariable,
)
from ingest.encoders.base import Encoder
from ingest.index import Index, open_store
from ingest.sources import open_source
from ingest.sync import sync
from ingest.sync_report import Progress
from service.evaluation.pairs import EvaluationError
from service.metrics.catalog import Catalog
from service.metrics.panels import resolve
from service.metrics.source import Window
from service.queries.expressions import metrics_of, parse
from service.queries.policy import QueryPolicy, step_of
from service.scope import QuestionScope

_SOURCE = "panels"
_SHOWN = 5
_VARIABLE = re.compile(r"\$\{?(\w+)|\[\[(\w+)")
_PROMETHEUS = ("prometheus", "")
"""Types of data sources that are asked in PromQL; the second says nothing."""


class PanelLine(BaseModel):
    """One query of a panel, a line of the file; other fields are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dashboard: str
    panel: str
    promql: str
    description: str | None = None
    legend: str | None = None
    unit: str | None = None
    source: str = ""
    uid: str = ""


class Panel(Frozen):
    """A panel with all of its queries. ``document_id``: in the scratch index. ``place``: what
    tells its dashboard from others."""

    document_id: str
    place: str
    dashboard: str
    title: str
    description: str | None
    unit: str | None
    queries: tuple[str, ...]
    legends: tuple[str | None, ...]

    def question(self, *, name_dashboard: bool) -> str:
        place = f"{self.dashboard}: " if name_dashboard else ""
        return place + " ".join(filter(None, (self.title, self.description)))


def read_panels(place: Path) -> list[Panel]:
    """The panels of a file of queries (JSON lines) or of a folder of exported dashboards, in order.

    Raises: EvaluationError, naming lines and files.
    """
    lines: dict[tuple[str, str, str, str], list[PanelLine]] = {}
    wrong: list[str] = []
    for where, read in _lines_of_dashboards(place) if place.is_dir() else _lines_of(place):
        if isinstance(read, PanelLine):
            try:
                parse(plain(read.promql))
            except ValueError as error:
                wrong.append(f"{where}: not PromQL: {error}")
            else:
                lines.setdefault((read.source, read.uid, read.dashboard, read.panel), []).append(
                    read
                )
        else:
            wrong.append(f"{where}: {read}")
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more lines"] if len(wrong) > _SHOWN else []
        raise EvaluationError("\n".join([*wrong[:_SHOWN], *more]))
    if len(lines) < 2:
        raise EvaluationError(f"{place}: a panel is found by others: there must be more than one")
    dashboards = {key[:3]: number for number, key in reversed([*enumerate(lines)])}
    numbers: dict[int, int] = {}
    panels = []
    for key, read_lines in lines.items():
        dashboard = dashboards[key[:3]]
        numbers[dashboard] = numbers.get(dashboard, 0) + 1
        first_line = read_lines[0]
        panels.append(
            Panel(
                document_id=f"{_SOURCE}/dashboard-{dashboard}/{numbers[dashboard]}",
                place="".join(key[:3]),
                dashboard=first_line.dashboard,
                title=first_line.panel,
                description=first_line.description,
                unit=first_line.unit,
                queries=tuple(line.promql for line in read_lines),
                legends=tuple(line.legend for line in read_lines),
            )
        )
    return panels


def _lines_of(file: Path) -> Iterator[tuple[str, PanelLine | str]]:
    """Each line by its place, or what is wrong with it. Raises: EvaluationError."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{file}: cannot read it ({error})") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"{file}:{number}", PanelLine.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            yield f"{file}:{number}", f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _lines_of_dashboards(folder: Path) -> Iterator[tuple[str, PanelLine | str]]:
    """The queries of every panel that is asked in PromQL."""
    for found in open_source(SourceKind.DASHBOARDS, name=_SOURCE, path=folder).read():
        if not isinstance(found, Document):
            if found.level is not ProblemLevel.NOTICE:
                yield found.path, found.reason
            continue
        facts = found.facts
        if not isinstance(facts, PanelFacts):
            continue
        types = facts.data_sources or ("",) * len(facts.queries)
        legends: Sequence[str | None] = facts.legends
        if len(legends) != len(facts.queries):  # one that several queries share is kept once
            legends = (None,) * len(facts.queries)
        for query, type_, legend in zip(facts.queries, types, legends, strict=True):
            if type_ in _PROMETHEUS:
                yield (
                    found.origin,
                    PanelLine(
                        dashboard=facts.dashboard,
                        panel=facts.panel,
                        promql=query,
                        description=_description(found),
                        legend=legend,
                        unit=facts.unit,
                        uid=facts.dashboard_uid,
                    ),
                )


def _description(panel: Document) -> str | None:
    """What stands between a panel's title and its unit or query."""
    _, _, rest = panel.sections[0].text.partition("\n")
    told = re.split(r"^(?:Unit|Query): ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return told.strip() or None


def variables_in(query: str) -> dict[str, TemplateVariable]:
    """What a file of queries leaves out: its variables, taken to be what their place suggests.

    In a range an interval, in quotes something that offers "All", anywhere else a number.
    """
    found: dict[str, TemplateVariable] = {}
    for braced, square in _VARIABLE.findall(query):
        name = braced or square
        if name.startswith("__") or name.isdigit():
            continue
        written = rf"(?:\$\{{?{name}\b|\[\[{name}\b)"
        if re.search(rf"\[[^\]\"]*\$\{{?{name}\b", query):
            found[name] = TemplateVariable(kind="interval", values=("5m",), options=("5m",))
        elif re.search(rf"[\"'][^\"']*{written}", query):
            found[name] = TemplateVariable(offers_all=True)
        else:
            found[name] = TemplateVariable(kind="custom", values=("1",), options=("1",))
    return found


ANY_TIME = datetime.fromisoformat("2026-01-02T00:00:00+00:00")


def last_day(now: datetime) -> QuestionScope:
    """The last day, whatever times a description mentions."""
    window = Window(start=now - timedelta(days=1), end=now)
    return QuestionScope(window=window, reason="no time in the question", as_of=now)


def plain(query: str, now: datetime = ANY_TIME) -> str:
    """A panel's query without its variables."""
    scope = last_day(now)
    step = step_of(scope.window, QueryPolicy())
    return resolve(query, variables_in(query), scope=scope, labels={}, step=step).query


@asynccontextmanager
async def open_panels(
    panels: Sequence[Panel],
    encoder: Encoder,
    on_progress: Callable[[Progress], None] | None = None,
) -> AsyncIterator[Index]:
    """A scratch index of the panels, until the block ends. Raises: EncoderError, IndexFailure."""
    with TemporaryDirectory(prefix="why-eval-") as scratch:
        folder = Path(scratch)
        _write_dashboards(panels, folder / "dashboards")
        async with AsyncExitStack() as stack:
            store = open_store(directory=folder / "index")
            stack.push_async_callback(store.aclose)
            await sync(
                [open_source(SourceKind.DASHBOARDS, name=_SOURCE, path=folder / "dashboards")],
                store,
                encoder=encoder,
                policy=ChunkingPolicy(),
                on_progress=on_progress,
            )
            index = await store.open_current()
            stack.push_async_callback(index.aclose)
            yield index


def names_of(panels: Iterable[Panel], scope: QuestionScope) -> Catalog:
    """What a source that serves these dashboards would list: the names, and nothing else."""
    names = {
        name
        for panel in panels
        for query in panel.queries
        for name in metrics_of(parse(plain(query)))
    }
    return Catalog(
        source="the panels' own metrics",
        window=scope.window,
        fetched_at=scope.as_of,
        names=tuple(sorted(names)),
    )


def _write_dashboards(panels: Iterable[Panel], folder: Path) -> None:
    """The panels as Grafana would export them, one file for each dashboard."""
    folder.mkdir()
    boards: dict[str, list[Panel]] = {}
    for panel in panels:
        boards.setdefault(panel.document_id.split("/")[1], []).append(panel)
    for uid, held in boards.items():
        variables: dict[str, TemplateVariable] = {}
        for panel in held:
            for query in panel.queries:
                variables |= variables_in(query)
        board = {
            "uid": uid,
            "title": held[0].dashboard,
            "templating": {"list": [_exported(name, one) for name, one in variables.items()]},
            "panels": [
                {
                    "id": int(panel.document_id.rpartition("/")[2]),
                    "title": panel.title,
                    "description": panel.description,
                    "fieldConfig": {"defaults": {"unit": panel.unit}},
                    "targets": [
                        {"expr": query, "legendFormat": legend}
                        for query, legend in zip(panel.queries, panel.legends, strict=True)
                    ],
                }
                for panel in held
            ],
        }
        (folder / f"{uid}.json").write_text(json.dumps(board), encoding="utf-8")


def _exported(name: str, variable: TemplateVariable) -> dict[str, object]:
    return {
        "name": name,
        "type": variable.kind,
        "includeAll": variable.offers_all,
        "query": ",".join(variable.options),
        "current": {"value": list(variable.values)},
    }
