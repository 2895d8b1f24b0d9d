"""A question that goes on from a report keeps what it does not name."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.assembly import moment_of, open_engine
from service.follow_up import follow_up
from service.intent import Intent, intent_by_rule
from service.reports.markdown import to_markdown
from service.reports.model import Report
from service.scope import Vocabulary, scope_of
from service.settings import Settings, SettingsError
from service.surfaces.cli import app
from tests.company import CONFIG

QUESTION = "Why did checkout fail last night in eu-west?"


def ask(company: Settings, question: str, intent: Intent | None = None) -> Report:
    now = moment_of(company)

    async def run() -> Report:
        async with open_engine(company, as_of=now) as engine:
            return await engine.ask(question, now=now, intent=intent)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def report(company: Settings) -> Report:
    return ask(company, QUESTION)


VOCABULARY = Vocabulary(
    services=("checkout", "auth", "quota"), regions=("eu-west", "us-east"), customers=("Aurelia",)
)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("and in us-east?", "Why in us-east, checkout?"),
        ("What about auth?", "Why auth, eu-west?"),
        ("and auth?", "Why auth, eu-west?"),
        ("who was affected?", "who was affected, checkout, eu-west?"),
        ("since when?", "since when, checkout, eu-west?"),
    ],
)
def test_what_is_named_takes_the_place_of_what_was_asked(
    report: Report, text: str, question: str
) -> None:
    found = follow_up(text, report, VOCABULARY)
    assert found.question == question
    assert found.since == report.scope.window.start.isoformat()
    assert found.until == report.scope.window.end.isoformat()
    assert not found.compare


def test_what_was_wanted_is_kept_along_a_conversation(report: Report) -> None:
    asked = report
    questions = []
    for text in ("and in us-east?", "since when?", "and auth?", "who was affected?", "everywhere?"):
        found = follow_up(text, asked, VOCABULARY)
        questions.append(found.question)
        scope = scope_of(
            found.question, now=report.asked_at, since=found.since, vocabulary=VOCABULARY
        )
        intent = intent_by_rule(found.question) or Intent.WHY
        asked = asked.model_copy(update={"scope": scope, "intent": intent})
    assert questions == [
        "Why in us-east, checkout?",
        "since when, checkout, us-east?",
        "What happened auth, us-east?",
        "who was affected, auth, us-east?",
        "Who was affected everywhere, auth?",
    ]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("compare with the night before", 1),
        ("compare to a week ago", 7),
        ("same as the previous week?", 7),
    ],
)
def test_an_earlier_night_is_the_same_hours_of_it(report: Report, text: str, days: int) -> None:
    found = follow_up(text, report, VOCABULARY)
    assert found.compare
    assert found.question == "Why checkout, eu-west?"
    assert found.since == (report.scope.window.start - timedelta(days=days)).isoformat()
    assert found.until == (report.scope.window.end - timedelta(days=days)).isoformat()


def test_a_time_of_its_own_is_the_new_window_and_may_be_compared(report: Report) -> None:
    found = follow_up("compare with last Tuesday", report, VOCABULARY)
    assert (found.since, found.until, found.compare) == (None, None, True)
    scope = scope_of(
        found.question,
        now=datetime(2026, 11, 12, 7, 30, tzinfo=UTC),
        vocabulary=VOCABULARY,
    )
    assert f"{scope.window.start:%a %Y-%m-%d %H:%M}" == "Tue 2026-11-10 00:00"
    assert scope.services == ("checkout",)


def test_the_answer_to_a_follow_up_is_about_the_same_night(
    company: Settings, report: Report, tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    file.write_text(report.model_dump_json())
    ran = CliRunner().invoke(
        app,
        ["ask", "and auth?", "--after", str(file), "--config", str(CONFIG), "--json"],
        env={"WHY_INDEX_DIR": str(company.index_dir)},
    )
    assert ran.exit_code == 0, ran.output
    answer = Report.model_validate_json(ran.stdout)
    assert answer.scope.window == report.scope.window
    assert answer.scope.services == ("auth",)
    assert answer.scope.regions == ("eu-west",)
    assert answer.causes[0].component == "quota"


def test_a_comparison_shows_both_times(company: Settings, report: Report, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(report.model_dump_json())
    ran = CliRunner().invoke(
        app,
        ["ask", "compare with yesterday evening", "--after", str(file), "--config", str(CONFIG)],
        env={"WHY_INDEX_DIR": str(company.index_dir)},
    )
    assert ran.exit_code == 0, ran.output
    assert "## Compared with 2026-11-11 18:00" in ran.stdout
    assert "- Then: quota" in ran.stdout


def test_a_file_that_is_no_report_is_named(tmp_path: Path) -> None:
    file = tmp_path / "note.json"
    file.write_text("{}")
    ran = CliRunner().invoke(app, ["ask", "and auth?", "--after", str(file)])
    assert isinstance(ran.exception, SettingsError)
    assert "note.json is no report" in str(ran.exception)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Who was affected by the checkout failure last night?", "## Impact"),
        ("What happened to checkout last night?", "## Timeline"),
        ("Why did checkout fail last night?", "## Most likely causes"),
    ],
)
def test_what_was_asked_for_comes_first(company: Settings, question: str, first: str) -> None:
    text = to_markdown(ask(company, question))
    sections = [line for line in text.splitlines() if line.startswith("## ")]
    assert sections[0] == first
    assert {"## Impact", "## Timeline", "## Most likely causes"} <= set(sections)


def test_a_question_about_machines_is_answered_by_the_fleet(company: Settings) -> None:
    ran = CliRunner().invoke(
        app,
        ["ask", "Which clusters need maintenance?", "--config", str(CONFIG)],
        env={"WHY_INDEX_DIR": str(company.index_dir)},
    )
    assert ran.exit_code == 0, ran.output
    assert "train-eu-1" in ran.stdout
