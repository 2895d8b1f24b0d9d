"""Answers as Slack messages: what comes first, what is behind the button, what is never lost."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.causes.ranking import ScoreParts
from service.fleet import ComponentKind, Concern, FleetPolicy
from service.inspected import (
    FleetOutcome,
    FleetReport,
    FleetRow,
    Reason,
    RunReport,
    RunsReport,
    ScorePart,
)
from service.intent import Intent
from service.metrics.signals import Sample
from service.metrics.source import Window
from service.queries.answer import ChartSeries, QueryAnswer
from service.reports.model import (
    AlertCitation,
    Cause,
    ChangeCitation,
    Claim,
    Impact,
    MetricCitation,
    Outcome,
    PassageCitation,
    PhaseTiming,
    Report,
    RunbookLink,
)
from service.scope import QuestionScope
from service.surfaces.slack.blocks import View, details, headline, overview
from service.surfaces.slack.buttons import Buttons
from service.surfaces.slack.mrkdwn import Message
from service.surfaces.slack.publishing import grafana_of
from service.testing.slack_limits import message_problems
from service.training import Verdict
from service.workspace import Answer
from tests.service.surfaces.slack.house import buttons, texts
from tests.service.surfaces.slack.test_mrkdwn import text

START = datetime(2026, 11, 11, 18, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(hours=13))
HOSTS = frozenset(("wiki.kestrel.example", "grafana.kestrel.example"))
GRAPH = "https://grafana.kestrel.example/explore?left=%7B%22queries%22%7D"


def report(
    *claims: Claim, intent: Intent = Intent.WHY, name: str = "quota", causes: int = 3
) -> Report:
    """A report that says these claims everywhere; citations 1 to 4 are of each type."""
    said = claims or (Claim(text="Quota rose.", citations=(2,)),)
    return Report(
        question=f"Why did {name} fail?",
        intent=intent,
        asked_at=START,
        scope=QuestionScope(
            window=WINDOW, reason="last night", as_of=WINDOW.end, services=(name,), regions=("eu",)
        ),
        outcome=Outcome.CAUSES if causes else Outcome.NO_INCIDENT_VISIBLE,
        summary=said,
        causes=tuple(
            Cause(
                rank=rank,
                component=f"{name}-{rank}",
                region="eu-west",
                score=0.5,
                parts=ScoreParts(metrics=0.3, onset=0.1, change=0.1, knowledge=0.0),
                confidence=0.6,
                evidence=said,
                against=said[:1],
                next_check=said[0],
                runbook=RunbookLink(
                    title=name, url="https://wiki.kestrel.example/r", document_id="r"
                ),
            )
            for rank in range(1, causes + 1)
        ),
        impact=Impact(services=(name,), claims=said),
        timeline=said,
        charts=(),
        also_seen=said,
        not_seen=(f"the metrics of {name}",),
        related=(passage(5, name),) if not causes else (),
        citations=(
            ChangeCitation(number=1, at=START, until=None, text=name, tags=(), url=None),
            MetricCitation(
                number=2,
                title=name,
                query=f"rate({name}[5m])",
                labels={},
                unit=None,
                step=timedelta(minutes=1),
                samples=(Sample(at=START, value=1.0),),
                url=GRAPH,
            ),
            AlertCitation(
                number=3, name=name, labels={"x": name}, started=START, ended=None, url=GRAPH
            ),
            passage(4, name),
        ),
        dropped_claims=2,
        writer="extractive",
        timings=(PhaseTiming(phase="metrics", milliseconds=12.0),),
    )


def passage(number: int, title: str) -> PassageCitation:
    return PassageCitation(
        number=number,
        document_id="incidents/1",
        revision="r",
        chunk_id="c",
        kind="incidents",
        title=title,
        url="https://wiki.kestrel.example/incidents/1",
        headings=("Root cause", title),
        written_at=START,
        start=0,
        end=9,
        quote=f"# Head\n{title}",
    )


def view(**more: Any) -> View:
    return View(hosts=HOSTS, buttons=Buttons(report_id="r_1", **more))


def shown(posts: list[Message]) -> str:
    return "\n".join(texts({"blocks": [*post.blocks]}) for post in posts)


def problems(posts: list[Message]) -> list[str]:
    return [
        problem
        for post in posts
        for problem in message_problems({"text": post.text, "blocks": [*post.blocks]})
    ]


claims = st.lists(
    st.builds(
        Claim,
        text=text.filter(lambda said: bool(said.strip())),
        citations=st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=50)
@given(claims, text, st.sampled_from([Intent.WHY, Intent.IMPACT, Intent.WHAT_HAPPENED]))
def test_any_report_fits_and_every_mark_has_its_source(
    said: list[Claim], name: str, intent: Intent
) -> None:
    answer = report(*said, intent=intent, name=name)
    for posts in (overview(answer, view(share_to="C05C3CHECK3")), details(answer, view())):
        assert problems(posts) == []
        everything = shown(posts)
        assert not re.search(r"<[!@#]", everything)
        for number in {number for claim in said for number in claim.citations}:
            assert re.search(rf"^\[{number}\] (change|metric|alert|incidents): ", everything, re.M)
    # Claims are told whole, whichever part they are in.
    squeezed = re.sub(r"[\s`']", "", html.unescape(shown(overview(answer, view()))))
    for claim in said:
        kept = "".join(c for c in claim.text if c.isprintable() and not c.isspace())
        if kept == re.sub(r"\s", "", claim.text):
            marks = "".join(f"[{number}]" for number in claim.citations)
            assert re.sub(r"[`']", "", kept) + marks in squeezed


@settings(max_examples=25)
@given(text, text)
def test_other_answers_fit_too(name: str, said: str) -> None:
    claim = Claim(text=said or "x", citations=(1,))
    common: dict[str, Any] = {"question": name, "asked_at": START, "window": WINDOW, "reason": name}
    rest: dict[str, Any] = {"citations": (passage(1, name),), "not_seen": (said,)}
    row = FleetRow(
        rank=1,
        kind=ComponentKind.NODE,
        name=name,
        cluster=said,
        region="eu",
        score=3.0,
        parts=(ScorePart(concern=Concern.XID, points=3.0),),
        reasons=(Reason(concern=Concern.XID, points=3.0, is_open=True, claim=claim),) * 9,
        next_check=claim,
    )
    answers: list[Answer] = [
        FleetReport(
            **common,
            **rest,
            outcome=FleetOutcome.NEEDS_WORK,
            rows=(row,) * 12,
            well=(name,) * 20,
            dropped_claims=0,
            policy=FleetPolicy(),
        ),
        RunsReport(
            **common,
            **rest,
            runs=(
                RunReport(
                    name=name,
                    clusters=(said,),
                    verdict=Verdict.FAILING,
                    problems=(claim,),
                    state=(claim,),
                    over=(claim,),
                ),
            )
            * 12,
            visible=(name,),
            dropped_claims=1,
        ),
        QueryAnswer(
            question=name,
            query=said or None,
            title=name,
            document=name,
            url=GRAPH,
            assumed=(said,),
            unmet=(name,),
            window=WINDOW,
            window_reason=name,
            step=timedelta(minutes=1),
            series=(ChartSeries(labels={}, points=(Sample(at=START, value=1.0),)),),
            series_found=3,
            asked=True,
            link=GRAPH,
            reason=name,
            nearest=(name,),
        ),
    ]
    for answer in answers:
        posts = overview(answer, view())
        assert problems(posts) == []
        assert posts[0].text
        assert not re.search(r"<[!@#]", shown(posts))
        assert details(answer, view()) == []


def test_what_was_asked_for_comes_first_and_the_top_cause_before_the_rest() -> None:
    why = shown(overview(report(), view()))
    assert why.index("*1. quota-1 (eu-west)* – 60% likely") < why.index("*In short*")
    assert why.index("*Other candidates*") < why.index("2. quota-2 (eu-west) – 60% likely")
    assert "*2. quota-2" not in why
    assert "*2. quota-2 (eu-west)*" in shown(details(report(), view()))
    impact = shown(overview(report(intent=Intent.IMPACT), view()))
    assert impact.index("*Impact*") < impact.index("*1. quota-1")
    order = shown(overview(report(intent=Intent.WHAT_HAPPENED), view()))
    assert order.index("*Timeline*") < order.index("*1. quota-1")


def test_sources_lead_to_where_they_are() -> None:
    said = Claim(text="All.", citations=(1, 2, 3, 4))
    everything = shown(overview(report(said), view()))
    assert f"[2] metric: `rate(quota[5m])` · <{GRAPH}|graph>" in everything
    assert f"[3] alert: <{GRAPH}|quota> 2026-11-11 18:00 – still firing" in everything
    assert (
        "[4] incidents: <https://wiki.kestrel.example/incidents/1|quota> › Root cause" in everything
    )
    elsewhere = shown(overview(report(said), View(hosts=frozenset())))
    assert "<http" not in elsewhere


def test_nothing_wrong_and_nothing_seen_look_different() -> None:
    calm = shown(overview(report(causes=0), view()))
    assert "*No incident visible. The metrics were read" in calm
    assert "*What is written about it*" in calm
    unseen = report(causes=0).model_copy(update={"outcome": Outcome.NO_CAUSE_SUPPORTED})
    assert "*No cause is supported by what could be seen.*" in shown(overview(unseen, view()))
    assert "2 sentence(s) were removed" in calm
    assert headline(unseen).endswith("No cause is supported by what could be seen.")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"why_details", "why_follow_up", "why_up", "why_down", "why_confirm", "why_reject"}),
        ({"share_to": "C05C3CHECK3"}, {"why_share"}),
        ({"grafana": GRAPH}, {"why_grafana"}),
        ({"proposals": (("jira", "Create Jira issue…"),)}, {"why_propose"}),
    ],
)
def test_buttons_are_there_where_they_can_do_something(
    more: dict[str, Any], expected: set[str]
) -> None:
    (*_, last) = overview(report(), view(**more))
    assert expected <= set(buttons({"blocks": [*last.blocks]}))
    plain = buttons({"blocks": [*overview(report(), view())[-1].blocks]})
    assert not {"why_share", "why_grafana", "why_propose"} & set(plain)
    no_cause = buttons({"blocks": [*overview(report(causes=0), view())[-1].blocks]})
    assert "why_confirm" not in no_cause


def test_grafana_opens_the_graph_of_the_top_cause_on_a_known_host() -> None:
    assert grafana_of(report(), HOSTS) == GRAPH
    assert grafana_of(report(), frozenset()) is None
