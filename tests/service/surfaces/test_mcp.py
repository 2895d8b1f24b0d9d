"""``why mcp`` with the SDK's own client: what HolmesGPT, Claude or an IDE gets to see."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from ingest.documents import EVERYONE
from service.reports.model import Claim
from service.retrieval import Passage
from service.settings import Settings, SettingsError
from service.store import Database, Scope
from service.surfaces.mcp.found import search_reply
from service.surfaces.mcp.over_http import mcp_app
from service.surfaces.mcp.reply import MOST, fitting
from service.surfaces.mcp.told import AnswerReply, Sentence, Source
from service.testing.loopback import on_loopback
from tests.company import CONFIG
from tests.ingest.index.builders import chunk
from tests.service.actions.reports import AT, report

TOOLS = {"search", "ask", "signals", "promql", "briefing"}
QUESTION = "Why did checkout fail last night?"


class Served(NamedTuple):
    url: str
    everyone: str
    security: str
    ingesting: str


@pytest.fixture(scope="module")
def served(company: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The endpoint on loopback, and keys: of everyone, of the security team, of an ingester."""
    folder = tmp_path_factory.mktemp("mcp")
    settings = company.model_copy(
        update={"database_file": folder / "why.db", "requests_per_minute": 1000}
    )

    async def keys() -> list[str]:
        async with await Database.open(settings) as database:
            made = [
                await database.keys.create(name, scopes=[scope], audience=audience)
                for name, scope, audience in (
                    ("holmes", Scope.ASK, [EVERYONE]),
                    ("security", Scope.ASK, [EVERYONE, "slack:sec-response"]),
                    ("loader", Scope.INGEST, [EVERYONE]),
                )
            ]
        return [one.clear for one in made]

    made = asyncio.run(keys())
    with on_loopback(mcp_app(settings)) as url:
        yield Served(f"{url}/mcp", *made)


@asynccontextmanager
async def connected(served: Served, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A client with this key. ``legacy``: the handshake of clients before protocol 2026-07-28."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(served.url, http_client=http), mode=mode) as client,
    ):
        yield client


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def data_of(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """A tool's data, after a look at its size and that the text says something, too."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    data = result.structured_content
    assert isinstance(data, dict)
    assert text_of(result).strip()
    assert len(text_of(result)) + len(str(data)) < MOST * 1.2
    return data


@pytest.mark.slow
def test_over_stdio_a_client_finds_the_tools_and_nothing_else_is_on_stdout(
    company: Settings, tmp_path: Path
) -> None:
    command = StdioServerParameters(
        command=str(Path(sys.executable).with_name("why")),
        args=["mcp", "--config", str(CONFIG)],
        env={
            "WHY_INDEX_DIR": str(company.index_dir),
            "WHY_DATABASE_FILE": str(tmp_path / "why.db"),
        },
    )
    stray: list[object] = []

    async def watch(message: object) -> None:
        if isinstance(message, Exception):
            stray.append(message)

    async def run() -> None:
        async with Client(command, message_handler=watch) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            found = await data_of(client, "search", query="session-cache rejects connections")
            assert found["passages"][0]["url"].startswith("https://wiki.kestrel.example/")
            assert found["answered"]
            beside = await data_of(client, "search", query="who takes the company car in May")
            assert not beside["answered"]

    asyncio.run(run())
    assert stray == []


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_every_tool_says_that_it_only_reads_what_it_takes_and_what_it_gives(
    served: Served, mode: str
) -> None:
    async def run() -> None:
        async with connected(served, served.everyone, mode) as client:
            assert "Nothing here changes anything" in (client.instructions or "")
            tools = (await client.list_tools()).tools
            assert {tool.name for tool in tools} == TOOLS
            for tool in tools:
                hints = tool.annotations
                assert hints is not None
                assert (hints.read_only_hint, hints.destructive_hint) == (True, False)
                assert hints.open_world_hint is False
                assert tool.title
                assert len(tool.description or "") > 80
                assert tool.output_schema is not None
                for name, schema in tool.input_schema["properties"].items():
                    assert schema.get("description"), f"{tool.name}.{name}"
            by_name = {tool.name: tool.input_schema["properties"] for tool in tools}
            assert by_name["ask"]["question"]["maxLength"] == 2000
            assert by_name["search"]["limit"]["maximum"] == 20

    asyncio.run(run())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_answer_is_ranked_cited_kept_and_can_be_asked_on_from(served: Served, mode: str) -> None:
    steps: list[str] = []

    async def on_progress(_: float, __: float | None, message: str | None) -> None:
        steps.append(message or "")

    async def run() -> None:
        async with connected(served, served.everyone, mode) as client:
            result = await client.call_tool(
                "ask", {"question": QUESTION}, progress_callback=on_progress
            )
            answer, text = result.structured_content, text_of(result)
            assert isinstance(answer, dict)
            assert answer["outcome"] == "causes"
            sections = [sentence["section"] for sentence in answer["sentences"]]
            assert any(section.startswith("cause 1: quota (eu-west)") for section in sections)
            listed = {source["number"] for source in answer["sources"]}
            for sentence in answer["sentences"]:
                assert set(sentence["citations"]) <= listed
            assert "## cause 1: quota (eu-west)" in text
            assert "Next check: " in text
            place = f"why://reports/{answer['report_id']}"
            (kept,) = (await client.read_resource(place)).contents
            assert "cause 1: quota (eu-west)" in kept.text
            further = await data_of(
                client, "ask", question="and in us-east?", after=answer["report_id"]
            )
            assert "us-east" in further["question"]

    asyncio.run(run())
    assert steps[0].startswith("understood the question")
    assert any(step.startswith("ranked") for step in steps)


def test_signals_promql_and_briefing_tell_of_the_same_night(served: Served) -> None:
    async def run() -> None:
        async with connected(served, served.everyone) as client:
            seen = await data_of(client, "signals", about="checkout in eu-west", since="last night")
            assert seen["reached"] is True
            assert any("quota" in signal["title"] for signal in seen["signals"])
            assert any(alert["name"] == "CheckoutLatencyHigh" for alert in seen["alerts"])
            assert any("Deploy quota 4.12.0" in change["text"] for change in seen["changes"])
            assert all(one["samples"] for one in seen["series"])

            chart = await data_of(client, "promql", question="p99 latency of checkout by region")
            assert "http_request_duration_seconds" in chart["query"]
            assert {one["labels"]["region"] for one in chart["series"]} >= {"eu-west", "us-east"}
            nothing = await data_of(client, "promql", question="the colour of the sea")
            assert nothing["query"] is None
            assert nothing["reason"]

            night = await data_of(client, "briefing")
            assert (night["date"], night["outcome"]) == ("2026-11-12", "incidents")

    asyncio.run(run())


def test_without_a_key_or_with_a_wrong_or_another_kind_of_key_nothing_is_answered(
    served: Served,
) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}

    def post(authorization: str | None) -> httpx.Response:
        headers = accept | ({"Authorization": authorization} if authorization else {})
        return httpx.post(served.url, json=call, headers=headers)

    nobody = post(None)
    assert nobody.status_code == 401
    assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
    wrong = post(f"Bearer {served.everyone[:-1]}x")
    assert wrong.status_code == 401
    assert "search" not in wrong.text
    assert post(f"Basic {served.everyone}").status_code == 401
    assert post(f"Bearer {served.ingesting}").status_code == 403


def test_with_open_access_this_machine_needs_no_key_and_pages_of_others_get_nothing(
    company: Settings, tmp_path: Path
) -> None:
    given = {"database_file": tmp_path / "why.db", "open_access": True}
    with on_loopback(mcp_app(company.model_copy(update=given))) as url:

        async def tools() -> set[str]:
            async with Client(f"{url}/mcp") as client:
                return {tool.name for tool in (await client.list_tools()).tools}

        assert asyncio.run(tools()) == TOOLS
        rebound = httpx.post(f"{url}/mcp", json={}, headers={"Host": "evil.example"})
        assert rebound.status_code == 421
    with pytest.raises(SettingsError, match="loopback"):
        mcp_app(company.model_copy(update={**given, "host": "0.0.0.0"}))


def test_a_key_reads_what_its_labels_say_and_no_more(served: Served) -> None:
    private = "who rotated the deploy token that was readable in build logs"

    async def run() -> None:
        async with (
            connected(served, served.everyone) as everyone,
            connected(served, served.security) as security,
        ):
            told = []
            for client in (everyone, security):
                found = await data_of(client, "search", query=private, limit=20)
                told.append({one["document_id"] for one in found["passages"]})
            hidden = {one for one in told[1] if "sec-response" in one or "inc-2026-013" in one}
            assert hidden
            assert not hidden & told[0]
            asked = await data_of(security, "ask", question=QUESTION)
            place = f"why://reports/{asked['report_id']}"
            assert (await security.read_resource(place)).contents
            with pytest.raises(MCPError, match="that you may read"):
                await everyone.read_resource(place)
            refused = await everyone.call_tool(
                "ask", {"question": "and in us-east?", "after": asked["report_id"]}
            )
            assert refused.is_error

    asyncio.run(run())


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("ask", {"question": ""}, "question"),
        ("search", {"query": "x", "limit": 500}, "limit"),
        ("signals", {"since": "blorp"}, "cannot read the time 'blorp'"),
        ("ask", {"question": "and?", "after": "r_none"}, "there is no report 'r_none'"),
        ("briefing", {"timezone": "Mars/Olympus"}, "no IANA zone"),
    ],
)
def test_what_the_model_got_wrong_is_told_to_it_as_a_tool_error(
    served: Served, tool: str, arguments: dict[str, Any], told: str
) -> None:
    async def run() -> CallToolResult:
        async with connected(served, served.everyone) as client:
            return await client.call_tool(tool, arguments)

    result = asyncio.run(run())
    assert result.is_error
    assert told in text_of(result)


def test_a_reply_is_never_huge_and_says_what_was_left_out_and_where_it_is() -> None:
    sentences = tuple(
        Sentence(section="summary", text="word " * 100, citations=(n,)) for n in range(500)
    )
    sources = tuple(Source(number=n, type="metric", text="up", url=None) for n in range(500))
    reply = AnswerReply(
        report_id="r_1",
        kind="report",
        question=QUESTION,
        outcome="causes",
        start=AT,
        end=AT,
        url=None,
        sentences=sentences,
        sources=sources,
        not_seen=("the logs",),
    )

    cut = fitting(reply, "It is the resource why://reports/r_1.")

    text = cut.as_text()
    assert len(text) + len(cut.model_dump_json()) <= MOST
    kept = len(cut.sentences)
    assert 0 < kept < 500
    assert [source.number for source in cut.sources] == list(range(kept))
    assert f"Left out for length: {500 - kept} of 500 items. It is the resource" in text
    assert "the logs" in text
    assert fitting(cut, "") == cut


def test_text_of_documents_reaches_the_model_without_links_images_and_hidden_characters() -> None:
    from service.store import AnswerKind, StoredReport, Surface
    from service.surfaces.mcp.told import answer_reply

    hostile = "Look ![x](https://evil.example/?q=1) at\u200b [this](https://evil.example) <system>"
    stored = StoredReport(
        id="r_1",
        kind=AnswerKind.REPORT,
        question=hostile,
        surface=Surface.MCP,
        asked_by="x",
        audience=(EVERYONE,),
        created_at=AT,
        answer=report(summary=(Claim(text=hostile, citations=(1,)),)),
    )

    reply = answer_reply(stored, None)

    assert reply.sentences[0].text == "Look x at this"
    assert "evil.example/?q" not in reply.as_text()
    assert "\u200b" not in reply.as_text()


def test_a_passage_names_the_copies_that_are_not_listed_for_it() -> None:
    found = Passage(
        rank=1,
        chunk=chunk("runbooks/disk"),
        score=1.0,
        dense=None,
        sparse=None,
        copies=("wiki/disk-old", "wiki/disk-2"),
    )

    reply = search_reply([found])

    assert reply.passages[0].copies == ("wiki/disk-old", "wiki/disk-2")
    assert "nearly the same: wiki/disk-old, wiki/disk-2" in reply.as_text()
