"""Which machines need maintenance: the sample night's, and what each kind of trouble looks like."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from service.assembly import moment_of
from service.fleet import Concern, FleetPolicy
from service.gpu_errors import XidMeaning, xid
from service.inspected import FleetOutcome, FleetReport, FleetRow
from service.inspection import open_inspector
from service.reports.model import PassageCitation
from service.settings import Settings
from tests.company import CONFIG
from tests.service.machines import END, fleet_of, series
from tests.service.surfaces.test_cli import why

QUESTION = "Which clusters need maintenance?"


def ask(settings: Settings, question: str = QUESTION, now: datetime | None = None) -> FleetReport:
    moment = now or moment_of(settings)

    async def run() -> FleetReport:
        async with open_inspector(settings, as_of=moment) as inspector:
            return await inspector.fleet(question, now=moment)

    return asyncio.run(run())


def row_of(report: FleetReport, name: str) -> FleetRow:
    return next(row for row in report.rows if row.name == name)


def words(row: FleetRow) -> str:
    return "\n".join(reason.claim.text for reason in row.reasons)


# -- the sample company ----------------------------------------------------------------------------


def test_the_cluster_with_the_hot_gpu_and_two_incidents_comes_first(company: Settings) -> None:
    report = ask(company)
    assert report.outcome is FleetOutcome.NEEDS_WORK
    first = report.rows[0]
    assert (first.rank, first.kind, first.name) == (1, "cluster", "train-eu-1")
    assert "gpu-eu-07" in words(first)
    assert "Two fans in the fan wall of gpu-eu-03 failed" in words(first)
    assert "One spare node per training cluster that is never lent" in words(first)
    assert {row.kind for row in report.rows} == {"cluster"}
    assert "train-ap-1" in report.well


def test_a_score_is_the_sum_of_its_reasons_and_each_reason_is_cited(company: Settings) -> None:
    report = ask(company, "What needs maintenance?")
    assert {row.kind for row in report.rows} == {"cluster", "node"}
    used = set()
    for row in report.rows:
        assert row.score == pytest.approx(sum(part.points for part in row.parts))
        assert row.score == pytest.approx(sum(reason.points for reason in row.reasons))
        assert all(reason.claim.citations for reason in row.reasons)
        used |= {number for reason in row.reasons for number in reason.claim.citations}
        used |= {*(row.next_check.citations if row.next_check else ())}
    assert used == {citation.number for citation in report.citations}
    assert all(citation.verified for citation in report.citations)
    assert report.dropped_claims == 0
    assert [row.score for row in report.rows] == sorted(
        (row.score for row in report.rows), reverse=True
    )


def test_heat_counts_less_when_it_is_over(company: Settings) -> None:
    during = ask(company, "Which nodes?", datetime.fromisoformat("2026-11-12T01:05:00Z"))
    after = ask(company, "Which nodes?")
    hot, cooled = row_of(during, "gpu-eu-07"), row_of(after, "gpu-eu-07")
    assert during.rows[0].name == "gpu-eu-07"
    assert hot.score > 3 * cooled.score
    assert hot.next_check is not None
    assert "GPU thermal throttling" in hot.next_check.text


def test_a_named_cluster_comes_with_its_nodes(company: Settings) -> None:
    report = ask(company, "Does train-eu-1 need maintenance?")
    assert [row.name for row in report.rows] == ["train-eu-1", "gpu-eu-07"]


def test_without_metrics_what_is_written_ranks_and_the_report_says_so(company: Settings) -> None:
    report = ask(company.model_copy(update={"metrics_file": None}))
    assert [row.name for row in report.rows] == ["train-eu-1", "train-us-1"]
    assert {part.concern for row in report.rows for part in row.parts} == {
        Concern.INCIDENTS,
        Concern.OVERDUE,
    }
    assert all(isinstance(citation, PassageCitation) for citation in report.citations)
    assert report.not_seen == ("metrics: no source is configured",)
    assert report.well == ()


def test_an_incident_is_not_seen_before_it_was_published(company: Settings) -> None:
    early = company.model_copy(update={"metrics_file": None})
    report = ask(early, now=datetime.fromisoformat("2026-07-10T00:00:00Z"))
    assert "INC-2026-034" not in report.model_dump_json()


def test_without_documents_the_metrics_rank(company: Settings, tmp_path: Path) -> None:
    report = ask(company.model_copy(update={"index_dir": tmp_path / "none"}))
    assert report.rows[0].name == "train-eu-1"
    assert any("why ingest" in line for line in report.not_seen)


def test_without_anything_nothing_is_seen_and_nothing_is_well(
    company: Settings, tmp_path: Path
) -> None:
    blind = company.model_copy(update={"index_dir": tmp_path / "none", "metrics_file": None})
    report = ask(blind)
    assert report.outcome is FleetOutcome.NOTHING_SEEN
    assert (report.rows, report.well) == ((), ())
    assert len(report.not_seen) == 2


def test_the_command_prints_a_table_and_cited_reasons(company: Settings) -> None:
    shown = why("fleet", QUESTION, "--config", CONFIG, index=company.index_dir)
    assert shown.returncode == 0, shown.stderr
    assert "train-eu-1" in shown.stdout.partition("1. train-eu-1")[0]
    assert "What I could not see" in shown.stdout
    assert "zombie nodes: no metric and no label says who holds a machine" in shown.stdout
    assert "[1] metric: `DCGM_FI_DEV_GPU_TEMP" in shown.stdout
    printed = why("fleet", QUESTION, "--json", "--config", CONFIG, index=company.index_dir)
    assert FleetReport.model_validate_json(printed.stdout).rows[0].name == "train-eu-1"


# -- kinds of trouble ------------------------------------------------------------------------------


def test_everything_fine_is_an_answer(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("DCGM_FI_DEV_GPU_TEMP", 70, node="n1", cluster="c1"),
        series("DCGM_FI_DEV_XID_ERRORS", 0, node="n1", cluster="c1"),
    )
    assert report.outcome is FleetOutcome.ALL_WELL
    assert report.rows == ()
    assert set(report.well) == {"c1", "n1"}


@pytest.mark.parametrize(
    ("code", "meaning", "points"),
    [
        (79, XidMeaning.MAINTENANCE, FleetPolicy().maintenance_xid),
        (94, XidMeaning.WATCH, FleetPolicy().watched_xid),
        (31, XidMeaning.APPLICATION, FleetPolicy().application_xid),
        (999, XidMeaning.WATCH, FleetPolicy().watched_xid),
    ],
)
def test_an_xid_counts_by_what_nvidias_catalog_asks_for(
    tmp_path: Path, code: int, meaning: XidMeaning, points: float
) -> None:
    assert xid(code).meaning is meaning
    report = fleet_of(
        tmp_path,
        series(
            "DCGM_FI_DEV_XID_ERRORS", lambda hour: code if hour > 9 else 0, node="n1", cluster="c1"
        ),
        question="Which nodes?",
    )
    (row,) = report.rows
    assert row.score == points
    assert f"was {code} at 09:0" in words(row)


def test_the_exporters_count_of_xids_has_the_code_as_a_label(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("DCGM_EXP_XID_ERRORS_COUNT", 2, Hostname="n1", gpu="3", xid="79"),
        series("DCGM_EXP_XID_ERRORS_COUNT", 0, Hostname="n2", gpu="0", xid="48"),
    )
    (row,) = report.rows
    assert row.name == "n1"
    assert "Xid “79”" in words(row)
    assert "fallen off the bus" in words(row)


def test_memory_errors_that_were_not_corrected_are_told(tmp_path: Path) -> None:
    report = fleet_of(tmp_path, series("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL_GAUGE", 4, node="n1"))
    assert report.rows[0].parts[0].concern is Concern.MEMORY


def test_a_card_that_tells_its_own_slowdown_temperature_is_believed(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("DCGM_FI_DEV_GPU_TEMP", 88, node="cool", gpu="0"),
        series("DCGM_FI_DEV_SLOWDOWN_TEMP", 95, node="cool", gpu="0"),
        series("DCGM_FI_DEV_GPU_TEMP", 88, node="hot", gpu="0"),
    )
    assert [row.name for row in report.rows] == ["hot"]
    assert report.well == ("cool",)


def test_a_full_disk_is_told_with_what_is_left_of_it(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("node_filesystem_avail_bytes", 2e9, node="n1", mountpoint="/data"),
        series("node_filesystem_size_bytes", 1e11, node="n1", mountpoint="/data"),
        series("node_filesystem_avail_bytes", 5e10, node="n1", mountpoint="/"),
        series("node_filesystem_size_bytes", 1e11, node="n1", mountpoint="/"),
    )
    (row,) = report.rows
    assert words(row) == "“/data” of n1 is full: 2 GB of 100 GB were free at 12:00."


def test_a_reboot_in_the_window_is_told(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("node_boot_time_seconds", lambda hour: 1e9 if hour < 8 else 1.1e9, node="n1"),
        series("node_boot_time_seconds", 1e9, node="n2"),
    )
    (row,) = report.rows
    assert (row.name, row.parts[0].concern) == ("n1", Concern.RESTARTS)


def test_missing_capacity_is_told(tmp_path: Path) -> None:
    gpu = "nvidia_com_gpu"
    report = fleet_of(
        tmp_path,
        series("kube_node_status_condition", 0, node="n1", condition="Ready", status="true"),
        series("kube_node_status_allocatable", 7, node="n2", resource=gpu),
        series("kube_node_status_capacity", 8, node="n2", resource=gpu),
        series("kube_node_spec_unschedulable", 1, node="n3"),
        series("kube_node_spec_unschedulable", 0, node="n4"),
    )
    assert {row.name: words(row) for row in report.rows} == {
        "n1": "n1 was not ready at 12:00.",
        "n2": "n2 offers 7 of its 8 GPUs at 12:00.",
        "n3": "n3 was cordoned at 12:00.",
    }


# -- zombies ---------------------------------------------------------------------------------------


def test_a_node_that_is_allocated_and_idle_for_long_is_a_zombie(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("slurm_node_gpu_alloc", 8, node="zombie"),
        series("DCGM_FI_DEV_GPU_UTIL", lambda hour: 95 if hour < 6 else 0, node="zombie", gpu="0"),
        series("slurm_node_gpu_alloc", 8, node="busy"),
        series("DCGM_FI_DEV_GPU_UTIL", 97, node="busy", gpu="0"),
        series("slurm_node_gpu_alloc", 0, node="free"),
        series("DCGM_FI_DEV_GPU_UTIL", 0, node="free", gpu="0"),
    )
    (row,) = report.rows
    assert (row.name, row.parts[0].concern) == ("zombie", Concern.ZOMBIE)
    assert "from 06:00 to 12:00" in words(row)
    assert set(report.well) == {"busy", "free"}


def test_a_node_that_only_pauses_is_no_zombie(tmp_path: Path) -> None:
    def use(hour: float) -> float:
        return 95 if hour < 11 else 0

    report = fleet_of(
        tmp_path,
        series("slurm_node_gpu_alloc", 8, node="n1"),
        series("DCGM_FI_DEV_GPU_UTIL", use, node="n1", gpu="0"),
    )
    assert report.outcome is FleetOutcome.ALL_WELL


def test_one_busy_gpu_keeps_an_allocated_node_from_being_a_zombie(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("slurm_node_gpu_alloc", 2, node="n1"),
        series("DCGM_FI_DEV_GPU_UTIL", 0, node="n1", gpu="0"),
        series("DCGM_FI_DEV_GPU_UTIL", 90, node="n1", gpu="1"),
    )
    assert report.rows == ()


def test_an_idle_gpu_that_a_pod_holds_is_told_with_its_holder(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("DCGM_FI_DEV_GPU_UTIL", 0, Hostname="n1", gpu="0", exported_pod="notebook-mira"),
        series("DCGM_FI_DEV_GPU_UTIL", 90, Hostname="n1", gpu="1", exported_pod="train-0"),
    )
    (row,) = report.rows
    assert "while “notebook-mira” has it" in words(row)
    assert not any("zombie" in line for line in report.not_seen)


def test_a_processor_counts_where_there_is_no_gpu(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("slurm_node_cpu_alloc", 64, node="n1"),
        series("node_cpu_utilisation_ratio", 0.001, node="n1"),
    )
    assert report.rows[0].parts[0].concern is Concern.ZOMBIE


def test_what_a_program_allocates_in_its_memory_is_no_allocation(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("go_memstats_alloc_bytes", 1e6, node="n1"),
        series("DCGM_FI_DEV_GPU_UTIL", 0, node="n1", gpu="0"),
    )
    assert report.rows == ()
    assert any(line.startswith("zombie nodes") for line in report.not_seen)


# -- names -----------------------------------------------------------------------------------------


def test_a_nodes_own_exporters_name_it_by_their_address(tmp_path: Path) -> None:
    report = fleet_of(
        tmp_path,
        series("DCGM_FI_DEV_XID_ERRORS", 79, instance="10.0.0.5:9400", job="dcgm"),
        series("node_cpu_utilisation_ratio", 0.5, instance="10.0.0.5:9100", job="node"),
    )
    (row,) = report.rows
    assert row.name == "10.0.0.5"
    assert report.dropped_claims == 0


def test_times_in_the_window_are_what_the_question_says(tmp_path: Path) -> None:
    report = fleet_of(tmp_path, series("DCGM_FI_DEV_GPU_TEMP", 70, node="n1"))
    assert report.window.end == END
    assert report.reason.startswith("since ")
