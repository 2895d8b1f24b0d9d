"""The published description is current, its examples are valid, and the server keeps to it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import jsonschema
import pytest

from service.settings import Settings
from service.store import Database, Scope
from service.surfaces.http import auth
from service.surfaces.http.app import create_app
from service.testing.loopback import on_loopback

PUBLISHED = Path(__file__).parents[4] / "docs" / "openapi.json"
PAGE = PUBLISHED.with_name("http.md")


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_published_description_is_current(described: dict[str, Any]) -> None:
    assert json.loads(PUBLISHED.read_text()) == described, "run `make schema`"


def test_every_address_is_on_the_page_and_every_error_is_a_problem(
    described: dict[str, Any],
) -> None:
    page = PAGE.read_text()
    for method, path, operation in operations(described):
        assert path.split("{")[0].rstrip("/") in page, f"{method} {path} is not in docs/http.md"
        assert operation["summary"]
        for status, response in operation["responses"].items():
            if status[0] in "45d" and (path, status) != ("/readyz", "503"):
                assert list(response["content"]) == ["application/problem+json"], (path, status)
        if path.startswith("/v1"):
            assert operation.get("security") or "webhooks/grafana" in path, path
            assert {"401", "403", "429"} <= operation["responses"].keys()


def test_every_body_and_every_answer_has_an_example_that_is_valid(
    described: dict[str, Any],
) -> None:
    def check(schema: dict[str, Any], example: Any) -> None:
        whole = {**schema, "components": described["components"]}
        jsonschema.Draft202012Validator(whole).validate(example)

    for method, path, operation in operations(described):
        for content in (operation.get("requestBody") or {}).get("content", {}).values():
            assert content["examples"], (method, path)
            for example in content["examples"].values():
                check(content["schema"], example["value"])
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                if media_type == "text/event-stream":
                    assert "event: done" in content["example"]
                elif "example" in content:
                    check(content["schema"], content["example"])
                elif status[0] == "2":
                    assert path == "/healthz", (method, path, media_type)


@pytest.mark.slow
def test_whatever_is_sent_there_is_no_500_and_no_answer_that_is_not_described(
    served: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import schemathesis
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    async def key() -> str:
        async with await Database.open(served) as database:
            made = await database.keys.create(
                "fuzz",
                scopes=[Scope.ADMIN],
                audience=["everyone"],
                rate_per_minute=1_000_000,
            )
            return made.clear

    # What can't be said in a schema ("a time as people write it") is valid there, and refused.
    beyond = [positive_data_acceptance]
    headers = {"Authorization": f"Bearer {asyncio.run(key())}"}
    # Wrong keys are tried, too, and the right one must go on being looked at.
    monkeypatch.setattr(auth, "FAILURES_PER_MINUTE", 1_000_000)
    answered: dict[str, Counter[int]] = {}
    few = hypothesis.settings(
        max_examples=6,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    with on_loopback(create_app(served)) as url:
        schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")
        for result in schema.get_all_operations():
            operation = result.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @few
                @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
                def check(case: Any) -> None:
                    response = case.call(headers=headers, timeout=60)
                    case.validate_response(response, headers=headers, excluded_checks=beyond)
                    answered.setdefault(case.operation.label, Counter())[response.status_code] += 1

                # Where nothing about an operation can be wrong, there is nothing to send.
                with suppress(hypothesis.errors.Unsatisfiable):
                    check()
    assert answered.keys() == {f"{m} {p}" for m, p, _ in operations(schema.raw_schema)}
    assert not [label for label, statuses in answered.items() if statuses[429]]
    # Ids that are made up are nowhere; all else must have been answered, too, and not only refused.
    refused = {label for label, statuses in answered.items() if min(statuses) >= 300}
    assert {label for label in refused if "{" not in label} <= {"POST /v1/actions"}
