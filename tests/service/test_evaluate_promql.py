"""Measuring text → PromQL on panels whose figures can be worked out by hand."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from service.evaluation.pairs import EvaluationError
from service.evaluation.panels import read_panels
from service.evaluation.promql import (
    PromqlEvaluation,
    SystemResult,
    evaluate_promql,
    render_promql,
)
from service.llm.models import Models
from service.metrics.openmetrics import OpenMetricsSource
from service.queries.language import Choice
from service.settings import Settings
from service.surfaces.cli import app
from service.testing.llm import ScriptedModel
from tests.encoders import HashingEncoder

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RATE = 'sum by (pod) (rate(net_%s_packets_total{cluster="$cluster"}[$__rate_interval]))'
LINES: list[dict[str, object]] = [
    {
        "dashboard": "Network",
        "panel": "Packets received by pod",
        "promql": RATE % "receive",
    },
    {
        "dashboard": "Network",
        "panel": "Packets transmitted by pod",
        "promql": RATE % "transmit",
    },
    {
        "dashboard": "Queues",
        "panel": "Waiting letters",
        "description": "Letters that wait to be sorted",
        "promql": "max by (office) (letters_waiting)",
        "legend": "waiting",
    },
    {
        "dashboard": "Queues",
        "panel": "Waiting letters",
        "description": "Letters that wait to be sorted",
        "promql": "max by (office) (letters_lost)",
        "legend": "lost",
    },
]


def file_of(folder: Path, lines: list[dict[str, object]]) -> Path:
    file = folder / "panels.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def evaluate(
    file: Path,
    *,
    metrics: OpenMetricsSource | None = None,
    models: Models | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> PromqlEvaluation:
    return asyncio.run(
        evaluate_promql(
            file,
            settings=Settings(),
            metrics=metrics,
            now=NOW,
            models=models,
            limit=limit,
            seed=seed,
            encoder=HashingEncoder(dimensions=256),
        )
    )


def system(result: PromqlEvaluation, name: str) -> SystemResult:
    return next(one for one in result.systems if one.name == name)


def test_a_panel_is_never_its_own_answer(tmp_path: Path) -> None:
    # The nearest other panel of each has another metric: copied, not one is right, though a
    # search that saw the panel itself would have found it.
    result = evaluate(file_of(tmp_path, LINES))
    for name in ("nearest panel, BM25", "nearest panel, dense", "nearest panel, both"):
        assert system(result, name).panels["metrics"].value == 0.0
    assert (result.panels, result.queries) == (3, 4)


def test_the_sibling_of_a_drawn_metric_is_found_and_grouped_alike(tmp_path: Path) -> None:
    found = system(evaluate(file_of(tmp_path, LINES)), "why")
    # Both network panels; nobody but the panel itself says how letters are grouped.
    assert found.panels["both"].value == pytest.approx(2 / 3)
    assert found.panels["metrics"].value == 1.0
    # Of the two queries of the third panel one can be right.
    assert found.queries["metrics"].value == pytest.approx(3 / 4)
    assert found.equal is None


def test_without_names_of_metrics_only_drawn_ones_are_found(tmp_path: Path) -> None:
    found = system(evaluate(file_of(tmp_path, LINES)), "why, names of metrics unknown")
    assert found.panels["metrics"].value == 0.0


def test_results_are_compared_where_the_queries_can_be_run(tmp_path: Path) -> None:
    start = int((NOW - timedelta(hours=6)).timestamp())
    lines = ["# TYPE net_receive_packets counter"]
    for pod in ("a", "b"):
        lines += [
            f'net_receive_packets_total{{cluster="x",pod="{pod}"}} {60 * i} {start + 60 * i}'
            for i in range(361)
        ]
    lines += ["# TYPE net_transmit_packets counter"]
    lines += [
        f'net_transmit_packets_total{{cluster="x",pod="a"}} {90 * i} {start + 60 * i}'
        for i in range(361)
    ]
    samples = tmp_path / "night.om"
    samples.write_text("\n".join([*lines, "# EOF", ""]))
    result = evaluate(file_of(tmp_path, LINES), metrics=OpenMetricsSource(samples))
    assert result.runnable == pytest.approx(2 / 3)
    found = system(result, "why").equal
    assert found is not None
    assert found.value == 1.0
    copied = system(result, "nearest panel, both").equal
    assert copied is not None
    assert copied.value == 0.0


def test_a_model_is_measured_beside_the_rest(tmp_path: Path) -> None:
    model = ScriptedModel(
        lambda messages: (
            Choice(promql="max by (office) (letters_lost)")
            if "etters" in messages[-1].content.split("</question>")[0]
            else Choice(candidate="Q1")
        )
    )
    result = evaluate(file_of(tmp_path, LINES), models=Models(model, model, 20_000))
    assert system(result, "why + LLM").panels["both"].value == 1.0
    assert len(model.asked) == 3
    used = result.model
    assert used is not None
    assert (used.asked, used.written, used.refused, used.failed) == (3, 1, 0, 0)
    assert used.changed == 1
    assert used.prompt_tokens > 0


def test_a_model_that_only_invents_changes_nothing_and_is_counted(tmp_path: Path) -> None:
    model = ScriptedModel(lambda _: Choice(promql="sum(unheard_of)"))
    result = evaluate(file_of(tmp_path, LINES), models=Models(model, model, 20_000))
    used = result.model
    assert used is not None
    assert (used.changed, used.written) == (0, 0)
    assert used.refused >= 3
    assert system(result, "why + LLM").panels == system(result, "why").panels


def test_some_panels_are_drawn_and_all_are_in_the_index(tmp_path: Path) -> None:
    file = file_of(tmp_path, LINES)
    drawn = evaluate(file, limit=1, seed=3)
    assert (drawn.panels, drawn.panels_given, drawn.seed) == (1, 3, 3)
    assert evaluate(file, limit=1, seed=3).systems == drawn.systems
    assert evaluate(file, limit=3).seed is None


def test_a_folder_of_dashboards_is_read_like_a_file(tmp_path: Path) -> None:
    board = {
        "uid": "queues",
        "title": "Queues",
        "panels": [
            {
                "id": number,
                "title": title,
                "description": "Letters that wait",
                "fieldConfig": {"defaults": {"unit": "short"}},
                "targets": [{"expr": query}],
                "datasource": {"type": kind},
            }
            for number, (title, query, kind) in enumerate(
                [
                    ("Waiting", "sum(letters_waiting)", "prometheus"),
                    ("Lost", "sum(letters_lost)", "prometheus"),
                    ("Log", '{app="sorter"}', "loki"),
                ]
            )
        ],
    }
    (tmp_path / "queues.json").write_text(json.dumps(board))
    panels = read_panels(tmp_path)
    assert [(one.title, one.queries) for one in panels] == [
        ("Waiting", ("sum(letters_waiting)",)),
        ("Lost", ("sum(letters_lost)",)),
    ]
    assert panels[0].question(name_dashboard=False) == "Waiting Letters that wait"


def test_wrong_lines_are_named(tmp_path: Path) -> None:
    bad: list[dict[str, object]] = [
        *LINES,
        {"dashboard": "A", "panel": "B", "promql": "sum("},
        {"dashboard": "A", "promql": "up"},
    ]
    with pytest.raises(EvaluationError) as raised:
        read_panels(file_of(tmp_path, bad))
    assert "panels.jsonl:5: not PromQL" in str(raised.value)
    assert "panels.jsonl:6: panel: Field required" in str(raised.value)
    with pytest.raises(EvaluationError, match="more than one"):
        read_panels(file_of(tmp_path, LINES[:1]))


def test_the_result_reads_as_a_table(tmp_path: Path) -> None:
    result = evaluate(file_of(tmp_path, LINES))
    out = io.StringIO()
    Console(file=out, width=200).print(render_promql(result))
    assert "3 panels, 4 queries" in out.getvalue()
    assert "why − nearest panel, BM25, both: +0.667" in out.getvalue()
    assert "nothing was run" in out.getvalue()


def test_the_command_prints_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHY_CONFIG", raising=False)
    done = CliRunner().invoke(
        app, ["eval", "promql", "--panels", str(file_of(tmp_path, LINES)), "--no-llm", "--json"]
    )
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["counts"] == {"panels": 3, "queries": 4, "of": 3}
    assert result["runnable"] is None
