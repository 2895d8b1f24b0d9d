"""What a sentence may say: only what its citations show, and only if their sources agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.documents import EVERYONE, Chunk, SourceKind
from service.metrics.signals import Sample
from service.metrics.source import Alert, Change
from service.reports.citations import GroundTruth, Verifier, series_key
from service.reports.draft import DraftClaim
from service.reports.model import (
    AlertCitation,
    ChangeCitation,
    Citation,
    MetricCitation,
    PassageCitation,
)
from service.scope import Vocabulary

TEXT = "Intro. Billing 2.9.0 opened a Redis client per request. It was rolled back at 14:40."
QUOTE = "Billing 2.9.0 opened a Redis client per request."
START = 100 + TEXT.index(QUOTE)
VOCABULARY = Vocabulary(
    services=("auth", "billing", "quota", "session-cache"), regions=("eu-west", "us-east")
)


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-12T{clock}:00+00:00").astimezone(UTC)


CHUNK = Chunk(
    id="c1",
    document_id="incidents/inc-1.md",
    revision="r1",
    source="incidents",
    kind=SourceKind.INCIDENTS,
    title="INC-1: Session cache 2 full",
    url="https://wiki.example/inc-1",
    origin="inc-1.md",
    ordinal=0,
    chunks=1,
    headings=("Root cause",),
    start=100,
    end=100 + len(TEXT),
    text=TEXT,
    written_at=at("09:00"),
    services=("billing",),
    regions=(),
    customers=(),
    audience=(EVERYONE,),
    facts=None,
)
PASSAGE = PassageCitation(
    document_id=CHUNK.document_id,
    revision="r1",
    chunk_id="c1",
    kind=CHUNK.kind,
    title=CHUNK.title,
    url=CHUNK.url,
    headings=CHUNK.headings,
    written_at=CHUNK.written_at,
    start=START,
    end=START + len(QUOTE),
    quote=QUOTE,
)
LABELS = {"service": "session-cache", "region": "eu-west"}
METRIC = MetricCitation(
    title="Connected clients",
    query="redis_connected_clients",
    labels=LABELS,
    unit=None,
    step=timedelta(minutes=1),
    samples=(Sample(at=at("01:36"), value=421.0), Sample(at=at("01:50"), value=3998.0)),
    url=None,
)
LATENCY = METRIC.model_copy(
    update={
        "query": "p99",
        "title": "p99",
        "unit": "s",
        "samples": (Sample(at=at("01:50"), value=3.2461),),
    }
)
ALERT = Alert(name="AuthSlow", labels={"service": "auth"}, started=at("01:51"), ended=at("03:11"))
CHANGE = Change(at=at("01:37"), text="Deploy quota 4.12.0 (eu-west)", tags=("quota",))
ALERTED = AlertCitation(
    name=ALERT.name, labels=ALERT.labels, started=ALERT.started, ended=ALERT.ended, url=None
)
CHANGED = ChangeCitation(at=CHANGE.at, until=None, text=CHANGE.text, tags=CHANGE.tags, url=None)
TRUTH = GroundTruth(
    chunks={"c1": CHUNK},
    samples={
        series_key(METRIC.query, LABELS): {s.at.timestamp(): s.value for s in METRIC.samples},
        series_key(LATENCY.query, LABELS): {s.at.timestamp(): s.value for s in LATENCY.samples},
    },
    alerts=[ALERT],
    changes=[CHANGE],
)


def verifier() -> Verifier:
    return Verifier(TRUTH, VOCABULARY)


def holds(text: str, *citations: Citation) -> bool:
    return bool(verifier().accept([DraftClaim(text=text, citations=citations)]))


@pytest.mark.parametrize(
    ("text", "citations"),
    [
        (f"In INC-1: Session cache 2 full the cause was “{QUOTE}”", [PASSAGE]),
        ("Connected clients of session-cache rose from 421 to 3,998 by 01:50.", [METRIC]),
        ("Latency in eu-west went to 3.25 s at 01:50.", [LATENCY]),
        ("Latency in eu-west went to 3246 ms at 01:50.", [LATENCY]),
        ("AuthSlow fired for auth from 01:51 to 03:11 on 2026-11-12.", [ALERTED]),
        (
            "“Deploy quota 4.12.0 (eu-west)” at 01:37, 13 minutes before the worst.",
            [CHANGED, METRIC],
        ),
        ("quota was deployed at 01:37.", [CHANGED]),
        ("Connected clients of session-cache rose 9.5-fold, to 3,998.", [METRIC]),
        ("Connected clients were 9.5 times as many.", [METRIC]),
        ("The client was opened by Billing 2.9.0, rolled out with a Redis client.", [PASSAGE]),
    ],
)
def test_what_the_citations_show_is_kept(text: str, citations: list[Citation]) -> None:
    assert holds(text, *citations)


@pytest.mark.parametrize(
    ("text", "citations"),
    [
        ("Something happened.", []),
        ("The cause was “Billing 2.9.0 closed every Redis client.”", [PASSAGE]),
        ("Connected clients rose to 4,998 by 01:50.", [METRIC]),
        ("Connected clients rose to 400 by 01:50.", [METRIC]),
        ("Connected clients rose to 3,998 by 02:50.", [METRIC]),
        ("Connected clients of quota rose to 3,998.", [METRIC]),
        ("Connected clients in us-east rose to 3,998.", [METRIC]),
        ("Latency went to 3.35 s.", [LATENCY]),
        ("Latency went to 3.25 ms.", [LATENCY]),
        ("Latency went up by 80 %.", [LATENCY]),
        ("AuthSlow fired on 2026-11-13.", [ALERTED]),
        ("quota was deployed 20 minutes before the worst.", [CHANGED, METRIC]),
        ("`redis_evicted_keys_total` rose.", [METRIC]),
        ("Connected clients rose 12-fold.", [METRIC]),
        ("Latency rose 3-fold.", [LATENCY]),
        ("The client was opened by Billing 2.9.1.", [PASSAGE]),
        ("Three nodes (17 pods) were lost.", [METRIC]),
    ],
)
def test_what_they_do_not_show_is_dropped_and_counted(text: str, citations: list[Citation]) -> None:
    checker = verifier()
    assert checker.accept([DraftClaim(text=text, citations=tuple(citations))]) == ()
    assert len(checker.dropped) == 1


@pytest.mark.parametrize(
    "citation",
    [
        PASSAGE.model_copy(update={"start": START + 1, "end": START + 1 + len(QUOTE)}),
        PASSAGE.model_copy(update={"quote": QUOTE.replace("2.9.0", "2.9.1")}),
        PASSAGE.model_copy(update={"revision": "r0"}),
        PASSAGE.model_copy(update={"chunk_id": "c2"}),
        PASSAGE.model_copy(update={"start": 0, "end": len(QUOTE)}),
        METRIC.model_copy(update={"samples": (Sample(at=at("01:50"), value=3999.0),)}),
        METRIC.model_copy(update={"samples": (Sample(at=at("01:51"), value=3998.0),)}),
        METRIC.model_copy(update={"samples": ()}),
        METRIC.model_copy(update={"query": "another_metric"}),
        METRIC.model_copy(update={"labels": {"service": "auth"}}),
        ALERTED.model_copy(update={"ended": None}),
        ALERTED.model_copy(update={"name": "AuthFast"}),
        CHANGED.model_copy(update={"text": "Deploy quota 4.12.1 (eu-west)"}),
        CHANGED.model_copy(update={"at": at("01:38")}),
    ],
)
def test_a_citation_that_its_source_does_not_confirm_takes_its_sentence_along(
    citation: Citation,
) -> None:
    assert not holds("It broke.", citation)


def test_citations_are_numbered_by_first_use_and_those_of_dropped_sentences_do_not_appear() -> None:
    checker = verifier()
    claims = checker.accept(
        [
            DraftClaim(text="Wrong: 77.", citations=(LATENCY,)),
            DraftClaim(text="quota was deployed.", citations=(CHANGED,)),
            DraftClaim(text="It had 421 clients at 01:36.", citations=(METRIC, CHANGED)),
        ]
    )
    assert [claim.citations for claim in claims] == [(1,), (2, 1)]
    assert [(c.number, c.type, c.verified) for c in checker.citations] == [
        (1, "change", True),
        (2, "metric", True),
    ]


def test_samples_of_one_series_share_one_citation() -> None:
    checker = verifier()
    first, last = (
        METRIC.model_copy(update={"samples": (sample,)}) for sample in reversed(METRIC.samples)
    )
    claims = checker.accept(
        [
            DraftClaim(text="3,998 clients.", citations=(first,)),
            DraftClaim(text="421 clients.", citations=(last,)),
        ]
    )
    assert [claim.citations for claim in claims] == [(1,), (1,)]
    (citation,) = checker.citations
    assert isinstance(citation, MetricCitation)
    assert citation.samples == METRIC.samples
