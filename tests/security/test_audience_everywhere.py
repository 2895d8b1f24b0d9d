"""A document that is not for a reader does not exist for them, at any surface.

Two servers with real indexes over the same company: one also has documents for ``sec-response``,
and somebody who may read them has used every part of it (asked, been briefed, confirmed, proposed,
added knowledge, with an Idempotency-Key, in Slack). Whoever may not gets the same answers from
both: no word of them, no other count, score or order, and of their ids what made-up ids get.

The surfaces are found in the code: a new address, tool or button fails here until it is asked.
One number is of the whole corpus, the mean length of a chunk: it is held equal, see
``docs/security.md``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import quote

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from ingest.documents import SourceKind
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import Scope as Readable
from service.settings import Settings
from service.store import Scope
from service.surfaces.http import app as http_app
from service.surfaces.http.app import create_app
from service.surfaces.slack.briefing import SlackTarget
from service.surfaces.slack.buttons import Press
from tests.security.forbidden import (
    INSIDER,
    LABEL,
    MARKER,
    OUTSIDER,
    QUESTION,
    WORDS,
    company,
    marked,
    steady,
)
from tests.service.surfaces.http.conftest import Api, Running
from tests.service.surfaces.slack.house import (
    CHECKOUT,
    MIRA,
    SEC_RESPONSE,
    TOMAS,
    House,
    buttons,
    open_house,
)

ONCE = "the-same-key"
MADE_UP = "x_00000000000000000000000000"
NOT_ASKED = {
    "POST /v1/incidents": "takes what the caller sends, and gives that back",
    "POST /v1/documents": "the same",
    "POST /v1/webhooks/alertmanager": "answers in a word; what it asks is asked for everyone",
    "POST /v1/webhooks/grafana": "the same",
    "GET /healthz": "says that the process answers",
}
"""Addresses that tell nothing of any document."""
UNEQUAL = ("GET /metrics", "GET /v1/jobs/", "POST /v1/sync")
"""Tell of what this process did, not of what it knows."""


class Ask(NamedTuple):
    """A request. ``id``: of something that is not for the caller."""

    path: str
    body: Any = None
    accept: str = ""
    id: str | None = None
    once: bool = False


class Ids(NamedTuple):
    """What the insider left behind."""

    report: str
    incident: str
    page: str
    record: str
    proposal: str
    job: str
    chunks: tuple[tuple[str, str], ...]


NOTHING = Ids(*[MADE_UP] * 6, chunks=(("no/such.md", "no-such-chunk"),))


def asks(ids: Ids) -> dict[str, list[Ask]]:
    """By method and route: what a reader can ask there."""
    report, proposal = ids.report, ids.proposal
    note = {"title": "T", "text": "# T\n\nText.\n"}
    formats = ("application/json", "text/markdown", "text/html")
    said = [{"verdict": "up"}, {"verdict": "confirm", "component": "ledger"}]
    return {
        "POST /v1/ask": [
            Ask("/v1/ask", {"question": QUESTION}),
            Ask("/v1/ask", {"question": QUESTION}, once=True),
            Ask("/v1/ask", {"question": QUESTION}, "text/event-stream"),
            Ask("/v1/ask", {"question": WORDS}),
            Ask("/v1/ask", {"question": f"show {WORDS}"}),
            Ask("/v1/ask", {"question": "and in us-east?", "after": report}, id=report),
        ],
        "POST /v1/search": [
            *(Ask("/v1/search", {"text": text, "limit": 50}) for text in (QUESTION, WORDS)),
            Ask("/v1/search", {"text": "restart ledger", "limit": 1}),
            *(Ask("/v1/search", {"text": WORDS, "kinds": [kind]}) for kind in SourceKind),
        ],
        "POST /v1/promql": [
            Ask("/v1/promql", {"question": text})
            for text in ("lock queue of ledger", "quokka_locks of quokkaservice")
        ],
        "GET /v1/index": [Ask("/v1/index")],
        "GET /v1/documents/{document_id:path}/passages/{chunk_id}": [
            Ask(f"/v1/documents/{quote(document)}/passages/{chunk}", id=quote(document))
            for document, chunk in ids.chunks
        ],
        "GET /v1/briefings/{date}": [Ask("/v1/briefings/today", accept=one) for one in formats],
        "GET /v1/fleet": [Ask("/v1/fleet?question=what of quokkaservice needs maintenance")],
        "GET /v1/runs": [Ask("/v1/runs")],
        "GET /v1/reports": [Ask("/v1/reports?limit=100")],
        "GET /v1/reports/{report_id}": [
            Ask(f"/v1/reports/{report}", accept=one, id=report) for one in formats[:2]
        ],
        "GET /v1/reports/{report_id}/charts/{number}.svg": [
            Ask(f"/v1/reports/{report}/charts/1.svg", id=report)
        ],
        "GET /v1/reports/{report_id}/feedback": [Ask(f"/v1/reports/{report}/feedback", id=report)],
        "POST /v1/reports/{report_id}/feedback": [
            Ask(f"/v1/reports/{report}/feedback", one, id=report) for one in said
        ],
        "GET /v1/incidents": [Ask("/v1/incidents?limit=100")],
        "GET /v1/documents": [Ask("/v1/documents?limit=100")],
        **{
            f"{method} /v1/{kind}/{{item_id}}": [
                Ask(f"/v1/{kind}/{one}", note if method == "PUT" else None, id=one)
                for one in (ids.incident, ids.page, ids.record)
            ]
            for kind in ("incidents", "documents")
            for method in ("GET", "PUT", "DELETE")
        },
        "GET /v1/actions": [Ask("/v1/actions"), Ask(f"/v1/actions?report_id={report}")],
        "POST /v1/actions": [Ask("/v1/actions", {"kind": "jira", "report_id": report}, id=report)],
        "GET /v1/actions/{proposal_id}": [Ask(f"/v1/actions/{proposal}", id=proposal)],
        "POST /v1/actions/{proposal_id}/approve": [
            Ask(f"/v1/actions/{proposal}/approve", id=proposal)
        ],
        "POST /v1/actions/{proposal_id}/reject": [
            Ask(f"/v1/actions/{proposal}/reject", {"reason": "no"}, id=proposal)
        ],
        "GET /v1/jobs/{job_id}": [Ask(f"/v1/jobs/{ids.job}")],
        "POST /v1/sync": [Ask("/v1/sync")],
        "GET /readyz": [Ask("/readyz")],
        "GET /metrics": [Ask("/metrics")],
    }


async def answers(api: Api, key: dict[str, str], ids: Ids) -> dict[str, str]:
    """Every answer, status first, by request."""
    seen = {}
    for route, wanted in asks(ids).items():
        method = route.partition(" ")[0]
        for number, ask in enumerate(wanted):
            seen[f"{route} {number}"] = await answer(api, key, method, ask)
            if ask.id is not None:
                made_up = json.loads(json.dumps(ask).replace(json.dumps(ask.id)[1:-1], MADE_UP))
                of_nothing = await answer(api, key, method, Ask(*made_up))
                mine = seen[f"{route} {number}"].replace(ask.id, MADE_UP)
                assert steady(mine) == steady(of_nothing), route
                assert not mine.startswith("2"), route
    return seen


async def answer(api: Api, key: dict[str, str], method: str, ask: Ask) -> str:
    headers = {**key, **({"Accept": ask.accept} if ask.accept else {})}
    if ask.once:
        headers["Idempotency-Key"] = ONCE
    reply = await api.client.request(method, ask.path, json=ask.body, headers=headers)
    assert reply.status_code < 500, (ask.path, reply.text)
    return f"{reply.status_code} {reply.headers['Content-Type']} {reply.text}"


async def tools(api: Api, key: dict[str, str], ids: Ids) -> dict[str, str]:
    """What every tool of MCP gives, and the resource."""
    calls: dict[str, list[dict[str, Any]]] = {
        "search": [{"query": text, "limit": 20} for text in (QUESTION, WORDS)],
        "ask": [
            {"question": QUESTION},
            {"question": WORDS},
            {"question": "and in us-east?", "after": ids.report},
        ],
        "signals": [{"about": "quokkaservice and ledger", "since": "last night"}],
        "promql": [{"question": "lock queue of quokkaservice and ledger"}],
        "briefing": [{}],
    }
    seen = {}
    transport = httpx2.ASGITransport(api.app)
    async with (
        httpx2.AsyncClient(transport=transport, headers=key, timeout=60) as http,
        Client(streamable_http_client("http://localhost/mcp", http_client=http)) as client,
    ):
        assert {tool.name for tool in (await client.list_tools()).tools} == calls.keys()
        for name, wanted in calls.items():
            for number, arguments in enumerate(wanted):
                result = await client.call_tool(name, arguments)
                seen[f"mcp {name} {number}"] = result.model_dump_json()
        places = (await client.list_resource_templates()).resource_templates
        assert [place.uri_template for place in places] == ["why://reports/{report_id}"]
        try:
            read = await client.read_resource(f"why://reports/{ids.report}")
            seen["mcp report"] = read.model_dump_json()
        except Exception as error:  # the client's own; what it says is looked at
            seen["mcp report"] = str(error)
    return seen


async def used_by_an_insider(api: Api) -> Ids:
    """Everything that leaves something behind is done once, and shows the forbidden."""
    key = await api.key(Scope.ADMIN, audience=INSIDER)

    async def send(method: str, path: str, body: Any = None, once: bool = False) -> Any:
        headers = key | ({"Idempotency-Key": ONCE} if once else {})
        reply = await api.client.request(method, path, json=body, headers=headers)
        assert reply.status_code < 300, (path, reply.text)
        assert MARKER in reply.text.lower() or path in ("/v1/sync", "/v1/actions"), path
        return reply.json()

    note = {"title": "Quokkanote", "text": "# Quokkanote\n\nLocks of ledger, quokkabody.\n"}
    told = {**note, "audience": [LABEL], "services": ["quokkaservice"]}
    page = await send("POST", "/v1/documents", told)
    incident = await send(
        "POST",
        "/v1/incidents",
        {**told, "component": "ledger", "cause": "Ledger held quokka locks.", "confirmed": True}
        | {"started": "2026-11-01T01:40:00Z"},
    )
    job = await send("POST", "/v1/sync")
    await api.app.state.serving.workspace.sync()
    found = await send("POST", "/v1/search", {"text": WORDS, "limit": 50})
    asked = await send("POST", "/v1/ask", {"question": QUESTION}, once=True)
    report = asked["id"]
    await send("GET", "/v1/briefings/today")
    said = {"verdict": "confirm", "component": "ledger", "note": "It was quokkaconfirmed."}
    confirmed = await send("POST", f"/v1/reports/{report}/feedback", said)
    proposal = await send("POST", "/v1/actions", {"kind": "jira", "report_id": report})
    await api.app.state.serving.workspace.sync()
    async with api.app.state.serving.workspace.knowledge() as knowledge:
        chunks = await knowledge.retriever.documents(
            [one["document_id"] for one in found["passages"]], scope=Readable(audience=INSIDER)
        )
    forbidden = tuple(
        (chunk.document_id, chunk.id)
        for of_it in chunks.values()
        for chunk in of_it
        if LABEL in chunk.audience
    )
    assert len({document for document, _ in forbidden}) >= 6
    return Ids(
        report=report,
        incident=incident["id"],
        page=page["id"],
        record=confirmed["record"],
        proposal=proposal["id"],
        job=job["id"],
        chunks=forbidden,
    )


async def a_record_for_everyone(api: Api, ids: Ids) -> dict[str, str]:
    """What an outsider reads of a confirmation by an insider, of a cause that all may know."""
    inside = await api.key(Scope.ASK, audience=INSIDER)
    outside = await api.key(Scope.ASK, audience=OUTSIDER)
    path = f"/v1/reports/{ids.report}/feedback"
    said = {"verdict": "confirm", "component": "pricing", "note": "Not quokkasaid, but workers."}
    record = (await api.client.post(path, json=said, headers=inside)).json()["record"]
    read = await api.client.get(f"/v1/incidents/{record}", headers=outside)
    assert read.status_code == 200
    return {"a record for everyone": read.text}


async def a_key_with_an_old_name(api: Api) -> dict[str, str]:
    """What it gets for a request that the old one, with more labels, had answered."""
    ask = Ask("/v1/ask", {"question": QUESTION}, once=True)
    answered = await answer(api, await api.key(audience=INSIDER, name="old"), "POST", ask)
    assert marked(answered)
    await api.database.keys.revoke("old")
    again = await answer(api, await api.key(audience=OUTSIDER, name="old"), "POST", ask)
    assert again.startswith("422")
    return {"a key with an old name": again}


class Seen(NamedTuple):
    """By request, what an outsider got; with the forbidden documents and without them."""

    with_them: dict[str, str]
    without: dict[str, str]
    settings: Settings
    """Of the company that has them, whose server is down again."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the companies are, and one mean length for both."""
    with mock.patch.object(Bm25Encoder, "measure_average_length", return_value=30.0):
        yield tmp_path_factory.mktemp("audience")


@pytest.fixture(scope="module")
def seen(places: Path) -> Seen:
    async def outside(api: Api, ids: Ids) -> dict[str, str]:
        key = await api.key(Scope.ADMIN, audience=OUTSIDER, name="outsider")
        return {**await answers(api, key, ids), **await tools(api, key, ids)}

    async def with_them(api: Api) -> dict[str, str]:
        ids = await used_by_an_insider(api)
        return {
            **await outside(api, ids),
            **await a_record_for_everyone(api, ids),
            **await a_key_with_an_old_name(api),
        }

    async def without(api: Api) -> dict[str, str]:
        await api.app.state.serving.workspace.sync()
        return await outside(api, NOTHING)

    settings = company(places / "with", with_forbidden=True)
    results = []
    for one, test in (
        (settings, with_them),
        (company(places / "without", with_forbidden=False), without),
    ):
        running = Running(one)
        try:
            results.append(running.run(test))
        finally:
            running.close()
    return Seen(*results, settings)


@pytest.mark.slow
def test_no_word_of_a_forbidden_document_reaches_an_outsider(seen: Seen) -> None:
    said = {}  # a question is said back, also where there are no such documents
    for request, text in seen.with_them.items():
        if words := marked(text) - marked(seen.without.get(request, "")):
            said[request] = words
    assert said == {}


@pytest.mark.slow
def test_an_outsider_gets_the_same_answers_whether_the_documents_exist_or_not(seen: Seen) -> None:
    for request, text in seen.without.items():
        if not request.startswith(UNEQUAL):
            assert steady(seen.with_them[request]) == steady(text), request


@pytest.mark.slow
def test_in_slack_nobody_else_sees_it_in_a_thread_under_a_button_or_in_a_briefing(
    seen: Seen,
) -> None:
    pressed: set[str] = set()

    async def press_all(house: House, user: str, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            for action in buttons(message):
                pressed.add(action)
                await house.press(action, user, CHECKOUT, message, hidden=True)

    async def run() -> None:
        folder = seen.settings.database_file.parent
        async with open_house(seen.settings, folder) as house:
            slack, requests = house.slack, house.requests
            await house.why(QUESTION, MIRA, CHECKOUT)
            await house.done(requests.event(requests.mention(QUESTION, MIRA, SEC_RESPONSE)))
            (root, *_) = slack.messages[SEC_RESPONSE]
            mine = slack.shown_to(MIRA)
            for action in (Press.DETAILS, Press.PROPOSE, Press.SHARE):
                await house.press(action, MIRA, CHECKOUT, mine[-1], hidden=True)
            assert (
                MARKER in json.dumps([*slack.shown_to(MIRA), *slack.messages[SEC_RESPONSE]]).lower()
            )
            await house.done(requests.event(requests.mention(QUESTION, MIRA, CHECKOUT)))

            await press_all(house, TOMAS, [*slack.shown_to(MIRA), *slack.messages[SEC_RESPONSE]])
            for place, thread in ((SEC_RESPONSE, root["ts"]), (slack.direct(TOMAS), None)):
                asked = requests.message("and in us-east?", TOMAS, place, thread=thread)
                await house.done(requests.event(asked))
            await house.why(QUESTION, TOMAS, CHECKOUT)
            shown = [*slack.shown_to(TOMAS), *slack.messages[CHECKOUT], *slack.views]
            assert len(shown) > 5
            assert marked(json.dumps(shown)) == set()
            assert {*Press} - pressed == {Press.GRAFANA}
            briefed = SlackTarget(house.surface, CHECKOUT, frozenset())
            assert await briefed.audience(INSIDER) == OUTSIDER

    asyncio.run(run())


def test_every_address_is_asked(places: Path) -> None:
    routes = {
        f"{method} {route.path}"
        for router in http_app._ROUTERS
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    app = create_app(company(places / "unused", with_forbidden=False))
    paths = {getattr(route, "path", "") for route in app.routes}
    assert routes == {*asks(NOTHING), *NOT_ASKED}
    # The web page: files that are the same for everybody.
    assert paths <= {"", "/", "/assets", "/reports/{id}", "/briefings/{id}", "/v1/openapi.json"}
