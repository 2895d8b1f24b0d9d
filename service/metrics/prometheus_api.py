"""One call to the Prometheus HTTP API, and what its failures mean::

no answer within the deadline, server-side timeout      MetricsTimeout
no connection, 429, 5xx (both after retries), 401, 404  MetricsUnavailable
400 bad data, 422 execution                             QueryRejected
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import httpx
import pydantic_core
from pydantic import BaseModel, ValidationError

from service.metrics.http_calls import Fields, HttpCaller, PassingFailure, Reply
from service.metrics.source import MetricsError, MetricsTimeout, MetricsUnavailable, QueryRejected

CHECK_TOKEN = "check the token"  # noqa: S105

_REFUSED_BEHIND_GRAFANA = b"Authentication to data source failed"
"""What Grafana's data source proxy makes of a 401."""


class Answer(NamedTuple):
    """The ``data`` of an answer. ``cut``: it was longer than allowed and ends in the middle."""

    data: Any
    warnings: tuple[str, ...]
    cut: bool


class _Envelope(BaseModel):
    """What Prometheus wraps around every answer."""

    status: Literal["success", "error"]
    data: Any = None
    errorType: str = ""  # noqa: N815 - Prometheus' spelling
    error: str = ""
    warnings: list[str] = []
    infos: list[str] = []


class PrometheusApi:
    """Asks one Prometheus, or what speaks like it (Thanos, Mimir, VictoriaMetrics).

    ``timeout``: seconds for one call, retries included. ``max_bytes``: of one decoded answer.
    ``product`` is what a reader calls it, ``if_denied`` what to do about a 401 or 403.
    ``transport`` replaces the network. Close it with ``aclose``.

    Raises: ValueError for an address or token that can't work.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        timeout: float,
        max_bytes: int,
        product: str = "Prometheus",
        if_denied: str = CHECK_TOKEN,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._caller = HttpCaller(
            product,
            base_url,
            token=token,
            timeout=timeout,
            max_bytes=max_bytes,
            transport=transport,
        )
        self.address = self._caller.address
        self.name = self._caller.name
        self._if_denied = if_denied

    async def call(
        self, method: Literal["GET", "POST"], path: str, fields: Fields, what: str
    ) -> Answer:
        """Calls ``path``; ``what`` names the question in errors.

        Raises: MetricsUnavailable, MetricsTimeout, QueryRejected.
        """
        return await self._caller.call(
            method,
            path,
            lambda reply: self._understand(reply, what),
            what,
            params=fields if method == "GET" else None,
            data=fields if method == "POST" else None,
        )

    async def aclose(self) -> None:
        await self._caller.aclose()

    def _understand(self, reply: Reply, what: str) -> Answer:
        status = reply.status
        envelope = _envelope(reply.body, cut=reply.cut)
        if status == 200 and envelope is not None and envelope.status == "success":
            return Answer(envelope.data, (*envelope.warnings, *envelope.infos), reply.cut)
        if envelope is not None and envelope.errorType == "timeout":
            raise MetricsTimeout(f"{self.name} gave up on {what}: {envelope.error}")
        if status == 429 or status >= 500:
            raise PassingFailure(f"HTTP {status}{f' {envelope.error}' if envelope else ''}")
        if status in (400, 422) and envelope is not None:
            raise QueryRejected(f"{self.name} refused {what}: {envelope.error}")
        if status == 400 and reply.body == _REFUSED_BEHIND_GRAFANA:
            raise MetricsUnavailable(
                f"{self.name} is refused by Prometheus: check the data source's own credentials "
                "in Grafana"
            )
        raise self._wrong_place(status)

    def _wrong_place(self, status: int) -> MetricsError:
        if status in (401, 403):
            return MetricsUnavailable(
                f"{self.name} denies access (HTTP {status}): {self._if_denied}"
            )
        if 300 <= status < 400:
            hint = "it redirects elsewhere, maybe to a login page"
        elif status == 404:
            hint = "there is no Prometheus API at this address"
        else:
            hint = "this is not how Prometheus answers"
        return MetricsUnavailable(f"{self.name}: HTTP {status}, {hint}; check the address")


def _envelope(body: bytes, *, cut: bool) -> _Envelope | None:
    """None if this is not an answer of Prometheus'."""
    try:
        return _Envelope.model_validate(pydantic_core.from_json(body, allow_partial=cut))
    except (ValueError, ValidationError):
        return None
