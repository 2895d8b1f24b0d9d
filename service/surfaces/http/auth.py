"""``Authorization: Bearer why_…`` → Caller, as a dependency of every operation under ``/v1``.

Wrong keys are counted by client address, and after some the address waits: its keys are no longer
looked at, right or wrong. What a caller has left of their rate is in ``RateLimit`` and
``RateLimit-Policy`` (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from math import ceil
from typing import Annotated

import structlog
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from service.access import (
    FAILURES_PER_MINUTE,
    Caller,
    Standing,
    caller_of,
    open_caller,
    origin_of,
)
from service.store import Scope
from service.surfaces.http.problem import ProblemError
from service.surfaces.http.serving import Server, Serving, response_headers

_CHALLENGE = 'Bearer realm="why"'
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    bearerFormat="why_…",
    description="A key of `why keys create`; not needed where `open_access` is set.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]

_log = structlog.get_logger(__name__)


async def authenticate(request: Request, serving: Serving, clear: str | None) -> Caller:
    """The caller, with the request counted. Raises: ProblemError (401, 429); StoreError."""
    now = datetime.now(UTC)
    if clear is not None:
        caller = await _key_holder(request, serving, clear, now)
    elif serving.settings.open_access:
        caller = open_caller(serving.settings)
    else:
        raise ProblemError(
            401,
            "key_missing",
            "send a key: Authorization: Bearer why_…; `why keys create` makes one",
            {"WWW-Authenticate": _CHALLENGE},
        )
    structlog.contextvars.bind_contextvars(caller=caller.reader.name)
    _count(request, caller, serving.requests.take(caller.reader.name, caller.per_minute, now))
    return caller


def needs(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, who may do this. It raises ProblemError (401, 403, 429)."""

    async def caller_with_scope(
        request: Request, serving: Server, credentials: Credentials
    ) -> Caller:
        clear = credentials.credentials if credentials else None
        caller = await authenticate(request, serving, clear)
        if not caller.may(scope):
            raise ProblemError(
                403,
                "scope_missing",
                f"this key is not good for this: it lacks the scope {scope.value!r}",
                {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope"'},
            )
        return caller

    return caller_with_scope


Asking = Annotated[Caller, Depends(needs(Scope.ASK))]
Ingesting = Annotated[Caller, Depends(needs(Scope.INGEST))]
Administering = Annotated[Caller, Depends(needs(Scope.ADMIN))]


def ensure_may_try(request: Request, serving: Serving, now: datetime) -> None:
    """Raises: ProblemError (429), where too many wrong keys or signatures came from there."""
    standing = serving.failures.look(_origin(request), FAILURES_PER_MINUTE, now)
    if not standing.allowed:
        raise ProblemError(
            429,
            "too_many_failures",
            "too many wrong keys came from this address; wait",
            _retry_after(standing),
        )


def count_failure(request: Request, serving: Serving, now: datetime, what: str) -> None:
    """Somebody tried and failed; ``what`` for the log."""
    origin = _origin(request)
    serving.failures.take(origin, FAILURES_PER_MINUTE, now)
    _log.warning(what, origin=origin)


async def _key_holder(request: Request, serving: Serving, clear: str, now: datetime) -> Caller:
    ensure_may_try(request, serving, now)
    caller = await caller_of(clear, serving.database, serving.settings)
    if caller is None:
        count_failure(request, serving, now, "wrong key")
        raise ProblemError(
            401,
            "key_wrong",
            "this key is wrong, or it was revoked",
            {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
        )
    return caller


def _origin(request: Request) -> str:
    return origin_of(request.client.host if request.client else "")


def _count(request: Request, caller: Caller, standing: Standing) -> None:
    headers = response_headers(request.scope)
    headers["RateLimit-Policy"] = f'"key";q={caller.per_minute};w=60'
    headers["RateLimit"] = f'"key";r={standing.remaining};t={ceil(standing.wait)}'
    if not standing.allowed:
        raise ProblemError(
            429,
            "rate",
            f"this key may make {caller.per_minute} requests a minute",
            _retry_after(standing),
        )


def _retry_after(standing: Standing) -> dict[str, str]:
    return {"Retry-After": str(max(1, ceil(standing.wait)))}
