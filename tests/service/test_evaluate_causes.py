"""Measuring the ranking of causes on cases whose figures can be worked out by hand."""

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from service.causes.component_ranking import Incident
from service.evaluation import EvaluationError
from service.evaluation.baselines import baro, n_sigma
from service.evaluation.cases import read_cases, read_metrics
from service.evaluation.causes import evaluate_causes, rank_of, render_causes
from service.evaluation.statistics import calibration_of
from service.metrics.table import MetricTable
from service.surfaces.cli import app
from tests.service.causes.incidents import INCIDENT, ONSET, STEP, UNTIL, noise, table, then

SERVICES = ("cart", "auth", "search", "queue", "mail", "stock")


def write_case(
    folder: Path,
    *,
    answer: str,
    deviates: str | None = None,
    compressed: bool = False,
    **fields: Any,
) -> None:
    """A case where the latency of one service rose tenfold."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = folder / "cases.jsonl"
    number = len(cases.read_text().splitlines()) if cases.exists() else 0
    columns = {
        f"{service}|latency_seconds": noise(0.2, seed=n) for n, service in enumerate(SERVICES)
    }
    slow = f"{deviates or answer}|latency_seconds"
    columns[slow] = then(columns[slow], 2.0)
    lines = [",".join(["t", *columns])]
    for row, values in enumerate(zip(*columns.values(), strict=True)):
        lines.append(",".join([str(row * STEP), *(f"{value:.9f}" for value in values)]))
    name = f"metrics-{number}.csv" + (".gz" if compressed else "")
    content = "\n".join(lines).encode()
    (folder / name).write_bytes(gzip.compress(content) if compressed else content)
    line = {
        "onset": ONSET,
        "until": UNTIL,
        "step_seconds": STEP,
        "truth": {"service": answer},
        "metrics_file": name,
        **fields,
    }
    with cases.open("a") as text:
        text.write(json.dumps(line) + "\n")


def test_every_set_shows_the_product_and_both_baselines(tmp_path: Path) -> None:
    write_case(tmp_path / "easy", answer="cart")
    write_case(tmp_path / "easy", answer="mail", compressed=True)
    write_case(tmp_path / "wrong", answer="cart", deviates="auth")
    result = evaluate_causes([tmp_path / "easy", tmp_path / "wrong"]).as_json()
    easy, wrong = result["sets"]
    assert (easy["name"], easy["cases"], wrong["name"], wrong["cases"]) == ("easy", 2, "wrong", 1)
    assert [system["name"] for system in easy["systems"]] == ["why", "nsigma", "baro"]
    for system in easy["systems"]:
        assert system["ac@1"] == system["ac@3"] == system["ac@5"] == 1.0
        assert system["avg@5"] == {"value": 1.0, "low": 1.0, "high": 1.0}
        assert system["ms"] > 0
    assert all(system["ac@1"] == 0.0 for system in wrong["systems"])


def test_avg_at_5_is_the_mean_of_five_accuracies(tmp_path: Path) -> None:
    write_case(tmp_path, answer="cart")
    write_case(tmp_path, answer="auth")
    write_case(tmp_path, answer="ghost", deviates="auth")

    def alphabetical(_: MetricTable, __: Incident) -> Mapping[str, float]:
        return {service: float(-n) for n, service in enumerate(sorted(SERVICES))}

    system = evaluate_causes([tmp_path], rankers={"alphabet": alphabetical}).sets[0].systems[0]
    # auth is first, cart second, ghost has no metrics and so no rank.
    assert system.ranks == (2, 1, None)
    assert system.accuracy == pytest.approx({1: 1 / 3, 2: 2 / 3, 3: 2 / 3, 4: 2 / 3, 5: 2 / 3})
    assert system.average.value == pytest.approx((1 / 3 + 4 * 2 / 3) / 5)
    assert system.average.low < system.average.value < system.average.high


@pytest.mark.parametrize(
    ("scores", "rank"),
    [
        ({"cart": 3.0, "auth": 2.0}, 1),
        ({"cart": 2.0, "auth": 3.0}, 2),
        ({"cart": 2.0, "auth": 2.0}, 2),
        ({"cart": 0.0, "auth": 0.0, "mail": 0.0}, 3),
        ({"auth": 2.0}, None),
        ({"cart": 2.0, "auth": float("nan")}, 2),
    ],
)
def test_a_tie_with_the_true_service_counts_against_us(
    scores: dict[str, float], rank: int | None
) -> None:
    assert rank_of("cart", scores) == rank


def test_the_ranking_never_sees_the_answer(tmp_path: Path) -> None:
    write_case(tmp_path / "a", answer="cart", question="Why is it slow?")
    write_case(tmp_path / "b", answer="auth", deviates="cart", question="Why is it slow?")
    (honest,), (swapped,) = read_cases(tmp_path / "a"), read_cases(tmp_path / "b")
    assert honest.incident == swapped.incident
    seen = json.dumps(honest.incident.model_dump())
    assert "cart" not in seen
    assert "auth" not in seen


def test_the_same_folder_name_twice_is_refused(tmp_path: Path) -> None:
    write_case(tmp_path / "a" / "set", answer="cart")
    write_case(tmp_path / "b" / "set", answer="cart")
    with pytest.raises(EvaluationError, match="have the same name"):
        evaluate_causes([tmp_path / "a" / "set", tmp_path / "b" / "set"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "cases.jsonl:1: not JSON"),
        ("[]", "not a JSON object"),
        ('{"onset": 1}', '"until": Field required'),
        (
            '{"onset": 5, "until": 5, "step_seconds": 1, "truth": {"service": "a"},'
            ' "metrics_file": "m.csv"}',
            '"until" (5) is not after "onset" (5)',
        ),
        (
            '{"onset": 5, "until": 6, "step_seconds": 1, "truth": {"service": "a"},'
            ' "metrics_file": "m.csv"}',
            "the metrics file 'm.csv' is not in",
        ),
    ],
)
def test_a_wrong_case_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "cases.jsonl").write_text(line + "\n")
    with pytest.raises(EvaluationError) as error:
        read_cases(tmp_path)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["time,a|b", "1,2"], ':1: the first column is not "t"'),
        (["t,a", "1,2"], ":1: column 2 is 'a', not service|metric"),
        (["t,a|b", "1,2", "2"], ":3: 1 cells, but 2 columns"),
        (["t,a|b", "1,x"], ":2: could not convert string to float: 'x'"),
        (["t,a|b"], "no samples"),
        (["t,a|b", f"{UNTIL},1"], "no samples before the onset"),
        (["t,a|b", "2,1", "1,1"], 'the times in "t" do not ascend'),
    ],
)
def test_wrong_metrics_are_named_by_file_and_line(
    tmp_path: Path, rows: Sequence[str], said: str
) -> None:
    write_case(tmp_path, answer="cart")
    (tmp_path / "metrics-0.csv").write_text("\n".join(rows) + "\n")
    (case,) = read_cases(tmp_path)
    with pytest.raises(EvaluationError) as error:
        read_metrics(case)
    assert said in str(error.value)


def test_gaps_are_no_zeros(tmp_path: Path) -> None:
    write_case(tmp_path, answer="cart")
    (tmp_path / "metrics-0.csv").write_text("t,a|b,a|c\n1,2,\n2,,4\n")
    found = read_metrics(read_cases(tmp_path)[0])
    np.testing.assert_array_equal(found.values, [[2, np.nan], [np.nan, 4]])


def test_the_baselines_score_as_their_papers_say() -> None:
    level = np.tile([10.0, 12.0, 14.0], 20)
    steady = np.concatenate([level, [12.0, 12.0, 12.0, 12.0, 22.0]])
    constant = np.concatenate([np.full(60, 5.0), np.full(5, 8.0)])
    metrics = table({("cart", "latency"): steady, ("auth", "latency"): constant})
    # mean and median are 12, the standard deviation is sqrt(8/3), the interquartile range 4; no
    # spread at all counts as one.
    assert n_sigma(metrics, INCIDENT) == pytest.approx({"cart": 10 / (8 / 3) ** 0.5, "auth": 3.0})
    assert baro(metrics, INCIDENT) == pytest.approx({"cart": 2.5, "auth": 3.0})


def test_it_prints_a_table_for_people_and_json_for_programs(tmp_path: Path) -> None:
    write_case(tmp_path / "shop", answer="cart")
    output = io.StringIO()
    Console(file=output, width=80).print(render_causes(evaluate_causes([tmp_path / "shop"])))
    assert "Causes: shop (1 cases)" in output.getvalue()
    assert "why − baro" in output.getvalue()
    ran = CliRunner().invoke(app, ["eval", "causes", str(tmp_path / "shop"), "--json"])
    assert ran.exit_code == 0, ran.output
    (found,) = json.loads(ran.stdout)["sets"]
    assert set(found["systems"][0]) == {"name", "ac@1", "ac@3", "ac@5", "avg@5", "ms"}


def test_without_prometheus_the_option_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_case(tmp_path, answer="cart")
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = CliRunner().invoke(app, ["eval", "causes", str(tmp_path), "--through", "prometheus"])
    assert isinstance(ran.exception, EvaluationError)
    assert "apt-get install prometheus" in str(ran.exception)


def test_the_calibration_error_is_the_distance_of_said_and_right() -> None:
    # Ten cases said to be 75% likely, five of them right; a second cause at 5%, never right.
    found = calibration_of([[0.75, 0.05]] * 10, [0] * 5 + [None] * 5)
    assert found.said == pytest.approx(0.75)
    assert found.right == pytest.approx(0.5)
    assert found.error == pytest.approx((10 * 0.25 + 10 * 0.05) / 20)
    perfect = calibration_of([[1.0]] * 3, [0] * 3)
    assert perfect.error == pytest.approx(0.0)
