"""The buttons under an answer, pressed as Slack sends it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from service.readers import Reader
from service.reports.model import Report
from service.settings import Settings
from service.store import StoredReport, Surface, Verdict
from service.surfaces.slack.answering import GONE
from service.surfaces.slack.errors import NotForThem
from service.surfaces.slack.mrkdwn import escape
from service.testing.slack_workspace import BOT
from service.workspace import Asked
from tests.service.surfaces.slack.house import (
    CHECKOUT,
    MIRA,
    PRIVATE_QUESTION,
    SRE,
    TOMAS,
    House,
    buttons,
    open_house,
    texts,
)

QUESTION = "did checkout fail last night"


async def answered(house: House) -> tuple[dict[str, Any], StoredReport]:
    """The message with the buttons under an answer in a channel, and what is kept of it."""
    await house.why(QUESTION, TOMAS, CHECKOUT)
    (head,) = (await house.database.reports.page(("everyone",))).reports
    stored = await house.database.reports.get(head.id)
    assert stored is not None
    return house.slack.messages[CHECKOUT][-1], stored


@pytest.mark.slow
def test_details_and_verdicts_are_between_the_presser_and_the_app(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            slack = house.slack
            message, stored = await answered(house)
            posted = len(slack.messages[CHECKOUT])
            await house.press("why_details", MIRA, CHECKOUT, message)
            shown = slack.shown_to(MIRA)
            assert all(one["thread_ts"] == message["thread_ts"] for one in shown)
            said = "\n".join(map(texts, shown))
            assert isinstance(stored.answer, Report)
            for cause in stored.answer.causes[1:]:
                assert f"*{cause.rank}. {cause.component} (eu-west)*" in said
            for title in ("*Impact*", "*Timeline*", "*Sources*"):
                assert title in said
            # Every citation that a sentence has is in its sources.
            marks = {
                number
                for claim in (*stored.answer.timeline, *stored.answer.impact.claims)
                for number in claim.citations
            }
            assert all(f"\n[{number}] " in said for number in marks)

            for action in ("why_up", "why_down", "why_confirm"):
                await house.press(action, MIRA, CHECKOUT, message)
            # A cause that is only in the details has its own buttons.
            await house.press("why_reject", MIRA, CHECKOUT, shown[0], hidden=True)
            await house.press("why_up", TOMAS, CHECKOUT, message)
            said_of = await house.database.feedback.of(stored.id)
            assert {(one.by, one.verdict, one.component) for one in said_of} == {
                (f"slack:{MIRA}", Verdict.DOWN, None),
                (f"slack:{MIRA}", Verdict.CONFIRM, "quota"),
                (f"slack:{MIRA}", Verdict.REJECT, stored.answer.causes[1].component),
                (f"slack:{TOMAS}", Verdict.UP, None),
            }
            assert "quota (eu-west) was the cause" in "".join(map(texts, slack.shown_to(MIRA)))
            (record,) = await house.database.knowledge.list()
            assert record.created_by == f"slack:{MIRA}"
            assert len(slack.messages[CHECKOUT]) == posted

    asyncio.run(run())


@pytest.mark.slow
def test_who_may_not_read_an_answer_gets_nothing_from_its_buttons(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            slack = house.slack
            await house.why(PRIVATE_QUESTION, MIRA, CHECKOUT)
            mine = slack.shown_to(MIRA)[-1]
            for action in ("why_details", "why_up", "why_confirm", "why_share"):
                if action in buttons(mine):
                    await house.press(action, TOMAS, CHECKOUT, mine, hidden=True)
            assert all(escape(GONE) in texts(one) for one in slack.shown_to(TOMAS))
            assert len(slack.shown_to(TOMAS)) >= 3
            assert CHECKOUT not in slack.messages
            assert await house.database.feedback.all() == ()

    asyncio.run(run())


@pytest.mark.slow
def test_a_follow_up_is_asked_in_a_form_and_answered_in_the_thread(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            slack, requests = house.slack, house.requests
            message, stored = await answered(house)
            await house.press("why_follow_up", MIRA, CHECKOUT, message)
            (view,) = slack.views
            values = {
                "question": {"text": {"type": "plain_text_input", "value": "who was affected?"}}
            }
            sent = requests.interaction(requests.form_payload(view, MIRA, values))
            for _ in range(2):
                assert (await house.done(sent)).status_code == 200
            heads = (await house.database.reports.page(("everyone",))).reports
            assert [head.after for head in heads] == [stored.id, None]
            last = slack.messages[CHECKOUT][-1]
            assert last["thread_ts"] == message["thread_ts"]
            assert "*Impact*" in "".join(
                texts(one) for one in slack.messages[CHECKOUT] if one.get("thread_ts")
            )

            # Slack is slow: the press is answered all the same, and nothing is opened.
            slack.failures["views.open"] = ["expired_trigger_id"]
            reply = await house.press("why_follow_up", MIRA, CHECKOUT, message)
            assert reply.status_code == 200
            assert len(slack.views) == 1

    asyncio.run(run())


@pytest.mark.slow
def test_from_direct_messages_it_is_shared_to_a_channel_of_ones_choice(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            slack, requests = house.slack, house.requests
            direct = slack.direct(MIRA)
            asked = requests.message(f"why {PRIVATE_QUESTION}?", MIRA, direct)
            await house.done(requests.event(asked))
            message = slack.messages[direct][-1]
            assert buttons(message)["why_share"] == "Share to channel…"
            await house.press("why_share", MIRA, direct, message)
            (view,) = slack.views
            values = {"channel": {"id": {"selected_conversation": SRE}}}
            payload = requests.form_payload(view, MIRA, values)
            await house.done(requests.interaction(payload))
            shared = "\n".join(texts(one) for one in slack.messages[SRE])
            assert "payments" in shared
            assert "sec-response" not in shared
            assert "Shared, with what that channel may read" in texts(slack.shown_to(MIRA)[-1])

            slack.add_channel("C0PARTNERS1", "partners", [MIRA], is_ext_shared=True)
            await house.press("why_share", MIRA, direct, message)
            values = {"channel": {"id": {"selected_conversation": "C0PARTNERS1"}}}
            payload = requests.form_payload(slack.views[-1], MIRA, values)
            await house.done(requests.interaction(payload))
            assert "C0PARTNERS1" not in slack.messages

    asyncio.run(run())


@pytest.mark.slow
def test_an_issue_is_proposed_shown_and_created_only_after_a_yes(
    company: Settings, tmp_path: Path
) -> None:
    jira: dict[str, Any] = {
        "jira_url": "https://kestrel.atlassian.example",
        "jira_token": SecretStr("the-token-of-jira"),
        "jira_project": "OPS",
    }

    async def run() -> None:
        async with open_house(company, tmp_path, **jira) as house:
            slack = house.slack
            message, stored = await answered(house)
            assert buttons(message)["why_propose"] == "Create Jira issue…"
            await house.press("why_propose", MIRA, CHECKOUT, message)
            proposal = slack.shown_to(MIRA)[-1]
            assert {"why_approve", "why_decline"} == {*buttons(proposal)}
            assert "A Task in OPS" in "".join(map(texts, slack.shown_to(MIRA)))
            assert (await house.database.actions.list(report_id=stored.id))[0].state == "proposed"
            await house.press("why_approve", TOMAS, CHECKOUT, proposal)
            assert "dry run" in texts(slack.shown_to(TOMAS)[-1])
            await house.press("why_decline", MIRA, CHECKOUT, proposal)
            (kept,) = await house.database.actions.list(report_id=stored.id)
            assert (kept.state, kept.decided_by) == ("dry_run", f"slack:{TOMAS}")

    asyncio.run(run())


@pytest.mark.slow
def test_a_report_of_somebody_else_is_published_once(company: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            surface = house.surface
            audience = await surface.audience_of(SRE, ("everyone", "slack:sec-response"))
            assert audience == ("everyone",)
            reader = Reader(name="webhook", audience=audience)
            stored = await house.desk.ask(
                Asked(text="Why did checkout fail last night?"), reader, surface=Surface.WEBHOOK
            )
            assert await surface.publish(stored, SRE, once="webhook:group-1")
            assert not await surface.publish(stored, SRE, once="webhook:group-1")
            roots = [one for one in house.slack.messages[SRE] if "thread_ts" not in one]
            assert len(roots) == 1
            assert "asked:" not in roots[0]["text"]

            # And only where it may be read, whoever asks for it.
            house.slack.add_channel("C0PARTNERS1", "partners", [MIRA, BOT], is_ext_shared=True)
            with pytest.raises(NotForThem, match="C0PARTNERS1"):
                await surface.publish(stored, "C0PARTNERS1", once="webhook:group-1")
            private = await house.database.reports.add(
                stored.answer, surface=Surface.SLACK, asked_by="x", audience=("security",)
            )
            with pytest.raises(NotForThem):
                await surface.publish(private, CHECKOUT, once="webhook:group-2")
            assert {*house.slack.messages} == {SRE}

    asyncio.run(run())
