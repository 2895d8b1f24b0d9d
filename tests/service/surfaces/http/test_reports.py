"""Asking over HTTP, and what was answered: kept, listed, read again, judged."""

from __future__ import annotations

import asyncio

import pytest

from service.reports.model import Report
from service.store import Scope
from tests.service.surfaces.http.conftest import QUESTION, Api, Run


def test_an_answer_is_json_and_can_be_read_again_as_json_markdown_and_charts(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key()
        answered = await api.ask(key)
        assert Report.model_validate(answered["answer"]).causes[0].component == "quota"
        assert (answered["kind"], answered["surface"]) == ("report", "http")
        again = await api.client.get(answered["url"], headers=key)
        assert again.json() == answered
        as_text = {**key, "Accept": "text/markdown"}
        text = (await api.client.get(answered["url"], headers=as_text)).text
        assert text.startswith(f"# {QUESTION}\n")
        number = answered["answer"]["charts"][0]["citation"]
        image = f"{answered['url']}/charts/{number}.svg"
        assert f"]({image})" in text
        chart = await api.client.get(image, headers=key)
        assert chart.headers["content-type"] == "image/svg+xml"
        assert "<svg" in chart.text
        assert "sandbox" in chart.headers["content-security-policy"]
        nothing = await api.client.get(f"{answered['url']}/charts/999.svg", headers=key)
        assert nothing.status_code == 404
        pdf = await api.client.get(answered["url"], headers={**key, "Accept": "application/pdf"})
        assert pdf.status_code == 406

    run(test)


def test_other_kinds_of_questions_come_back_with_their_kind(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key()
        chart = await api.ask(key, "Show checkout latency p99 by region last night")
        assert chart["kind"] == "chart"
        assert "checkout" in chart["answer"]["query"]
        image = await api.client.get(f"{chart['url']}/charts/1.svg", headers=key)
        assert "<svg" in image.text
        fleet = await api.ask(key, "Which clusters need maintenance?")
        assert fleet["kind"] == "fleet"
        runs = await api.ask(key, "Is run aurelia-70b-ft-12 healthy?")
        assert runs["kind"] == "runs"
        for answer in (chart, fleet, runs):
            text = await api.client.get(answer["url"], headers={**key, "Accept": "text/markdown"})
            assert text.text.startswith("# ")

    run(test)


def test_a_question_goes_on_from_an_earlier_answer(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key()
        first = await api.ask(key)
        second = await api.ask(key, "and in us-east?", after=first["id"])
        assert second["after"] == first["id"]
        assert second["answer"]["scope"]["window"] == first["answer"]["scope"]["window"]
        assert second["answer"]["scope"]["regions"] == ["us-east"]

    run(test)


def test_the_list_is_newest_first_and_goes_on_at_its_cursor(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key(audience=("lonely",))
        made = [(await api.ask(key, f"Show checkout latency {n}"))["id"] for n in range(5)]
        seen: list[str] = []
        cursor = None
        while True:
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await api.client.get("/v1/reports", params=params, headers=key)).json()
            seen += [head["id"] for head in page["reports"]]
            assert len(page["reports"]) <= 2
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == sorted(made, reverse=True)
        wrong = await api.client.get("/v1/reports", params={"cursor": "nonsense"}, headers=key)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "cursor")

    run(test)


def test_feedback_is_kept_once_for_each_person_and_a_confirmed_cause_becomes_knowledge(
    run: Run,
) -> None:
    async def test(api: Api) -> None:
        key = await api.key(Scope.INGEST, Scope.ASK)
        report = await api.ask(key)
        path = f"{report['url']}/feedback"
        for verdict in ("up", "down"):
            assert (
                await api.client.post(path, json={"verdict": verdict}, headers=key)
            ).status_code == 201
        confirmed = await api.client.post(
            path, json={"verdict": "confirm", "component": "quota"}, headers=key
        )
        record = confirmed.json()["record"]
        said = (await api.client.get(path, headers=key)).json()
        assert {(one["component"], one["verdict"]) for one in said["items"]} == {
            (None, "down"),
            ("quota", "confirm"),
        }
        assert {one["by"] for one in said["items"]} == {said["you"]}
        item = (await api.client.get(f"/v1/incidents/{record}", headers=key)).json()
        assert "confirmed by" in item["provenance"]
        assert "quota" in item["page"]
        other = await api.client.post(
            path, json={"verdict": "reject", "component": "nobody"}, headers=key
        )
        assert (other.status_code, other.json()["code"]) == (422, "no_such_cause")

    run(test)


def test_a_question_that_nobody_waits_for_is_given_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(api: Api) -> None:
        key = await api.key()
        begun, ended = asyncio.Event(), asyncio.Event()

        async def answer(*_: object, **__: object) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        monkeypatch.setattr(api.app.state.serving.workspace, "answer", answer)
        asking = asyncio.create_task(api.ask(key))
        await begun.wait()
        asking.cancel()
        await asyncio.wait_for(ended.wait(), 5)

    run(test)
