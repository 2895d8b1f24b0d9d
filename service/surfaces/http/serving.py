"""What every request of one server shares."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from service.access import Rate
from service.desk import Desk
from service.settings import Settings
from service.store import Database
from service.surfaces.http.readiness import Watch
from service.telemetry import Metrics
from service.workspace import Workspace

_HEADERS = "why.headers"
QUESTIONS_AT_ONCE = 8
"""The others wait for their turn, in order: with all of them under way at the same time each would
be slow, use up its deadline, and be answered from half of what there is."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The open parts of a server."""

    settings: Settings
    database: Database
    workspace: Workspace
    desk: Desk
    metrics: Metrics
    watch: Watch
    requests: Rate = field(default_factory=Rate)
    failures: Rate = field(default_factory=Rate)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(QUESTIONS_AT_ONCE))
    """Whoever has one may work on a question."""


def serving_of(request: Request) -> Serving:
    """The server that answers this request."""
    serving: Serving = request.app.state.serving
    return serving


Server = Annotated[Serving, Depends(serving_of)]


def response_headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """Headers that the response to this request gets, whatever it will be."""
    headers: dict[str, str] = scope.setdefault(_HEADERS, {})
    return headers


def address_of(serving: Serving, path: str) -> str:
    """Where people find a path of this server: absolute where ``public_url`` is set."""
    return f"{(serving.settings.public_url or '').rstrip('/')}{path}"
