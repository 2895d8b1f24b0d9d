"""Answers that were given, with what they were made for.

An answer was made for an audience: the labels of what could be read when it was made. It may show
to a reader exactly when all of these labels are the reader's own, and that is part of the query.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import ColumnElement, Row, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ingest.documents import Frozen, UtcTime
from service.inspected import FleetReport, RunsReport
from service.queries.answer import QueryAnswer
from service.reports.model import Report
from service.store import tables
from service.store.connections import Connections
from service.store.errors import BadCursor, NotFound
from service.store.ids import new_id

Answer = Report | QueryAnswer | FleetReport | RunsReport


class Surface(StrEnum):
    """Where a question came from."""

    CLI = "cli"
    HTTP = "http"
    SLACK = "slack"
    WEB = "web"
    MCP = "mcp"
    WEBHOOK = "webhook"
    BRIEFING = "briefing"


class AnswerKind(StrEnum):
    """What an answer is."""

    REPORT = "report"
    CHART = "chart"
    FLEET = "fleet"
    RUNS = "runs"


_MODELS: dict[AnswerKind, type[Report | QueryAnswer | FleetReport | RunsReport]] = {
    AnswerKind.REPORT: Report,
    AnswerKind.CHART: QueryAnswer,
    AnswerKind.FLEET: FleetReport,
    AnswerKind.RUNS: RunsReport,
}


def kind_of(answer: Answer) -> AnswerKind:
    """What kind of answer it is."""
    return next(kind for kind, model in _MODELS.items() if isinstance(answer, model))


class ReportHead(Frozen):
    """A stored answer without the answer: what a list shows."""

    id: str
    kind: AnswerKind
    question: str
    surface: Surface
    asked_by: str
    audience: tuple[str, ...]
    """The labels it was made for, in order."""
    created_at: UtcTime
    after: str | None = None
    """Id of the report that this one goes on from."""


class StoredReport(ReportHead):
    """A stored answer."""

    answer: Answer


class ReportPage(Frozen):
    """Part of a list, newest first. ``next``: the cursor of the page after it, None at the end."""

    reports: tuple[ReportHead, ...]
    next: str | None


_HEAD = [column for column in tables.reports.c if column.name != "answer"]


class Reports:
    """``db.reports``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def add(
        self,
        answer: Answer,
        *,
        surface: Surface,
        asked_by: str,
        audience: Iterable[str],
        after: str | None = None,
    ) -> StoredReport:
        """Keep an answer.

        Raises: NotFound, where there is no report ``after``; StoreError.
        """
        report = self.unkept(
            answer, surface=surface, asked_by=asked_by, audience=audience, after=after
        )
        values = report.model_dump(exclude={"answer"})
        async with self._connections.write() as connection:
            if after is not None:
                await require_report(connection, after)
            await connection.execute(
                tables.reports.insert(), {**values, "answer": answer.model_dump(mode="json")}
            )
            if report.audience:
                await connection.execute(
                    tables.report_labels.insert(),
                    [{"report_id": report.id, "label": label} for label in report.audience],
                )
        return report

    def unkept(
        self,
        answer: Answer,
        *,
        surface: Surface,
        asked_by: str,
        audience: Iterable[str],
        after: str | None = None,
    ) -> StoredReport:
        """What ``add`` returns, without keeping it: nobody finds it by its id."""
        now = self._connections.now()
        return StoredReport(
            id=new_id("r", now),
            kind=kind_of(answer),
            question=answer.question,
            surface=surface,
            asked_by=asked_by,
            audience=tuple(sorted(set(audience))),
            created_at=now,
            after=after,
            answer=answer,
        )

    async def get(self, report_id: str) -> StoredReport | None:
        """The report, for whoever asks: whether they may read it is the caller's to check."""
        async with self._connections.read() as connection:
            row = (
                await connection.execute(
                    select(tables.reports).where(tables.reports.c.id == report_id)
                )
            ).one_or_none()
        return None if row is None else _stored(row)

    async def page(
        self, audience: Iterable[str], limit: int = 20, *, before: str | None = None
    ) -> ReportPage:
        """The newest reports that readers with these labels may see, or those after a cursor.

        Raises: BadCursor; StoreError.
        """
        query = select(*_HEAD).where(visible_to(audience, tables.reports.c.id))
        if before is not None:
            query = query.where(tables.reports.c.id < _read_cursor(before))
        # Ids sort by time. One more than asked for tells whether there is another page.
        query = query.order_by(tables.reports.c.id.desc()).limit(limit + 1)
        async with self._connections.read() as connection:
            rows = (await connection.execute(query)).all()
        heads = [ReportHead.model_validate(row._asdict()) for row in rows[:limit]]
        return ReportPage(
            reports=tuple(heads), next=_cursor(heads[-1].id) if len(rows) > limit else None
        )


def visible_to(audience: Iterable[str], report_id: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a report was made for nothing but these labels."""
    labels = tables.report_labels
    return ~exists().where(labels.c.report_id == report_id, labels.c.label.not_in(list(audience)))


async def require_report(connection: AsyncConnection, report_id: str) -> None:
    """Raises: NotFound, where there is no such report."""
    query = select(tables.reports.c.id).where(tables.reports.c.id == report_id)
    if (await connection.execute(query)).first() is None:
        raise NotFound(f"there is no report {report_id}")


def _stored(row: Row[tuple[object, ...]]) -> StoredReport:
    values = row._asdict()
    model = _MODELS[AnswerKind(values["kind"])]
    return StoredReport.model_validate({**values, "answer": model.model_validate(values["answer"])})


def _cursor(report_id: str) -> str:
    return base64.urlsafe_b64encode(report_id.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        report_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        report_id = ""
    if re.fullmatch(r"r_[0-9a-z]{26}", report_id) is None:
        raise BadCursor(f"{cursor[:80]!r} is no cursor; take `next` of the page before")
    return report_id
