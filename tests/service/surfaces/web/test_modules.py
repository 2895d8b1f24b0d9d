"""The page's functions that decide, run in the browser that they are for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page
from starlette.applications import Starlette

from service.reports.numbers import format_value
from service.surfaces.web import add_page
from tests.service.surfaces.web.conftest import Site, site_of


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The files alone: nothing here asks a question."""
    app = Starlette()
    add_page(app)
    with site_of(app) as running:
        yield running


def in_page(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """What ``body`` returns, with the module as ``m`` and the argument as ``a``."""
    script = f"async (a) => {{ const m = await import('/assets/{module}'); {body} }}"
    return page.evaluate(script, argument)


EVENTS = [
    {"event": "scope", "data": '{"a":"Zürich – „quota“ 🐘"}'},
    {"event": "text", "data": "one\ntwo"},
    {"event": "message", "data": "unnamed"},
    {"event": "done", "data": "{}"},
]
LINES = [
    ": ok", "", "event: scope", 'data: {"a":"Zürich – „quota“ 🐘"}', "",
    "event: text", "data: one", "data:two", "id: 7", "retry: 10", "",
    "data: unnamed", "", "event: empty", "", "event: done", "data: {}", "",
]  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stream_says_the_same_wherever_the_network_cuts_it(page: Page, end: str) -> None:
    stream = ("".join(line + end for line in LINES)).encode()
    heard = in_page(
        page,
        "sse.js",
        """
        const bytes = new Uint8Array(a);
        const read = async (cuts) => {
          const events = [];
          const pieces = [0, ...cuts, bytes.length];
          const body = new ReadableStream({ start(controller) {
            pieces.slice(1).forEach((to, n) => controller.enqueue(bytes.slice(pieces[n], to)));
            controller.close();
          } });
          await m.readEvents(body, (event) => events.push(event));
          return JSON.stringify(events);
        };
        const said = new Set();
        for (let cut = 0; cut <= bytes.length; cut++) said.add(await read([cut]));
        said.add(await read([...bytes.keys()]));
        return [...said];
        """,
        list(stream),
    )
    assert [json.loads(said) for said in heard] == [EVENTS]


def test_an_event_that_breaks_off_is_not_taken_for_a_whole_one(page: Page) -> None:
    heard = in_page(
        page,
        "sse.js",
        """
        const events = [];
        const parser = new m.EventStreamParser((event) => events.push(event.data));
        parser.feed("\\uFEFFdata: whole\\n\\ndata: ha"); parser.end();
        return events;
        """,
    )
    assert heard == ["whole"]


VALUES = [
    (0.0167, "/s"), (0.461, "/s"), (3.25, "s"), (0.342, "s"), (0.0000004, "s"), (0.153, "ratio"),
    (4256.0, None), (1234567.0, None), (650e6, "B"), (2596.4, None), (0.5, None), (92.0, "°C"),
    (1500.0, "ms"), (123.456, "%"), (-0.25, "s"), (0.000123, None), (999.96, None), (0.0, "ms"),
]  # fmt: skip


def test_values_read_as_in_the_sentences(page: Page) -> None:
    shown = in_page(page, "format.js", "return a.map(([v, u]) => m.formatValue(v, u));", VALUES)
    assert shown == [format_value(value, unit) for value, unit in VALUES]


def test_a_quotation_is_found_by_code_points_as_the_server_counts(page: Page) -> None:
    text = "🐘🐘 the quota – “full” 🐘"
    start = text.index("the")
    parts = in_page(page, "format.js", "return m.around(...a);", [text, start, start + 9])
    assert parts == [text[:start], "the quota", text[start + 9 :]]
    assert in_page(page, "format.js", "return m.around(...a);", ["short", 9, 12]) == [
        "short",
        "",
        "",
    ]


def test_only_web_addresses_become_links(page: Page) -> None:
    addresses = [
        "https://wiki.example/a",
        "http://grafana.example/d?x=1",
        "javascript:alert(1)",
        " JaVaScRiPt:alert(1)",
        "data:text/html,<script>",
        "//elsewhere.example",
        "",
        None,
    ]
    links = in_page(
        page, "dom.js", "return a.map((x) => m.external(x, 'x').getAttribute('href'));", addresses
    )
    assert links == [*addresses[:2], *[None] * 6]


def test_places_are_read_from_the_address(page: Page) -> None:
    places = ["", "#/", "#/reports", "#/reports/a%2Fb", "#/briefing", "#/index", "#/reports/%E0%A4"]
    read = in_page(page, "routes.js", "return a.map((x) => m.placeOf(x));", places)
    assert read == [
        {"view": "start"},
        {"view": "start"},
        {"view": "reports"},
        {"view": "report", "id": "a/b"},
        {"view": "briefing", "id": "today"},
        {"view": "index"},
        {"view": "reports"},
    ]


def test_what_a_report_is_has_five_faces(page: Page) -> None:
    cause = {"component": "quota", "region": "eu-west", "confidence": 0.6}
    no_metrics = ["metrics: no source is configured"]
    reports = [
        {"outcome": "causes", "causes": [cause], "not_seen": []},
        {"outcome": "causes", "causes": [cause], "not_seen": ["the metrics: no answer in 5 s"]},
        {"outcome": "no_incident_visible", "causes": [], "not_seen": []},
        {"outcome": "no_cause_supported", "causes": [], "not_seen": ["query refused: x"]},
        {"outcome": "no_cause_supported", "causes": [], "not_seen": no_metrics},
    ]
    verdicts = in_page(page, "verdict.js", "return a.map((x) => m.verdictOf(x));", reports)
    kinds = ["causes", "blind", "quiet", "unsupported", "blind"]
    assert [verdict["kind"] for verdict in verdicts] == kinds
    assert len({verdict["title"] + verdict["text"] for verdict in verdicts}) == 5


def test_a_chart_marks_only_onsets_that_a_cited_sample_shows(page: Page) -> None:
    sample = {"value": 1.0}
    report = {
        "summary": [{"text": "x left its baseline again at 03:46, y at 05:00", "citations": [1]}],
        "causes": [{"evidence": [{"text": "z left its baseline at 02:00", "citations": [2]}]}],
        "timeline": [{"text": "01:40 x leaves its baseline", "citations": [1]}],
        "citations": [
            {
                "number": 1,
                "type": "metric",
                "samples": [
                    sample | {"at": f"2026-11-12T{clock}:00Z"}
                    for clock in ("01:40", "02:00", "03:46", "05:00")
                ],
            }
        ],
    }
    script = "return m.onsetsOf(a, 1).map((at) => new Date(at).toISOString().slice(11, 16));"
    assert in_page(page, "marks.js", script, report) == ["01:40", "03:46"]
