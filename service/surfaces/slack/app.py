"""What Slack sends: commands, mentions, replies, buttons and forms, each into the queue.

A listener reads the payload, writes a job down and says yes; it calls nobody. So Slack has its
answer well within three seconds, and has it only when the job is safe: where it cannot be written,
Slack gets an error and sends an event again. A job's key is what happened (the command's trigger,
the message, the press, the form), not the delivery, so that retries (``X-Slack-Retry-Num``) and
the two events that one mention in a channel causes do not run twice.

Only a form must be opened while Slack waits: its ``trigger_id`` is good for three seconds.

Bolt's ``AsyncApp`` verifies signatures in HTTP mode. It runs the listener before it answers
(``process_before_response``), and needs no call of its own: the app is in one workspace, and what
bots say is left out here. Payloads as under docs.slack.dev: "Slash commands",
"block_actions payload", "view_submission payload", "app_mention", "message.im", "Events API".
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from service.settings import Settings, SettingsError
from service.store import Database, Surface
from service.surfaces.slack.api import SlackApi, quiet_logger
from service.surfaces.slack.buttons import (
    FOLLOW_UP_VIEW,
    SHARE_VIEW,
    Press,
    follow_up_view,
    pressed,
    share_view,
)
from service.surfaces.slack.commands import HELP, goes_on, is_help, typed
from service.surfaces.slack.errors import SlackFailure
from service.surfaces.slack.publishing import conversation
from service.surfaces.slack.sealed import Seal
from service.surfaces.slack.tasks import ASK, PRESS, Ask, FormData, Pressing

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncAck, AsyncApp

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"[A-Z0-9]{2,40}")
_FORM_SECONDS = 2.0
"""For opening a form; Slack waits three for the answer to the press."""
_LOOKING = "Looking…"

Payload = Mapping[str, Any]
"""JSON from Slack; its shapes are read here and nowhere else."""


def bolt_app(settings: Settings, api: SlackApi, database: Database, seal: Seal) -> AsyncApp:
    """The Bolt app with its listeners. Raises: SettingsError."""
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.authorization import AuthorizeResult
    from slack_sdk.web.async_client import AsyncWebClient

    if settings.slack_signing_secret is None and settings.slack_app_token is None:
        raise SettingsError(
            "slack_signing_secret is missing (HTTP mode), or slack_app_token (Socket Mode); "
            "docs/slack.md says where they are"
        )
    token = api.client.token

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    secret = settings.slack_signing_secret
    app = AsyncApp(
        name="why",
        logger=quiet_logger(),
        client=AsyncWebClient(
            base_url=settings.slack_api_url, session=api.client.session, logger=quiet_logger()
        ),
        signing_secret=secret.get_secret_value() if secret is not None else "",
        authorize=authorize,
        process_before_response=True,
        ssl_check_enabled=False,
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    listeners = Listeners(api, database, seal)
    app.command("/why")(listeners.command)
    app.event("app_mention")(listeners.mention)
    app.event("message")(listeners.message)
    for press in Press:
        app.action(press.value)(listeners.press)
    app.view(FOLLOW_UP_VIEW)(listeners.follow_up)
    app.view(SHARE_VIEW)(listeners.share)
    return app


class Listeners:
    """One for each kind of payload. Raise: StoreError, which Slack gets as an error."""

    def __init__(self, api: SlackApi, database: Database, seal: Seal) -> None:
        self._api = api
        self._database = database
        self._seal = seal

    async def command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """``/why …``"""
        text = str(body.get("text") or "")
        if is_help(text):
            await ack(text=HELP, response_type="ephemeral")
            return
        ask = Ask(
            text=text,
            user=_id(body["user_id"]),
            channel=_id(body["channel_id"]),
            command=True,
            sealed=self._sealed(body),
        )
        await self._queue(ASK, ask, f"slack:command:{body['trigger_id']}")
        await ack(text=_LOOKING, response_type="ephemeral")

    async def mention(self, event: dict[str, Any]) -> None:
        """``@why …`` in a channel, and any other message that asks something."""
        text = str(event.get("text") or "")
        user = event.get("user")
        if event.get("bot_id") or not user or (not typed(text) and "<@" not in text):
            return
        channel, moment = _id(event["channel"]), str(event["ts"])
        ask = Ask(
            text=text,
            user=_id(user),
            channel=channel,
            thread=str(event.get("thread_ts") or moment),
            message=moment,
        )
        await self._queue(ASK, ask, f"slack:message:{channel}:{moment}")

    async def message(self, event: dict[str, Any]) -> None:
        """A direct message, or a reply in the thread of an answer."""
        thread = event.get("thread_ts")
        if event.get("subtype") not in (None, "thread_broadcast", "file_share"):
            return
        if event.get("channel_type") != "im":
            if thread is None or thread == event.get("ts") or not goes_on(event.get("text") or ""):
                return
            key = conversation(str(event.get("channel")), str(thread))
            if await self._database.conversations.last(Surface.SLACK, key) is None:
                return
        await self.mention(event)

    async def press(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A button under an answer."""
        action = body["actions"][0]
        press, value = Press(action["action_id"]), pressed(str(action.get("value") or ""))
        place = body.get("container") or {}
        channel = _id((body.get("channel") or {}).get("id") or place.get("channel_id"))
        message = body.get("message") or {}
        thread = message.get("thread_ts") or place.get("thread_ts")
        if thread is None and not place.get("is_ephemeral"):
            thread = place.get("message_ts")
        form = FormData(report_id=value.target, channel=channel, thread=thread)
        if press is Press.FOLLOW_UP:
            await self._open(body, follow_up_view(form.model_dump_json()))
        elif press is Press.SHARE and not value.rest:
            await self._open(body, share_view(form.model_dump_json()))
        elif press is not Press.GRAFANA:
            pressing = Pressing(
                press=press,
                target=value.target,
                rest=value.rest,
                user=_id(body["user"]["id"]),
                channel=channel,
                thread=thread,
                sealed=self._sealed(body),
            )
            await self._queue(PRESS, pressing, f"slack:press:{body['trigger_id']}")
        await ack()

    async def follow_up(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """The form of a follow-up question."""
        view = body["view"]
        form = FormData.model_validate_json(view["private_metadata"])
        text = str(view["state"]["values"]["question"]["text"]["value"] or "")
        ask = Ask(
            text=text,
            user=_id(body["user"]["id"]),
            channel=form.channel,
            # Under a message that only the asker sees, there is no thread to answer in.
            command=form.thread is None,
            thread=form.thread,
            after=form.report_id,
        )
        await self._queue(ASK, ask, f"slack:form:{view['id']}")
        await ack()

    async def share(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """The form that asks for a channel to share to."""
        view = body["view"]
        form = FormData.model_validate_json(view["private_metadata"])
        chosen = view["state"]["values"]["channel"]["id"]["selected_conversation"]
        pressing = Pressing(
            press=Press.SHARE,
            target=form.report_id,
            rest=_id(chosen),
            user=_id(body["user"]["id"]),
            channel=form.channel,
            thread=form.thread,
        )
        await self._queue(PRESS, pressing, f"slack:form:{view['id']}")
        await ack()

    async def _open(self, body: Payload, view: dict[str, Any]) -> None:
        """Open a form; without one the press has done nothing, which its presser sees."""
        try:
            async with asyncio.timeout(_FORM_SECONDS):
                await self._api("views.open", trigger_id=body["trigger_id"], view=view)
        except (SlackFailure, TimeoutError) as error:
            _LOG.warning("a form was not opened: %s", error or "no answer in time")

    async def _queue(self, kind: str, task: Ask | Pressing, key: str) -> None:
        await self._database.jobs.enqueue(kind, task.model_dump(mode="json"), key=key)

    def _sealed(self, body: Payload) -> str | None:
        url = body.get("response_url")
        return self._seal.close(url) if isinstance(url, str) and url else None


def _id(value: object) -> str:
    """An id of Slack's, and nothing else: it goes into mentions and keys."""
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise ValueError("Slack sent something that is no id")
