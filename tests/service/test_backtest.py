"""Asking about the past as if it were new."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.documents import SourceKind
from service.assembly import moment_of, open_engine, open_knowledge
from service.backtest import (
    BacktestCase,
    BacktestPolicy,
    BacktestReport,
    BacktestRow,
    Candidate,
    Found,
    PastIncident,
    backtest,
    cases_of,
    found_among,
    known_at,
    most_recent,
    scores_of,
)
from service.reports.model import Outcome
from service.settings import Settings, SourceSettings
from service.surfaces.cli import app
from tests.company import ingest, settings_in

POLICY = BacktestPolicy()


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


FREE_FORM = (
    "# 2026-07-05, shop down\n\n## Summary\n\nNobody could pay in the shop. This was caused by a "
    "full disk.\n\n## Timeline\n\n### 09:15\n\nIt begins, by a clock whose zone nobody wrote.\n"
)


def history(folder: Path, pages: dict[str, str], **settings: object) -> Settings:
    """The settings of a company that has these incident reports and nothing else, ingested."""
    place = folder / "incidents"
    place.mkdir()
    for name, text in pages.items():
        (place / name).write_text(text)
    company = settings_in(folder).model_copy(
        update={
            "sources": (SourceSettings(kind=SourceKind.INCIDENTS, path=place),),
            "metrics_file": None,
            "annotations_file": None,
            **settings,
        }
    )
    ingest(company)
    return company


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return history(
        tmp_path_factory.mktemp("history"),
        {
            "1.md": incident(1, "01-05", "database", "The database ran out of connections."),
            "2.md": incident(2, "03-05", "database", "The database ran out of connections again."),
            "3.md": incident(3, "05-05", "dns", "A resolver answered with addresses of yesterday."),
            "4.md": incident(4, "06-05", "proxy", "Perhaps the proxy.", confirmed=False),
            "5.md": FREE_FORM,
        },
    )


@pytest.fixture(scope="module")
def found(shop: Settings) -> BacktestReport:
    return report(shop)


@pytest.fixture(scope="module")
def rows(found: BacktestReport) -> dict[str, BacktestRow]:
    return {row.case.title.partition(":")[0]: row for row in found.rows}


def test_the_first_of_its_kind_cannot_be_known(rows: dict[str, BacktestRow]) -> None:
    row = rows["INC-1"]
    assert row.found == row.recent == Found(by_component=None, by_text=None, similarity=0.0)
    assert (row.named, row.precedent) == ((), None)
    assert "an earlier report with the same component or cause" in row.would_have_helped


def test_what_happened_before_is_found_again_and_the_row_says_how(
    rows: dict[str, BacktestRow],
) -> None:
    row = rows["INC-2"]
    assert row.named == ("database",)
    assert (row.found.by_component, row.found.by_text, row.found.rank) == (1, 1, 1)
    assert row.found.similarity > POLICY.similarity
    assert row.precedent == "INC-1: Trouble 1"
    assert row.would_have_helped == ()


def test_another_cause_of_the_same_symptom_is_missed_and_said_so(
    rows: dict[str, BacktestRow],
) -> None:
    assert rows["INC-3"].found.rank is None
    assert "database" in rows["INC-3"].named
    assert "metrics of that time" in rows["INC-3"].would_have_helped


def test_the_question_is_what_was_felt_and_not_why(rows: dict[str, BacktestRow]) -> None:
    assert {row.case.question for row in rows.values()} == {
        "Shoppers could not pay and the shop answered slowly.",
        "Nobody could pay in the shop.",
    }


def test_a_title_that_has_to_be_the_question_is_asked_without_the_incident_s_id() -> None:
    cases, _ = cases_of([past(1, symptom=None)])

    assert [case.question for case in cases] == ["Trouble 1"]


def test_incidents_that_are_not_asked_about_are_counted_by_reason(
    found: BacktestReport, rows: dict[str, BacktestRow]
) -> None:
    assert "INC-4" not in rows
    assert found.skipped == {"cause only suspected": 1}


def test_a_report_without_a_zone_is_asked_about_before_its_day_begins_anywhere(
    rows: dict[str, BacktestRow],
) -> None:
    row = rows["shop down"]
    assert not row.case.exact
    assert row.asked_at == datetime(2026, 7, 4, 10, tzinfo=UTC)
    assert row.would_have_helped == (
        "an earlier report with the same component or cause",
        "metrics of that time",
        "the name of the component at fault in its report",
        "the hour of its start, with the time zone, in its report",
    )


def test_the_incident_itself_is_never_its_own_evidence(company: Settings) -> None:
    for row in report(company).rows:
        assert row.found.similarity < 0.999, row.case.title


def past(
    day: int,
    component: str | None = "database",
    *,
    published: int | None = None,
    symptom: str | None = "It was slow.",
) -> PastIncident:
    """What was written about an incident on this day of January."""
    began = datetime(2026, 1, day, tzinfo=UTC)
    return PastIncident(
        document_id=f"incidents/{day}",
        title=f"INC-{day}: Trouble {day}",
        incident_id=f"INC-{day}",
        url=None,
        written_at=began if published is None else datetime(2026, 1, published, tzinfo=UTC),
        began=began,
        detected=None,
        exact=True,
        symptom=symptom,
        component=component,
        cause="It broke.",
        confirmed=True,
    )


def case_of(one: PastIncident) -> BacktestCase:
    (case,), _ = cases_of([one])
    return case


def test_the_most_recent_causes_are_those_that_were_written_up_by_then() -> None:
    incidents = [past(1), past(5, "dns", published=20), past(8, "cache"), past(12, "queue")]
    case = case_of(past(10))

    known = known_at(case.started, case, incidents)

    assert [one.document_id for one in known] == ["incidents/8", "incidents/1"]


def test_the_most_recent_causes_name_each_component_once() -> None:
    incidents = [past(9), past(8, None), past(7, None), past(6), past(5, "dns"), past(4, "cache")]

    recent = most_recent(incidents, 4)

    assert [one.document_id for one in recent] == [f"incidents/{day}" for day in (9, 8, 7, 5)]


@pytest.mark.parametrize(
    ("component", "by_component", "by_text"),
    [("cache", 2, 3), ("dns", None, 3), (None, None, 3)],
)
def test_a_cause_is_found_by_its_component_or_by_words_that_are_close_enough(
    component: str | None, by_component: int | None, by_text: int | None
) -> None:
    candidates = [
        Candidate(component="database", similarity=POLICY.similarity - 0.01),
        Candidate(component="cache", similarity=0.1),
        Candidate(component=None, similarity=POLICY.similarity),
    ]

    found = found_among(component, candidates, POLICY)

    assert (found.by_component, found.by_text) == (by_component, by_text)
    assert found.similarity == POLICY.similarity


def row(
    component: str | None, found: Found, recent: Found, precedent: str | None = None
) -> BacktestRow:
    case = case_of(past(10, component))
    return BacktestRow(
        case=case,
        asked_at=case.started,
        outcome=Outcome.CAUSES,
        named=(),
        found=found,
        recent=recent,
        precedent=precedent,
        would_have_helped=(),
    )


def test_shares_are_told_apart_by_component_by_text_by_recency_and_by_what_could_be_known() -> None:
    nothing = Found(by_component=None, by_text=None, similarity=0.0)
    third = Found(by_component=3, by_text=None, similarity=0.2)
    first = Found(by_component=None, by_text=1, similarity=0.9)

    scores = scores_of(
        [row("dns", third, nothing), row(None, first, third, "INC-1"), row("dns", nothing, nothing)]
    )

    assert {
        score.of: (score.cases, *(round(score.at[k], 2) for k in (1, 3))) for score in scores
    } == {
        "Why": (3, 0.33, 0.67),
        "Why, by component": (2, 0.0, 0.5),
        "Why, by text": (3, 0.33, 0.33),
        "Why, if an earlier report had it": (1, 1.0, 1.0),
        "most recent": (3, 0.0, 0.33),
        "most recent, by component": (2, 0.0, 0.0),
        "most recent, by text": (3, 0.0, 0.0),
        "most recent, if an earlier report had it": (1, 0.0, 1.0),
    }


NIGHT = """\
---
id: INC-9
title: Checkout failed
started: 2026-11-12T01:37:00Z
detected: 2026-11-12T02:30:00Z
published: 2026-11-12T06:00:00Z
component: quota
cause: The service quota leaked connections of session-cache.
confirmed: true
---
# Checkout failed

## Impact

Checkout was slow and failed in eu-west.
"""


def test_an_incident_that_the_metrics_do_not_show_yet_is_asked_about_when_it_was_noticed(
    tmp_path: Path,
) -> None:
    sample = settings_in(tmp_path)
    night = history(
        tmp_path,
        {"night.md": NIGHT},
        metrics_file=sample.metrics_file,
        annotations_file=sample.annotations_file,
    )

    (answer,) = report(night).rows

    assert answer.asked_at - answer.case.started == timedelta(minutes=53)
    assert answer.found.by_component == 1


def test_the_command_prints_rows_scores_and_what_would_have_helped_within_the_width(
    shop: Settings, tmp_path: Path
) -> None:
    config = tmp_path / "why.toml"
    source = shop.sources[0].path
    config.write_text(
        f'index_dir = "{shop.index_dir}"\nas_of = "2026-11-12T07:30:00Z"\n'
        f'[[sources]]\nkind = "incidents"\npath = "{source}"\n'
    )

    printed = CliRunner().invoke(
        app, ["backtest", "--config", str(config)], env={"COLUMNS": "100"}, catch_exceptions=False
    )
    as_json = CliRunner().invoke(app, ["backtest", "--config", str(config), "--json"])

    lines = printed.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert any("INC-2" in line and "#1 both" in line and "database" in line for line in lines)
    assert "cosine ≥ 0.7" in printed.stdout
    assert "1 cause only suspected" in printed.stdout
    assert "- metrics of that time (3 incidents)" in lines
    told = json.loads(as_json.stdout)
    assert [score["of"] for score in told["scores"]][:3] == [
        "Why",
        "Why, by component",
        "Why, by text",
    ]
    assert told["rows"][1]["found"]["by_component"] == 1
