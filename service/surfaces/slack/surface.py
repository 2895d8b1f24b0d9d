"""Everything of this surface, put together for a server::

async with open_slack(settings, desk) as slack:
    worker = Worker(desk.database.jobs, slack.handlers)
    http.router.routes.append(slack.route)  # HTTP mode: None without a signing secret
    async with slack.socket():  # Socket Mode: does nothing without an app-level token
        …
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from service.actions.desk import ActionDesk
from service.desk import Desk
from service.settings import Settings
from service.store import StoredReport
from service.surfaces.slack.access import Access
from service.surfaces.slack.answering import Answering
from service.surfaces.slack.api import SlackApi, open_api
from service.surfaces.slack.app import bolt_app
from service.surfaces.slack.mrkdwn import Message
from service.surfaces.slack.pressing import Presses, proposals_of
from service.surfaces.slack.publishing import Publisher
from service.surfaces.slack.route import slack_route
from service.surfaces.slack.sealed import Seal
from service.surfaces.slack.tasks import ASK, PRESS
from service.worker import Handler

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncApp
    from starlette.routing import Route


class SlackSurface:
    """``handlers``: the jobs that this surface queues. ``route``: for Slack's requests in HTTP
    mode, None without a signing secret."""

    def __init__(self, settings: Settings, desk: Desk, api: SlackApi) -> None:
        seal = Seal(api.client.token or "")
        self._settings = settings
        self._api = api
        self._access = Access(api, settings.slack_audiences)
        proposals = proposals_of(settings)
        self._publisher = Publisher(api, desk.database, settings, proposals)
        actions = ActionDesk(settings, desk.database) if proposals else None
        answering = Answering(desk, self._access, self._publisher, seal)
        presses = Presses(desk, self._access, self._publisher, seal, actions)
        self.handlers: Mapping[str, Handler] = {ASK: answering.answer, PRESS: presses.do}
        self.app: AsyncApp = bolt_app(settings, api, desk.database, seal)
        with_http = settings.slack_signing_secret is not None
        self.route: Route | None = slack_route(self.app) if with_http else None

    async def audience_of(self, channel: str, audience: tuple[str, ...]) -> tuple[str, ...]:
        """Which of these labels an answer may be made for that is posted in a channel."""
        return (await self._access.place(channel)).shows(audience)

    async def publish(self, stored: StoredReport, channel: str, *, once: str) -> bool:
        """Post an answer as a thread in a channel, once ever; False where that was begun before.

        It must have been made for ``audience_of`` that channel. ``once``: what this posting is
        known by. Raises: NotForThem, SlackFailure, StoreError.
        """
        place = await self._access.place(channel)
        return await self._publisher.publish(stored, place, once=once) is not None

    async def post(self, channel: str, message: Message) -> None:
        """Post a message of somebody else's making (a briefing). Raises: SlackFailure."""
        await self._api.post(channel, message)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[None]:
        """Receive by Socket Mode until the block ends; nothing without an app-level token."""
        if self._settings.slack_app_token is None:
            yield
            return
        from service.surfaces.slack.socket import socket_mode

        token = self._settings.slack_app_token.get_secret_value()
        async with socket_mode(self.app, token):
            yield


@asynccontextmanager
async def open_slack(settings: Settings, desk: Desk) -> AsyncIterator[SlackSurface]:
    """The surface, connected to Slack when it is first needed. Raises: SettingsError."""
    async with open_api(settings) as api:
        yield SlackSurface(settings, desk, api)
