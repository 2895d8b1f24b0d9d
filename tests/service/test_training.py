"""Is a training run healthy? The sample night's runs, and what goes wrong with runs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np

from service.assembly import moment_of
from service.inspected import RunReport, RunsReport
from service.inspection import open_inspector
from service.settings import Settings
from service.training import Verdict, is_falling
from tests.company import CONFIG
from tests.service.machines import run_of, runs_of, series
from tests.service.surfaces.test_cli import why

AURELIA = "aurelia-70b-ft-12"


def ask(settings: Settings, question: str, now: str | None = None) -> RunsReport:
    moment = datetime.fromisoformat(now) if now else moment_of(settings)

    async def run() -> RunsReport:
        async with open_inspector(settings, as_of=moment) as inspector:
            return await inspector.runs(question, now=moment)

    return asyncio.run(run())


def problems(run: RunReport) -> str:
    return "\n".join(claim.text for claim in run.problems)


def over(run: RunReport) -> str:
    return "\n".join(claim.text for claim in run.over)


def noise(hour: float) -> float:
    """As from one step to the next: bounded, without a trend."""
    return 0.01 * math.sin(997 * hour)


def falling(hour: float) -> float:
    return 2.5 - 0.05 * hour + noise(hour)


# -- the sample company ----------------------------------------------------------------------------


def test_a_run_that_was_slowed_down_by_heat_is_healthy_in_the_morning(company: Settings) -> None:
    report = ask(company, f"Is run {AURELIA} healthy?")
    (run,) = report.runs
    assert (run.name, run.clusters, run.verdict) == (AURELIA, ("train-eu-1",), Verdict.HEALTHY)
    assert run.problems == ()
    assert any("training_loss" in claim.text and "fell" in claim.text for claim in run.state)
    assert "was slow for a while" in over(run)
    assert "gpu-eu-07" in over(run)
    claims = [*run.state, *run.over]
    assert all(claim.citations for claim in claims)
    assert all(citation.verified for citation in report.citations)
    assert (report.dropped_claims, report.not_seen) == (0, ())


def test_while_the_gpu_is_hot_it_is_degraded(company: Settings) -> None:
    (run,) = ask(company, f"Is {AURELIA} healthy?", "2026-11-12T01:10:00Z").runs
    assert run.verdict is Verdict.DEGRADED
    assert "is slow" in problems(run)
    assert "gpu-eu-07" in problems(run)


def test_a_question_without_a_name_is_about_every_run(company: Settings) -> None:
    report = ask(company, "Are the training runs healthy?")
    assert [run.name for run in report.runs] == [AURELIA, "cobalt-13b-pre-4"]
    assert {run.verdict for run in report.runs} == {Verdict.HEALTHY}


def test_without_metrics_nothing_is_known_and_the_answer_says_so(company: Settings) -> None:
    report = ask(company.model_copy(update={"metrics_file": None}), f"Is {AURELIA} healthy?")
    assert report.runs == ()
    assert report.not_seen == ("metrics: no source is configured",)


def test_the_command_takes_a_name(company: Settings) -> None:
    shown = why("run", AURELIA, "--config", CONFIG, index=company.index_dir)
    assert shown.returncode == 0, shown.stderr
    assert f"{AURELIA} (train-eu-1): healthy" in shown.stdout
    assert "cobalt" not in shown.stdout
    printed = why("run", AURELIA, "--json", "--config", CONFIG, index=company.index_dir)
    assert RunsReport.model_validate_json(printed.stdout).runs[0].verdict is Verdict.HEALTHY


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_loss_that_runs_away_fails_the_run(tmp_path: Path) -> None:
    def diverging(hour: float) -> float:
        return falling(hour) if hour < 10 else 2 + 2 * (hour - 10)

    run = run_of(tmp_path, series("training_loss", diverging, run="r1"))
    assert run.verdict is Verdict.FAILING
    assert "runs away" in problems(run)


def test_a_loss_that_is_no_number_fails_the_run(tmp_path: Path) -> None:
    def broken(hour: float) -> float:
        return falling(hour) if hour < 11 else math.nan

    run = run_of(tmp_path, series("training_loss", broken, run="r1"))
    assert run.verdict is Verdict.FAILING
    assert "is no number since 10:" in problems(run)


def test_a_loss_that_stopped_falling_degrades_the_run(tmp_path: Path) -> None:
    def flat(hour: float) -> float:
        return 2.5 - 0.1 * min(hour, 5.5) + noise(hour)

    run = run_of(tmp_path, series("training_loss", flat, run="r1"))
    assert run.verdict is Verdict.DEGRADED
    assert "no longer falls" in problems(run)


def test_a_loss_that_never_fell_is_no_plateau(tmp_path: Path) -> None:
    run = run_of(tmp_path, series("training_loss", lambda hour: 2 + noise(hour), run="r1"))
    assert run.verdict is Verdict.HEALTHY


def test_a_spike_that_healed_is_told_and_changes_nothing(tmp_path: Path) -> None:
    def spiking(hour: float) -> float:
        return 9.0 if 8 <= hour < 8.1 else falling(hour)

    run = run_of(tmp_path, series("training_loss", spiking, run="r1"))
    assert run.verdict is Verdict.HEALTHY
    assert "had a spike: 9 at 08:0" in over(run)


def test_a_spike_of_the_gradient_degrades_while_the_loss_may_follow(tmp_path: Path) -> None:
    def gradient(since: float) -> Callable[[float], float]:
        return lambda hour: 40.0 if since <= hour < since + 0.1 else 0.8

    now, before = tmp_path / "now", tmp_path / "before"
    now.mkdir()
    before.mkdir()
    fresh = run_of(now, series("training_grad_norm", gradient(11.8), run="r1"))
    healed = run_of(before, series("training_grad_norm", gradient(8.0), run="r1"))
    assert (fresh.verdict, healed.verdict) == (Verdict.DEGRADED, Verdict.HEALTHY)
    assert "jumped to 40" in problems(fresh)
    assert "jumped to 40" in over(healed)


def test_throughput_is_compared_with_the_runs_own_past(tmp_path: Path) -> None:
    verdicts = {}
    for name, share in (("as usual", 1.0), ("slow", 0.8), ("stalled", 0.01)):

        def rate(hour: float, share: float = share) -> float:
            return (1000 + 100 * noise(hour)) * (1 if hour < 10 else share)

        folder = tmp_path / name
        folder.mkdir()
        verdicts[name] = run_of(
            folder, series("training_tokens_per_second", rate, run="r1")
        ).verdict
    assert verdicts == {
        "as usual": Verdict.HEALTHY,
        "slow": Verdict.DEGRADED,
        "stalled": Verdict.FAILING,
    }


def test_an_xid_on_a_node_of_its_cluster_degrades_the_run(tmp_path: Path) -> None:
    loss = series("training_loss", falling, run="r1", cluster="c1")
    mine = series("DCGM_FI_DEV_XID_ERRORS", 79, node="n1", cluster="c1")
    other = series("DCGM_FI_DEV_XID_ERRORS", 48, node="n9", cluster="c9")
    run = run_of(tmp_path, loss, mine, other)
    assert run.verdict is Verdict.DEGRADED
    assert "n1" in problems(run)
    assert "n9" not in problems(run)


def test_gpus_that_no_label_ties_to_the_run_are_told_to_be_unseen(tmp_path: Path) -> None:
    report = runs_of(tmp_path, series("training_loss", falling, run="r1", cluster="c1"))
    assert any(line.startswith("GPUs of r1") for line in report.not_seen)


def test_a_run_that_no_longer_reports_is_unknown_and_not_healthy(tmp_path: Path) -> None:
    def ends(hour: float) -> float | None:
        return falling(hour) if hour < 10 else None

    report = runs_of(
        tmp_path,
        series("training_loss", falling, run="r1"),
        series("training_loss", ends, run="r2"),
    )
    assert {run.name: run.verdict for run in report.runs} == {
        "r1": Verdict.HEALTHY,
        "r2": Verdict.UNKNOWN,
    }
    assert "has ended or died" in problems(report.runs[1])


def test_a_trend_is_told_from_noise() -> None:
    steps = np.arange(120.0)
    wobble = np.sin(997 * steps)
    assert is_falling(-0.05 * steps + wobble, significance=1.645)
    assert not is_falling(wobble, significance=1.645)
    assert not is_falling(0.05 * steps + wobble, significance=1.645)
    assert not is_falling(np.array([3.0, 2.0, 1.0]), significance=1.645)
