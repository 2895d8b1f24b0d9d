"""One call to an HTTP API of metrics: deadline, retries, bounded bytes.

A call that fails in passing (no connection, 429, 5xx) is tried again, with jitter, inside its
deadline. What an answer *means* is for the API's own module: it passes ``understand``, which
returns the value or raises, and raises ``PassingFailure`` for what another attempt may cure.

A user name, password, query string or token of the configured address never reaches a message,
also where an answer quotes it.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from json import dumps
from typing import Literal, NamedTuple, TypeVar

import httpx
import stamina

from ingest.redaction import redact_text
from service.metrics.source import MetricsError, MetricsTimeout, MetricsUnavailable

T = TypeVar("T")

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
JITTER_SECONDS = 0.2

Fields = Mapping[str, str | Sequence[str]]
"""Form fields or a query string; a list repeats its field."""


class Reply(NamedTuple):
    """An answer's status and decoded body. ``cut``: longer than allowed, it ends in the middle."""

    status: int
    body: bytes
    cut: bool


class PassingFailure(Exception):
    """A failure that another attempt may cure; the message says what was seen."""


class _RetryableError(Exception):
    """``wait``: seconds the server asks for, or None."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def clean_address(product: str, base_url: str) -> httpx.URL:
    """A web address without what must not be shown: user name, password, query and fragment.

    Raises: ValueError for what is none, without quoting it.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        # Without the cause: its text quotes the part that didn't fit, maybe a password.
        raise ValueError(f"the {product} address is no valid URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"the {product} address must start with http:// or https://")
    return url.copy_with(username=None, password=None, query=None, fragment=None)


class HttpCaller:
    """Calls one HTTP API. ``product`` and the cleaned ``address`` are its name for a reader.

    ``timeout``: seconds for one call, retries included. ``max_bytes``: of one decoded answer.
    ``transport`` replaces the network, for an API that lives in this process.
    Belongs to the event loop in which it is first used; close it with ``aclose``.

    Raises: ValueError for an address or token that can't work.
    """

    def __init__(
        self,
        product: str,
        base_url: str,
        *,
        token: str | None = None,
        timeout: float,
        max_bytes: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.address = str(clean_address(product, base_url)).rstrip("/")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError(f"the {product} token has characters that no HTTP header may carry")
        url = httpx.URL(base_url)
        # Both would be the same header: the token is what was set on purpose.
        auth = (url.username, url.password) if url.userinfo and not token else None
        self.name = f"{product} at {self.address}"
        basic = b64encode(f"{url.username}:{url.password}".encode()).decode()
        self._secrets = [token] if token else [url.password, basic] if url.password else []
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._client = httpx.AsyncClient(
            base_url=self.address,
            auth=auth,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            transport=transport,
            # One deadline for all phases and attempts together: `asyncio.timeout` in `call`.
            timeout=None,  # noqa: S113
        )

    async def call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        understand: Callable[[Reply], T],
        what: str,
        *,
        params: Fields | None = None,
        data: Fields | None = None,
        json: object = None,
    ) -> T:
        """Calls ``path`` and returns what ``understand`` makes of the answer.

        ``what`` names the question in errors.

        Raises: MetricsUnavailable, MetricsTimeout, and what ``understand`` raises.
        """
        failure: _RetryableError | None = None
        request = self._client.build_request(
            method, path, params=_pairs(params), data=data, json=json
        )
        try:
            async with asyncio.timeout(self._timeout):
                async for attempt in stamina.retry_context(
                    on=self._backoff,
                    attempts=ATTEMPTS,
                    timeout=self._timeout,
                    wait_initial=FIRST_WAIT_SECONDS,
                    wait_max=LONGEST_WAIT_SECONDS,
                    wait_jitter=JITTER_SECONDS,
                ):
                    with attempt:
                        try:
                            return await self._attempt(request, understand)
                        except _RetryableError as passing:
                            failure = passing
                            raise
        except TimeoutError as error:
            if failure is None:
                message = f"{self.name} did not answer within {self._timeout:g} s: {what}"
                raise MetricsTimeout(message) from error
        except _RetryableError as passing:
            failure = passing
        raise MetricsUnavailable(f"{self.name} is not available: {failure}; asked for {what}")

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _attempt(self, request: httpx.Request, understand: Callable[[Reply], T]) -> T:
        try:
            response = await self._client.send(request, stream=True)
            try:
                body, cut = await self._read(response)
            finally:
                await response.aclose()
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise _RetryableError(f"no connection ({error or type(error).__name__})") from error
        except httpx.HTTPError as error:
            # Only the kind of error: the texts of the others may quote headers.
            raise MetricsUnavailable(f"{self.name}: {type(error).__name__}") from error
        try:
            return understand(Reply(response.status_code, self._without_own(body), cut))
        except PassingFailure as passing:
            raise _RetryableError(redact_text(str(passing)), _retry_after(response)) from None
        except MetricsError as refused:
            # A new one: the first has what the answer said, and its cause has the answer.
            raise type(refused)(redact_text(str(refused))) from None

    async def _read(self, response: httpx.Response) -> tuple[bytes, bool]:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > self._max_bytes:
                return bytes(body[: self._max_bytes]), True
        return bytes(body), False

    def _without_own(self, body: bytes) -> bytes:
        """An answer that doesn't say our credentials back, before anything is quoted from it."""
        for secret in self._secrets:
            for written in (secret, dumps(secret)[1:-1], dumps(secret)[1:-1].replace("/", "\\/")):
                body = body.replace(written.encode(), b"[redacted]")
        return body

    def _backoff(self, error: Exception) -> bool | float:
        """Whether to try again, or after how many seconds if the server says so."""
        if not isinstance(error, _RetryableError):
            return False
        if error.wait is None:
            return True
        return error.wait if error.wait < self._timeout else False


def _pairs(params: Fields | None) -> list[tuple[str, str | int | float | bool | None]] | None:
    if params is None:
        return None
    return [
        (name, one)
        for name, value in params.items()
        for one in ([value] if isinstance(value, str) else value)
    ]


def _retry_after(response: httpx.Response) -> float | None:
    # The other form of the header, a date, is rare and falls back to our own waiting.
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
