"""What changed since yesterday's briefing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.briefing.changes import DraftComparison, compare, same_trouble
from service.briefing.model import (
    Briefing,
    BriefingOutcome,
    ChangeKind,
    Incident,
    Risk,
    RiskKind,
    State,
)
from service.reports.model import Claim
from service.settings import Settings
from tests.service.briefing.conftest import brief


def kinds(comparison: DraftComparison) -> list[ChangeKind]:
    return [change.kind for change in comparison.changes]


def yesterday(briefing: Briefing, **update: object) -> Briefing:
    return briefing.model_copy(
        update={"date": briefing.date - timedelta(days=1), "incidents": (), "risks": (), **update}
    )


def with_state(incident: Incident, state: State) -> Incident:
    return incident.model_copy(update={"state": state})


def test_without_an_earlier_briefing_there_is_nothing_to_compare_with(bad_night: Briefing) -> None:
    comparison = compare(None, bad_night)
    assert comparison.changes == ()
    assert comparison.note == "There is no earlier briefing to compare with."


def test_what_was_not_there_yesterday_is_new(bad_night: Briefing) -> None:
    comparison = compare(yesterday(bad_night), bad_night)
    assert kinds(comparison) == [ChangeKind.NEW, ChangeKind.NEW]
    assert comparison.changes[0].claim.text == bad_night.incidents[0].what.text


@pytest.mark.parametrize(
    ("then", "now", "kind"),
    [
        (State.RECOVERED, State.RECOVERED, ChangeKind.AGAIN),
        (State.RECOVERED, State.ONGOING, ChangeKind.AGAIN),
        (State.ONGOING, State.RECOVERED, ChangeKind.AGAIN),
        (State.ONGOING, State.RETURNING, ChangeKind.STILL_OPEN),
    ],
)
def test_the_same_trouble_is_there_again_or_still(
    bad_night: Briefing, then: State, now: State, kind: ChangeKind
) -> None:
    hot = bad_night.incidents[1]
    before = yesterday(bad_night, incidents=(with_state(hot, then),))
    today = bad_night.model_copy(update={"incidents": (with_state(hot, now),)})
    comparison = compare(before, today)
    assert kinds(comparison) == [kind]
    assert comparison.changes[0].claim.citations


def test_what_was_open_and_is_gone_is_over_but_not_for_someone_who_saw_nothing(
    bad_night: Briefing,
) -> None:
    before = yesterday(bad_night, incidents=(with_state(bad_night.incidents[1], State.ONGOING),))
    today = bad_night.model_copy(update={"incidents": (), "outcome": BriefingOutcome.QUIET})
    assert kinds(compare(before, today)) == [ChangeKind.OVER]
    blind = compare(before, today.model_copy(update={"outcome": BriefingOutcome.BLIND}))
    assert blind.changes == ()
    assert blind.note is not None
    assert "can't be told" in blind.note


def test_nothing_is_called_new_after_a_night_that_was_not_seen(bad_night: Briefing) -> None:
    blind = compare(yesterday(bad_night, outcome=BriefingOutcome.BLIND), bad_night)
    assert blind.changes == ()
    assert blind.note is not None
    assert "could not be seen" in blind.note
    partly = compare(yesterday(bad_night, outcome=BriefingOutcome.PARTLY_BLIND), bad_night)
    assert partly.note is not None
    assert "may not be" in partly.note


def test_risks_come_and_go(bad_night: Briefing) -> None:
    claim = Claim(text="The disk is full.", citations=bad_night.headline.citations)
    full = Risk(kind=RiskKind.FLEET, about="gpu-eu-01", claim=claim)
    calm = bad_night.model_copy(update={"incidents": (), "risks": ()})
    risky = calm.model_copy(update={"risks": (full,)})
    assert kinds(compare(yesterday(risky, risks=(full,)), calm)) == [ChangeKind.RISK_GONE]
    assert kinds(compare(yesterday(calm), risky)) == [ChangeKind.NEW_RISK]


def test_incidents_of_other_regions_or_services_are_others(bad_night: Briefing) -> None:
    worst, hot = bad_night.incidents
    assert same_trouble(worst, worst)
    assert not same_trouble(worst, hot)
    assert not same_trouble(worst, worst.model_copy(update={"regions": ("us-east",)}))


def test_what_is_said_of_yesterday_is_checked_against_the_sources_too(
    company: Settings, bad_night: Briefing
) -> None:
    before = yesterday(
        bad_night,
        incidents=(with_state(bad_night.incidents[1], State.RECOVERED),),
    )
    told = brief(company, before=before)
    assert [change.kind for change in told.compared.changes] == [ChangeKind.NEW, ChangeKind.AGAIN]
    lie = before.citations[0].model_copy(update={"name": "NeverFired"})
    forged = before.model_copy(
        update={
            "citations": (lie, *before.citations[1:]),
            "incidents": (
                with_state(
                    bad_night.incidents[1].model_copy(
                        update={"what": Claim(text="x", citations=(lie.number,))}
                    ),
                    State.RECOVERED,
                ),
            ),
        }
    )
    checked = brief(company, before=forged)
    assert [change.kind for change in checked.compared.changes] == [ChangeKind.NEW]
    assert checked.dropped_claims == 1
