"""Reading Grafana's HTTP API: retried, bounded, and with failures told to who can repair them."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

import httpx
import stamina

from ingest.sources.files import parse_json

TIMEOUT_SECONDS = 20.0
MAX_BYTES = 32 * 1024 * 1024
ATTEMPTS = 4
JITTER_SECONDS = 0.3
LONGEST_WAIT_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
"""Longer than this nothing waits, even if Grafana asks for it."""


class GrafanaFailure(Exception):
    """One request failed; the message says why and what to do, without the token.

    ``status`` is the HTTP status, None where there was no answer. ``passing``: Grafana fails, or
    does not answer, though asked several times.
    """

    passing = False

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class _PassingFailure(GrafanaFailure):
    """``wait``: seconds after which Grafana wants to be asked again, None if it doesn't say."""

    passing = True

    def __init__(self, reason: str, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(reason, status)
        self.wait = wait


class GrafanaClient:
    """GETs JSON from one Grafana with a service account's token.

    A user name and password in the address are used and never shown. ``transport`` replaces the
    network. Raises: GrafanaFailure for an address or token that can't work.
    """

    def __init__(
        self, url: str, token: str | None, transport: httpx.BaseTransport | None = None
    ) -> None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        if parsed.scheme not in ("http", "https") or not parsed.host:
            # Not quoted: a part of it may be a password.
            raise GrafanaFailure("the `url` of this source is no http:// or https:// address")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise GrafanaFailure("WHY_GRAFANA_TOKEN has characters that no HTTP header may carry")
        clean = parsed.copy_with(username=None, password=None, query=None, fragment=None)
        self.address = str(clean).rstrip("/")
        self._client = httpx.Client(
            base_url=self.address,
            # Both would be the same header: the token is what was set on purpose.
            auth=(parsed.username, parsed.password) if parsed.userinfo and not token else None,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=TIMEOUT_SECONDS,
            transport=transport,
        )

    def __enter__(self) -> GrafanaClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str, params: Mapping[str, str] | None = None) -> object:
        """The JSON value at ``path``. Raises: GrafanaFailure."""
        for attempt in stamina.retry_context(
            on=_backoff,
            attempts=ATTEMPTS,
            timeout=None,
            wait_jitter=JITTER_SECONDS,
            wait_max=LONGEST_WAIT_SECONDS,
        ):
            with attempt:
                body = self._fetch(path, params)
        value = parse_json(body.decode("utf-8", errors="replace"), path)
        if isinstance(value, (dict, list)):
            return value
        raise GrafanaFailure(f"no JSON at {path}; check the `url` of this source")

    def _fetch(self, path: str, params: Mapping[str, str] | None) -> bytes:
        try:
            with self._client.stream("GET", path, params=params) as response:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise GrafanaFailure(
                            f"the answer at {path} is larger than {MAX_BYTES / 1e6:.0f} MB"
                        )
        except httpx.HTTPError as error:
            # Only the kind of error: the texts of some quote headers.
            raise _PassingFailure(f"no answer from {path}: {type(error).__name__}") from error
        status = response.status_code
        if status == 200:
            return bytes(body)
        reason = f"HTTP {status} from {path}"
        if status == 429 or status >= 500:
            after = response.headers.get("Retry-After", "")
            raise _PassingFailure(reason, status, float(after) if after.isdecimal() else None)
        if status in (401, 403):
            raise GrafanaFailure(
                f"{reason}: check WHY_GRAFANA_TOKEN, a service account's token with the role "
                "Viewer",
                status,
            )
        raise GrafanaFailure(f"{reason}: check the `url` of this source", status)


def _backoff(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds if Grafana says so."""
    if not isinstance(error, _PassingFailure):
        return False
    if error.wait is None:
        return True
    return error.wait if error.wait <= LONGEST_PAUSE_SECONDS else False
