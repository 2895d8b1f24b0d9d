import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.documents import Document, PanelFacts, SourceKind, TemplateVariable
from tests.ingest.sources.reading import errors, read, read_one, write


def panel(number: int, title: str, *queries: str, **fields: Any) -> dict[str, Any]:
    targets = [{"expr": query, "legendFormat": "{{pod}}"} for query in queries]
    return {"id": number, "title": title, "type": "timeseries", "targets": targets, **fields}


def dashboard(*panels: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"uid": "shop", "title": "Checkout", "panels": list(panels), **fields}


def facts(document: Document) -> PanelFacts:
    assert isinstance(document.facts, PanelFacts)
    return document.facts


LATENCY = panel(
    7,
    "p99",
    'latency{service="checkout",\n  region="$region"}',
    'latency{service=~"auth|quota"}',
    description="How long a buyer waits.",
    fieldConfig={"defaults": {"unit": "s"}},
)
VARIABLES = {
    "list": [
        {"name": "region", "current": {"value": ["eu-west", "us-east"]}},
        {"name": "node", "current": {"value": "$__all"}, "allValue": None, "options": []},
        {"name": "job", "current": {}},
        {"name": "tier", "current": {"value": ["$__all"]},
         "options": [{"value": "$__all"}, {"value": "gold"}]},
    ]
}  # fmt: skip


def test_a_panel_is_one_document_with_everything_around_it(tmp_path: Path) -> None:
    model = dashboard(LATENCY, templating=VARIABLES)

    document = read_one(
        SourceKind.DASHBOARDS,
        write(tmp_path, {"a/shop.json": json.dumps(model)}),
        "https://grafana.example",
    )

    assert document.text == (
        "Checkout › p99\nHow long a buyer waits.\nUnit: s\n"
        'Query: latency{service="checkout",\n  region="$region"}\n'
        'Query: latency{service=~"auth|quota"}\n'
        "Legend: {{pod}}\nVariables: $region = eu-west, us-east"
    )
    assert document.url == "https://grafana.example/d/shop?viewPanel=7"
    assert document.id == "dashboards/shop/7"
    assert document.services == ("checkout", "auth", "quota")
    assert facts(document) == PanelFacts(
        dashboard_uid="shop",
        dashboard="Checkout",
        panel="p99",
        panel_id=7,
        unit="s",
        queries=(
            'latency{service="checkout",\n  region="$region"}',
            'latency{service=~"auth|quota"}',
        ),
        legends=("{{pod}}",),
        data_sources=("", ""),
        variables={
            "region": TemplateVariable(values=("eu-west", "us-east")),
            "node": TemplateVariable(values=(".*",), offers_all=True),
            "job": TemplateVariable(),
            "tier": TemplateVariable(values=("gold",), offers_all=True),
        },
    )


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (
            {"type": "query", "includeAll": True, "current": {"value": "eu"}, "allValue": "e.*"},
            TemplateVariable(values=("eu",), offers_all=True, all_value="e.*"),
        ),
        (
            {"type": "query", "current": {"value": "eu"}, "allValue": "e.*", "options": [
                {"value": "eu"}, {"value": "gone"}]},
            TemplateVariable(values=("eu",)),
        ),
        (
            {"type": "custom", "current": {"value": ["$__all"]}, "query": "a, b\\,c, See : d"},
            TemplateVariable(
                kind="custom",
                values=("a", "b,c", "d"),
                options=("a", "b,c", "d"),
                offers_all=True,
            ),
        ),
        (
            {"type": "custom", "query": "a,b"},
            TemplateVariable(kind="custom", values=("a",), options=("a", "b")),
        ),
        ({"type": "constant", "query": "x"}, TemplateVariable(kind="constant", values=("x",))),
        (
            {"type": "textbox", "query": "x", "current": {"value": "y"}},
            TemplateVariable(kind="textbox", values=("y",)),
        ),
        (
            {"type": "datasource", "query": "prometheus", "current": {"value": {}}},
            TemplateVariable(kind="datasource"),
        ),
    ],
)  # fmt: skip
def test_a_variable_is_kept_with_all_that_it_can_be(
    variable: dict[str, Any], expected: TemplateVariable, tmp_path: Path
) -> None:
    model = dashboard(LATENCY, templating={"list": [{"name": "v", **variable}]})
    document = read_one(SourceKind.DASHBOARDS, write(tmp_path, {"d.json": json.dumps(model)}))
    assert facts(document).variables == {"v": expected}


def test_each_query_knows_the_type_of_data_source_that_answers_it(tmp_path: Path) -> None:
    def target(query: str, datasource: object) -> dict[str, Any]:
        return {"expr": query, "datasource": datasource}

    mixed = panel(1, "mixed", datasource={"type": "datasource", "uid": "-- Mixed --"})
    mixed["targets"] = [
        target("a", {"type": "prometheus", "uid": "p"}),
        target("b", {"uid": "${logs}"}),
        target("c", "$logs"),
        target("d", "${DS_TRACES}"),
        target("e", "some name"),
        target("f", None),
    ]
    whole = panel(2, "whole", "g", datasource={"type": "mysql", "uid": "m"})
    model = dashboard(
        mixed,
        whole,
        templating={"list": [{"name": "logs", "type": "datasource", "query": "loki"}]},
        __inputs=[{"name": "DS_TRACES", "type": "datasource", "pluginId": "tempo"}],
    )
    wrapped = yaml.safe_dump(config_map("d.json", json.dumps(model)))

    documents, _ = read(SourceKind.DASHBOARDS, write(tmp_path, {"d.yaml": wrapped}))

    assert [facts(document).data_sources for document in documents] == [
        ("prometheus", "loki", "loki", "tempo", "", ""),
        ("mysql",),
    ]


def test_rows_name_the_panels_in_them_and_below_them(tmp_path: Path) -> None:
    model = dashboard(
        panel(1, "before", "a"),
        {"type": "row", "title": "Open", "panels": []},
        panel(2, "below", "b"),
        {"type": "row", "title": "Folded", "panels": [panel(3, "inside", "c")]},
        rows=[{"title": "Old", "panels": [panel(4, "old", "d", yaxes=[{"format": "bytes"}])]}],
    )
    write(tmp_path, {"shop.json": json.dumps(model)})

    documents, _ = read(SourceKind.DASHBOARDS, tmp_path)

    assert {(facts(d).panel_id, facts(d).row) for d in documents} == {
        (1, None),
        (2, "Open"),
        (3, "Folded"),
        (4, "Old"),
    }
    assert "Checkout › Folded › inside" in [document.title for document in documents]
    assert [facts(d).unit for d in documents if facts(d).panel_id == 4] == ["bytes"]


def test_panels_that_say_nothing_are_left_out_and_texts_are_kept(tmp_path: Path) -> None:
    model = dashboard(
        panel(1, "empty"),
        panel(2, "note", type="text", options={"content": "Call Mira."}),
        panel(3, "explained", description="Nothing yet."),
    )
    write(tmp_path, {"shop.json": json.dumps(model)})

    documents, problems = read(SourceKind.DASHBOARDS, tmp_path)

    assert problems == []
    assert [facts(document).panel_id for document in documents] == [2, 3]
    assert "Call Mira." in documents[0].text


def config_map(name: str, content: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {name: content}}


@pytest.mark.parametrize(
    ("name", "content", "origin"),
    [
        (
            "api.json",
            json.dumps({"dashboard": dashboard(LATENCY), "meta": {"folderId": 1}}),
            "api.json#7",
        ),
        (
            "cm.yaml",
            yaml.safe_dump(config_map("shop.json", json.dumps(dashboard(LATENCY)))),
            "cm.yaml#shop.json#7",
        ),
        (
            "list.yaml",
            "kind: Other\n---\n"
            + yaml.safe_dump(
                {
                    "kind": "ConfigMapList",
                    "items": [config_map("shop.json", json.dumps(dashboard(LATENCY)))],
                }
            ),
            "list.yaml#shop.json#7",
        ),
    ],
)
def test_a_dashboard_is_found_in_its_wrapping(
    name: str, content: str, origin: str, tmp_path: Path
) -> None:
    document = read_one(SourceKind.DASHBOARDS, write(tmp_path, {name: content}))

    assert document.origin == origin
    assert document.title == "Checkout › p99"


def test_a_broken_dashboard_in_a_config_map_is_reported_and_the_next_is_read(
    tmp_path: Path,
) -> None:
    wrapped = config_map("bad.json", '{"panels": [\n1 2]}')
    wrapped["data"]["good.json"] = json.dumps(dashboard(LATENCY))
    write(tmp_path, {"cm.yaml": yaml.safe_dump(wrapped)})

    documents, problems = read(SourceKind.DASHBOARDS, tmp_path)

    assert len(documents) == 1
    assert [(p.path, p.line, p.affects) for p in errors(problems)] == [
        ("cm.yaml#bad.json", 2, "cm.yaml#bad.json")
    ]


def test_two_dashboards_with_one_uid_are_reported(tmp_path: Path) -> None:
    model = json.dumps(dashboard(LATENCY))
    write(tmp_path, {"a.json": model, "b.json": model})

    documents, problems = read(SourceKind.DASHBOARDS, tmp_path)

    assert [document.origin for document in documents] == ["a.json#7"]
    assert ["a.json" in problem.reason for problem in errors(problems)] == [True]


def test_panels_with_the_same_or_no_number_are_all_read(tmp_path: Path) -> None:
    unnumbered = {key: value for key, value in LATENCY.items() if key != "id"}
    write(tmp_path, {"a.json": json.dumps(dashboard(LATENCY, LATENCY, unnumbered))})

    documents, problems = read(SourceKind.DASHBOARDS, tmp_path)

    assert problems == []
    assert len(documents) == 3


def test_other_json_is_worth_a_notice(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": json.dumps(dashboard(LATENCY)), "package.json": "{}"})

    documents, problems = read(SourceKind.DASHBOARDS, tmp_path)

    assert len(documents) == 1
    assert [problem.path for problem in problems] == ["package.json"]
    assert errors(problems) == []


def test_a_dashboard_of_odd_values_does_no_harm(tmp_path: Path) -> None:
    model = {
        "panels": [1, None, {"targets": "x", "title": 3}, panel(1, "fine", "up"), {"panels": 2}],
        "templating": {"list": [{"name": 4}, 5]},
        "rows": None,
    }
    write(tmp_path, {"odd.json": json.dumps(model)})

    documents, problems = read(SourceKind.DASHBOARDS, tmp_path)

    assert problems == []
    assert [document.id for document in documents] == ["dashboards/odd/1"]
