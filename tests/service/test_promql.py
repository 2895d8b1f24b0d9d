"""What somebody who wants a chart sees: the query, where it comes from, and what was refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.index import Scope
from service.assembly import catalogs_of, metrics_of, moment_of, open_knowledge, vocabulary_of
from service.llm.base import LlmTimeout
from service.llm.budget import Budget
from service.metrics.catalog import CatalogCache
from service.metrics.openmetrics import OpenMetricsSource
from service.promql import chart_of
from service.queries.answer import QueryAnswer
from service.queries.candidates import Origin
from service.queries.checks import CheckPolicy, Known, objections
from service.queries.drawing import as_markdown, draw_svg
from service.queries.expressions import (
    Grouping,
    grouping_in,
    one_line,
    parse,
    regrouped,
    renamed,
    written,
)
from service.queries.expressions import (
    metrics_of as metrics_in,
)
from service.queries.language import Choice
from service.queries.policy import QueryPolicy
from service.queries.words import Count, wish_of, words
from service.scope import Vocabulary
from service.settings import Settings
from service.surfaces.cli import app
from service.testing.llm import Line, ScriptedModel

NOW = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)


def ask(
    company: Settings, question: str, *, says: Sequence[Line] | None = None
) -> tuple[QueryAnswer, ScriptedModel | None]:
    """The answer of the sample company, with a scripted model if it ``says`` something."""
    model = None if says is None else ScriptedModel(says)

    async def run() -> QueryAnswer:
        async with AsyncExitStack() as stack:
            knowledge = await stack.enter_async_context(open_knowledge(company))
            metrics = metrics_of(company)
            now = moment_of(company)
            reader = Scope(as_of=now)
            return await chart_of(
                question,
                now=now,
                vocabulary=await vocabulary_of(knowledge.index, reader),
                retriever=knowledge.retriever,
                reader=reader,
                metrics=metrics,
                catalogs=catalogs_of(company),
                model=model,
                budget=None if model is None else Budget(tokens=50_000, seconds=60),
            )

    return asyncio.run(run()), model


JOBS = """\
# TYPE batch_jobs counter
# HELP batch_jobs Batch jobs that ended.
{jobs}
# TYPE batch_job_duration_seconds histogram
# HELP batch_job_duration_seconds How long a batch job ran.
{buckets}
# TYPE queue_length gauge
# HELP queue_length Batch jobs that wait.
{queue}
# EOF
"""


def jobs_in(folder: Path) -> OpenMetricsSource:
    """Two clusters of batch jobs, three hours of them, one of which fails more."""
    start = int((NOW - timedelta(hours=3)).timestamp())
    times = range(start, start + 3 * 3600 + 1, 60)

    def series(head: str, rate: int, first: int = 0) -> str:
        """A line a minute: it grows by ``rate`` from ``first``."""
        return "\n".join(f"{head} {first + i * rate} {t}" for i, t in enumerate(times))

    jobs = [
        series(f'batch_jobs_total{{cluster="{cluster}",status="{status}"}}', rate)
        for cluster, status, rate in (
            ("north", "succeeded", 12),
            ("north", "failed", 6),
            ("south", "succeeded", 12),
            ("south", "failed", 1),
        )
    ]
    buckets = []
    for cluster in ("north", "south"):
        for le, rate in (("1.0", 5), ("10.0", 9), ("+Inf", 10)):
            head = f'batch_job_duration_seconds_bucket{{cluster="{cluster}",le="{le}"}}'
            buckets.append(series(head, rate))
        buckets.append(series(f'batch_job_duration_seconds_count{{cluster="{cluster}"}}', 10))
        buckets.append(series(f'batch_job_duration_seconds_sum{{cluster="{cluster}"}}', 20))
    queue = [series(f'queue_length{{cluster="{c}"}}', 0, 3) for c in ("north", "south")]
    file = folder / "jobs.om"
    file.write_text(
        JOBS.format(jobs="\n".join(jobs), buckets="\n".join(buckets), queue="\n".join(queue))
    )
    return OpenMetricsSource(file)


def ask_jobs(folder: Path, question: str) -> QueryAnswer:
    """Without any document: only the metrics and what they say about themselves."""
    return asyncio.run(
        chart_of(
            question,
            now=NOW,
            vocabulary=Vocabulary(),
            retriever=None,
            reader=Scope(),
            metrics=jobs_in(folder),
            catalogs=CatalogCache(),
            policy=QueryPolicy(),
        )
    )


def same(query: str | None, other: str) -> bool:
    return query is not None and parse(query).prettify() == parse(other).prettify()


def test_failed_jobs_by_cluster_since_midnight(tmp_path: Path) -> None:
    answer = ask_jobs(tmp_path, "show me a chart of failed jobs by cluster since midnight")
    assert same(answer.query, 'sum by (cluster) (rate(batch_jobs_total{status="failed"}[480s]))'), (
        answer.query
    )
    assert answer.window.start == datetime(2026, 11, 12, tzinfo=UTC)
    assert answer.origin is Origin.METRIC
    north, south = answer.series
    assert (north.labels, south.labels) == ({"cluster": "north"}, {"cluster": "south"})
    assert north.points[-1].value == pytest.approx(0.1)
    assert answer.unit == "/s"
    assert "grouped by cluster" in answer.assumed
    assert not answer.unmet


def test_a_rate_per_minute_is_one_per_minute(tmp_path: Path) -> None:
    answer = ask_jobs(tmp_path, "failed batch jobs per minute in north in the last 2 hours")
    assert answer.query is not None
    assert 'cluster="north"' in answer.query
    assert answer.series[0].points[-1].value == pytest.approx(6)


def test_a_gauge_is_drawn_as_it_is(tmp_path: Path) -> None:
    answer = ask_jobs(tmp_path, "queue length over the last 2 hours")
    assert answer.query == "queue_length"
    assert {point.value for one in answer.series for point in one.points} == {3.0}


def test_what_nothing_is_about_gets_no_chart_and_the_nearest_metrics(tmp_path: Path) -> None:
    answer = ask_jobs(tmp_path, "how hot is the length of the reactor core and its coolant")
    assert answer.query is None
    assert (
        answer.reason == "nothing that was found, in documents or metrics, is about this question"
    )
    assert answer.nearest == ("queue_length",)
    assert "`queue_length`" in as_markdown(answer)


def test_a_panel_that_somebody_drew_is_taken_and_linked(company: Settings) -> None:
    answer, _ = ask(company, "top 3 GPU temperature by node last night")
    assert answer.origin is Origin.PANEL
    assert answer.query is not None
    assert answer.query.startswith("topk (3, max by (node) (DCGM_FI_DEV_GPU_TEMP")
    assert answer.url == "https://grafana.kestrel.example/d/gpu-fleet?viewPanel=5"
    assert answer.unit == "°C"
    assert answer.series[0].labels == {"node": "gpu-eu-07"}
    assert answer.series_found >= 3


def test_a_region_that_the_question_names_is_the_only_one_drawn(company: Settings) -> None:
    answer, _ = ask(company, "checkout latency p99 in eu-west last night")
    assert answer.query is not None
    assert 'service="checkout"' in answer.query
    assert 'region="eu-west"' in answer.query
    (series,) = answer.series
    assert max(point.value for point in series.points) == pytest.approx(3.25, rel=0.02)


def test_by_service_means_every_service_whatever_the_panel_was_drawn_for(
    company: Settings,
) -> None:
    answer, _ = ask(company, "share of failed requests by service last night")
    services = {one.labels["service"] for one in answer.series}
    assert {"auth", "checkout", "inference-gateway"} <= services
    assert any("of every service" in said for said in answer.assumed)


def test_a_panel_whose_metric_is_not_there_is_refused_with_its_reason(company: Settings) -> None:
    answer, _ = ask(company, "power draw of GPU nodes")
    refused = {one.title: one.refused or "" for one in answer.considered}
    assert "there is no metric DCGM_FI_DEV_POWER_USAGE" in refused["Power draw by node"]
    assert answer.query is None or "POWER_USAGE" not in answer.query


def test_words_that_nothing_about_the_query_says_are_told(company: Settings) -> None:
    answer, _ = ask(company, "GPU temperature of purple nodes by node last night")
    assert answer.query is not None
    assert any("“purple”" in said for said in answer.unmet)


def test_the_answer_reads_as_a_chart_a_query_and_its_source(company: Settings) -> None:
    answer, _ = ask(company, "GPU temperature by node last night")
    text = as_markdown(answer)
    assert "┤" in text
    assert f"```promql\n{answer.query}\n```" in text
    assert f"{answer.document}” {answer.url}" in text
    assert f"the highest of {answer.series_found}" in text
    svg = draw_svg(answer)
    assert svg.count("gpu-eu-07") >= 1
    assert svg == draw_svg(answer)


def test_without_metrics_there_is_a_query_and_no_chart(company: Settings) -> None:
    answer, _ = ask(
        company.model_copy(update={"metrics_file": None}), "GPU temperature by node last night"
    )
    assert answer.query is not None
    assert not answer.asked
    assert "it was not asked" in as_markdown(answer)
    assert any("no source is configured" in one for one in answer.missing)


# -- a language model ------------------------------------------------------------------------------

WRITTEN = 'max by (cluster) (DCGM_FI_DEV_GPU_UTIL{node=~"gpu-eu-.*"})'


def test_a_model_writes_a_query_and_it_is_drawn(company: Settings) -> None:
    answer, model = ask(
        company,
        "GPU utilisation by cluster last night",
        says=[Choice(promql=WRITTEN, title="Busy GPUs", why="nobody drew the maximum")],
    )
    assert answer.query == WRITTEN
    assert answer.origin is Origin.MODEL
    assert answer.title == "Busy GPUs"
    assert answer.series
    assert [call.purpose for call in answer.calls] == ["promql"]
    assert model is not None
    prompt = model.asked[0].messages[-1].content
    assert "<metric>DCGM_FI_DEV_GPU_UTIL" in prompt
    assert '<candidate id="Q1">' in prompt


def test_what_a_model_makes_up_goes_back_once_with_what_is_wrong(company: Settings) -> None:
    answer, model = ask(
        company,
        "GPU utilisation by cluster last night",
        says=[Choice(promql="sum(gpu_busy_ratio)"), Choice(promql=WRITTEN)],
    )
    assert answer.query == WRITTEN
    assert model is not None
    assert "there is no metric gpu_busy_ratio" in model.asked[1].messages[-1].content
    assert any(one.query == "sum(gpu_busy_ratio)" and one.refused for one in answer.considered)


def test_after_two_bad_queries_the_best_candidate_stands(company: Settings) -> None:
    question = "GPU temperature by node last night"
    plain, _ = ask(company, question)
    answer, model = ask(
        company, question, says=[Choice(promql="sum(("), Choice(promql='{job=~".*"}')]
    )
    assert model is not None
    assert len(model.asked) == 2
    assert answer.query == plain.query
    assert answer.origin is Origin.PANEL


def test_a_metric_that_exists_but_was_not_found_for_the_question_is_no_answer(
    company: Settings,
) -> None:
    without, _ = ask(company, "GPU temperature by node last night")
    answer, _ = ask(
        company,
        "GPU temperature by node last night",
        says=[Choice(promql="sum(redis_connected_clients)")] * 2,
    )
    assert answer.query == without.query
    assert any("not among what was shown" in (one.refused or "") for one in answer.considered)


def test_a_model_that_is_late_costs_a_line_and_no_chart(company: Settings) -> None:
    answer, _ = ask(company, "GPU temperature by node last night", says=[LlmTimeout("too late")])
    assert answer.series
    assert "the language model scripted: too late" in answer.missing


# -- what may be asked -----------------------------------------------------------------------------

KNOWN = Known(
    names=frozenset({"http_requests_total", "up"}),
    labels={"http_requests_total": {"code": ("200", "500"), "pod": ()}},
)


@pytest.mark.parametrize(
    ("query", "objection"),
    [
        ("sum(rate(http_requests_total[5m])) by (code)", None),
        ("sum(rate(http_requests_total[5m])) by (pod)", "none of its metrics has a label pod"),
        ('http_requests_total{pod="a"}', "http_requests_total has no label pod"),
        ('http_requests_total{pod!="a"}', None),
        ('http_requests_total{pod=~".*"}', None),
        (r'http_requests_total{code=~"(|a?){40}\\b"}', None),  # backtracks in Python's engine
        ("rate(http_request_total[5m])", "nearest are http_requests_total"),
        ("sum(up", "it is not PromQL"),
        ("http_requests_total[5m]", "a range of samples can't be drawn"),
        ("rate(http_requests_total[30d])", "longer than 1w"),
        ("max_over_time(up[7d:1s])", "a subquery of more than"),
        ("up offset 30d", "its offset goes further"),
        ('{code="500"}', "a selector names no metric"),
        ('{__name__=~"http.*"}', "a selector names no metric"),
        ("time()", "it reads no metric"),
        (" + ".join(["up"] * 30), "it reads 30 times"),
    ],
)
def test_a_query_is_refused_in_words(query: str, objection: str | None) -> None:
    found = objections(query, KNOWN, CheckPolicy())
    if objection is None:
        assert found == ()
    else:
        assert any(objection in one for one in found), found


# -- what a question asks for ----------------------------------------------------------------------


def test_what_a_question_asks_for_is_read_out_of_it() -> None:
    wish = wish_of("average p95 latency of checkout by region and pod, top 5, per minute")
    assert (wish.quantile, wish.top, wish.per) == (0.95, 5, 60)
    assert wish.by == ("region", "pod")
    assert wish.count is Count.AVERAGE
    assert wish_of("p999 of requests").quantile == 0.999
    assert wish_of("median latency").quantile == 0.5
    assert wish_of("users per node").by == ("node",)


def test_spellings_of_the_trade_are_one_word() -> None:
    assert words("node_network_transmit_bytes_total") >= words("sent bytes")
    assert words("CPU utilisation") == words("cpu usage")
    assert words("NodeFilesystemErrors") == words("failed filesystem hosts")


# -- queries as trees ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        'sum by (pod) (rate(x{a="b\\\\.c", d=~"\\"q\\""}[5m] offset 1h)) / on (pod) group_left y',
        "max_over_time(sum (rate(x[5m]))[1h:5m])",
        'count_values ("v", x) > bool 1',
        "-topk (5, x) or vector(0)",
        "a and ignoring (z) b unless c",
    ],
)
def test_a_query_stays_the_same_when_it_is_written_again(query: str) -> None:
    again = written(parse(query), lambda _: None)
    assert parse(again).prettify() == parse(query).prettify()


def test_only_what_puts_the_result_together_is_regrouped() -> None:
    ratio = "sum by (a) (max by (a, b) (x)) / sum by (a) (y)"
    assert regrouped(parse(ratio), ["c"]) == "sum by (c) (max by (a, b) (x)) / sum by (c) (y)"
    quantile = "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))"
    assert regrouped(parse(quantile), ["c"]) == (
        "histogram_quantile(0.9, sum by (le, c) (rate(x_bucket[5m])))"
    )
    joined = "sum by (pod) (x) * on (pod) group_left (node) sum by (pod, node) (y)"
    assert regrouped(parse(joined), ["c"]) is None


def test_a_number_out_of_a_query_is_not_regrouped() -> None:
    share = "sum by (a) (x) / scalar(sum(y))"
    assert regrouped(parse(share), ["c"]) == "sum by (c) (x) / scalar(sum(y))"
    assert regrouped(parse("scalar(sum(y))"), ["c"]) is None


def test_comments_of_a_panel_are_no_part_of_its_query() -> None:
    assert one_line("max(x)  # of all\n  + vector(1)") == "max (x) + vector(1)"


def test_the_grouping_of_a_query_is_that_of_its_result() -> None:
    assert grouping_in("x") is None
    assert grouping_in("sum(x)") == Grouping(labels=frozenset())
    assert grouping_in("topk(3, sum by (a) (x))") == Grouping(labels=frozenset({"a"}))
    assert grouping_in("histogram_quantile(.5, sum by (le, a) (x))") == Grouping(
        labels=frozenset({"a"})
    )


def test_another_metric_keeps_matchers_range_and_offset() -> None:
    query = renamed(parse('rate(x{a="b"}[5m] offset 1h) / x'), "x", "y")
    assert same(query, 'rate(y{a="b"}[5m] offset 1h) / y')
    assert metrics_in(parse(query)) == ("y",)


# -- the command -----------------------------------------------------------------------------------


def test_the_command_prints_the_chart_and_writes_the_image(
    company: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHY_CONFIG", str(Path(__file__).parents[2] / "data" / "why.toml"))
    monkeypatch.setenv("WHY_INDEX_DIR", str(company.index_dir))
    image = tmp_path / "charts" / "gpu.svg"
    question = "GPU temperature by node last night"
    done = CliRunner().invoke(app, ["chart", question, "--svg", str(image)])
    assert done.exit_code == 0, done.output
    assert "# GPU temperature by node" in done.output
    assert image.read_text().startswith("<?xml")
    done = CliRunner().invoke(app, ["chart", question, "--json"])
    assert json.loads(done.output)["origin"] == "panel"
    done = CliRunner().invoke(app, ["chart", "unicorn sightings"])
    assert done.exit_code == 1
    assert "# No chart" in done.output
