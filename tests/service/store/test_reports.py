"""Kept answers: equal to what was given, in pages, and only to who may read them."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

import pytest

from service.assembly import moment_of, open_engine
from service.inspection import open_inspector
from service.metrics.signals import Sample
from service.queries.answer import ChartSeries
from service.settings import Settings
from service.store import (
    Answer,
    AnswerKind,
    BadCursor,
    Database,
    NotFound,
    StoredReport,
    Surface,
)
from tests.service.store.stories import NIGHT, Clock, a_report, an_answer, tell


@pytest.fixture(scope="module")
def answers(company: Settings) -> dict[AnswerKind, Answer]:
    """The sample company's real answers."""
    now = moment_of(company)

    async def ask() -> dict[AnswerKind, Answer]:
        async with open_engine(company, as_of=now) as engine:
            report = await engine.ask(
                "Why was checkout slow last night?", now=now, audience=company.audience
            )
        async with open_inspector(company, as_of=now) as inspector:
            fleet = await inspector.fleet("Which clusters need maintenance?", now=now)
            runs = await inspector.runs("How are the training runs?", now=now)
        return {AnswerKind.REPORT: report, AnswerKind.FLEET: fleet, AnswerKind.RUNS: runs}

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", [AnswerKind.REPORT, AnswerKind.FLEET, AnswerKind.RUNS])
def test_a_real_answer_comes_back_equal(
    settings: Settings, clock: Clock, answers: dict[AnswerKind, Answer], kind: AnswerKind
) -> None:
    async def story(database: Database) -> None:
        kept = await database.reports.add(
            answers[kind], surface=Surface.SLACK, asked_by="slack:U1", audience=["everyone"]
        )
        assert kept.kind is kind
        found = await database.reports.get(kept.id)
        assert found == kept
        assert found is not None
        assert found.answer == answers[kind]
        # Passed on as JSON it still is what it was.
        assert StoredReport.model_validate_json(kept.model_dump_json()) == kept

    tell(settings, clock, story)


def test_values_that_json_does_not_have_come_back_too(settings: Settings, clock: Clock) -> None:
    odd = (math.nan, math.inf, -math.inf, 0.1)
    points = tuple(Sample(at=NIGHT, value=value) for value in odd)
    chart = an_answer().model_copy(
        update={"series": (ChartSeries(labels={"le": "NaN"}, points=points),)}
    )

    async def story(database: Database) -> None:
        kept = await database.reports.add(
            chart, surface=Surface.CLI, asked_by="alice", audience=["everyone"]
        )
        found = await database.reports.get(kept.id)
        assert found is not None
        assert repr(found.answer) == repr(chart)  # NaN equals nothing, itself neither

    tell(settings, clock, story)


def test_who_asked_what_where_and_after_what_is_kept(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        first = await a_report(database, "Why?", audience=("slack:sec", "everyone", "everyone"))
        second = await a_report(database, "And in us-east?", after=first.id)

        assert first.id.startswith("r_")
        assert (first.kind, first.question) == (AnswerKind.CHART, "Why?")
        assert (first.surface, first.asked_by) == (Surface.HTTP, "alice")
        assert first.audience == ("everyone", "slack:sec")
        assert first.created_at == NIGHT
        assert (first.after, second.after) == (None, first.id)
        with pytest.raises(NotFound, match="r_nowhere"):
            await a_report(database, after="r_nowhere")

    tell(settings, clock, story)


def test_a_list_has_only_what_was_made_for_the_readers_own_labels(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        for name, audience in (
            ("open", ("everyone",)),
            ("secret", ("sec",)),
            ("both", ("everyone", "sec")),
            ("metrics alone", ()),
        ):
            await a_report(database, name, audience=audience)
            clock.pass_by(seconds=1)

        async def seen(*audience: str) -> set[str]:
            page = await database.reports.page(audience)
            return {report.question for report in page.reports}

        assert await seen("everyone") == {"open", "metrics alone"}
        assert await seen("sec") == {"secret", "metrics alone"}
        assert await seen("everyone", "sec", "x") == {"open", "secret", "both", "metrics alone"}
        assert await seen() == {"metrics alone"}

    tell(settings, clock, story)


def test_pages_go_from_the_newest_to_the_oldest_and_bear_what_comes_in_between(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        for number in range(7):
            clock.pass_by(seconds=1)
            await a_report(database, str(number))
            await a_report(database, f"hidden {number}", audience=("sec",))

        seen = []
        page = await database.reports.page(["everyone"], limit=3)
        seen.append([report.question for report in page.reports])
        clock.pass_by(seconds=1)
        await a_report(database, "new")
        while page.next is not None:
            page = await database.reports.page(["everyone"], limit=3, before=page.next)
            seen.append([report.question for report in page.reports])
        assert seen == [["6", "5", "4"], ["3", "2", "1"], ["0"]]

    tell(settings, clock, story)


@pytest.mark.parametrize("cursor", ["", "r_1", "%%%", "é", "x" * 1001, "cl9cdTAwMDA"])
def test_a_made_up_cursor_is_refused(settings: Settings, clock: Clock, cursor: str) -> None:
    async def story(database: Database) -> None:
        with pytest.raises(BadCursor, match="is no cursor"):
            await database.reports.page(["everyone"], before=cursor)

    tell(settings, clock, story)


def test_ids_sort_by_time_and_do_not_repeat(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        ids = []
        for _ in range(20):
            ids.append((await a_report(database)).id)
            clock.now += timedelta(milliseconds=1)
        assert ids == sorted(ids)
        assert len(set(ids)) == 20
        # What follows the time is random: the ids' last characters agree in next to nothing.
        assert len({report_id[-16:] for report_id in ids}) == 20

    tell(settings, clock, story)
