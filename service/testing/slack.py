"""A Slack to test against: a workspace (``slack_workspace``) behind its Web API, as an ASGI app.

Beside the methods it has what "Rate limits" says (HTTP 429, ``Retry-After``, ``ratelimited``), the
upload addresses of "Working with files", and the ``response_url`` of "Handling user interaction":
five posts in 30 minutes. One that came with a command has no message to replace, so
``replace_original`` posts another one there (slackapi/bolt-js#2287); one that came with a button
replaces the button's message.

What it does not do: deliver what is posted as events, history, editing, tiers of rate limits.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from service.testing.slack_limits import message_problems
from service.testing.slack_workspace import SCOPES, Refusal, Row, SlackWorkspace

Message = MutableMapping[str, Any]
_RESPONSES = 5


class Call(NamedTuple):
    """One call of a method, in the order of arrival."""

    method: str
    arguments: Row


class RateLimited(NamedTuple):
    """An answer 429. ``seconds``: its ``Retry-After``."""

    seconds: int


class FakeSlack(SlackWorkspace):
    """Slack's API over the people and channels of a workspace.

    ``calls``: every call. ``failures``: method → answers that come first, an error's name or a
    ``RateLimited``.
    """

    def __init__(
        self,
        *,
        token: str,
        app_token: str = "",
        scopes: frozenset[str] = SCOPES,
        address: str = "",
    ) -> None:
        super().__init__(scopes=scopes, address=address)
        self.token = token
        self.app_token = app_token
        self.calls: list[Call] = []
        self.failures: dict[str, list[str | RateLimited]] = {}
        self._responses: dict[str, list[Any]] = {}
        self._given = itertools.count(1)

    def response_url(self, user: str, *, of: Row | None = None) -> str:
        """A new ``response_url`` for somebody. ``of``: the message whose button was pressed."""
        token = f"R{next(self._given)}"
        self._responses[token] = [user, of, 0]
        return f"{self.address}/response/{token}"

    def called(self, method: str) -> list[Row]:
        """The arguments of every call of a method."""
        return [call.arguments for call in self.calls if call.method == method]

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """The ASGI app."""
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        status, answer, more = self._answer(scope, headers, body)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = b"text/plain" if isinstance(answer, bytes) else b"application/json"
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", kind), *more],
            }
        )
        await send({"type": "http.response.body", "body": content})

    def _answer(
        self, scope: Message, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, object, list[tuple[bytes, bytes]]]:
        path = scope["path"]
        if path.startswith("/response/"):
            return *self._respond(path.removeprefix("/response/"), body), []
        if path.startswith("/upload/"):
            upload = self.uploads.get(path.removeprefix("/upload/"))
            if upload is None:
                return 404, b"not found", []
            upload["content"] = body
            return 200, f"OK - {len(body)}".encode(), []
        method = path.removeprefix("/api/")
        arguments = _arguments(scope["query_string"], headers, body)
        self.calls.append(Call(method, arguments))
        for failure in self.failures.get(method, [])[:1]:
            self.failures[method].pop(0)
            if isinstance(failure, RateLimited):
                wait = [(b"retry-after", str(failure.seconds).encode())]
                return 429, {"ok": False, "error": "ratelimited"}, wait
            return 200, {"ok": False, "error": failure}, []
        try:
            self._authorize(method, headers.get("authorization", ""))
            return 200, {"ok": True, **self.answer(method, arguments)}, []
        except Refusal as refusal:
            return 200, {"ok": False, "error": refusal.error, **refusal.more}, []

    def _authorize(self, method: str, authorization: str) -> None:
        app_level = method == "apps.connections.open"
        wanted = self.app_token if app_level else self.token
        if not authorization:
            raise Refusal("not_authed")
        if not wanted or authorization != f"Bearer {wanted}":
            raise Refusal("invalid_auth")

    def _respond(self, token: str, body: bytes) -> tuple[int, object]:
        known = self._responses.get(token)
        if known is None or known[2] >= _RESPONSES:
            return 404, b"used_url"
        known[2] += 1
        user, of, _ = known
        message = json.loads(body)
        self.calls.append(Call("response_url", message))
        if problems := message_problems(message):
            self.violations += [f"response_url {problem}" for problem in problems]
            return 400, b"invalid_blocks"
        if of is not None and message.get("replace_original"):
            of.update(text=message.get("text"), blocks=message.get("blocks"))
        else:
            self.whispers.append((user, message))
        return 200, b"ok"


def _arguments(query: bytes, headers: Mapping[str, str], body: bytes) -> Row:
    """Of a call: in the address, as a form or as JSON."""
    arguments: Row = {name: values[0] for name, values in parse_qs(query.decode()).items()}
    if headers.get("content-type", "").startswith("application/json"):
        return {**arguments, **json.loads(body or b"{}")}
    return {**arguments, **{name: values[0] for name, values in parse_qs(body.decode()).items()}}


async def _lifespan(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
