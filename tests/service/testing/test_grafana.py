"""The fake Grafana keeps to what Grafana's documentation says."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx

from service.testing import FakeGrafana

TOKEN = "glsa_made_up"  # noqa: S105


def called(fake: FakeGrafana, method: str, url: str, token: str = TOKEN) -> httpx.Response:
    async def call() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(fake), base_url="http://grafana"
        ) as client:
            return await client.request(method, url, headers={"Authorization": f"Bearer {token}"})

    return asyncio.run(call())


def test_only_its_health_is_told_without_the_token() -> None:
    fake = FakeGrafana(token=TOKEN)
    assert called(fake, "GET", "/api/health", "wrong").status_code == 200
    refused = called(fake, "GET", "/api/search", "wrong")
    assert (refused.status_code, refused.json()) == (401, {"message": "Invalid API key"})


def test_annotations_are_the_newest_hundred_with_all_tags() -> None:
    fake = FakeGrafana(token=TOKEN)
    fake.annotations = [
        {"id": n, "time": 1000 + n, "text": "x", "tags": ["a", "b"][: 1 + n % 2]}
        for n in range(300)
    ]
    assert [row["id"] for row in called(fake, "GET", "/api/annotations").json()] == list(
        range(299, 199, -1)
    )
    tagged = called(fake, "GET", "/api/annotations?tags=a&tags=b&limit=500").json()
    assert [row["id"] for row in tagged] == list(range(299, 0, -2))
    between = called(fake, "GET", "/api/annotations?from=1010&to=1012").json()
    assert [row["id"] for row in between] == [12, 11, 10]


def test_the_proxy_lets_a_viewer_post_queries_and_nothing_else() -> None:
    def prometheus(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"path": request.url.path})

    fake = FakeGrafana(
        token=TOKEN,
        prometheus_url="http://p/prefix",
        prometheus=httpx.MockTransport(prometheus),
    )
    proxy = "/api/datasources/proxy/uid/prom-main/api/v1"
    assert called(fake, "POST", f"{proxy}/query").json() == {"path": "/prefix/api/v1/query"}
    assert called(fake, "POST", f"{proxy}/admin/tsdb/delete_series").status_code == 403
    other = proxy.replace("prom-main", "other")
    assert called(fake, "GET", f"{other}/rules").status_code == 404


def test_a_server_can_start_and_stop_it() -> None:
    events = ["lifespan.startup", "lifespan.shutdown"]
    sent: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": events.pop(0)}

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event["type"])

    asyncio.run(FakeGrafana(token=TOKEN)({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def posted(fake: FakeGrafana, path: str, body: object) -> httpx.Response:
    async def call() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(fake), base_url="http://grafana"
        ) as client:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            return await client.post(path, headers=headers, json=body)

    return asyncio.run(call())


def test_a_folder_is_made_once() -> None:
    fake = FakeGrafana(token=TOKEN)
    assert posted(fake, "/api/folders", {"uid": "a", "title": "A"}).json()["uid"] == "a"
    assert posted(fake, "/api/folders", {"uid": "a", "title": "B"}).status_code == 409
    assert posted(fake, "/api/folders", {"uid": "b"}).status_code == 400
    assert called(fake, "GET", "/api/folders").json() == [{"id": 1, "uid": "a", "title": "A"}]


def test_a_dashboard_is_replaced_only_on_request() -> None:
    fake = FakeGrafana(token=TOKEN)
    body = {"dashboard": {"uid": "x", "title": "X"}, "overwrite": False}
    assert posted(fake, "/api/dashboards/db", body).json()["version"] == 1
    refused = posted(fake, "/api/dashboards/db", body)
    assert (refused.status_code, refused.json()["status"]) == (412, "name-exists")
    again = posted(fake, "/api/dashboards/db", {**body, "overwrite": True}).json()
    assert (again["status"], again["version"]) == ("success", 2)
    assert called(fake, "GET", "/api/dashboards/uid/x").json()["dashboard"]["title"] == "X"


def test_a_viewer_may_not_write() -> None:
    fake = FakeGrafana(token=TOKEN, viewer=True)
    assert posted(fake, "/api/folders", {"title": "A"}).status_code == 403
    assert posted(fake, "/api/dashboards/db", {"dashboard": {"title": "A"}}).status_code == 403
