"""Every error is a problem that a program can read, and tells nothing that it should not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.surfaces.http import middleware
from service.surfaces.http.middleware import MAX_BODY
from service.surfaces.http.problem import Problem
from tests.service.surfaces.http.conftest import Api, Run


def test_every_error_is_a_problem_with_the_id_of_its_request(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key()
        client = api.client
        invalid = {"question": "x" * 3000}
        errors = [
            (await client.get("/nothing/here"), 404, "not_found"),
            (await client.delete("/v1/ask"), 405, "method_not_allowed"),
            (await client.get("/v1/reports"), 401, "key_missing"),
            (await client.get("/v1/reports/r_none", headers=key), 404, "not_found"),
            (await client.get("/v1/reports?limit=0", headers=key), 422, "invalid"),
            (await client.post("/v1/ask", json=invalid, headers=key), 422, "invalid"),
            (
                await client.post(
                    "/v1/ask", content=b"{", headers={**key, "Content-Type": "application/json"}
                ),
                422,
                "invalid",
            ),
            (
                await client.post(
                    "/v1/ask", json={"question": "why?", "since": "sometime"}, headers=key
                ),
                422,
                "scope",
            ),
            (
                await client.post(
                    "/v1/search",
                    content=b"x" * (MAX_BODY + 1),
                    headers={**key, "Content-Type": "application/json"},
                ),
                413,
                "too_large",
            ),
        ]
        for response, status, code in errors:
            assert response.status_code == status, response.text
            assert response.headers["content-type"] == "application/problem+json"
            problem = Problem.model_validate_json(response.content)
            assert (problem.status, problem.code) == (status, code)
            assert problem.request_id == response.headers["x-request-id"]
            assert response.headers["x-content-type-options"] == "nosniff"
        assert "POST" in errors[1][0].headers["allow"]

    run(test)


def test_what_is_wrong_is_pointed_at_and_what_was_sent_is_not_repeated(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key()
        body = {"question": "why?", "as_of": "hunter2-secret", "password": "hunter2-secret"}
        response = await api.client.post("/v1/ask", json=body, headers=key)
        faults = {(fault["place"], fault["pointer"]) for fault in response.json()["errors"]}
        assert faults == {("body", "/as_of"), ("body", "/password")}
        assert "hunter2" not in response.text

    run(test)


def test_a_fault_of_the_server_tells_no_stack_and_no_words_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(api: Api) -> None:
        key = await api.key()

        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError("the password is hunter2")

        monkeypatch.setattr(api.app.state.serving.workspace, "search", broken)
        response = await api.client.post("/v1/search", json={"text": "redis"}, headers=key)
        assert response.status_code == 500
        assert response.json()["code"] == "internal"
        assert "hunter2" not in response.text
        assert "Traceback" not in response.text

    run(test)


def test_a_request_keeps_the_id_that_it_came_with_unless_that_is_no_id(run: Run) -> None:
    async def test(api: Api) -> None:
        for given, kept in (("trace-42", True), ("x" * 65, False), ('a"b\\n', False)):
            response = await api.client.get("/healthz", headers={"X-Request-Id": given})
            assert (response.headers["x-request-id"] == given) is kept

    run(test)


def test_a_body_without_an_end_is_not_waited_for_and_not_read(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b'{"text": '
        await asyncio.sleep(5)
        yield b'"redis"}'

    async def gushing() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * (MAX_BODY // 100)

    async def test(api: Api) -> None:
        headers = {**await api.key(), "Content-Type": "application/json"}
        for body, status in ((dripping(), 408), (gushing(), 413)):
            given_up = await api.client.post("/v1/search", content=body, headers=headers)
            assert given_up.status_code == status

    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.3)
    run(test)
