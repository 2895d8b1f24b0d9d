"""Many ask at once: each has its turn, and none is answered from half of what there is."""

from __future__ import annotations

import asyncio

from service.surfaces.http.serving import QUESTIONS_AT_ONCE
from tests.service.surfaces.http.conftest import Api, Run


def test_a_question_waits_for_its_turn_and_loses_nothing_by_it(run: Run) -> None:
    async def scenario(api: Api) -> None:
        headers = await api.key()
        turns = api.app.state.serving.turns
        for _ in range(QUESTIONS_AT_ONCE):
            await turns.acquire()  # as many are being answered
        asking = asyncio.create_task(api.ask(headers))
        found = await api.client.post("/v1/search", json={"text": "quota"}, headers=headers)
        assert found.status_code == 200  # searches don't wait
        assert not asking.done()
        for _ in range(QUESTIONS_AT_ONCE):
            turns.release()
        answer = await asking
        assert answer["answer"]["causes"]
        assert not [line for line in answer["answer"]["not_seen"] if "no answer" in line]

    run(scenario)
