"""``why incidents`` as its users type it, on a real database and a real index."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.settings import Settings
from service.store import Database
from service.surfaces.cli import app
from tests.service.learning.small_company import asked, opened, settings_in

Why = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def why(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Why:
    """Runs ``why`` with this company's settings."""
    for name in [name for name in os.environ if name.startswith(("WHY_", "QDRANT_"))]:
        monkeypatch.delenv(name)
    config = tmp_path / "why.toml"
    sources = "\n".join(
        f'[[sources]]\nkind = "{source.kind}"\npath = "{source.path}"'
        for source in settings.sources
    )
    config.write_text(
        f'index_dir = "index"\ndatabase_file = "why.db"\nmetrics_file = "metrics.om"\n'
        f'as_of = "{settings.as_of}"\n{sources}\n'
    )
    runner = CliRunner()

    def run(*arguments: str | Path, given: str | None = None, **environment: str) -> Result:
        env = {"WHY_CONFIG": str(config), "COLUMNS": "200"} | environment
        return runner.invoke(app, [*map(str, arguments)], input=given, env=env)

    return run


def listed(why: Why) -> list[dict[str, str]]:
    items: list[dict[str, str]] = json.loads(why("incidents", "--json").stdout)
    return items


def test_incidents_are_added_listed_edited_and_deleted(why: Why, tmp_path: Path) -> None:
    assert "Nothing was added" in why("incidents").stdout
    added = why(
        *("incidents", "add", "--title", "Edge down", "--cause", "A certificate expired."),
        *("--component", "edge-proxy", "--service", "checkout", "--confirmed"),
    )
    assert added.exit_code == 0, added.stderr
    assert "why ingest" in added.stderr
    assert "Edge down" in why("incidents").stdout
    (item,) = listed(why)
    shown = why("incidents", "show", item["id"])
    assert "component: edge-proxy" in shown.stdout
    assert "added by cli:" in shown.stderr

    assert why("incidents", "edit", item["id"], "--cause", "A pin expired.").exit_code == 0
    page = tmp_path / "page.md"
    page.write_text(why("incidents", "show", item["id"]).stdout.replace("edge-proxy", "edge"))
    assert why("incidents", "edit", item["id"], "--file", page).exit_code == 0
    shown = why("incidents", "show", item["id"])
    assert "component: edge\n" in shown.stdout
    assert "cause: A pin expired." in shown.stdout
    editor = f'{sys.executable} -c "import sys, pathlib; p = pathlib.Path(sys.argv[1]); '
    editor += "p.write_text(p.read_text().replace('Edge down', 'Edge was down'))\""
    edited = why("incidents", "edit", item["id"], "--sync", EDITOR=editor)
    assert edited.exit_code == 0, edited.stderr
    assert "Edge was down" in why("search", "certificate of edge").stdout

    assert why("incidents", "delete", item["id"], given="n\n").exit_code == 1
    assert why("incidents", "delete", item["id"], "--yes").exit_code == 0
    assert listed(why) == []
    assert why("ingest").exit_code == 0
    assert "Edge was down" not in why("search", "certificate of edge").stdout


def test_a_cause_is_confirmed_and_rejected_by_its_number(why: Why, settings: Settings) -> None:
    async def ask() -> str:
        async with opened(settings) as (workspace, database):
            return (await asked(workspace, database)).id

    report = asyncio.run(ask())
    done = why("incidents", "confirm", report, "--cause", "2", "--text", "Locks.", "--sync")
    assert done.exit_code == 0, done.stderr
    assert "Trouble with checkout" in done.stdout
    again = why("ask", "Why was checkout slow?").stdout
    assert "Confirmed by people for this very time, in Trouble with checkout" in again
    assert why("incidents", "reject", report, "--cause", "2").exit_code == 0
    (item,) = listed(why)
    assert item["provenance"] == f"confirmed by nobody any more from report {report}"


def test_what_is_wrong_is_one_line_that_names_it(why: Why, settings: Settings) -> None:
    for arguments, told in (
        (("add", "--text", "It broke."), "title: give one"),
        (("add", "--text", "# It", "--started", "2026-11-12T01:00:00"), "started: "),
        (("show", "k_none"), "'k_none'"),
        (("confirm", "r_none", "--cause", "1"), "'r_none'"),
    ):
        failed = why("incidents", *arguments)
        assert failed.exit_code == 2
        assert failed.stderr.startswith("why: ")
        assert told in failed.stderr
        assert len(failed.stderr.splitlines()) == 1


def test_what_the_reader_may_not_see_is_not_there(why: Why, settings: Settings) -> None:
    assert why("incidents", "add", "--text", "# Keys", "--audience", "few").exit_code == 0
    assert listed(why) == []

    async def stored() -> str:
        async with await Database.open(settings) as database:
            return (await database.knowledge.list())[0].id

    item = asyncio.run(stored())
    for command in ("show", "delete"):
        assert why("incidents", command, item, given="y\n").exit_code == 2
    config = settings.database_file.with_name("why.toml")
    elsewhere = {"WHY_AUDIENCE": '["few"]', "WHY_CONFIG": ""}
    for place in (("incidents", "-c", config, "show", item), ("incidents", "show", item)):
        found = why(*place, **elsewhere)
        assert (found.exit_code == 0) is ("-c" in place), found.output
