"""Whoever lacks a label gets no word of what is for it, at any address."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.store import Scope
from tests.service.surfaces.http.conftest import LABEL, Api, Run

WORD = "zanzibar"
QUESTION = "Why did checkout fail last night? Is it the espresso outage again?"
SECRET = {
    "title": "The espresso outage, and the zanzibar token",
    "text": "# The espresso outage, and the zanzibar token\n\nCheckout failed in eu-west: quota "
    "kept every descriptor open in the espresso outage, and its log had the zanzibar token.\n",
    "component": "quota",
    "cause": "Quota never closes its connections, and leaks the zanzibar token.",
    "confirmed": True,
    "started": "2026-11-01T01:40:00Z",
    "services": ["quota", "checkout"],
    "audience": [LABEL],
}
SEARCH = {"text": "espresso outage of quota", "limit": 50}


async def synced(api: Api, key: dict[str, str]) -> None:
    job = (await api.client.post("/v1/sync", headers=key)).json()
    while job["state"] in ("queued", "running"):
        await asyncio.sleep(0.05)
        job = (await api.client.get(f"/v1/jobs/{job['id']}", headers=key)).json()
    assert job["state"] == "done", job


async def texts_at_every_address(
    api: Api, key: dict[str, str], ids: dict[str, Any]
) -> dict[str, str]:
    """What a key gets to see, by request."""
    report, item, passage = ids["report"], ids["item"], ids["passage"]
    stream = {**key, "Accept": "text/event-stream"}
    feedback = {"verdict": "confirm", "component": "quota"}
    seen = {}
    for method, path, body, headers in (
        ("POST", "/v1/ask", {"question": QUESTION}, key),
        ("POST", "/v1/ask", {"question": QUESTION}, stream),
        ("POST", "/v1/ask", {"question": "and in us-east?", "after": report}, key),
        ("POST", "/v1/search", SEARCH, key),
        ("POST", "/v1/promql", {"question": "quota espresso descriptors"}, key),
        ("GET", "/v1/fleet", None, key),
        ("GET", "/v1/runs", None, key),
        ("GET", "/v1/index", None, key),
        ("GET", "/v1/reports?limit=100", None, key),
        ("GET", f"/v1/reports/{report}", None, key),
        ("GET", f"/v1/reports/{report}", None, {**key, "Accept": "text/markdown"}),
        ("GET", f"/v1/reports/{report}/charts/{ids['chart']}.svg", None, key),
        ("GET", f"/v1/reports/{report}/feedback", None, key),
        ("POST", f"/v1/reports/{report}/feedback", feedback, key),
        ("GET", "/v1/incidents", None, key),
        ("GET", f"/v1/incidents/{item}", None, key),
        ("PUT", f"/v1/incidents/{item}", SECRET, key),
        ("GET", "/v1/documents", None, key),
        ("GET", passage, None, key),
        ("GET", "/v1/briefings/2026-11-12", None, key),
        ("GET", "/v1/briefings/2026-11-12", None, {**key, "Accept": "text/markdown"}),
        ("GET", "/v1/briefings/2026-11-12", None, {**key, "Accept": "text/html"}),
        ("GET", f"/v1/actions?report_id={report}", None, key),
        ("POST", "/v1/actions", {"kind": "jira", "report_id": report}, key),
    ):
        response = await api.client.request(method, path, json=body, headers=headers)
        assert response.status_code < 500, (method, path, response.text)
        kind = headers.get("Accept", "")
        seen[f"{method} {path} {kind}"] = f"{response.status_code} {response.text.lower()}"
    return seen


@pytest.mark.slow
def test_what_is_for_a_label_shows_to_its_holders_alone_at_every_address(run: Run) -> None:
    async def test(api: Api) -> None:
        insider = await api.key(Scope.ADMIN, audience=("everyone", LABEL))
        outsider = await api.key(Scope.ASK, Scope.INGEST)
        item = (await api.client.post("/v1/incidents", json=SECRET, headers=insider)).json()
        await synced(api, insider)
        found = (await api.client.post("/v1/search", json=SEARCH, headers=insider)).json()
        chunk = next(one for one in found["passages"] if WORD in one["text"])
        report = await api.ask(insider, QUESTION)
        ids = {
            "item": item["id"],
            "report": report["id"],
            "chart": report["answer"]["charts"][0]["citation"],
            "passage": f"/v1/documents/{chunk['document_id']}/passages/x",
        }
        inside = await texts_at_every_address(api, insider, ids)
        showing = [request for request, text in inside.items() if WORD in text]
        for part in ("POST /v1/ask ", "event-stream", "search", "markdown", "incidents"):
            assert any(part in request for request in showing), (part, showing)
        outside = await texts_at_every_address(api, outsider, ids)
        assert not [request for request, text in outside.items() if WORD in text]
        for request, text in outside.items():
            if (ids["report"] in request and "?" not in request) or ids["item"] in request:
                assert text.startswith("404"), request
        assert ids["report"] not in outside["GET /v1/reports?limit=100 "]
        assert ids["report"] in inside["GET /v1/reports?limit=100 "]
        gone = await api.client.delete(f"/v1/incidents/{ids['item']}", headers=insider)
        assert gone.status_code == 204
        await synced(api, insider)

    run(test, actions_dry_run=True)
