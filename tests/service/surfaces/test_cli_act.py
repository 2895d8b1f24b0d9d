"""``why act`` as it is typed: from a printed report to an issue, with a yes in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from service.surfaces.cli import app
from service.testing.jira import FakeJira
from service.testing.loopback import on_loopback
from tests.service.actions.reports import cause, report

Why = Callable[..., Result]


@pytest.fixture
def why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Why:
    monkeypatch.setenv("WHY_DATABASE_FILE", str(tmp_path / "why.db"))
    monkeypatch.setenv("WHY_JIRA_URL", "https://jira.example")
    monkeypatch.setenv("WHY_JIRA_USER", "why@example.com")
    monkeypatch.setenv("WHY_JIRA_TOKEN", "s3cret")
    monkeypatch.setenv("WHY_JIRA_PROJECT", "OPS")
    return lambda *arguments: CliRunner().invoke(app, ["act", *arguments])


@pytest.fixture
def printed(tmp_path: Path) -> str:
    """A report that `why ask --json` printed."""
    file = tmp_path / "report.json"
    file.write_text(report(cause()).model_dump_json(), encoding="utf-8")
    return str(file)


def test_a_printed_report_becomes_an_issue_after_a_yes(
    why: Why, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jira = FakeJira(token="s3cret")  # noqa: S106 - a fake's
    with on_loopback(jira) as url:
        monkeypatch.setenv("WHY_JIRA_URL", url)
        monkeypatch.setenv("WHY_ACTIONS_DRY_RUN", "false")
        proposed = why("propose", "jira", printed, "--json")
        proposal = json.loads(proposed.stdout)
        assert jira.calls == []

        approved = why("approve", proposal["id"])
        again = why("approve", proposal["id"])

    assert approved.exit_code == 0
    assert f"created: {url}/browse/OPS-1" in approved.stdout
    assert again.exit_code == 2
    assert "is done by cli:" in again.stderr
    assert len(jira.issues) == 1


def test_a_dry_run_shows_everything_creates_nothing_and_is_on_record(
    why: Why, printed: str
) -> None:
    shown = why("propose", "jira", printed)
    assert "summary: Most likely quota (eu-west), 60%" in shown.stdout
    assert "{{process_open_fds}} rose to 4,256." in shown.stdout
    (proposal,) = json.loads(why("list", "--json").stdout)
    assert f"why act approve {proposal['id']}" in shown.stdout

    approved = why("approve", proposal["id"])

    assert approved.exit_code == 0
    assert "dry run" in approved.stdout
    audit = why("show", proposal["id"]).stdout
    assert "approved by cli:" in audit
    assert "would create a Task in OPS" in audit
    assert "dry run" in why("list").stdout


def test_a_no_a_missing_report_and_a_missing_setting_are_told_in_a_line(
    why: Why, printed: str, tmp_path: Path
) -> None:
    proposal = json.loads(why("propose", "jira", printed, "--json").stdout)
    assert "Rejected by cli:" in why("reject", proposal["id"], "--reason", "known").stdout

    for arguments, told in (
        (("approve", proposal["id"]), "is rejected by"),
        (("propose", "jira", "r_none"), "there is no report 'r_none' that you may read"),
        (("propose", "pagerduty", printed), "needs the settings pagerduty_token"),
    ):
        failed = why(*arguments)
        assert failed.exit_code == 2
        assert told in failed.stderr
        assert failed.stdout == ""


def test_a_report_of_restricted_knowledge_is_proposed_with_a_word_of_caution(
    why: Why, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Careful" not in why("propose", "jira", printed).stdout
    monkeypatch.setenv("WHY_AUDIENCE", '["everyone", "slack:sec-response"]')
    assert "only slack:sec-response may read" in why("propose", "jira", printed).stdout
