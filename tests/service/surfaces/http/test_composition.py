"""Everything that listens in one server: the page, MCP, Slack; and what it does by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from service.store import Job, Scope
from service.testing.loopback import on_loopback
from service.testing.slack import FakeSlack
from tests.service.surfaces.http.conftest import Api, Run
from tests.service.surfaces.http.test_webhooks import group

TOKEN = "xoxb-1-2-abc"  # noqa: S105 - of the fake
CHANNEL = "C05ALERTS01"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    fake = FakeSlack(token=TOKEN)
    fake.add_user("U01ALICE001")
    fake.add_channel(CHANNEL, "alerts", ["U01ALICE001"])
    with on_loopback(fake) as address:
        fake.address = address
        yield fake


def connected(slack: FakeSlack) -> dict[str, Any]:
    return {
        "slack_bot_token": SecretStr(TOKEN),
        "slack_signing_secret": SecretStr("signing"),
        "slack_api_url": f"{slack.address}/api/",
        "slack_alert_channel": CHANNEL,
        "briefing_channel": CHANNEL,
        "webhook_reports": True,
    }


async def idle(api: Api) -> None:
    """Once there is nothing more to do."""
    for _ in range(600):
        jobs = await api.database.jobs.counts()
        if not jobs["queued"] and not jobs["running"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(jobs)


def test_the_page_mcp_and_slack_are_served_each_with_its_own_lock(
    run: Run, slack: FakeSlack
) -> None:
    async def test(api: Api) -> None:
        page = await api.client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        accepted = {"Accept": "application/json, text/event-stream"}
        keyless = await api.client.post("/mcp", json=INITIALIZE, headers=accepted)
        assert (keyless.status_code, keyless.json()["code"]) == (401, "key_missing")
        key = await api.key()
        answer = await api.client.post("/mcp", json=INITIALIZE, headers={**key, **accepted})
        assert answer.status_code == 200, answer.text
        assert "serverInfo" in answer.text
        unsigned = await api.client.post("/slack/events", json={"type": "url_verification"})
        assert unsigned.status_code == 401

    run(test, **connected(slack))


@pytest.mark.slow
def test_what_a_webhook_raised_is_told_in_the_alert_channel_once(
    run: Run, slack: FakeSlack
) -> None:
    async def test(api: Api) -> None:
        key = await api.key(Scope.INGEST)
        sent = group("AuthTokenLatencyHigh", service="auth", region="eu-west")
        slack.failures["chat.postMessage"] = ["ratelimited"]
        for _ in range(2):
            await api.client.post("/v1/webhooks/alertmanager", json=sent, headers=key)
        await idle(api)
        # Slack refused at first: the job comes again, and tells what was found the first time.
        page = await api.client.get("/v1/reports", headers=await api.key())
        assert len(page.json()["reports"]) == 1
        threads = [one for one in slack.messages[CHANNEL] if "thread_ts" not in one]
        assert len(threads) == 1
        assert "AuthTokenLatencyHigh" in str(threads[0])
        assert slack.violations == []

    run(test, **connected(slack))


def test_the_morning_briefing_is_made_and_sent_by_the_schedule(run: Run, slack: FakeSlack) -> None:
    async def test(api: Api) -> None:
        for _ in range(600):
            if await api.database.jobs.last_done("briefing") is not None:
                break
            await asyncio.sleep(0.05)
        assert "briefing" in str(slack.messages[CHANNEL][0]).lower()
        today = datetime.now(UTC).date()
        kept = await api.database.briefings.get(today, "UTC", ("everyone",))
        assert kept is not None

    minute = datetime.now(UTC) - timedelta(minutes=2)
    schedule = f"{minute.minute} {minute.hour} * * *"
    run(test, **connected(slack), briefing_schedule=schedule, as_of="now")


def test_the_index_is_brought_up_to_date_again_and_again_without_being_asked(run: Run) -> None:
    async def test(api: Api) -> None:
        for _ in range(600):
            if await api.database.jobs.last_done("sync") is not None:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("nothing was synced")

    run(test, sync_minutes=60)


def test_a_server_that_goes_down_takes_no_more_jobs(run: Run) -> None:
    async def test(api: Api) -> Job | None:
        api.app.state.drain()
        await asyncio.sleep(1)  # a look at the queue may be under way
        job = await api.database.jobs.enqueue("sync", {})
        assert job is not None
        await asyncio.sleep(1.2)
        return await api.database.jobs.get(job.id)

    job = run(test, job_workers=1)
    assert job is not None
    assert (job.state, job.attempts) == ("queued", 0)
