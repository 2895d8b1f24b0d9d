"""Asking about the past as if it were new."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.assembly import moment_of, open_engine, open_knowledge
from service.backtest import BacktestReport, BacktestRow, backtest
from service.settings import Settings, SourceSettings
from tests.company import ingest, settings_in


def report(settings: Settings) -> BacktestReport:
    async def run() -> BacktestReport:
        now = moment_of(settings)
        async with (
            open_knowledge(settings) as knowledge,
            open_engine(settings, as_of=now, knowledge=knowledge) as engine,
        ):
            return await backtest(
                engine, knowledge.index, knowledge.encoder, audience=settings.audience, now=now
            )

    return asyncio.run(run())


def incident(number: int, day: str, component: str, cause: str, *, confirmed: bool = True) -> str:
    return (
        f"---\nid: INC-{number}\ntitle: Trouble {number}\nstarted: 2026-{day}T10:00:00Z\n"
        f"resolved: 2026-{day}T12:00:00Z\npublished: 2026-{day}T18:00:00Z\nservices: [shop]\n"
        f"component: {component}\ncause: {cause}\nconfirmed: {str(confirmed).lower()}\n---\n\n"
        f"## Impact\n\nShoppers could not pay and the shop answered slowly.\n\n"
        f"## Root cause\n\n{cause}\n"
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BacktestRow]:
    folder = tmp_path_factory.mktemp("history")
    pages = folder / "incidents"
    pages.mkdir()
    texts = [
        incident(1, "01-05", "database", "The database ran out of connections."),
        incident(2, "03-05", "database", "The database ran out of connections again."),
        incident(3, "05-05", "dns", "A resolver answered with addresses of yesterday."),
        incident(4, "06-05", "proxy", "Perhaps the proxy.", confirmed=False),
    ]
    for number, text in enumerate(texts, start=1):
        (pages / f"inc-{number}.md").write_text(text)
    settings = settings_in(folder).model_copy(
        update={
            "sources": (SourceSettings(kind="incidents", path=pages),),  # type: ignore[arg-type]
            "metrics_file": None,
            "annotations_file": None,
        }
    )
    ingest(settings)
    found = report(settings)
    assert found.skipped == 1
    return {row.case.title.partition(":")[0]: row for row in found.rows}


def test_the_first_of_its_kind_cannot_be_known(rows: dict[str, BacktestRow]) -> None:
    assert rows["INC-1"].rank is None
    assert rows["INC-1"].named == ()
    assert rows["INC-1"].would_have_helped is not None
    assert "an earlier report about database" in rows["INC-1"].would_have_helped


def test_what_happened_before_is_found_again(rows: dict[str, BacktestRow]) -> None:
    assert rows["INC-2"].rank == 1
    assert rows["INC-2"].named == ("database",)
    assert rows["INC-2"].similarity > 0.7


def test_another_cause_of_the_same_symptom_is_missed_and_said_so(
    rows: dict[str, BacktestRow],
) -> None:
    assert rows["INC-3"].rank is None
    assert "database" in rows["INC-3"].named


def test_the_question_is_what_was_felt_and_not_why(rows: dict[str, BacktestRow]) -> None:
    assert {row.case.question for row in rows.values()} == {
        "Shoppers could not pay and the shop answered slowly."
    }


def test_incidents_without_a_confirmed_cause_are_not_asked(rows: dict[str, BacktestRow]) -> None:
    assert "INC-4" not in rows


def test_the_incident_itself_is_never_its_own_evidence(company: Settings, tmp_path: Path) -> None:
    for row in report(company).rows:
        assert row.similarity < 0.999, row.case.title
