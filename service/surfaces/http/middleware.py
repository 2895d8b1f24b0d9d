"""Around every request: its id, its log line and figures, its bounds, and who may be asked for.

Plain ASGI, outermost first. Nothing here reads a body into memory or holds back a stream.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from time import perf_counter
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access import is_loopback
from service.surfaces.http.problem import ProblemError, respond
from service.surfaces.http.serving import response_headers
from service.telemetry import Metrics

MAX_BODY = 2 * 1024 * 1024
"""Bytes of a request's body."""
BODY_SECONDS = 30.0
"""In which a body must have come in whole."""
GONE = 499
"""The status of a request whose client did not wait, in logs and figures; nobody is sent it."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_METHODS = _UNSAFE | {"GET", "HEAD", "OPTIONS"}
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

_log = structlog.get_logger("service.http")


class RequestContext:
    """An id for each request, in its response and in every log line; what nobody caught becomes
    a problem; and the request is logged and counted, by its route and not by its path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        response_headers(scope)["X-Request-Id"] = request_id
        began = perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in response_headers(scope).items():
                    headers[name] = value
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except ClientDisconnect:
                status = GONE
            except Exception as error:
                if status:
                    _log.error("response broke off", exc_info=error)
                    raise
                await respond(error)(scope, receive, send_with_headers)
            finally:
                self._tell(scope, status, perf_counter() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        log = _log.debug if scope["path"] in _QUIET else _log.info
        log(
            "request",
            method=method,
            route=route,
            status=status,
            seconds=round(seconds, 4),
            client=scope["client"][0] if scope.get("client") else None,
        )


def route_of(scope: Scope) -> str:
    """The template of the matched route; one word for whatever matched none, since paths that
    somebody makes up would be new figures without end."""
    path = getattr(scope.get("route"), "path", None)
    return path or "unmatched"


class OwnHostOnly:
    """With open access: only requests for this machine's own names, from pages of them.

    A page of another site can make a browser ask a name that it has pointed to 127.0.0.1 (DNS
    rebinding), or post to the address itself; the Host header shows the one, Origin the other.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            if not self._is_own(f"//{headers.get('host', '')}"):
                error = ProblemError(
                    HTTPStatus.MISDIRECTED_REQUEST,
                    "host",
                    "open access answers only to this machine's own names and public_url's",
                )
                await respond(error)(scope, receive, send)
                return
            origin = headers.get("origin")
            if origin is not None and scope.get("method") in _UNSAFE and not self._is_own(origin):
                error = ProblemError(403, "origin", "a page of another site may not write here")
                await respond(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_own(self, address: str) -> bool:
        try:
            host = urlsplit(address).hostname
        except ValueError:
            return False
        return host is not None and (is_loopback(host) or host in self._names)


class Bounds:
    """A body that is too large or comes too slowly is given up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            await respond(_too_large())(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), send)


def _bounded(receive: Receive) -> Callable[[], Awaitable[Message]]:
    size = 0
    whole = False
    until = asyncio.get_running_loop().time() + BODY_SECONDS

    async def bounded() -> Message:
        nonlocal size, whole
        if whole:  # what comes now is the end of the connection, whenever that is
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise ProblemError(408, "slow", "the body did not come in time") from None
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
        if size > MAX_BODY:
            raise _too_large()
        return message

    return bounded


def _too_large() -> ProblemError:
    return ProblemError(413, "too_large", f"a body may have {MAX_BODY} bytes")
