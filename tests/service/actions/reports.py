"""A report as small as a proposal needs it, with what untrusted text can bring along."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingest.documents import SourceKind
from service.causes.ranking import ScoreParts
from service.metrics.signals import Sample
from service.metrics.source import Window
from service.reports.model import (
    Cause,
    ChangeCitation,
    Citation,
    Claim,
    Impact,
    MetricCitation,
    Outcome,
    PassageCitation,
    Report,
    RunbookLink,
)
from service.scope import QuestionScope

AT = datetime(2026, 11, 12, 1, 37, tzinfo=UTC)


def passage(number: int, title: str, url: str | None) -> PassageCitation:
    return PassageCitation(
        number=number,
        verified=True,
        document_id=f"runbooks/{number}",
        revision="r",
        chunk_id="c",
        kind=SourceKind.RUNBOOKS,
        title=title,
        url=url,
        headings=(),
        written_at=None,
        start=0,
        end=1,
        quote="q",
    )


CITATIONS: tuple[Citation, ...] = (
    passage(1, "Roll back a deploy", "https://wiki.example/runbooks/roll-back"),
    MetricCitation(
        number=2,
        verified=True,
        title="open files",
        query='process_open_fds{service="quota"}',
        labels={"service": "quota"},
        unit=None,
        step=timedelta(minutes=1),
        samples=(Sample(at=AT, value=4256.0),),
        url="https://grafana.example/explore?panes=a|b",
    ),
    ChangeCitation(
        number=3,
        verified=True,
        at=AT,
        until=None,
        text="Deploy quota 4.12.0",
        tags=(),
        url="https://evil.example/annotation",
    ),
)


def cause(*evidence: Claim, rank: int = 1, runbook_url: str | None = None) -> Cause:
    return Cause(
        rank=rank,
        component="quota",
        region="eu-west",
        score=0.8,
        parts=ScoreParts(),
        confidence=0.6,
        evidence=evidence or (Claim(text="`process_open_fds` rose to 4,256.", citations=(2,)),),
        next_check=Claim(text="“Is it the deploy?”", citations=(1,)),
        runbook=RunbookLink(title="Roll back a deploy", url=runbook_url, document_id="runbooks/1"),
    )


def report(
    *causes: Cause,
    question: str = "Why did checkout fail last night?",
    summary: tuple[Claim, ...] = (Claim(text="Most likely quota.", citations=(2, 3)),),
    outcome: Outcome | None = None,
    citations: tuple[Citation, ...] = CITATIONS,
) -> Report:
    window = Window(start=AT - timedelta(hours=2), end=AT + timedelta(hours=2))
    return Report(
        question=question,
        asked_at=window.end,
        scope=QuestionScope(
            window=window, reason="last night", as_of=window.end, services=("checkout",)
        ),
        outcome=outcome or (Outcome.CAUSES if causes else Outcome.NO_CAUSE_SUPPORTED),
        summary=summary,
        causes=causes,
        impact=Impact(customers=("Brightwater Retail",)),
        timeline=(),
        charts=(),
        also_seen=(),
        not_seen=("the logs",),
        related=(),
        citations=citations,
        dropped_claims=0,
        writer="extractive",
        timings=(),
    )
