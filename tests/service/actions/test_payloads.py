"""What a proposal says: everything that a reader of the ticket needs, and nothing that acts."""

from __future__ import annotations

import re

import pytest

from service.actions.kinds import Urgency
from service.actions.payloads import (
    DESCRIPTION_LIMIT,
    DETAILS_LIMIT,
    NOTE_LIMIT,
    SUMMARY_LIMIT,
    TITLE_LIMIT,
    jira_issue,
    pagerduty_incident,
    pagerduty_note,
)
from service.actions.rendering import escaped
from service.reports.model import Claim, Outcome
from tests.service.actions.reports import cause, passage, report

LINK = "https://why.example/#/reports/r_1"


def test_an_issue_has_causes_evidence_next_check_runbook_impact_and_the_report_each_cited() -> None:
    issue = jira_issue(
        report(cause(runbook_url="https://wiki.example/runbooks/roll-back")), LINK, "OPS", "Task"
    )

    assert issue.summary == "Most likely quota (eu-west), 60%: Why did checkout fail last night?"
    lines = issue.description.splitlines()
    cited = r"\[[2|https://grafana.example/explore?panes=a%7Cb]\]"
    assert f"* {{{{process_open_fds}}}} rose to 4,256. {cited}" in lines
    assert (
        r"* *Next check:* “Is it the deploy?” \[[1|https://wiki.example/runbooks/roll-back]\]"
        in lines
    )
    assert "* *Runbook:* [Roll back a deploy|https://wiki.example/runbooks/roll-back]" in lines
    assert "* *Customers:* Brightwater Retail" in lines
    assert "* the logs" in lines
    assert f"Proposed by Why from [its report|{LINK}], approved by a person." in lines


def test_links_lead_to_us_and_to_cited_documents_and_metrics_and_nowhere_else() -> None:
    hostile = (
        cause(runbook_url="https://evil.example/runbook"),
        cause(
            Claim(text="See [here](https://evil.example/a) or http://evil.example/b", citations=()),
            Claim(text="ftp://evil.example/c www.evil.example mailto:a@evil.example", citations=()),
            rank=2,
        ),
    )
    odd = passage(4, "Userinfo", "https://wiki.example@evil.example/")
    found = report(*hostile, summary=(Claim(text="x", citations=(3, 4)),))
    found = found.model_copy(update={"citations": (*found.citations, odd)})
    issue = jira_issue(found, LINK, "OPS", "Task")
    incident = pagerduty_incident(found, LINK, "PSVC1")

    for text in (issue.description, incident.details):
        assert "evil.example" not in text
        hosts = set(re.findall(r"https?://([^/|\]]+)", text))
        assert hosts == {"why.example", "wiki.example", "grafana.example"}


@pytest.mark.parametrize(
    ("text", "wiki"),
    [
        ("!http://a/x.png!", r"\!http://a/x.png\!"),
        ("{html}<script>{html}", r"\{html\}<script>\{html\}"),
        ("[click|http://a] [~admin] |cell|", r"\[click\|http://a\] \[\~admin\] \|cell\|"),
        ("*bold* _it_ -no- +in+ ^up^ ??who??", r"\*bold\* \_it\_ \-no\- \+in\+ \^up\^ \?\?who\?\?"),
        ("snake_case eu-west 1+1 why?", "snake_case eu-west 1+1 why?"),
        (r"C:\temp \\ server", "C:&#92;temp &#92;&#92; server"),
        ("rate(x) (on) (why)", r"rate\(x) \(on) (why)"),
        ("&lt;b&gt; & co", "&amp;lt;b&amp;gt; & co"),
        ('`up{job="a"}` is `', r'{{up\{job="a"\}}} is `'),
    ],
)
def test_text_of_documents_is_shown_by_jira_and_never_obeyed(text: str, wiki: str) -> None:
    assert escaped(text) == wiki


def test_a_question_of_several_lines_becomes_a_title_of_one_within_the_limits() -> None:
    found = report(cause(), question="Why?\n" + "🔥" * 2000)
    issue = jira_issue(found, LINK, "OPS", "Task")
    incident = pagerduty_incident(found, LINK, "PSVC1")

    for title, limit in ((issue.summary, SUMMARY_LIMIT), (incident.title, TITLE_LIMIT)):
        assert "\n" not in title
        assert title.endswith("…")
        assert len(title.encode("utf-16-le")) // 2 <= limit


def test_what_is_too_long_loses_whole_lines_from_the_end_with_their_sources_and_says_so() -> None:
    passages = tuple(passage(n, f"Page {n}", f"https://wiki.example/{n}") for n in range(1, 400))
    claims = tuple(Claim(text=f"Sentence {n}. " * 20, citations=(n,)) for n in range(1, 400))
    found = report(cause(*claims), citations=passages, summary=())
    issue = jira_issue(found, LINK, "OPS", "Task")
    incident = pagerduty_incident(found, LINK, "PSVC1")
    note = pagerduty_note(found, LINK, "PINC1")

    for text, limit in (
        (issue.description, DESCRIPTION_LIMIT),
        (incident.details, DETAILS_LIMIT),
        (note.content, NOTE_LIMIT),
    ):
        assert len(text) <= limit
        assert "This is shortened; the rest is in the report." in text
        said = {int(n) for n in re.findall(r"Sentence (\d+)\. ", text)}
        listed = {int(n) for n in re.findall(r"Page (\d+)", text)}
        assert said == listed == set(range(1, max(said) + 1))
        assert LINK in text


def test_an_incident_of_a_quiet_night_wakes_nobody_unless_that_is_said() -> None:
    quiet = report(outcome=Outcome.NO_INCIDENT_VISIBLE)

    assert pagerduty_incident(quiet, None, "PSVC1").urgency is Urgency.LOW
    assert pagerduty_incident(quiet, None, "PSVC1", Urgency.HIGH).urgency is Urgency.HIGH
    assert pagerduty_incident(report(cause()), None, "PSVC1").urgency is Urgency.HIGH
    assert pagerduty_incident(quiet, None, "PSVC1").title.startswith("No incident visible:")


def test_a_note_is_only_for_what_can_be_an_incidents_id() -> None:
    with pytest.raises(ValueError, match="is no id of a PagerDuty incident"):
        pagerduty_note(report(), None, "../users")
