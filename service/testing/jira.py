"""A Jira to test against: what the ``jira`` package asks of it to file an issue, as an ASGI app.

Checked against Atlassian's "The Jira Cloud platform REST API", version 2: "Create issue" (201
``id``, ``key``, ``self``; 400 ``errorMessages`` and ``errors`` by field; 401; 403), "Search for
issues using JQL enhanced search (GET)" (``issues``, ``isLast``), "Get server info", "Get
fields" and "Rate limiting" (429 with ``Retry-After``), as generated into the models of the crate
jira_v3_openapi, and against the requests of jira 3.10. ``cloud=False`` is a Data Center: a bearer
token, and "Search" with ``startAt`` and ``total`` (on Cloud that address answers 410). The wording
of errors is from public reports of them.

    jira = FakeJira(user="why@example.com", token="…", project="OPS")
    with on_loopback(jira) as url: ...

What it does not do: JQL but ``project = "…" AND labels = "…"``, permissions by user, fields but
the ones below, version 3 with its document format.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import MutableMapping
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SUMMARY_LIMIT = 255
TEXT_LIMIT = 32_767
"""``jira.text.field.character.limit``, in UTF-16 units."""

_FIELDS = {"project", "issuetype", "summary", "description", "labels"}
_JQL = re.compile(r'project = "(?P<project>[^"]+)" AND labels = "(?P<label>[^"]+)"')


class Failure(NamedTuple):
    """How the next creation fails. ``after``: the issue is there, only the answer is lost."""

    status: int
    message: str = ""
    after: bool = False
    retry_after: int | None = None
    location: str | None = None


class FakeJira:
    """One project. ``issues``: what was created; ``calls``: method and path of each request."""

    def __init__(
        self,
        *,
        token: str,
        user: str | None = "why@example.com",
        project: str = "OPS",
        issue_types: tuple[str, ...] = ("Task", "Bug"),
        cloud: bool = True,
    ) -> None:
        self.issues: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.failures: deque[Failure] = deque()
        self._cloud = cloud
        self._project = project
        self._issue_types = issue_types
        basic = base64.b64encode(f"{user}:{token}".encode()).decode()
        self._credentials = f"Basic {basic}" if user else f"Bearer {token}"
        api = "/rest/api/2"
        self._app = Starlette(
            routes=[
                Route(f"{api}/serverInfo", self._server_info),
                Route(f"{api}/field", self._fields),
                Route(f"{api}/search/jql", self._search_cloud),
                Route(f"{api}/search", self._search_data_center),
                Route(f"{api}/issue", self._create, methods=["POST"]),
            ]
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.calls.append((scope["method"], scope["path"]))
            if dict(scope["headers"]).get(b"authorization", b"").decode() != self._credentials:
                message = "Client must be authenticated to access this resource."
                refused = JSONResponse({"message": message, "status-code": 401}, 401)
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _server_info(self, request: Request) -> Response:
        return JSONResponse(
            {
                "baseUrl": str(request.base_url).rstrip("/"),
                "version": "1001.0.0-SNAPSHOT" if self._cloud else "10.3.0",
                "versionNumbers": [1001, 0, 0] if self._cloud else [10, 3, 0],
                "deploymentType": "Cloud" if self._cloud else "Server",
                "buildNumber": 100_000,
                "serverTitle": "Jira",
            }
        )

    async def _fields(self, request: Request) -> Response:
        return JSONResponse(
            [
                {"id": name, "key": name, "name": name, "custom": False, "clauseNames": [name]}
                for name in sorted(_FIELDS)
            ]
        )

    async def _search_cloud(self, request: Request) -> Response:
        if not self._cloud:
            return _errors(404, "null for uri")
        found = self._found(request)
        if isinstance(found, Response):
            return found
        return JSONResponse({"issues": found, "isLast": True})

    async def _search_data_center(self, request: Request) -> Response:
        if self._cloud:
            return _errors(
                410,
                "The requested API has been removed. Please migrate to the "
                "/rest/api/3/search/jql API.",
            )
        found = self._found(request)
        if isinstance(found, Response):
            return found
        page = {"startAt": 0, "maxResults": 50, "total": len(found), "issues": found}
        return JSONResponse(page)

    def _found(self, request: Request) -> list[dict[str, Any]] | Response:
        jql = request.query_params.get("jql", "")
        asked = _JQL.fullmatch(jql)
        if asked is None:
            return _errors(400, f"Error in the JQL Query: {jql}")
        if asked["project"] != self._project:
            return _errors(
                400, f"The value '{asked['project']}' does not exist for the field 'project'."
            )
        return [
            {"id": issue["id"], "key": issue["key"], "self": issue["self"]}
            for issue in self.issues
            if asked["label"] in issue["fields"].get("labels", [])
        ]

    async def _create(self, request: Request) -> Response:
        failure = self.failures.popleft() if self.failures else None
        if failure is not None and not failure.after:
            return _failed(failure)
        fields = (await request.json()).get("fields", {})
        wrong = self._wrong(fields)
        if wrong:
            return JSONResponse({"errorMessages": [], "errors": wrong}, 400)
        number = len(self.issues) + 1
        issue_id, key = str(10_000 + number), f"{self._project}-{number}"
        self_url = f"{request.base_url}rest/api/2/issue/{issue_id}"
        self.issues.append({"id": issue_id, "key": key, "self": self_url, "fields": fields})
        if failure is not None:
            return _failed(failure)
        return JSONResponse({"id": issue_id, "key": key, "self": self_url}, 201)

    def _wrong(self, fields: dict[str, Any]) -> dict[str, str]:
        """What Jira says about fields that it does not take, by field."""
        wrong = {
            name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
            for name in fields.keys() - _FIELDS
        }
        if (fields.get("project") or {}).get("key") != self._project:
            wrong["project"] = "valid project is required"
        if (fields.get("issuetype") or {}).get("name") not in self._issue_types:
            wrong["issuetype"] = "Specify a valid issue type"
        summary = fields.get("summary")
        if not isinstance(summary, str) or not summary.strip():
            wrong["summary"] = "You must specify a summary of the issue."
        elif "\n" in summary or "\r" in summary:
            wrong["summary"] = "The summary is invalid because it contains newline characters."
        elif _utf16(summary) > SUMMARY_LIMIT:
            wrong["summary"] = f"Summary must be less than {SUMMARY_LIMIT} characters."
        description = fields.get("description", "")
        if not isinstance(description, str):
            wrong["description"] = "Operation value must be a string"
        elif _utf16(description) > TEXT_LIMIT:
            wrong["description"] = (
                "The entered text is too long. It exceeds the allowed limit of "
                f"{TEXT_LIMIT:,} characters."
            )
        for label in fields.get("labels", ()):
            if re.search(r"\s", label):
                wrong["labels"] = f"The label '{label}' contains spaces which is invalid."
        return wrong


def _errors(status: int, message: str) -> Response:
    return JSONResponse({"errorMessages": [message], "errors": {}}, status)


def _failed(failure: Failure) -> Response:
    response = _errors(failure.status, failure.message)
    if failure.retry_after is not None:
        response.headers["Retry-After"] = str(failure.retry_after)
    if failure.location is not None:
        response.headers["Location"] = failure.location
    return response


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
