"""The briefing of the sample night: what it says, and what it says where it can see less."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from service.assembly import moment_of
from service.briefing.model import Briefing, BriefingOutcome, RiskKind, SeenBy, State
from service.reports.model import Claim, MetricCitation, PassageCitation
from service.settings import Settings
from tests.service.briefing.conftest import brief
from tests.service.briefing.house import CALLED, FAILOVER


def claims_of(briefing: Briefing) -> Iterator[Claim]:
    """Every sentence about the night."""
    yield from (briefing.headline, *briefing.lead, *briefing.also_seen)
    for incident in briefing.incidents:
        yield incident.what
        yield from (*incident.state_claims, *incident.impact, *incident.done, *incident.timeline)
        for suspect in (incident.cause, *incident.alternatives):
            if suspect is not None:
                yield from (*suspect.evidence, *suspect.against)
        for measured in (incident.to_detect, incident.to_resolve, incident.recurrence):
            if measured is not None:
                yield measured.claim
    yield from (risk.claim for risk in briefing.risks)
    yield from (change.claim for change in briefing.compared.changes)


def test_one_incident_is_told_and_not_its_alerts(bad_night: Briefing) -> None:
    assert bad_night.outcome is BriefingOutcome.INCIDENTS
    worst, hot = bad_night.incidents
    assert worst.alerts == (
        "AuthTokenLatencyHigh",
        "CheckoutLatencyHigh",
        "InferenceGatewayErrorRateHigh",
    )
    assert hot.alerts == ("GpuThermalThrottling",)  # unrelated, at nearly the same time
    assert any("Search was slow in us-east" in claim.text for claim in bad_night.also_seen)


def test_the_headline_is_plain_and_in_the_readers_clock(bad_night: Briefing) -> None:
    text = bad_night.headline.text
    assert "slow or failing in eu-west from 02:46 to 04:20" in text  # 01:46 to 03:20 UTC
    assert "coming back" in text
    assert "_" not in text
    assert "p99" not in text
    assert any("“Deploy quota 4.12.0 (eu-west)” at 02:37" in c.text for c in bad_night.lead)


def test_every_sentence_is_cited_and_every_citation_verified(bad_night: Briefing) -> None:
    known = {citation.number for citation in bad_night.citations}
    claims = list(claims_of(bad_night))
    assert all(claim.citations and set(claim.citations) <= known for claim in claims)
    assert [citation.number for citation in bad_night.citations] == sorted(known)
    assert all(citation.verified for citation in bad_night.citations)
    assert bad_night.dropped_claims == 0


def test_an_incident_says_who_why_what_was_done_and_how_it_stands(bad_night: Briefing) -> None:
    worst = bad_night.incidents[0]
    assert {"auth", "checkout", "quota", "inference-gateway"} <= set(worst.services)
    assert worst.regions == ("eu-west",)
    assert set(worst.customers) == {"Aurelia Labs", "Brightwater Retail"}
    assert worst.cause is not None
    assert worst.cause.component == "quota"
    assert worst.cause.confidence is not None
    assert worst.alternatives[0].component == "session-cache"
    assert any("failover to replica by mira" in claim.text for claim in worst.done)
    assert worst.state is State.RETURNING
    assert worst.links
    assert worst.charts
    assert worst.timeline[0].text == "02:37 “Deploy quota 4.12.0 (eu-west)”"


def test_times_to_detect_and_resolve_are_between_cited_moments(bad_night: Briefing) -> None:
    worst = bad_night.incidents[0]
    assert worst.to_detect is not None
    assert worst.to_resolve is not None
    assert (worst.to_detect.minutes, worst.to_resolve.minutes) == (5, 94)
    by_number = {citation.number: citation for citation in bad_night.citations}
    first, last = (by_number[number] for number in worst.to_resolve.claim.citations)
    assert isinstance(first, MetricCitation)
    assert isinstance(last, MetricCitation)
    moments = [s.at for c in (first, last) for s in c.samples]
    assert any(abs((a - b).total_seconds()) == 94 * 60 for a in moments for b in moments)


def test_what_happened_lately_is_counted(bad_night: Briefing) -> None:
    again = bad_night.incidents[0].recurrence
    assert again is not None
    assert (again.times, again.days) == (2, 30)
    assert "INC-2026-049" in again.claim.text  # of 27 October; INC-2026-031 is of June
    assert bad_night.recurring == (bad_night.incidents[0],)


def test_the_risks_of_the_day_are_what_is_open(bad_night: Briefing) -> None:
    kinds = [risk.kind for risk in bad_night.risks]
    assert kinds[0] is RiskKind.STILL_OPEN
    follow_ups = [r.claim.text for r in bad_night.risks if r.kind is RiskKind.FOLLOW_UP]
    assert any("The same alerts in eu-west and ap-south" in text for text in follow_ups)


def test_what_people_did_and_wrote_is_quoted_by_name(talked_about: Briefing) -> None:
    worst = talked_about.incidents[0]
    assert set(worst.seen_by) == {SeenBy.ALERTS, SeenBy.METRICS, SeenBy.SLACK}
    done = [claim.text for claim in worst.done]
    assert f"Mira Okafor at 03:02: “{FAILOVER}”" in done
    assert any("failover to replica by mira" in text for text in done)
    assert not any("called" in text for text in done)
    assert any(CALLED in claim.text for claim in worst.impact)
    assert any(link.url.startswith("https://kestrel.slack.com/") for link in worst.links)
    assert any(claim.text == f"03:02 Mira Okafor: “{FAILOVER}”" for claim in worst.timeline)
    assert "charger" not in talked_about.model_dump_json()


def test_what_only_people_know_of_is_told_too(talked_about: Briefing) -> None:
    by_seen = {incident.seen_by: incident for incident in talked_about.incidents}
    record, thread = by_seen[SeenBy.RECORD,], by_seen[SeenBy.SLACK,]
    assert record.what.text.startswith("“INC-2026-051: Names resolved late in ap-south”")
    assert record.state is State.RECOVERED
    assert (record.severity, record.customers) == ("SEV3", ("Eastgate Robotics",))
    assert (record.services, record.regions) == (("dns",), ("ap-south",))
    assert record.cause is not None
    assert "lost its upstream" in record.cause.evidence[0].text
    assert record.to_detect is not None
    assert record.to_resolve is not None
    assert (record.to_detect.minutes, record.to_resolve.minutes) == (12, 41)
    assert "billing in ap-south fails for everybody" in thread.what.text
    assert thread.state is State.UNKNOWN
    assert any("Restarted the consumers" in claim.text for claim in thread.done)
    assert thread.timeline[0].text.startswith("22:10 Jonas Weidt: “billing in ap-south")


def test_every_sentence_of_people_is_cited_as_well(talked_about: Briefing) -> None:
    assert all(claim.citations for claim in claims_of(talked_about))
    assert talked_about.dropped_claims == 0
    quoted = [c for c in talked_about.citations if isinstance(c, PassageCitation)]
    assert any(FAILOVER in citation.quote for citation in quoted)


def test_a_private_channel_is_for_its_members(house: Settings, talked_about: Briefing) -> None:
    assert "leaked" not in talked_about.model_dump_json()
    member = brief(house, audience=("everyone", "slack:sec-response"))
    assert any("leaked" in incident.what.text for incident in member.incidents)


def test_nothing_written_later_is_known(house: Settings) -> None:
    early = brief(house, now=datetime.fromisoformat("2026-11-12T02:30:00+00:00"))
    text = early.model_dump_json()
    assert FAILOVER not in text
    assert "INC-2026-051" not in text  # published at 06:00
    assert early.incidents[0].state is State.ONGOING
    assert "it is not over" in early.headline.text


def test_a_quiet_night_is_called_quiet(quiet_night: Briefing) -> None:
    assert quiet_night.outcome is BriefingOutcome.QUIET
    assert (quiet_night.incidents, quiet_night.not_seen) == ((), ())
    assert "quiet night" in quiet_night.headline.text


def test_a_night_without_metrics_is_not_called_quiet(
    unseen_night: Briefing, house: Settings
) -> None:
    assert unseen_night.outcome is BriefingOutcome.BLIND
    assert unseen_night.incidents == ()
    assert "could not see the metrics" in unseen_night.headline.text
    told = brief(house.model_copy(update={"metrics_file": None}))
    assert told.outcome is BriefingOutcome.BLIND
    assert "what people wrote" in told.headline.text
    assert {incident.state for incident in told.incidents} == {State.RECOVERED, State.UNKNOWN}


def test_a_night_without_documents_is_not_called_quiet(calm: Settings, tmp_path: Path) -> None:
    without = brief(calm.model_copy(update={"index_dir": tmp_path / "none"}))
    assert without.outcome is BriefingOutcome.PARTLY_BLIND
    assert any("no index" in line for line in without.not_seen)


def test_a_night_before_the_metrics_begin_was_not_seen(company: Settings) -> None:
    early = brief(company, day=date(2026, 11, 10), now=moment_of(company))
    assert early.outcome is BriefingOutcome.BLIND


def test_a_stretch_without_samples_is_no_quiet_stretch(calm: Settings, tmp_path: Path) -> None:
    assert calm.metrics_file is not None
    gone = {f"{second}" for second in range(1794441600, 1794441600 + 2 * 3600)}  # 00:00 to 02:00
    kept = [
        line
        for line in calm.metrics_file.read_text(encoding="utf-8").splitlines(keepends=True)
        if line.startswith("#") or line.split()[-1].partition(".")[0] not in gone
    ]
    file = tmp_path / "metrics.om"
    file.write_text("".join(kept), encoding="utf-8")
    briefing = brief(calm.model_copy(update={"metrics_file": file}))
    assert briefing.outcome is BriefingOutcome.PARTLY_BLIND
    assert any("no samples at all from 2026-11-1" in line for line in briefing.not_seen)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns"])
def test_a_night_is_told_in_any_zone(company: Settings, zone: str) -> None:
    briefing = brief(company, zone=zone)
    assert briefing.incidents
    assert briefing.dropped_claims == 0
