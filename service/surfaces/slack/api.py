"""Slack's Web API and ``response_url`` posts, as far as this surface needs them.

Calls go through ``slack_sdk`` with one session. A call is tried again only where Slack says that
it was not done (``ratelimited``, HTTP 429 with ``Retry-After``): after a broken connection nobody
knows whether a message was posted. Errors carry the method and Slack's reason and nothing that was
sent; the libraries' own logs, which would show it, are kept quiet.

Followed: "Rate limits" (docs.slack.dev/apis/web-api/rate-limits), the pages of the methods under
docs.slack.dev/reference/methods, "Working with files" (getUploadURLExternal, a POST, then
completeUploadExternal), and "Handling user interaction" for ``response_url`` (5 posts in 30
minutes).
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pydantic import JsonValue

from ingest.redaction import without_known
from service.settings import Settings, SettingsError
from service.surfaces.slack.errors import SlackRefused, SlackUnavailable, SlackUnreached
from service.surfaces.slack.mrkdwn import Message

if TYPE_CHECKING:
    from aiohttp import ClientSession, TraceConfig
    from slack_sdk.web.async_client import AsyncWebClient

SECONDS = 20
"""That one call may take."""
_TRIES = 3
"""After a 429."""
_SECRET = re.compile(r"\b(?:xox[a-z]|xapp)-[\w.-]+|\b(?:https?|wss?)://\S+")
_WITH_JSON = ("chat.", "views.")
"""Methods that take their arguments as JSON; the others take a form."""


class Posted(NamedTuple):
    """A message that is there."""

    channel: str
    ts: str


class _WithoutSecrets(logging.Filter):
    """Takes tokens and addresses (of which some are secrets) out of what is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _SECRET.sub("…", record.getMessage())
        record.args = ()
        record.exc_info = None
        return True


_WITHOUT_SECRETS = _WithoutSecrets()


def quiet_logger() -> logging.Logger:
    """For Slack's libraries: at DEBUG and INFO they log addresses and bodies."""
    logger = logging.getLogger("service.surfaces.slack.sdk")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_WITHOUT_SECRETS)
    return logger


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[SlackApi]:
    """The API as the app that the settings name. Raises: SettingsError."""
    import aiohttp
    from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
    from slack_sdk.web.async_client import AsyncWebClient

    if settings.slack_bot_token is None:
        raise SettingsError(
            "slack_bot_token is missing: install the app of docs/slack.md, and set "
            "WHY_SLACK_BOT_TOKEN to its bot token"
        )
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trace_configs=[no_redirects()]) as session:
        yield SlackApi(
            AsyncWebClient(
                token=settings.slack_bot_token.get_secret_value(),
                base_url=settings.slack_api_url,
                timeout=SECONDS,
                session=session,
                logger=quiet_logger(),
                retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=_TRIES)],
            ),
            session,
        )


class SlackApi:
    """Calls Slack. Every method raises: SlackFailure."""

    def __init__(self, client: AsyncWebClient, session: ClientSession) -> None:
        self.client = client
        self._session = session

    async def __call__(self, method: str, **arguments: object) -> Mapping[str, JsonValue]:
        """Any method of the Web API; what it answered."""
        import aiohttp
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            if method.startswith(_WITH_JSON):
                answer = await self.client.api_call(method, json=arguments)
            else:
                answer = await self.client.api_call(method, params=arguments)
        except SlackApiError as error:
            said = error.response
            reason = said.get("error") if hasattr(said, "get") else None
            needed = said.get("needed") if hasattr(said, "get") else None
            reason = self._said(reason) or "no reason given"
            raise SlackRefused(method, reason, self._said(needed)) from None
        except (aiohttp.ClientError, SlackClientError, OSError, ValueError) as error:
            raise _failure(method, error) from None
        data = answer.data
        return data if isinstance(data, dict) else {}

    async def post(self, channel: str, message: Message, *, thread: str | None = None) -> Posted:
        """Post a message, in a thread or beside it ("chat.postMessage")."""
        answer = await self(
            "chat.postMessage",
            channel=channel,
            text=message.text,
            blocks=[*message.blocks],
            unfurl_links=False,
            unfurl_media=False,
            **({"thread_ts": thread} if thread else {}),
        )
        return Posted(str(answer.get("channel") or channel), str(answer.get("ts")))

    async def whisper(
        self, channel: str, user: str, message: Message, *, thread: str | None = None
    ) -> None:
        """Show a message to one person there ("chat.postEphemeral")."""
        await self(
            "chat.postEphemeral",
            channel=channel,
            user=user,
            text=message.text,
            blocks=[*message.blocks],
            **({"thread_ts": thread} if thread else {}),
        )

    async def direct(self, user: str) -> str:
        """Id of the direct messages with somebody ("conversations.open")."""
        answer = await self("conversations.open", users=user)
        channel = answer.get("channel")
        found = channel.get("id") if isinstance(channel, dict) else None
        if not isinstance(found, str):
            raise SlackUnavailable("Slack answered conversations.open without a channel")
        return found

    async def permalink(self, posted: Posted) -> str | None:
        """Where a person opens a message ("chat.getPermalink")."""
        answer = await self("chat.getPermalink", channel=posted.channel, message_ts=posted.ts)
        link = answer.get("permalink")
        return link if isinstance(link, str) else None

    async def upload(
        self, image: bytes, *, name: str, title: str, channel: str, thread: str
    ) -> None:
        """Put a PNG into a thread. ``title`` is also read out by screen readers."""
        import aiohttp
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            await self.client.files_upload_v2(
                content=image,
                filename=name,
                title=title,
                alt_txt=title,
                channel=channel,
                thread_ts=thread,
            )
        except SlackApiError as error:
            reason = self._said(error.response.get("error")) or "no reason given"
            raise SlackRefused("files upload", reason) from None
        except (aiohttp.ClientError, SlackClientError, OSError, ValueError) as error:
            raise _failure("files upload", error) from None

    async def respond(self, url: str, message: Message, *, replace: bool) -> None:
        """Show a message to whoever caused the ``response_url``, in place of the last one if
        Slack can."""
        import aiohttp

        if not self._is_slacks(url):
            raise SlackRefused("response_url", "not an address of Slack")
        body = {
            "response_type": "ephemeral",
            "replace_original": replace,
            "text": message.text,
            "blocks": [*message.blocks],
            "unfurl_links": False,
            "unfurl_media": False,
        }
        try:
            async with self._session.post(url, json=body, allow_redirects=False) as reply:
                if reply.status != 200:
                    raise SlackRefused("response_url", f"HTTP {reply.status}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure("response_url", error) from None

    def _said(self, word: object) -> str | None:
        """What Slack answered, without our token."""
        return without_known(str(word), [self.client.token or ""]) if word else None

    def _is_slacks(self, url: str) -> bool:
        """Whether an address that came with a request is where Slack's own are."""
        there, own = urlsplit(url), urlsplit(self.client.base_url)
        if there.hostname == own.hostname:
            return there.scheme == own.scheme
        return there.scheme == "https" and (there.hostname or "").endswith(".slack.com")


def no_redirects() -> TraceConfig:
    """For a session of aiohttp's, which else goes to whatever host a 307 names: with the message
    that it was to send, or for the WebSocket that it was to open."""
    from aiohttp import TraceConfig

    config = TraceConfig()
    config.on_request_redirect.append(_refuse_redirect)
    return config


async def _refuse_redirect(*_: object) -> None:
    import aiohttp

    raise aiohttp.ClientError("a redirect, which is not followed")


def _failure(method: str, error: Exception) -> SlackUnreached | SlackUnavailable:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError):
        return SlackUnreached(f"Slack can't be reached for {method}; see slack_api_url")
    if isinstance(error, TimeoutError):
        return SlackUnavailable(f"Slack did not answer {method} in {SECONDS} s")
    return SlackUnavailable(f"Slack did not answer {method} ({type(error).__name__})")
