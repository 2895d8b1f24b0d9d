"""The report on the sample company's bad night, and what is left of it when a part is missing."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.documents import SourceKind
from service.assembly import moment_of, open_engine
from service.metrics.source import MetricMetadata, MetricsTimeout, RangeResult, Window
from service.reports.draft import Draft, DraftClaim, Findings
from service.reports.extractive import ExtractiveWriter
from service.reports.markdown import to_markdown
from service.reports.model import MetricCitation, Outcome, PassageCitation, Report
from service.settings import Settings, SourceSettings
from tests.company import ingest, settings_in

QUESTION = "Why did checkout fail last night?"


def ask(settings: Settings, question: str = QUESTION, as_of: datetime | None = None) -> Report:
    now = as_of or moment_of(settings)

    async def run() -> Report:
        async with open_engine(settings, as_of=now) as engine:
            return await engine.ask(question, now=now, audience=settings.audience)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def report(company: Settings) -> Report:
    return ask(company)


def test_the_deploy_behind_the_bad_night_comes_first(report: Report) -> None:
    assert report.outcome is Outcome.CAUSES
    first, second, *_ = report.causes
    assert (first.component, first.region) == ("quota", "eu-west")
    assert second.component == "session-cache"
    assert len(report.causes) <= 5
    assert [cause.rank for cause in report.causes] == list(range(1, len(report.causes) + 1))
    assert "quota 4.12.0" in first.evidence[0].text


def test_every_sentence_is_cited_and_every_citation_is_verified_and_used(report: Report) -> None:
    claims = [
        *report.summary,
        *(claim for cause in report.causes for claim in (*cause.evidence, *cause.against)),
        *(cause.next_check for cause in report.causes if cause.next_check),
        *report.impact.claims,
        *report.timeline,
        *report.also_seen,
    ]
    assert all(claim.citations for claim in claims)
    used = {number for claim in claims for number in claim.citations}
    assert used == {citation.number for citation in report.citations}
    assert all(citation.verified for citation in report.citations)
    assert report.dropped_claims == 0


def test_citations_carry_what_a_reader_needs_to_look_them_up(report: Report) -> None:
    passages = [c for c in report.citations if isinstance(c, PassageCitation)]
    metrics = [c for c in report.citations if isinstance(c, MetricCitation)]
    assert passages
    assert metrics
    for passage in passages:
        assert passage.url is not None
        assert passage.url.startswith("https://")
        assert passage.end - passage.start == len(passage.quote)
    assert all(metric.samples and metric.query for metric in metrics)


def test_it_says_who_was_hit_and_that_it_is_coming_back(report: Report) -> None:
    assert {"checkout", "auth", "inference-gateway"} <= set(report.impact.services)
    assert report.impact.regions == ("eu-west",)
    assert set(report.impact.customers) == {"Aurelia Labs", "Brightwater Retail"}
    assert any("coming back" in claim.text for claim in report.summary)


def test_the_red_herrings_are_set_apart(report: Report) -> None:
    apart = " ".join(claim.text for claim in report.also_seen)
    assert "gpu-eu-07" in apart
    assert "search" in apart
    assert not {"search", "gpu-eu-07", "storefront"} & {c.component for c in report.causes}


def test_the_same_question_gets_the_same_report(company: Settings, report: Report) -> None:
    again = ask(company)
    assert again.model_copy(update={"timings": report.timings}) == report


def test_nothing_written_or_measured_later_is_seen(company: Settings) -> None:
    early = ask(company, "Why is checkout slow?", datetime(2026, 11, 12, 2, 10, tzinfo=UTC))
    assert early.causes[0].component == "quota"
    assert "failover" not in early.model_dump_json()
    before_the_incident = datetime(2026, 6, 1, tzinfo=UTC)
    past = ask(company, "Redis clients leaked, session-cache full", before_the_incident)
    assert "Billing 2.9.0" not in past.model_dump_json()


def test_a_quiet_service_gets_no_cause(company: Settings) -> None:
    quiet = ask(company, "Why did payments fail last night?")
    assert quiet.outcome is Outcome.NO_INCIDENT_VISIBLE
    assert quiet.causes == ()
    assert quiet.related
    assert "No incident visible" in to_markdown(quiet)


def test_a_quiet_day_gets_no_cause(company: Settings) -> None:
    quiet = ask(company, "What happened yesterday afternoon?")
    assert quiet.outcome is Outcome.NO_INCIDENT_VISIBLE


def test_a_node_that_only_the_metrics_know_can_be_asked_about(company: Settings) -> None:
    gpu = ask(company, "Why did gpu-eu-07 throttle last night?")
    assert gpu.causes[0].component == "gpu-eu-07"
    assert gpu.causes[0].runbook is not None
    assert gpu.causes[0].runbook.title == "GPU thermal throttling"


def test_without_metrics_the_documents_answer_and_the_report_says_so(company: Settings) -> None:
    blind = company.model_copy(update={"metrics_file": None})
    report = ask(blind, "Why was auth slow on 2026-06-18?")
    assert report.causes[0].component == "billing"
    assert any("metrics" in line for line in report.not_seen)


def test_when_something_was_does_not_change_what_is_found_about_it(company: Settings) -> None:
    """ "last" and "night" are words of other incidents, too."""
    unseen = company.model_copy(update={"metrics_file": None, "annotations_file": None})
    named = [
        [cause.component for cause in ask(unseen, question).causes]
        for question in (
            "Why did checkout fail last night?",
            "Why did checkout fail yesterday between 10 and 11 pm?",
            "Why did checkout fail?",
        )
    ]
    assert named[0] == named[1] == named[2]
    assert named[0][0] == "payments"


def test_without_metrics_and_without_anything_written_no_cause_is_invented(
    company: Settings,
) -> None:
    blind = company.model_copy(update={"metrics_file": None})
    report = ask(blind, "Why do penguins prefer herring over the weekend?")
    assert report.outcome is Outcome.NO_CAUSE_SUPPORTED
    assert report.causes == ()


def test_without_an_index_the_metrics_answer_and_the_report_says_so(
    company: Settings, tmp_path: Path
) -> None:
    report = ask(company.model_copy(update={"index_dir": tmp_path / "none"}))
    assert report.causes[0].component == "session-cache" or report.causes
    assert any("why ingest" in line for line in report.not_seen)
    assert not [c for c in report.citations if isinstance(c, PassageCitation)]


def test_without_anything_it_is_still_a_report(company: Settings, tmp_path: Path) -> None:
    report = ask(company.model_copy(update={"index_dir": tmp_path / "none", "metrics_file": None}))
    assert report.outcome is Outcome.NO_CAUSE_SUPPORTED
    assert len(report.not_seen) == 2


def test_a_metrics_file_that_is_not_there_is_named(company: Settings, tmp_path: Path) -> None:
    report = ask(company.model_copy(update={"metrics_file": tmp_path / "gone.om"}))
    assert any("gone.om" in line for line in report.not_seen)


class SlowMetrics:
    """A metrics source that never answers."""

    name = "slow"

    async def _never(self) -> None:
        await asyncio.sleep(3600)

    async def query_range(self, query: str, window: Window, step: timedelta) -> RangeResult:
        await self._never()
        raise MetricsTimeout(query)

    async def label_values(
        self, label: str, window: Window, selector: str | None = None
    ) -> list[str]:
        await self._never()
        return []

    async def metadata(self) -> dict[str, MetricMetadata]:
        return {}

    async def alerts(self, window: Window) -> list[object]:
        return []

    async def changes(self, window: Window) -> list[object]:
        return []

    def link(self, query: str, window: Window) -> None:
        return None

    async def aclose(self) -> None:
        return None


def test_metrics_that_never_answer_do_not_keep_the_report(company: Settings) -> None:
    now = moment_of(company)

    async def run() -> Report:
        hurried = company.model_copy(update={"deadline": 1.5})
        async with open_engine(hurried, as_of=now) as engine:
            engine.tamper_with(lambda _: SlowMetrics())  # type: ignore[arg-type,return-value]
            return await engine.ask(QUESTION, now=now)

    report = asyncio.run(run())
    assert any("deadline" in line for line in report.not_seen)
    assert sum(timing.milliseconds for timing in report.timings) < 4000


class Inventive:
    """A writer that adds sentences to the extractive one's: a number, a name, a quotation."""

    async def write(self, findings: Findings) -> Draft:
        draft = await ExtractiveWriter().write(findings)
        (true, *_) = draft.summary
        lies = (
            true.text.replace("01:37", "01:36"),
            true.text.replace("quota", "payments"),
            true.text + " Errors rose to 93 %.",
            true.text.replace("“Deploy quota 4.12.0", "“Rollback of quota 4.12.0"),
        )
        return draft.model_copy(
            update={
                "summary": (
                    *draft.summary,
                    *(DraftClaim(text=lie, citations=true.citations) for lie in lies),
                )
            }
        )


def test_what_a_writer_makes_up_is_removed_and_counted(company: Settings, report: Report) -> None:
    now = moment_of(company)

    async def run() -> Report:
        async with open_engine(company, as_of=now) as engine:
            engine.write_with(Inventive())
            return await engine.ask(QUESTION, now=now)

    checked = asyncio.run(run())
    assert checked.dropped_claims == 4
    assert checked.summary == report.summary
    assert "4 sentence(s) were removed" in to_markdown(checked)


def test_panels_that_cannot_be_asked_are_told_and_the_others_are(tmp_path: Path) -> None:
    def panel(number: int, title: str, query: str, kind: str) -> dict[str, object]:
        target = {"expr": query, "datasource": {"type": kind, "uid": kind}}
        return {"id": number, "title": title, "type": "timeseries", "targets": [target]}

    variables = [{"name": "tenant", "type": "query", "current": {}}]
    board = {
        "uid": "shop",
        "title": "Checkout",
        "templating": {"list": variables},
        "panels": [
            panel(1, "Logs of checkout", '{app="checkout"} |= "error"', "loki"),
            panel(2, "Checkout by tenant", 'orders_total{tenant="$tenant"}', "prometheus"),
            panel(3, "Checkout's share of errors", 'a{service="$service"} / b', "prometheus"),
        ],
    }
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "shop.json").write_text(json.dumps(board))
    source = SourceSettings(kind=SourceKind.DASHBOARDS, path=tmp_path / "boards")
    settings = settings_in(tmp_path).model_copy(update={"sources": (source,)})
    ingest(settings)
    assert ask(settings).not_seen == (
        'panel "Logs of checkout" (Checkout): reads a loki data source',
        'panel "Checkout by tenant" (Checkout): $tenant has no value and nothing in the question '
        "names one",
    )


def test_a_restricted_incident_is_seen_only_by_its_audience(company: Settings) -> None:
    question = "Why was a deploy token leaked in March 2026?"
    blind = company.model_copy(update={"metrics_file": None})
    everyone = ask(blind, question).model_dump_json()
    insider = ask(
        blind.model_copy(update={"audience": ("everyone", "security")}), question
    ).model_dump_json()
    assert "inc-2026-013" not in everyone
    assert "inc-2026-013" in insider
