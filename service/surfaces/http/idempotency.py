"""``Idempotency-Key``: a write that is sent again is answered again, and happens once.

As https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ says: the same key
with another request is 422, and 409 while the first one is being answered. A failed request keeps
nothing and may be sent again. Keys belong to a caller and are forgotten after a day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.access import Caller
from service.store import Begun, KeptAnswer
from service.surfaces.http.problem import ProblemError
from service.surfaces.http.serving import Server, Serving

_JSON = "application/json"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Makes the request safe to send again: it happens once, and is answered as "
        "the first time. Any unique text of 1 to 255 visible characters, such as a UUID.",
        min_length=1,
        max_length=257,
        pattern=r'^"?[\x21\x23-\x7e]{1,255}"?$',
    ),
]


class Once:
    """Does the work of a request once. Called as ``await once(caller, 201, work)``."""

    def __init__(self, request: Request, serving: Serving, key: str | None) -> None:
        self._request = request
        self._serving = serving
        self._key = key

    @property
    def wanted(self) -> bool:
        """Whether the request carries a key."""
        return self._key is not None

    async def __call__(
        self, caller: Caller, status: int, work: Callable[[], Awaitable[BaseModel]]
    ) -> Response:
        """What ``work`` gives as JSON, or what it gave the first time.

        Raises: ProblemError (409, 422), and what ``work`` raises.
        """
        if self._key is None:
            return Response((await work()).model_dump_json(), status, media_type=_JSON)
        name, key = caller.reader.name, self._key.strip('"')
        store = self._serving.database.idempotency
        beginning = await store.begin(name, key, await self._digest(caller))
        if beginning.begun is Begun.CONFLICT:
            raise ProblemError(422, "key_reused", "another request had this Idempotency-Key")
        if beginning.begun is Begun.IN_PROGRESS:
            raise ProblemError(
                409,
                "in_progress",
                "the request with this Idempotency-Key is being answered",
                {"Retry-After": "1"},
            )
        if beginning.answer is not None:
            kept = beginning.answer
            headers = {"Idempotency-Replayed": "true"}
            return Response(kept.body, kept.status, headers, media_type=kept.media_type)
        finished = False
        try:
            body = (await work()).model_dump_json()
            await store.finish(name, key, KeptAnswer(status=status, body=body, media_type=_JSON))
            finished = True
        finally:
            if not finished:
                await store.forget(name, key)
        return Response(body, status, media_type=_JSON)

    async def _digest(self, caller: Caller) -> str:
        request = self._request
        # The labels, too: a new key of an old name may not read what the old one was answered.
        parts = (request.method, request.url.path, request.url.query, *caller.reader.audience)
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part.encode() + b"\0")
        digest.update(await request.body())
        return digest.hexdigest()


def once_of(request: Request, serving: Server, key: IdempotencyKey = None) -> Once:
    """A dependency of operations that write."""
    return Once(request, serving, key)


OnceOnly = Annotated[Once, Depends(once_of)]
