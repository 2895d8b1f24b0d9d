"""``why brief``: the command, its formats and its files."""

from __future__ import annotations

import json
from email import message_from_bytes
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from service.briefing.errors import NoSuchNight
from service.settings import Settings
from service.surfaces.cli_brief import brief

app = typer.Typer()
app.command()(brief)


@pytest.fixture
def configured(calm: Settings, tmp_path: Path) -> Path:
    """A TOML file of the calm company, with a database of its own."""
    values = {
        "index_dir": calm.index_dir,
        "metrics_file": calm.metrics_file,
        "cache_dir": tmp_path / "cache",
        "database_file": tmp_path / "why.db",
        "as_of": calm.as_of,
    }
    file = tmp_path / "why.toml"
    file.write_text("".join(f"{name} = {json.dumps(str(v))}\n" for name, v in values.items()))
    return file


def run(config: Path, *arguments: str) -> bytes:
    result = CliRunner().invoke(app, ["-c", str(config), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


def test_it_prints_markdown_and_compares_with_the_night_before(configured: Path) -> None:
    text = run(configured).decode()
    assert text.startswith("# Morning briefing, Thursday 12 November 2026")
    assert "A quiet night" in text
    assert "The night before could not be seen" in text


def test_every_format_is_printed(configured: Path, tmp_path: Path) -> None:
    told = json.loads(run(configured, "--format", "json"))
    assert told["outcome"] == "quiet"
    assert told["zone"] == "UTC"
    posts = json.loads(run(configured, "--format", "slack"))
    assert posts[0]["blocks"][0]["type"] == "header"
    mail = message_from_bytes(run(configured, "--format", "email"))
    assert mail.get_content_type() == "multipart/alternative"
    file = tmp_path / "night.html"
    assert run(configured, "--format", "html", "-o", str(file)) == b""
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_date_and_a_zone_choose_the_night(configured: Path) -> None:
    told = json.loads(
        run(configured, "--date", "2026-11-12", "--timezone", "Europe/Berlin", "--format", "json")
    )
    assert told["window"]["start"] == "2026-11-11T17:00:00Z"
    with pytest.raises(NoSuchNight):
        run(configured, "--date", "2027-01-01")


def test_a_broken_database_costs_the_comparison_and_not_the_briefing(
    configured: Path, tmp_path: Path
) -> None:
    (tmp_path / "why.db").write_bytes(b"this is no database at all, and long enough to be read")
    result = CliRunner().invoke(app, ["-c", str(configured)], catch_exceptions=False)
    assert "A quiet night" in result.stdout
    assert "not kept" in result.stderr
