"""Briefings that are dear to make: of the sample night, of a talked-about one, of a quiet one."""

from __future__ import annotations

import asyncio
from datetime import date, datetime

import pytest

from bench.make_night import families_of, openmetrics
from bench.night_samples import Night
from service.assembly import moment_of
from service.briefing.brief import open_briefer
from service.briefing.model import Briefing
from service.settings import Settings
from tests.company import ingest, settings_in
from tests.service.briefing.house import glossary_of, night_settings

MORNING = date(2026, 11, 12)


def brief(
    settings: Settings,
    *,
    zone: str = "UTC",
    day: date = MORNING,
    before: Briefing | None = None,
    audience: tuple[str, ...] | None = None,
    now: datetime | None = None,
) -> Briefing:
    """A briefing by these settings."""
    moment = now or moment_of(settings)
    readers = audience or settings.audience

    async def run() -> Briefing:
        async with open_briefer(settings, as_of=moment, audience=readers) as briefer:
            return await briefer.brief(day, zone, now=moment, before=before)

    return asyncio.run(run())


@pytest.fixture(scope="session")
def bad_night(company: Settings) -> Briefing:
    """The sample company's, in Berlin."""
    return brief(company, zone="Europe/Berlin")


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same night, talked about in Slack and in records. Read only."""
    return night_settings(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="session")
def talked_about(house: Settings) -> Briefing:
    return brief(house)


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A company with a glossary and a calm night. Read only."""
    folder = tmp_path_factory.mktemp("calm")
    metrics = folder / "metrics.om"
    metrics.write_text(openmetrics(families_of(Night(1, calm=True))), encoding="utf-8")
    company = settings_in(folder)
    changed = {"metrics_file": metrics, "annotations_file": None, "sources": glossary_of(company)}
    settings = company.model_copy(update=changed)
    ingest(settings)
    return settings


@pytest.fixture(scope="session")
def quiet_night(calm: Settings) -> Briefing:
    return brief(calm)


@pytest.fixture(scope="session")
def unseen_night(calm: Settings) -> Briefing:
    """The same night for someone whose metrics are away."""
    return brief(calm.model_copy(update={"metrics_file": None}))
