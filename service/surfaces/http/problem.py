"""Every error as ``application/problem+json`` (RFC 9457), whoever raised it.

``type`` is ``about:blank``, so ``title`` is the status' own phrase; what a program may want to tell
apart is ``code``. ``request_id`` leads to the log, which has what a caller must not see: a failed
request tells neither a stack nor a path nor a value that was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Literal

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingest.documents import Frozen
from ingest.encoders.base import EncoderError
from ingest.index import IndexFailure
from service.actions.errors import ActionError, NotConfigured, NothingToPropose, NotWaiting
from service.briefing.errors import BriefingError, NoSuchNight
from service.learning import LearningError, NoSuchCause, Refused
from service.settings import SettingsError
from service.store import BadCursor, Conflict, NotFound, StoreError
from service.time_phrases import ScopeError

MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger(__name__)

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them; Python's own depend on its version."""
_WORDS = {404: "there is nothing at this address", 405: "this address does not take this method"}


class Place(StrEnum):
    """The part of a request that something is wrong with."""

    BODY = "body"
    QUERY = "query"
    PATH = "path"
    HEADER = "header"


class Fault(Frozen):
    """One thing that is wrong with the request. ``pointer``: a JSON pointer into that part."""

    place: Place
    pointer: str
    detail: str


class Problem(Frozen):
    """What went wrong, for a person (``detail``) and a program (``code``)."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    code: str
    request_id: str | None = None
    errors: tuple[Fault, ...] = ()


class ProblemError(HTTPException):
    """Raised by whatever can't go on with a request; becomes the response.

    An HTTPException, since FastAPI takes anything else that happens while a body is read for a
    fault in the body.
    """

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code


def problem_of(error: Exception) -> Problem:
    """What a caller is told about an exception. Pure: it logs nothing."""
    match error:
        case ProblemError():
            return _problem(error.status_code, error.code, error.detail)
        case HTTPException():
            words = _WORDS.get(error.status_code, str(error.detail))
            return _problem(error.status_code, _code(error.status_code), words)
        case RequestValidationError():
            return _invalid([_fault(item) for item in error.errors()])
        case ScopeError():
            return _problem(422, "scope", str(error))
        case NotFound():
            return _problem(404, "not_found", str(error))
        case BadCursor():
            return _problem(422, "cursor", str(error))
        case Conflict():
            return _problem(409, "conflict", str(error))
        case Refused():
            fault = Fault(place=Place.BODY, pointer=f"/{error.field}", detail=error.reason)
            return _invalid([fault])
        case NoSuchCause():
            return _problem(422, "no_such_cause", str(error))
        case NoSuchNight():
            return _problem(422, "no_such_night", str(error))
        case NotWaiting():
            return _problem(409, "not_waiting", str(error))
        case NothingToPropose() | NotConfigured():
            return _problem(422, "nothing_to_propose", str(error))
        case StoreError():
            return _problem(503, "database", "the database can't be used now; see the log")
        case IndexFailure() | EncoderError():
            return _problem(503, "index", "the index can't be searched now; see the log")
        case SettingsError():
            return _problem(503, "settings", "a setting is wrong; see the log")
        case TimeoutError():
            return _problem(504, "timeout", "this took too long and was given up")
        case _:
            return _problem(500, "internal", "this is a fault of the server; see its log")


def reported(error: Exception) -> Problem:
    """What the caller is told, with the request's id; what they are not told goes to the log."""
    problem = problem_of(error)
    if problem.status >= 500:
        _log.error("request failed", code=problem.code, exc_info=error)
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return problem.model_copy(update={"request_id": request_id})


def respond(error: Exception) -> Response:
    """The response for an exception."""
    problem = reported(error)
    headers: Mapping[str, str] = getattr(error, "headers", None) or {}
    return Response(
        problem.model_dump_json(),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def install(app: Starlette) -> None:
    """Make every error of ``app`` a problem. What nobody expected is left to the middleware."""

    async def handle(request: Request, error: Exception) -> Response:
        return respond(error)

    for kind in (
        HTTPException,
        RequestValidationError,
        ScopeError,
        StoreError,
        LearningError,
        BriefingError,
        ActionError,
        IndexFailure,
        EncoderError,
        SettingsError,
        TimeoutError,
    ):
        app.add_exception_handler(kind, handle)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These statuses as OpenAPI has responses: all of them are problems."""
    return {
        str(status): {
            "description": _phrase(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def _problem(status: int, code: str, detail: str) -> Problem:
    return Problem(title=_phrase(status), status=status, detail=detail, code=code)


def _phrase(status: int) -> str:
    return _PHRASES.get(status, HTTPStatus(status).phrase)


def _code(status: int) -> str:
    return HTTPStatus(status).name.lower()


def _invalid(faults: Sequence[Fault]) -> Problem:
    problem = _problem(422, "invalid", "the request is not what this address takes")
    return problem.model_copy(update={"errors": tuple(faults)})


def _fault(item: Any) -> Fault:
    # Never the value itself: it may be a secret, and it may be anything.
    location = item["loc"]
    return Fault(place=_place(location), pointer=_pointer(location), detail=str(item["msg"]))


def _place(location: Sequence[Any]) -> Place:
    first = location[0] if location else Place.BODY
    return Place(first) if first in list(Place) else Place.BODY


def _pointer(location: Sequence[Any]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location[1:])
    return "".join(f"/{part}" for part in parts)
