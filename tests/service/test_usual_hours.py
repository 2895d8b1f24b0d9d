"""A report on a night in which a nightly job ran as always, and something else broke."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from service.assembly import open_engine
from service.reports.markdown import to_markdown
from service.reports.model import Report
from service.settings import Settings

NIGHT = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)
STEP = timedelta(minutes=2)
DAYS = 9


def series(
    name: str, level: float, jobs: list[tuple[datetime, timedelta, float]], seed: int
) -> str:
    count = int(timedelta(days=DAYS) / STEP)
    start = NIGHT - count * STEP
    values = np.random.default_rng(seed).normal(level, 0.02 * level, count)
    for began, lasted, height in jobs:
        first = int((began - start) / STEP)
        values[max(0, first) : max(0, first + int(lasted / STEP))] = height
    moments = [int((start + n * STEP).timestamp()) for n in range(count)]
    lines = [f"{name} {value:.6f} {at}" for value, at in zip(values, moments, strict=True)]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("usual")
    backups = [
        (datetime(2026, 11, 12 - day, 2, tzinfo=UTC), timedelta(minutes=40), 2.0)
        for day in range(DAYS)
    ]
    broken = [(datetime(2026, 11, 12, 4, tzinfo=UTC), timedelta(minutes=50), 3.0)]
    exhausted = [(datetime(2026, 11, 12, 3, 56, tzinfo=UTC), timedelta(minutes=56), 900.0)]
    (folder / "metrics.om").write_text(
        "# TYPE latency_seconds gauge\n"
        + series('latency_seconds{service="backup"}', 0.2, backups, 1)
        + "\n"
        + series('latency_seconds{service="orders"}', 0.3, broken, 2)
        + "\n"
        + "# TYPE open_connections gauge\n"
        + series('open_connections{service="stock"}', 100, exhausted, 3)
        + "\n# EOF\n"
    )
    settings = Settings(metrics_file=folder / "metrics.om", index_dir=folder / "none")

    async def run() -> Report:
        async with open_engine(settings, as_of=NIGHT) as engine:
            return await engine.ask("Why was orders slow last night?", now=NIGHT)

    return asyncio.run(run())


def test_what_broke_is_the_cause_and_the_nightly_job_is_not(report: Report) -> None:
    assert [cause.component for cause in report.causes] == ["stock"]


def test_the_nightly_job_is_shown_apart_with_the_nights_before(report: Report) -> None:
    (usual,) = [claim.text for claim in report.also_seen if "usual at that hour" in claim.text]
    assert "backup" in usual
    for day in ("2026-11-05", "2026-11-10", "2026-11-11"):
        assert day in usual
    assert report.dropped_claims == 0
    assert usual in to_markdown(report)
