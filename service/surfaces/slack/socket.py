"""Socket Mode: Slack's requests over a WebSocket that this process opens.

For servers that the Internet does not reach. ``apps.connections.open`` gives an address; each
envelope is acknowledged by its id once its job is written down, and Slack sends again what was
not. The client of ``slack_sdk`` reconnects by itself ("Using Socket Mode",
docs.slack.dev/apis/events-api/using-socket-mode).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from service.surfaces.slack.api import no_redirects, quiet_logger
from service.surfaces.slack.errors import SlackRefused

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncApp
    from slack_sdk.socket_mode.aiohttp import SocketModeClient

_LOG = logging.getLogger(__name__)


def socket_client(app: AsyncApp, app_token: str) -> SocketModeClient:
    """The client that is to be connected; it follows no redirect."""
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

    client = AsyncSocketModeHandler(app, app_token, logger=quiet_logger()).client
    redirects = no_redirects()
    redirects.freeze()  # as a session does with those that it is made with
    client.aiohttp_client_session.trace_configs.append(redirects)
    return client


@asynccontextmanager
async def socket_mode(app: AsyncApp, app_token: str) -> AsyncIterator[None]:
    """Connected until the block ends, or trying to be where Slack can't be reached.

    Raises: SlackRefused, for a token that is none.
    """
    import aiohttp
    from slack_sdk.errors import SlackApiError

    client = socket_client(app, app_token)
    try:
        # ``connect`` would try for ever with a wrong token, too.
        client.wss_uri = await client.issue_new_wss_url()
    except SlackApiError as error:
        reason = str(error.response.get("error") or "no reason given")
        await client.close()  # type: ignore[no-untyped-call]
        raise SlackRefused("apps.connections.open", reason) from None
    except (aiohttp.ClientError, OSError) as error:
        _LOG.warning("Slack can't be reached for Socket Mode (%s)", type(error).__name__)
    connecting = asyncio.create_task(client.connect())  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        connecting.cancel()
        await asyncio.wait([connecting])
        await client.close()  # type: ignore[no-untyped-call]
