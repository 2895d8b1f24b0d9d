"""What people say of a report, and where their conversation stands."""

from __future__ import annotations

import pytest

from service.settings import Settings
from service.store import Database, FeedbackEntry, NotFound, Surface, Verdict
from tests.service.store.stories import Clock, a_report, tell


def test_a_persons_later_word_replaces_the_earlier_one_on_the_same_thing(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        report = await a_report(database)

        async def say(by: str, verdict: Verdict, component: str | None, note: str) -> FeedbackEntry:
            clock.pass_by(minutes=1)
            entry = FeedbackEntry(
                report_id=report.id,
                by=by,
                verdict=verdict,
                component=component,
                note=note,
                at=clock.now,
            )
            await database.feedback.add(entry)
            return entry

        await say("alice", Verdict.DOWN, None, "wrong button")
        confirmed = await say("alice", Verdict.CONFIRM, "db", "it was the pool")
        rejected = await say("bob", Verdict.REJECT, "db", "no")
        up = await say("alice", Verdict.UP, None, "")

        assert await database.feedback.of(report.id) == (confirmed, rejected, up)
        assert await database.feedback.all() == (confirmed, rejected, up)
        assert await database.feedback.of("r_nothing") == ()

    tell(settings, clock, story)


def test_feedback_on_a_report_that_is_not_there_is_refused(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        entry = FeedbackEntry(report_id="r_gone", by="alice", verdict=Verdict.UP, at=clock.now)
        with pytest.raises(NotFound, match="r_gone"):
            await database.feedback.add(entry)

    tell(settings, clock, story)


def test_a_conversation_stands_at_its_last_report(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        first, second = await a_report(database), await a_report(database)
        talks = database.conversations
        assert await talks.last(Surface.SLACK, "C1:17.2") is None

        await talks.put(Surface.SLACK, "C1:17.2", first.id)
        await talks.put(Surface.WEB, "C1:17.2", first.id)
        await talks.put(Surface.SLACK, "C1:17.2", second.id)

        assert await talks.last(Surface.SLACK, "C1:17.2") == second.id
        assert await talks.last(Surface.WEB, "C1:17.2") == first.id
        with pytest.raises(NotFound):
            await talks.put(Surface.SLACK, "C1:17.2", "r_gone")

    tell(settings, clock, story)
