"""The published description of the API: what FastAPI finds, with every error as a problem."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.surfaces.http.example_answers import ANSWERS
from service.surfaces.http.problem import Fault, Problem, documented

_NAMES = {
    "service__store__feedback__Verdict": "FeedbackVerdict",
    "Verdict-Input": "FeedbackVerdict",
    "service__training__Verdict": "RunVerdict",
}
"""Where several modules have a class of the same name, pydantic makes one out of the path."""
_SECURED = (401, 403, 429)
_METHODS = frozenset({"get", "post", "put", "delete", "patch"})
_DESCRIPTION = """\
Answers "why?" for people who get paged, with citations. The same engine as the command line,
Slack, the web page and MCP have; answers are kept, and shown only to those who may read everything
that they were made from.

Every error is `application/problem+json` (RFC 9457). Every response has an `X-Request-Id`.
"""


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of this app, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            description=_DESCRIPTION,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        _complete(schema)
        app.openapi_schema = _renamed(schema)
    return app.openapi_schema


def _renamed(schema: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(schema)
    for name, better in _NAMES.items():
        text = text.replace(f'/{name}"', f'/{better}"').replace(f'"{name}":', f'"{better}":')
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _complete(schema: dict[str, Any]) -> None:
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    _, definitions = models_json_schema(
        [(Problem, "serialization"), (Fault, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    components.update(definitions["$defs"])
    anything = {"default": documented(500)["500"] | {"description": "Any other error."}}
    for path in schema["paths"].values():
        for method, operation in path.items():
            if method not in _METHODS:
                continue
            responses = operation["responses"]
            statuses = [status for status in (422,) if str(status) in responses]
            if operation.get("security"):
                statuses += _SECURED
            responses.update(documented(*statuses) | anything)
            if operation["operationId"] in ANSWERS:
                success = next(status for status in responses if status.startswith("2"))
                shown = responses[success]["content"]["application/json"]
                shown["example"] = ANSWERS[operation["operationId"]]
