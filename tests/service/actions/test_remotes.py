"""Jira and PagerDuty over real HTTP: found again, made once, and careful with what goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

import pytest

from service.actions.errors import ActionError, RemoteRefused, RemoteUnclear
from service.actions.jira_issues import JiraIssues
from service.actions.pagerduty_incidents import PagerDutyIncidents
from service.actions.payloads import jira_issue, pagerduty_incident, pagerduty_note
from service.testing.jira import Failure, FakeJira
from service.testing.loopback import on_loopback
from service.testing.pagerduty import FakePagerDuty
from tests.service.actions.reports import cause, report

USER, TOKEN = "why@example.com", "s3cret-t0ken"
ISSUE = jira_issue(report(cause()), None, "OPS", "Task")
INCIDENT = pagerduty_incident(report(cause()), None, "PSVC1")
NOTE = pagerduty_note(report(cause()), None, "PINC1")


def refused(call: Awaitable[object], kind: type[ActionError]) -> str:
    """What a reader is told, after a look that the token isn't in it."""

    async def run() -> object:
        return await call

    with pytest.raises(kind) as caught:
        asyncio.run(run())
    told = repr(caught.value)
    assert TOKEN not in told
    assert TOKEN[-4:] not in told
    return str(caught.value)


@pytest.mark.parametrize("cloud", [True, False])
def test_an_issue_is_filed_and_found_again_by_its_proposal(cloud: bool) -> None:
    user = USER if cloud else None
    jira = FakeJira(token=TOKEN, user=user, cloud=cloud)
    with on_loopback(jira) as url:
        issues = JiraIssues(f"{url}/", user, TOKEN)

        async def run() -> None:
            assert await issues.find(ISSUE, "a_1") is None
            created = await issues.create(ISSUE, "a_1")
            assert created == f"{url}/browse/OPS-1"
            assert await issues.find(ISSUE, "a_1") == created
            assert await issues.find(ISSUE, "a_2") is None

        asyncio.run(run())
    (issue,) = jira.issues
    assert issue["fields"]["summary"] == ISSUE.summary
    assert issue["fields"]["description"] == ISSUE.description
    assert issue["fields"]["labels"] == ["why", "why-a_1"]


def test_jira_that_is_busy_is_asked_again_and_any_other_failure_is_not() -> None:
    jira = FakeJira(token=TOKEN)
    with on_loopback(jira) as url:
        issues = JiraIssues(url, USER, TOKEN)
        jira.failures.append(Failure(429, retry_after=0))
        assert asyncio.run(issues.create(ISSUE, "a_1")) == f"{url}/browse/OPS-1"

        jira.failures.append(Failure(403, "You do not have permission to create issues."))
        said = refused(issues.create(ISSUE, "a_2"), RemoteRefused)
        assert "may not create issues" in said

        wrong = ISSUE.model_copy(update={"issue_type": "Epic"})
        said = refused(issues.create(wrong, "a_2"), RemoteRefused)
        assert "Specify a valid issue type" in said

        jira.failures.append(Failure(302, location=f"{url}/elsewhere"))
        said = refused(issues.create(ISSUE, "a_2"), RemoteRefused)
        assert "redirect" in said
        assert ("GET", "/elsewhere") not in jira.calls

        jira.failures.append(Failure(502, after=True))
        refused(issues.create(ISSUE, "a_2"), RemoteUnclear)
    assert len(jira.issues) == 2  # a_1, and a_2 whose answer was lost: it was not sent twice


def test_a_wrong_token_and_a_jira_that_is_not_there_are_told_with_the_setting_to_look_at() -> None:
    with on_loopback(FakeJira(token=f"{TOKEN}x")) as url:
        said = refused(JiraIssues(url, USER, TOKEN).create(ISSUE, "a_1"), RemoteRefused)
    assert "see jira_user and jira_token" in said
    said = refused(JiraIssues(url, USER, TOKEN).create(ISSUE, "a_1"), RemoteRefused)
    assert said == "Jira can't be reached; see jira_url"


def test_an_incident_is_opened_once_however_often_it_is_asked_for() -> None:
    pagerduty = FakePagerDuty(token=TOKEN, users=(USER,), services=("PSVC1",))
    with on_loopback(pagerduty) as url:
        incidents = PagerDutyIncidents(url, TOKEN, USER)

        async def run() -> None:
            assert await incidents.find(INCIDENT, "a_1") is None
            created = await incidents.create(INCIDENT, "a_1")
            assert await incidents.create(INCIDENT, "a_1") == created
            assert await incidents.find(INCIDENT, "a_1") == created

        asyncio.run(run())
    (incident,) = pagerduty.incidents
    assert incident["title"] == INCIDENT.title
    assert incident["incident_key"] == "a_1"
    assert incident["urgency"] == "high"
    assert incident["body"] == {"type": "incident_body", "details": INCIDENT.details}


def test_a_note_is_written_on_its_incident_and_found_again() -> None:
    pagerduty = FakePagerDuty(token=TOKEN, users=(USER,), services=("PSVC1",))
    with on_loopback(pagerduty) as url:
        incidents = PagerDutyIncidents(url, TOKEN, USER)

        async def run() -> None:
            opened = await incidents.create(INCIDENT, "a_1")
            assert await incidents.find_note(NOTE, "a_2") is None
            noted = await incidents.annotate(NOTE, "a_2")
            assert noted == opened
            assert await incidents.find_note(NOTE, "a_2") == noted

        asyncio.run(run())
        elsewhere = NOTE.model_copy(update={"incident": "PNONE"})
        said = refused(incidents.annotate(elsewhere, "a_3"), RemoteRefused)
        assert "is the incident's id right?" in said
    (note,) = pagerduty.notes["PINC1"]
    assert note["content"].startswith(NOTE.content)


def test_pagerduty_that_fails_is_told_apart_from_one_that_refuses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    pagerduty = FakePagerDuty(token=TOKEN, users=(USER,), services=("PSVC1",))
    with on_loopback(pagerduty) as url:
        incidents = PagerDutyIncidents(url, TOKEN, USER)
        pagerduty.failures.append(Failure(429))
        asyncio.run(incidents.create(INCIDENT, "a_1"))

        pagerduty.failures.append(Failure(502, after=True))
        refused(incidents.create(INCIDENT, "a_2"), RemoteUnclear)
        pagerduty.failures.append(Failure(302, location=f"{url}/elsewhere"))
        assert "redirect" in refused(incidents.create(INCIDENT, "a_3"), RemoteRefused)

        stranger = PagerDutyIncidents(url, TOKEN, "nobody@example.com")
        said = refused(stranger.create(INCIDENT, "a_3"), RemoteRefused)
        assert "Requester User Not Found" in said
        intruder = PagerDutyIncidents(url, f"{TOKEN}x", USER)
        said = refused(intruder.create(INCIDENT, "a_3"), RemoteRefused)
        assert "see pagerduty_token and pagerduty_url" in said
    assert [one["incident_key"] for one in pagerduty.incidents] == ["a_1", "a_2"]
    assert ("GET", "/elsewhere") not in pagerduty.calls
    assert TOKEN not in caplog.text
    plain = PagerDutyIncidents("http://pagerduty.example", TOKEN, USER)
    said = refused(plain.create(INCIDENT, "a_3"), RemoteRefused)
    assert "must start with https://" in said
