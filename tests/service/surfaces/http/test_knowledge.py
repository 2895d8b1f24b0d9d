"""Knowledge without a file, and the morning's briefing, over HTTP."""

from __future__ import annotations

from service.briefing.model import Briefing
from service.store import Scope
from tests.service.surfaces.http.conftest import Api, Run
from tests.service.surfaces.http.test_audience import synced

RUNBOOK = {
    "text": "# Restart the frobnicator\n\nDrain it first; password=Sp4rrow-Kite-91x opens it.\n",
    "services": ["frobnicator"],
}


def test_a_page_is_found_after_a_sync_edited_in_place_and_gone_after_its_deletion(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key(Scope.ADMIN)

        async def found() -> str:
            await synced(api, key)
            body = {"text": "restart the frobnicator", "limit": 1}
            return (await api.client.post("/v1/search", json=body, headers=key)).text

        made = (await api.client.post("/v1/documents", json=RUNBOOK, headers=key)).json()
        assert "Sp4rrow" not in made["page"]
        assert "[redacted:password]" in made["page"]
        assert "Drain it first" in await found()
        path = f"/v1/documents/{made['id']}"
        edited = {"text": made["page"].replace("Drain it first", "Tell the owner first")}
        changed = (await api.client.put(path, json=edited, headers=key)).json()
        assert (changed["id"], changed["document_id"]) == (made["id"], made["document_id"])
        assert "edited by" in changed["provenance"]
        text = await found()
        assert "Tell the owner" in text
        assert "Drain it first" not in text
        assert (await api.client.get(f"/v1/incidents/{made['id']}", headers=key)).status_code == 404
        assert (await api.client.delete(path, headers=key)).status_code == 204
        assert "Tell the owner" not in await found()
        assert (await api.client.get(path, headers=key)).status_code == 404

    run(test)


def test_what_can_not_be_kept_is_pointed_at(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key(Scope.INGEST)
        for body, pointer in (
            ({"text": "no heading, no title"}, "/title"),
            ({"text": "# x", "url": "javascript:alert(1)"}, "/url"),
            ({"text": "# x", "audience": [""]}, "/audience/0"),
        ):
            refused = await api.client.post("/v1/documents", json=body, headers=key)
            assert refused.status_code == 422, body
            assert [fault["pointer"] for fault in refused.json()["errors"]] == [pointer]

    run(test)


def test_the_briefing_of_a_morning_is_json_markdown_or_a_page_that_loads_nothing(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key()
        path = "/v1/briefings/2026-11-12"
        response = await api.client.get(path, headers=key)
        briefing = Briefing.model_validate_json(response.content)
        assert briefing.incidents
        assert briefing.zone == "UTC"
        again = await api.client.get(path, headers=key)
        assert again.content == response.content, "it was made a second time"
        text = await api.client.get(path, headers={**key, "Accept": "text/markdown"})
        assert text.text.startswith("# ")
        page = await api.client.get(path, headers={**key, "Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        elsewhere = await api.client.get(f"{path}?timezone=Asia/Tokyo", headers=key)
        assert elsewhere.json()["zone"] == "Asia/Tokyo"
        for wrong in (f"{path}?timezone=Mars/Olympus", "/v1/briefings/2026-12-24"):
            refused = await api.client.get(wrong, headers=key)
            assert (refused.status_code, refused.json()["code"]) == (422, "no_such_night")

    run(test)
