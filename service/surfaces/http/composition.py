"""Everything a server does beside the API: its other surfaces, its jobs, and when they begin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI
from starlette.routing import Route

from service.briefing.delivery import Target, mail_targets
from service.briefing.mornings import Mornings
from service.briefing.schedule import BRIEFING, Schedule, briefing_handler
from service.settings import Settings, SettingsError
from service.store import Job, StoredReport
from service.surfaces.http.background import (
    SYNC,
    WEBHOOK_ASK,
    ask_about_group,
    run_sync,
    sync_every,
)
from service.surfaces.http.serving import Serving
from service.surfaces.mcp.briefs import briefs_of
from service.surfaces.mcp.over_http import PATH as MCP_PATH
from service.surfaces.mcp.over_http import McpEndpoint
from service.worker import Handler, Worker

if TYPE_CHECKING:
    from service.surfaces.slack import SlackSurface

_SOCKET_AGAIN_SECONDS = 30

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def surfaces(app: FastAPI, serving: Serving) -> AsyncIterator[Background]:
    """The other surfaces are open, and jobs are run, until the block ends.

    Raises: SettingsError.
    """
    settings = serving.settings
    async with AsyncExitStack() as stack:
        mcp = McpEndpoint(serving, briefs_of(serving.desk))
        await stack.enter_async_context(mcp.running())
        app.router.routes.append(Route(MCP_PATH, mcp))
        slack = None
        if settings.slack_bot_token is not None:
            from service.surfaces.slack import open_slack

            slack = await stack.enter_async_context(open_slack(settings, serving.desk))
            if slack.route is not None:
                app.router.routes.append(slack.route)
        background = Background(serving, handlers(serving, slack), schedules(serving, slack))
        background.start()
        stack.push_async_callback(background.aclose)
        yield background


def handlers(serving: Serving, slack: SlackSurface | None) -> dict[str, Handler]:
    """What runs each kind of job. Raises: SettingsError, where a channel has no Slack."""
    settings, database, workspace = serving.settings, serving.database, serving.workspace
    channel = settings.slack_alert_channel
    if channel is not None and slack is None:
        raise SettingsError("slack_alert_channel: set slack_bot_token, too")

    async def sync(_: Job) -> None:
        await run_sync(workspace)

    async def show(stored: StoredReport, once: str) -> None:
        if slack is not None and channel is not None:
            await slack.publish(stored, channel, once=once)

    async def ask(job: Job) -> None:
        await ask_about_group(job, serving.desk, settings, show)

    mornings = Mornings(database, workspace.briefer)
    targets = targets_of(settings, slack)
    brief = briefing_handler(settings, database, mornings, targets, clock=workspace.moment)
    others = slack.handlers if slack is not None else {}
    every: dict[str, Handler] = {SYNC: sync, WEBHOOK_ASK: ask, BRIEFING: brief, **others}
    return {kind: _in_the_log(handler) for kind, handler in every.items()}


def _in_the_log(handler: Handler) -> Handler:
    """With the job's id in every line that is logged meanwhile."""

    async def handle(job: Job) -> None:
        with structlog.contextvars.bound_contextvars(job=job.id, job_kind=job.kind):
            await handler(job)

    return handle


def schedules(serving: Serving, slack: SlackSurface | None) -> list[Coroutine[Any, Any, None]]:
    """What goes on for as long as the server runs. Raises: SettingsError."""
    settings = serving.settings
    database = serving.database
    running = [Schedule(settings, database).run()]
    if settings.sync_minutes:
        running.append(sync_every(settings.sync_minutes, database))
    if slack is not None and settings.slack_app_token is not None:
        running.append(_listen(slack))
    return running


def targets_of(settings: Settings, slack: SlackSurface | None) -> list[Target]:
    """Who gets the morning briefing. Raises: SettingsError."""
    targets: list[Target] = [*mail_targets(settings)]
    if settings.briefing_channel is not None:
        if slack is None:
            raise SettingsError("briefing_channel: set slack_bot_token, too")
        from service.surfaces.slack.briefing import SlackTarget
        from service.surfaces.slack.mrkdwn import hosts_of

        targets.append(SlackTarget(slack, settings.briefing_channel, hosts_of(settings)))
    return targets


class Background:
    """Jobs and schedules of one server. ``start``, then ``drain`` (which comes back at once and
    may be called again), then ``aclose``."""

    def __init__(
        self,
        serving: Serving,
        handlers: Mapping[str, Handler],
        schedules: Sequence[Coroutine[Any, Any, None]],
    ) -> None:
        workers = serving.settings.job_workers
        self._worker = Worker(serving.database.jobs, handlers, concurrency=workers)
        self._waiting = schedules
        self._schedules: list[asyncio.Task[None]] = []
        self._stopping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take jobs, and put those into the queue whose time has come."""
        self._worker.start()
        self._schedules = [asyncio.create_task(schedule) for schedule in self._waiting]

    def drain(self) -> None:
        """Begin nothing more; what runs is finished, or given back when it takes too long."""
        for schedule in self._schedules:
            schedule.cancel()
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._worker.stop())

    async def aclose(self) -> None:
        """Drain, and wait for it."""
        self.drain()
        await asyncio.gather(*self._schedules, return_exceptions=True)
        if self._stopping is not None:
            await self._stopping


async def _listen(slack: SlackSurface) -> None:
    """Receive by Socket Mode; while Slack can't be reached, try again and again."""
    from service.surfaces.slack.errors import SlackFailure

    while True:
        try:
            async with slack.socket():
                await asyncio.Event().wait()
        except SlackFailure as error:
            _log.warning("not connected to Slack", why=str(error))
        await asyncio.sleep(_SOCKET_AGAIN_SECONDS)
