"""Slack's requests over HTTP: one path for commands, events, buttons and forms.

What Bolt cannot read is refused before it is asked: a timestamp that is no number (its check would
break on it), a body that is no text or far too long. Forged and replayed requests (older than five
minutes) are refused by Bolt; both get 401 ("Verifying requests from Slack").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncApp
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

PATH = "/slack/events"
_LONGEST = 1_000_000
"""Bytes of a request; Slack's have some thousands."""


def slack_route(app: AsyncApp) -> Route:
    """The route to mount at the root of the server."""
    from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    handler = AsyncSlackRequestHandler(app)

    async def receive(request: Request) -> Response:
        moment = request.headers.get("x-slack-request-timestamp", "")
        if not (moment.isascii() and moment.isdigit() and len(moment) <= 12):
            return JSONResponse({"error": "invalid request"}, 401)
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > _LONGEST:
            return JSONResponse({"error": "the request is too long, or does not say how long"}, 413)
        try:
            return await handler.handle(request)
        except ValueError:
            # It was not even read, let alone verified.
            return JSONResponse({"error": "invalid request"}, 401)

    return Route(PATH, receive, methods=["POST"])
