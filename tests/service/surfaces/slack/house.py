"""A house for the tests: the sample company's Slack, and Why beside it, as in production.

Real: the database, the queue and its worker, the workspace, Bolt, HTTP over loopback in both
directions. Fake: Slack (``service.testing.slack``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from service.desk import Desk
from service.settings import Settings
from service.store import Database, Job, JobState
from service.surfaces.slack import SlackSurface, open_slack
from service.testing.loopback import on_loopback
from service.testing.slack import FakeSlack
from service.testing.slack_requests import Sent, SlackRequests
from service.worker import Worker
from service.workspace import open_workspace
from tests.company import DATA

TOKEN = "xoxb-the-bot-token-of-the-tests"  # noqa: S105
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # noqa: S105
APP_TOKEN = "xapp-the-app-token-of-the-tests"  # noqa: S105

MIRA, TOMAS, CHIDI = "U05A1MKOF01", "U05A4TIBA04", "U05A8CEZE08"
CHECKOUT, SEC_RESPONSE, SRE = "C05C3CHECK3", "G05G1SECRE1", "C05C2SRETM2"
"""Mira and Chidi are in sec-response, Tomás is not."""
PRIVATE_QUESTION = "did payments leak its deploy token last night"
PRIVATE_ANSWER = "deploy token of deploybot was readable"
"""Words of sec-response that answer it, for those who may read them."""


class House:
    """``slack``: what the company's Slack got; ``requests``: what it sends."""

    def __init__(
        self,
        slack: FakeSlack,
        surface: SlackSurface,
        desk: Desk,
        url: str,
        client: httpx.AsyncClient,
    ) -> None:
        self.slack = slack
        self.requests = SlackRequests(slack, SECRET)
        self.surface = surface
        self.desk = desk
        self.url = url
        self._client = client
        self._queued: list[Job] = []
        enqueue = desk.database.jobs.enqueue

        async def remembered(kind: str, *rest: Any, **more: Any) -> Job | None:
            job = await enqueue(kind, *rest, **more)
            if job is not None and kind in surface.handlers:
                self._queued.append(job)
            return job

        desk.database.jobs.enqueue = remembered  # type: ignore[method-assign]

    @property
    def database(self) -> Database:
        return self.desk.database

    async def send(self, sent: Sent) -> httpx.Response:
        """One request of Slack's, over HTTP."""
        return await self._client.post(self.url, content=sent.body, headers=sent.headers)

    async def why(self, text: str, user: str, channel: str) -> httpx.Response:
        """``/why text``, and wait until it is answered."""
        return await self.done(self.requests.command(text, user, channel))

    async def press(
        self, action: str, user: str, channel: str, message: dict[str, Any], *, hidden: bool = False
    ) -> httpx.Response:
        """A press of a button, and wait until it is done."""
        payload = self.requests.press_payload(action, user, channel, message, hidden=hidden)
        return await self.done(self.requests.interaction(payload))

    async def done(self, sent: Sent) -> httpx.Response:
        """Send it, and wait until no job is left."""
        reply = await self.send(sent)
        await self.settled()
        return reply

    async def settled(self) -> None:
        """Wait until every job of this surface is done."""
        async with asyncio.timeout(60):
            while self._queued:
                job = await self.database.jobs.get(self._queued[0].id)
                if job is None or job.state in (JobState.DONE, JobState.FAILED):
                    self._queued.pop(0)
                else:
                    await asyncio.sleep(0.01)


@asynccontextmanager
async def open_house(
    company: Settings,
    folder: Path,
    *,
    working: bool = True,
    **settings: Any,
) -> AsyncIterator[House]:
    """Everything up and running; ``working``: the queue, too. At the end, no payload may have
    broken one of Slack's limits."""
    slack = FakeSlack(token=TOKEN, app_token=APP_TOKEN)
    slack.load(DATA / "slack")
    async with AsyncExitStack() as stack:
        slack.address = stack.enter_context(on_loopback(slack))
        changed = company.model_copy(
            update={
                "database_file": folder / "why.db",
                "slack_bot_token": SecretStr(TOKEN),
                "slack_signing_secret": SecretStr(SECRET),
                "slack_api_url": f"{slack.address}/api/",
                **settings,
            }
        )
        database = await stack.enter_async_context(await Database.open(changed))
        workspace = await stack.enter_async_context(open_workspace(changed, database=database))
        desk = Desk(workspace, database)
        surface = await stack.enter_async_context(open_slack(changed, desk))
        routes = [surface.route] if surface.route is not None else []
        url = await stack.enter_async_context(_served(Starlette(routes=routes)))
        if working:
            worker = Worker(database.jobs, surface.handlers)
            worker.start()
            stack.push_async_callback(worker.stop)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        yield House(slack, surface, desk, f"{url}/slack/events", client)
    assert slack.violations == []


@asynccontextmanager
async def _served(app: Starlette) -> AsyncIterator[str]:
    """The app on loopback, in this event loop: it shares the connections of the test."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def texts(message: dict[str, Any]) -> str:
    """Everything of a message that Slack formats, with its entities; not headers and buttons."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("type") == "mrkdwn":
                found.append(value["text"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(message.get("blocks") or [])
    return "\n".join(found)


def buttons(message: dict[str, Any]) -> dict[str, str]:
    """Action ids of a message's buttons with what is on them."""
    return {
        element["action_id"]: element["text"]["text"]
        for block in message.get("blocks") or []
        if block["type"] == "actions"
        for element in block["elements"]
    }
