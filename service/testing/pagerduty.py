"""A PagerDuty to test against: incidents and their notes of its REST API, as an ASGI app.

Checked against the OpenAPI document of PagerDuty's repository api-schema
(``reference/REST/openapiv3.json``, version 2.0.0 of 2026-08-14): ``POST /incidents`` (201; the
header ``From``; "requests being rejected if an open incident matches that incident_key"),
``GET /incidents`` and ``/incidents/{id}``, ``POST /incidents/{id}/notes`` (200, at most 2000
notes) and ``GET`` of them, and the body ``{"error": {"code", "message", "errors"}}`` of 400, 401,
403, 404 and 429. The document gives no wording of errors and no limit on lengths; the wording is
from public reports (code 2002 for a second incident with an open one's key), and a title over
1,024 characters is refused here because the Events API documents that limit for the same field.

    pagerduty = FakePagerDuty(token="…", users=("why@example.com",), services=("PSVC1",))
    with on_loopback(pagerduty) as url: ...

What it does not do: escalation, assignment, priorities, paging through more than one page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.testing.jira import Failure

TITLE_LIMIT = 1024
NOTES_LIMIT = 2000

_ACCEPT = "application/vnd.pagerduty+json;version=2"
_OPEN = ("triggered", "acknowledged")


class FakePagerDuty:
    """``incidents`` and ``notes`` (by incident): what was created; ``calls``: each request."""

    def __init__(self, *, token: str, users: tuple[str, ...], services: tuple[str, ...]) -> None:
        self.incidents: list[dict[str, Any]] = []
        self.notes: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[tuple[str, str]] = []
        self.failures: deque[Failure] = deque()
        self._credentials = f"Token token={token}"
        self._users = users
        self._services = services
        self._app = Starlette(
            routes=[
                Route("/incidents", self._list, methods=["GET"]),
                Route("/incidents", self._create, methods=["POST"]),
                Route("/incidents/{id}", self._get, methods=["GET"]),
                Route("/incidents/{id}/notes", self._list_notes, methods=["GET"]),
                Route("/incidents/{id}/notes", self._add_note, methods=["POST"]),
            ]
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.calls.append((scope["method"], scope["path"]))
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            refused = None
            if headers.get("authorization") != self._credentials:
                refused = _error(401, 2006, "Unauthorized")
            elif headers.get("accept") != _ACCEPT:
                refused = _error(406, 2000, "Not Acceptable")
            elif scope["method"] == "POST" and headers.get("from") not in self._users:
                refused = _error(400, 1008, "Requester User Not Found")
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _list(self, request: Request) -> Response:
        key = request.query_params.get("incident_key")
        services = request.query_params.getlist("service_ids[]")
        found = [
            one
            for one in self.incidents
            if (key is None or one["incident_key"] == key)
            and (not services or one["service"]["id"] in services)
        ]
        page = {"limit": 25, "offset": 0, "total": None, "more": False}
        return JSONResponse({"incidents": found, **page})

    async def _create(self, request: Request) -> Response:
        failure = self.failures.popleft() if self.failures else None
        if failure is not None and not failure.after:
            return _failed(failure)
        asked = (await request.json()).get("incident", {})
        wrong = self._wrong(asked)
        if wrong:
            return _error(400, 2001, "Invalid Input Provided", wrong)
        if any(
            one["incident_key"] == asked.get("incident_key")
            and one["service"]["id"] == asked["service"]["id"]
            and one["status"] in _OPEN
            for one in self.incidents
        ):
            taken = "Open incident with matching dedup key already exists on this service"
            return _error(400, 2002, "Arguments Caused Error", [taken])
        number = len(self.incidents) + 1
        incident_id = f"PINC{number}"
        incident = {
            "id": incident_id,
            "type": "incident",
            "title": asked["title"],
            "summary": f"[#{number}] {asked['title']}",
            "self": f"{request.base_url}incidents/{incident_id}",
            "html_url": f"https://example.pagerduty.com/incidents/{incident_id}",
            "incident_number": number,
            "status": "triggered",
            "incident_key": asked.get("incident_key"),
            "urgency": asked.get("urgency", "high"),
            "service": asked["service"],
            "body": asked.get("body"),
        }
        self.incidents.append(incident)
        if failure is not None:
            return _failed(failure)
        return JSONResponse({"incident": incident}, 201)

    def _wrong(self, asked: dict[str, Any]) -> list[str]:
        wrong = []
        if asked.get("type") != "incident":
            wrong.append("Incident type is invalid")
        title = asked.get("title") or ""
        if not title.strip():
            wrong.append("Title cannot be empty")
        elif len(title) > TITLE_LIMIT:
            wrong.append(f"Title is too long (maximum is {TITLE_LIMIT} characters)")
        service = asked.get("service") or {}
        if service.get("type") != "service_reference" or service.get("id") not in self._services:
            wrong.append("Service not found")
        if asked.get("urgency", "high") not in ("high", "low"):
            wrong.append("Urgency is invalid")
        body = asked.get("body")
        if body is not None and body.get("type") != "incident_body":
            wrong.append("Body type is invalid")
        return wrong

    async def _get(self, request: Request) -> Response:
        for one in self.incidents:
            if one["id"] == request.path_params["id"]:
                return JSONResponse({"incident": one})
        return _error(404, 2100, "Not Found")

    async def _list_notes(self, request: Request) -> Response:
        incident = request.path_params["id"]
        if not self._known(incident):
            return _error(404, 2100, "Not Found")
        return JSONResponse({"notes": self.notes.get(incident, [])})

    async def _add_note(self, request: Request) -> Response:
        failure = self.failures.popleft() if self.failures else None
        if failure is not None and not failure.after:
            return _failed(failure)
        incident = request.path_params["id"]
        if not self._known(incident):
            return _error(404, 2100, "Not Found")
        content = (await request.json()).get("note", {}).get("content")
        notes = self.notes.setdefault(incident, [])
        if not isinstance(content, str) or not content.strip():
            return _error(400, 2001, "Invalid Input Provided", ["Content cannot be empty"])
        if len(notes) >= NOTES_LIMIT:
            return _error(400, 2001, "Invalid Input Provided", ["Too many notes"])
        note = {
            "id": f"PNOTE{len(notes) + 1}",
            "user": {"type": "user_reference", "summary": request.headers["from"]},
            "channel": {"summary": "The PagerDuty website or APIs"},
            "content": content,
        }
        notes.append(note)
        return _failed(failure) if failure is not None else JSONResponse({"note": note})

    def _known(self, incident: str) -> bool:
        return any(one["id"] == incident for one in self.incidents)


def _error(status: int, code: int, message: str, errors: list[str] | None = None) -> Response:
    body = {"code": code, "message": message} | ({"errors": errors} if errors else {})
    return JSONResponse({"error": body}, status)


def _failed(failure: Failure) -> Response:
    response = _error(failure.status, 2020, failure.message)
    if failure.retry_after is not None:
        response.headers["Retry-After"] = str(failure.retry_after)
    if failure.location is not None:
        response.headers["Location"] = failure.location
    return response
