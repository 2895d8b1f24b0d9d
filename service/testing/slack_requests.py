"""What Slack sends to an app, byte for byte: signed forms and JSON.

Signatures as in "Verifying requests from Slack" (``v0``, HMAC-SHA256 over version, timestamp and
body). Bodies as on docs.slack.dev: "Slash commands" (a form), "block_actions payload" and
"view_submission payload" (a form with the field ``payload``), "Events API" (JSON in an
``event_callback``), "app_mention", "message.channels", "message.im", "url_verification"; retries
have ``X-Slack-Retry-Num`` and ``X-Slack-Retry-Reason``.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from service.testing.slack import FakeSlack
from service.testing.slack_workspace import BOT, TEAM

Json = dict[str, Any]
APP = "A0WHYAPP001"


class Sent(NamedTuple):
    """A request: what a client posts to the app's address. ``body`` is already encoded."""

    headers: dict[str, str]
    body: bytes


def signed(
    secret: str,
    body: str,
    *,
    content_type: str,
    moment: float | None = None,
    more: Mapping[str, str] | None = None,
) -> Sent:
    """A body with Slack's headers, and ``more``. ``moment``: seconds since 1970, else now."""
    stamp = str(int(time.time() if moment is None else moment))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {
        "content-type": content_type,
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={digest}",
        "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        **(more or {}),
    }
    return Sent(headers, body.encode())


class SlackRequests:
    """The requests of one workspace. ``slack``: who the people and channels are."""

    def __init__(self, slack: FakeSlack, secret: str) -> None:
        self._slack = slack
        self._secret = secret
        self._count = itertools.count(1)

    # -- payloads, as they are in HTTP and in the envelopes of Socket Mode ------------------------

    def command_payload(self, text: str, user: str, channel: str) -> Json:
        """``/why text``. Private channels have no name in it."""
        row = self._slack.channels.get(channel, {})
        private, direct = row.get("is_private"), row.get("is_im")
        name = "privategroup" if private else "directmessage" if direct else row.get("name", "")
        return {
            "token": "gIkuvaNzQIHg97ATvDxqgjtO",
            "team_id": TEAM,
            "team_domain": "kestrel",
            "channel_id": channel,
            "channel_name": name,
            "user_id": user,
            "user_name": self._slack.users.get(user, {}).get("name", ""),
            "command": "/why",
            "text": text,
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": self._slack.response_url(user),
            "trigger_id": self._trigger(),
        }

    def event_payload(self, event: Json) -> Json:
        """An event in its envelope."""
        return {
            "token": "XXYYZZ",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{next(self._count):010d}",
            "event_time": int(time.time()),
            "authorizations": [{"team_id": TEAM, "user_id": BOT, "is_bot": True}],
        }

    def press_payload(
        self, action: str, user: str, channel: str, message: Json, *, hidden: bool = False
    ) -> Json:
        """A press of the first button with this action id in a message."""
        button = next(
            element
            for block in message["blocks"]
            if block["type"] == "actions"
            for element in block["elements"]
            if element["action_id"] == action
        )
        container = {
            "type": "message",
            "message_ts": message.get("ts", "1794300000.999999"),
            "channel_id": channel,
            "is_ephemeral": hidden,
        }
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        payload: Json = {
            "type": "block_actions",
            "user": {"id": user, "username": user.lower(), "team_id": TEAM},
            "api_app_id": APP,
            "token": "XXYYZZ",
            "container": container,
            "trigger_id": self._trigger(),
            "team": {"id": TEAM, "domain": "kestrel"},
            "channel": {"id": channel, "name": "directmessage"},
            "response_url": self._slack.response_url(user, of=None if not hidden else message),
            "actions": [
                {
                    "action_id": action,
                    "block_id": "x1Y",
                    "text": button["text"],
                    "type": "button",
                    "action_ts": "1794300001.000100",
                    **({"value": button["value"]} if "value" in button else {}),
                }
            ],
        }
        if not hidden:
            payload["message"] = {**message, "type": "message"}
        return payload

    def form_payload(self, view: Json, user: str, values: Mapping[str, Json]) -> Json:
        """A form that was filled in: block id → action id → its state."""
        return {
            "type": "view_submission",
            "team": {"id": TEAM, "domain": "kestrel"},
            "user": {"id": user, "username": user.lower(), "team_id": TEAM},
            "api_app_id": APP,
            "token": "XXYYZZ",
            "trigger_id": self._trigger(),
            "view": {**view, "state": {"values": values}},
            "response_urls": [],
        }

    # -- requests over HTTP ----------------------------------------------------------------------

    def command(self, text: str, user: str, channel: str) -> Sent:
        """``/why text``, typed somewhere."""
        return self.form(self.command_payload(text, user, channel))

    def form(self, fields: Json) -> Sent:
        return signed(
            self._secret, urlencode(fields), content_type="application/x-www-form-urlencoded"
        )

    def interaction(self, payload: Json) -> Sent:
        """A press or a form."""
        return self.form({"payload": json.dumps(payload)})

    def event(self, payload: Json, *, retry: int = 0) -> Sent:
        """An event; ``retry``: how often Slack sent it before."""
        again = {
            "x-slack-retry-num": str(retry),
            "x-slack-retry-reason": "http_timeout",
        }
        return signed(
            self._secret,
            json.dumps(payload),
            content_type="application/json",
            more=again if retry else None,
        )

    def mention(self, text: str, user: str, channel: str, *, thread: str | None = None) -> Json:
        """The payload of ``@why text`` in a channel."""
        return self.event_payload(
            {
                "type": "app_mention",
                "user": user,
                "text": f"<@{BOT}> {text}",
                "ts": self._moment(),
                "channel": channel,
                "team": TEAM,
                **({"thread_ts": thread} if thread else {}),
            }
        )

    def message(
        self, text: str, user: str, channel: str, *, thread: str | None = None, **more: Any
    ) -> Json:
        """The payload of a message."""
        row = self._slack.channels.get(channel, {})
        kind = "im" if row.get("is_im") else "group" if row.get("is_private") else "channel"
        return self.event_payload(
            {
                "type": "message",
                "channel": channel,
                "user": user,
                "text": text,
                "ts": self._moment(),
                "channel_type": kind,
                "team": TEAM,
                **({"thread_ts": thread} if thread else {}),
                **more,
            }
        )

    def _trigger(self) -> str:
        return f"{next(self._count)}.5037425.{hashlib.sha256(TEAM.encode()).hexdigest()[:32]}"

    def _moment(self) -> str:
        return f"1794300500.{next(self._count):06d}"
