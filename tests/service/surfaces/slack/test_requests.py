"""Slack's requests: which are refused, what they are answered, and that none runs twice."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings, SettingsError
from service.store import StoreUnavailable
from service.surfaces.slack.api import open_api
from service.surfaces.slack.sealed import Seal
from service.surfaces.slack.tasks import Ask
from service.testing.slack_requests import Sent, signed
from tests.service.surfaces.slack.house import CHECKOUT, SECRET, TOKEN, TOMAS, House, open_house

_LEASE = timedelta(minutes=1)


@asynccontextmanager
async def listening(company: Settings, folder: Path) -> AsyncIterator[House]:
    """A house whose queue nobody works on: only the requests are looked at."""
    async with open_house(company, folder, working=False) as house:
        yield house


async def queued(house: House) -> list[Ask]:
    """What waits in the queue."""
    found = []
    while (job := await house.database.jobs.claim("test", lease=_LEASE)) is not None:
        found.append(Ask.model_validate(job.payload))
    return found


def test_forged_replayed_and_malformed_requests_are_refused(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with listening(company, tmp_path) as house:
            good = house.requests.command("last night", TOMAS, CHECKOUT)
            form = good.headers["content-type"]
            body = good.body.decode()
            stamp = good.headers["x-slack-request-timestamp"]
            old = signed(SECRET, body, content_type=form, moment=time.time() - 301)
            early = signed(SECRET, body, content_type=form, moment=time.time() + 301)
            forged = signed("another secret", body, content_type=form)
            changed = Sent(good.headers, good.body.replace(b"last", b"next"))
            refused = [old, early, forged, changed]
            for value in ("soon", "", "1e9", "-1", f"{stamp}_0", f"+{stamp}", "9" * 40):
                refused.append(
                    Sent({**good.headers, "x-slack-request-timestamp": value}, good.body)
                )
            for name in ("x-slack-signature", "x-slack-request-timestamp"):
                fewer = {key: value for key, value in good.headers.items() if key != name}
                refused.append(Sent(fewer, good.body))
            refused.append(Sent({**good.headers, "content-type": "application/json"}, b"{broken"))
            refused.append(Sent(good.headers, b"\xff\xfe"))
            for sent in refused:
                assert (await house.send(sent)).status_code == 401, sent
            assert await queued(house) == []
            assert (await house.send(good)).status_code == 200
            assert len(await queued(house)) == 1

    asyncio.run(run())


def test_the_address_is_verified_by_its_challenge(company: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        async with listening(company, tmp_path) as house:
            challenge = {"type": "url_verification", "token": "x", "challenge": "3eZbrw1aBm"}
            reply = await house.send(house.requests.event(challenge))
            assert (reply.status_code, reply.json()) == (200, {"challenge": "3eZbrw1aBm"})

    asyncio.run(run())


def test_help_is_answered_at_once_and_only_to_the_asker(company: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        async with listening(company, tmp_path) as house:
            reply = (await house.send(house.requests.command("help", TOMAS, CHECKOUT))).json()
            assert reply["response_type"] == "ephemeral"
            assert "/why last night in eu-west" in reply["text"]
            assert await queued(house) == []

    asyncio.run(run())


def test_what_slack_sends_again_runs_once(company: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        async with listening(company, tmp_path) as house:
            command = house.requests.command("last night", TOMAS, CHECKOUT)
            mention = house.requests.mention("last night?", TOMAS, CHECKOUT)
            sent = [command, command, house.requests.event(mention)]
            sent += [house.requests.event(mention, retry=number) for number in (1, 2, 3)]
            # A mention is also a message of its channel: another event, the same message.
            as_message = house.requests.event_payload({**mention["event"], "type": "message"})
            sent.append(house.requests.event(as_message))
            replies = [await house.send(one) for one in sent]
            assert [reply.status_code for reply in replies] == [200] * len(sent)
            asked = await queued(house)
            assert [one.command for one in asked] == [True, False]
            # It came again an hour later, when the first was long done.
            assert (await house.send(house.requests.event(mention, retry=1))).status_code == 200
            assert await queued(house) == []

    asyncio.run(run())


def test_slack_gets_an_error_where_the_job_could_not_be_kept(
    company: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with listening(company, tmp_path) as house:

            async def full(*_: Any, **__: Any) -> None:
                raise StoreUnavailable("the disk is full")

            monkeypatch.setattr(house.database.jobs, "enqueue", full)
            for sent in (
                house.requests.command("last night", TOMAS, CHECKOUT),
                house.requests.event(house.requests.mention("why?", TOMAS, CHECKOUT)),
            ):
                assert (await house.send(sent)).status_code == 500

    asyncio.run(run())


@pytest.mark.parametrize(
    ("event", "asked"),
    [
        ({"text": "who was affected?", "thread_ts": "1.1"}, False),
        ({"text": "why?"}, False),
        ({"text": "", "channel": "D05A4TIBA04"}, False),
        ({"text": "why?", "channel": "D05A4TIBA04"}, True),
        ({"text": "why?", "channel": "D05A4TIBA04", "bot_id": "B1"}, False),
        ({"text": "why?", "channel": "D05A4TIBA04", "subtype": "message_changed"}, False),
    ],
)
def test_only_what_is_said_to_the_app_is_a_question(
    company: Settings, tmp_path: Path, event: dict[str, Any], asked: bool
) -> None:
    async def run() -> None:
        async with listening(company, tmp_path) as house:
            house.slack.direct(TOMAS)
            channel = event.get("channel", CHECKOUT)
            payload = house.requests.message(event["text"], TOMAS, channel)
            payload["event"] |= event
            assert (await house.send(house.requests.event(payload))).status_code == 200
            assert bool(await queued(house)) is asked

    asyncio.run(run())


def test_secrets_are_in_no_log_and_not_in_the_database(
    company: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> str:
        async with open_house(company, tmp_path) as house:
            command = house.requests.command_payload("help me last night", TOMAS, CHECKOUT)
            house.slack.failures["conversations.info"] = ["fatal_error"]
            house.slack.failures["users.info"] = ["fatal_error"]
            await house.done(house.requests.form(command))
            bad = house.requests.form(command)
            await house.send(Sent({**bad.headers, "x-slack-signature": "v0=00"}, bad.body))
            return str(command["response_url"])

    with caplog.at_level(logging.DEBUG):
        url = asyncio.run(run())
    logged = "\n".join(record.getMessage() for record in caplog.records)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (TOKEN, SECRET, url):
        assert secret not in logged
        assert secret.encode() not in kept


def test_a_seal_opens_only_with_the_same_token(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = Seal(TOKEN).close("https://hooks.slack.com/commands/T1/2/abc")
    assert "hooks" not in sealed
    assert Seal(TOKEN).open(sealed) == "https://hooks.slack.com/commands/T1/2/abc"
    assert Seal("xoxb-another").open(sealed) is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1801)
    assert Seal(TOKEN).open(sealed) is None


def test_missing_settings_are_named(company: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        bare = company.model_copy(update={"database_file": tmp_path / "why.db"})
        with pytest.raises(SettingsError, match="WHY_SLACK_BOT_TOKEN"):
            async with open_api(bare):
                pass
        with pytest.raises(SettingsError, match="slack_signing_secret"):
            async with open_house(company, tmp_path, slack_signing_secret=None, working=False):
                pass

    asyncio.run(run())
