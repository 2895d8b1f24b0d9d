"""What is published is current: the report's schema, and every setting and command."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.main import get_command

from service.assembly import moment_of, open_engine
from service.reports.markdown import to_markdown
from service.reports.model import Report
from service.settings import Settings, SourceSettings
from service.surfaces.cli import app

ROOT = Path(__file__).parents[1]


def test_the_published_schema_of_the_report_is_current() -> None:
    published = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    current = Report.model_json_schema(mode="serialization")
    assert published == current, "run `make schema`"


@pytest.mark.parametrize("name", [*Settings.model_fields, *SourceSettings.model_fields])
def test_every_setting_is_documented(name: str) -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert f"`{name}`" in page


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    command = get_command(app)
    for name in getattr(command, "commands"):  # noqa: B009 - a group, which the type hides
        assert f"why {name}" in readme, name


def test_the_transcript_in_the_readme_is_what_the_demo_prints(company: Settings) -> None:
    question = "Why did checkout fail last night?"
    now = moment_of(company)

    async def ask() -> Report:
        async with open_engine(company, as_of=now) as engine:
            return await engine.ask(question, now=now)

    printed, _, _ = to_markdown(asyncio.run(ask())).partition("## Sources")
    assert printed in (ROOT / "README.md").read_text(), "paste the demo's report into README.md"
