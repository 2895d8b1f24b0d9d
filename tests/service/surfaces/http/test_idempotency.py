"""A write that is sent again happens once."""

from __future__ import annotations

import asyncio

import pytest

from service.store import Scope
from tests.service.surfaces.http.conftest import QUESTION, Api, Run

PAGE = {"text": "# Restart quota\n\nOne pod at a time.", "audience": ["writers"]}


async def pages(api: Api, key: dict[str, str]) -> int:
    return len((await api.client.get("/v1/documents", headers=key)).json()["items"])


def test_a_write_that_is_sent_again_is_answered_again_and_happens_once(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key(Scope.ADMIN, audience=("writers",))
        other = await api.key(Scope.ADMIN, audience=("writers",))
        headers = {**key, "Idempotency-Key": '"0d1c"'}
        before = await pages(api, key)
        first = await api.client.post("/v1/documents", json=PAGE, headers=headers)
        again = await api.client.post("/v1/documents", json=PAGE, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again.headers["idempotency-replayed"] == "true"
        assert await pages(api, key) == before + 1
        changed = {**PAGE, "title": "Something else"}
        reused = await api.client.post("/v1/documents", json=changed, headers=headers)
        assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")
        elsewhere = await api.client.post("/v1/sync", headers=headers)
        assert elsewhere.json()["code"] == "key_reused"
        others = {**other, "Idempotency-Key": '"0d1c"'}
        assert (
            await api.client.post("/v1/documents", json=PAGE, headers=others)
        ).json() != first.json()
        assert await pages(api, key) == before + 2

    run(test)


def test_a_failed_write_may_be_sent_again_and_one_under_way_may_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(api: Api) -> None:
        key = {**await api.key(), "Idempotency-Key": "again"}
        workspace = api.app.state.serving.workspace
        answer = workspace.answer
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError

        async def slow(*args: object, **more: object) -> object:
            begun.set()
            await go_on.wait()
            return await answer(*args, **more)

        monkeypatch.setattr(workspace, "answer", broken)
        body = {"question": QUESTION}
        assert (await api.client.post("/v1/ask", json=body, headers=key)).status_code == 500
        monkeypatch.setattr(workspace, "answer", slow)
        first = asyncio.create_task(api.client.post("/v1/ask", json=body, headers=key))
        await begun.wait()
        second = await api.client.post("/v1/ask", json=body, headers=key)
        go_on.set()
        assert (second.status_code, second.json()["code"]) == (409, "in_progress")
        assert (await first).status_code == 200
        assert (await api.client.post("/v1/ask", json=body, headers=key)).content == (
            await first
        ).content

    run(test)
