"""``/why`` and what follows it, in Slack's wire format against a fake Slack."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from service.reports.model import Report
from service.settings import Settings
from service.store import StoredReport, Surface
from service.surfaces.slack.answering import FAILED, GONE, NO_LABELS, Answering
from service.surfaces.slack.errors import SlackRefused
from service.surfaces.slack.mrkdwn import escape
from service.surfaces.slack.sealed import Seal
from service.surfaces.slack.tasks import ASK, Ask
from service.testing.slack import RateLimited
from service.testing.slack_workspace import BOT
from tests.service.surfaces.slack.house import (
    CHECKOUT,
    MIRA,
    PRIVATE_ANSWER,
    PRIVATE_QUESTION,
    SEC_RESPONSE,
    SRE,
    TOKEN,
    TOMAS,
    House,
    buttons,
    open_house,
    texts,
)


async def stored(house: House) -> list[StoredReport]:
    """All answers that were kept, newest first."""
    page = await house.database.reports.page(("everyone", "slack:sec-response"), limit=50)
    kept = [await house.database.reports.get(head.id) for head in page.reports]
    return [one for one in kept if one is not None]


@pytest.mark.slow
def test_why_says_that_it_looks_and_then_reports_in_a_thread(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            reply = await house.why("did checkout fail last night", TOMAS, CHECKOUT)
            assert (reply.status_code, reply.json()["text"]) == (200, "Looking…")
            assert reply.json()["response_type"] == "ephemeral"
            root, *thread = house.slack.messages[CHECKOUT]
            assert f"<@{TOMAS}> asked:" in root["text"]
            assert "Most likely quota (eu-west)" in root["text"]
            assert "thread_ts" not in root
            assert all(message["thread_ts"] == root["ts"] for message in thread)
            assert not any(message["unfurl_links"] for message in (root, *thread))
            shown = texts(thread[0])
            assert shown.index("*1. quota (eu-west)*") < shown.index("*In short*")
            assert "“Deploy quota 4.12.0 (eu-west)” at 01:37" in shown
            assert "<https://wiki.kestrel.example/runbooks/rollback-a-deploy|" in shown
            assert {"why_details", "why_up", "why_down", "why_confirm", "why_reject"} <= {
                *buttons(thread[-1])
            }
            (chart,) = house.slack.files
            assert (chart["channel"], chart["thread_ts"]) == (CHECKOUT, root["ts"])
            assert chart["content"].startswith(b"\x89PNG")
            filled = house.slack.shown_to(TOMAS)[-1]
            assert filled["replace_original"]
            assert "Most likely quota (eu-west)" in filled["text"]
            assert f"archives/{CHECKOUT}/p{root['ts'].replace('.', '')}" in texts(filled)

            # Alone, it means the channel's service and the last hour.
            await house.why("", TOMAS, CHECKOUT)
            alone = (await stored(house))[0]
            assert alone.question == "Why did checkout fail in the last hour?"
            assert isinstance(alone.answer, Report)
            window = alone.answer.scope.window
            assert window.end - window.start == timedelta(hours=1)
            assert alone.answer.scope.services == ("checkout",)
            await house.why("last night in eu-west", TOMAS, CHECKOUT)
            assert (await stored(house))[
                0
            ].question == "Why did checkout fail last night in eu-west?"

            # Charts, machines and runs have their own answers.
            await house.why("show checkout latency p99 by region last night", TOMAS, SRE)
            await house.why("which nodes need maintenance", TOMAS, SRE)
            await house.why("is run aurelia-70b-ft-12 healthy", TOMAS, SRE)
            said = "\n".join(texts(message) for message in house.slack.messages[SRE])
            assert "`histogram_quantile(" in said or "p99{" in said
            assert "gpu-eu-07" in said
            assert "aurelia-70b-ft-12" in said
            assert [file["channel"] for file in house.slack.files] == [CHECKOUT, CHECKOUT, SRE]

    asyncio.run(run())


@pytest.mark.slow
def test_what_the_channel_may_not_read_is_the_askers_alone(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            slack = house.slack
            direct = slack.direct(MIRA)
            # Tomás is not in sec-response: his answer is everybody's, in the channel.
            await house.why(PRIVATE_QUESTION, TOMAS, CHECKOUT)
            assert len(slack.messages[CHECKOUT]) >= 2
            before = len(slack.messages[CHECKOUT])

            # Mira is: hers is shown to her, and its thread is in her direct messages.
            await house.why(PRIVATE_QUESTION, MIRA, CHECKOUT)
            assert len(slack.messages[CHECKOUT]) == before
            mine = slack.shown_to(MIRA)[-1]
            assert PRIVATE_ANSWER in texts(mine)
            assert any(PRIVATE_ANSWER in texts(message) for message in slack.messages[direct])
            assert buttons(mine)["why_share"] == "Share to channel"

            # Shared, the question is asked again with what the channel may read.
            await house.press("why_share", MIRA, CHECKOUT, mine, hidden=True)
            shared = slack.messages[CHECKOUT][before:]
            assert len(shared) >= 2
            assert f"<@{MIRA}> asked:" in shared[0]["text"]
            kept = await stored(house)
            assert [one.audience for one in kept] == [
                ("everyone",),
                ("everyone", "slack:sec-response"),
                ("everyone",),
            ]
            assert isinstance(kept[0].answer, Report)
            assert isinstance(kept[1].answer, Report)
            assert kept[0].answer.scope.window == kept[1].answer.scope.window
            for_all = [*slack.messages[CHECKOUT], *slack.shown_to(TOMAS)]
            for message in for_all:
                assert PRIVATE_ANSWER not in texts(message)
                assert "sec-response" not in texts(message) + message["text"]

            # In the private channel itself everybody may read it.
            await house.why(PRIVATE_QUESTION, MIRA, SEC_RESPONSE)
            assert any(PRIVATE_ANSWER in texts(message) for message in slack.messages[SEC_RESPONSE])

            # A mention in the open has only what is open, whoever asks.
            mention = house.requests.mention(f"why {PRIVATE_QUESTION}?", MIRA, SRE)
            await house.done(house.requests.event(mention))
            assert slack.messages[SRE]
            assert all(PRIVATE_ANSWER not in texts(message) for message in slack.messages[SRE])

            # Without Slack's word on who is where, the answer is everybody's, too.
            house.surface._access._channels._known.clear()
            slack.failures["users.conversations"] = ["internal_error"]
            await house.why(PRIVATE_QUESTION, MIRA, SRE)
            assert all(PRIVATE_ANSWER not in texts(message) for message in slack.messages[SRE])
            # And without its word on who somebody is, there is none.
            house.surface._access._standings._known.clear()
            slack.failures["users.info"] = ["internal_error"]
            await house.why(PRIVATE_QUESTION, MIRA, SRE)
            assert escape(NO_LABELS) in texts(slack.shown_to(MIRA)[-1])

    asyncio.run(run())


@pytest.mark.slow
def test_nothing_is_posted_where_others_read_or_the_app_is_not(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            slack = house.slack
            slack.add_channel("C0PARTNERS1", "partners", [TOMAS, BOT], is_ext_shared=True)
            slack.add_channel("G0HIDDEN001", "hidden", [TOMAS], private=True)
            slack.add_channel("C0ARCHIVED1", "archived", [TOMAS, BOT], is_archived=True)
            direct = slack.direct(TOMAS)
            for number, channel in enumerate(("C0PARTNERS1", "G0HIDDEN001", "C0ARCHIVED1"), 1):
                await house.why("did checkout fail last night", TOMAS, channel)
                assert channel not in slack.messages
                roots = [one for one in slack.messages[direct] if "thread_ts" not in one]
                assert len(roots) == number
                assert "quota (eu-west)" in texts(slack.shown_to(TOMAS)[-1])
            mention = house.requests.mention("why did checkout fail?", TOMAS, "C0PARTNERS1")
            await house.done(house.requests.event(mention))
            assert "C0PARTNERS1" not in slack.messages
            assert "I don't post here" in texts(slack.shown_to(TOMAS)[-1])

    asyncio.run(run())


@pytest.mark.slow
def test_a_thread_goes_on_by_reply_by_mention_and_in_direct_messages(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path) as house:
            slack, requests = house.slack, house.requests
            await house.why("did checkout fail last night", TOMAS, CHECKOUT)
            root = slack.messages[CHECKOUT][0]["ts"]
            reply = requests.message("and in us-east?", MIRA, CHECKOUT, thread=root)
            await house.done(requests.event(reply))
            second, first = await stored(house)
            assert second.after == first.id
            assert second.asked_by == f"slack:{MIRA}"
            assert second.audience == ("everyone",)
            assert "us-east" in second.answer.question
            assert "checkout" in second.answer.question
            assert slack.messages[CHECKOUT][-1]["thread_ts"] == root
            assert slack.reactions[-1]["timestamp"] == reply["event"]["ts"]

            # People talk to each other there, too.
            for said in ("thanks, rolling back", f"<@{MIRA}> can you look?"):
                talk = requests.message(said, TOMAS, CHECKOUT, thread=root)
                await house.done(requests.event(talk))
            assert len(await stored(house)) == 2
            mention = requests.mention("who was affected", TOMAS, CHECKOUT, thread=root)
            await house.done(requests.event(mention))
            assert (await stored(house))[0].after == second.id

            # In direct messages every message is meant, and a new one begins a new thread.
            direct = slack.direct(TOMAS)
            begun = requests.message("why did checkout fail last night?", TOMAS, direct)
            await house.done(requests.event(begun))
            moment = begun["event"]["ts"]
            assert {message["thread_ts"] for message in slack.messages[direct]} == {moment}
            thanks = requests.message("since when", TOMAS, direct, thread=moment)
            await house.done(requests.event(thanks))
            last, before, *_ = await stored(house)
            assert last.after == before.id

            # A guest who may not read the answer can't go on from it.
            slack.add_user("U0GUEST0001", is_restricted=True)
            house.surface._access._mapping = {"U0GUEST0001": ("everyone-else", "everyone")}
            slack.channels[CHECKOUT]["members"].append("U0GUEST0001")
            key = f"{CHECKOUT}:{root}"
            private = await house.database.reports.add(
                last.answer,
                surface=Surface.SLACK,
                asked_by="x",
                audience=("security",),
            )
            await house.database.conversations.put(Surface.SLACK, key, private.id)
            asked = requests.message("and now?", "U0GUEST0001", CHECKOUT, thread=root)
            await house.done(requests.event(asked))
            assert escape(GONE) in texts(slack.shown_to("U0GUEST0001")[-1])

    asyncio.run(run())


@pytest.mark.slow
def test_troubles_with_slack_neither_lose_an_answer_nor_double_it(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path, working=False) as house:
            slack = house.slack
            answering = house.surface.handlers[ASK]
            lease = timedelta(minutes=1)

            async def next_job() -> None:
                job = await house.database.jobs.claim("test", lease)
                assert job is not None
                await answering(job)
                # Its worker died before it could say so: it is run again.
                await answering(job)
                await house.database.jobs.done(job)

            slack.failures["chat.postMessage"] = [RateLimited(0), RateLimited(0)]
            slack.failures["users.info"] = [RateLimited(0)]
            await house.send(house.requests.command("did auth fail last night", TOMAS, CHECKOUT))
            await next_job()
            roots = [one for one in slack.messages[CHECKOUT] if "thread_ts" not in one]
            assert len(roots) == 1
            assert len(slack.files) == 1
            assert len(await stored(house)) == 1

            # A time that makes no sense is the asker's to know, and nobody else's.
            text = "between 2026-11-12 05:00 and 2026-11-12 03:00"
            await house.send(house.requests.command(text, TOMAS, CHECKOUT))
            await next_job()
            assert "before it starts" in texts(slack.shown_to(TOMAS)[-1])
            assert len([one for one in slack.messages[CHECKOUT] if "thread_ts" not in one]) == 1

            # The chart is no reason to have no answer.
            slack.failures["files.getUploadURLExternal"] = ["missing_scope"]
            await house.send(house.requests.command("did auth fail last night", TOMAS, SRE))
            await next_job()
            assert "quota" in slack.messages[SRE][0]["text"]

    asyncio.run(run())


def test_after_the_last_attempt_the_asker_is_told(company: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path, working=False) as house:
            answering = house.surface.handlers[ASK]
            house.slack.failures["chat.postMessage"] = ["fatal_error"] * 2
            ask = Ask(
                text="why did auth fail last night?", user=TOMAS, channel=CHECKOUT, thread="1.1"
            )
            await house.database.jobs.enqueue(ASK, ask.model_dump(mode="json"), max_attempts=1)
            job = await house.database.jobs.claim("test", timedelta(minutes=1))
            assert job is not None
            with pytest.raises(SlackRefused, match=r"chat\.postMessage: fatal_error"):
                await answering(job)
            assert escape(FAILED) in texts(house.slack.shown_to(TOMAS)[-1])

    asyncio.run(run())


def test_what_takes_long_is_told_meanwhile(company: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_house(company, tmp_path, working=False) as house:
            surface = house.surface
            answering = Answering(
                house.desk, surface._access, surface._publisher, Seal(TOKEN), updates=(0.0, 0.05)
            )
            await house.send(house.requests.command("did auth fail last night", TOMAS, CHECKOUT))
            job = await house.database.jobs.claim("test", timedelta(minutes=1))
            assert job is not None
            await answering.answer(job)
            *meanwhile, filled = house.slack.shown_to(TOMAS)
            assert meanwhile
            assert all(message["text"].startswith("Looking…") for message in meanwhile)
            assert "Most likely quota" in filled["text"]
            assert len(house.slack.called("response_url")) <= 5

    asyncio.run(run())
