"""How much an earlier incident counts for what is asked about now."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ingest.documents import Chunk, IncidentFacts, SourceKind
from service.causes.knowledge import RecurrencePolicy, known_causes, recurrence
from service.retrieval import Passage

POLICY = RecurrencePolicy()
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "weight"),
    [
        (timedelta(days=0), 1.0),
        (timedelta(days=21), 1.0),
        (timedelta(days=22), POLICY.later),
        (timedelta(days=2000), POLICY.later),
        (None, POLICY.later),
    ],
)
def test_an_incident_of_the_last_three_weeks_counts_in_full(
    ago: timedelta | None, weight: float
) -> None:
    assert recurrence(None if ago is None else NOW - ago, NOW, POLICY) == weight


def test_an_incident_of_which_only_the_day_is_known_happened_around_noon() -> None:
    facts = IncidentFacts(day=date(2026, 6, 20), cause="The disk was full.", confirmed=True)
    chunk = Chunk(
        id="c",
        document_id="incidents/1",
        revision="r",
        source="incidents",
        kind=SourceKind.INCIDENTS,
        title="Disk full",
        url=None,
        origin="1.md",
        headings=(),
        text="The disk was full.",
        start=0,
        end=18,
        ordinal=0,
        chunks=1,
        written_at=None,
        services=(),
        regions=(),
        customers=(),
        audience=(),
        facts=facts,
    )

    (known,) = known_causes([Passage(rank=1, chunk=chunk, score=1.0, dense=None, sparse=None)], ())

    assert known.happened == datetime(2026, 6, 20, 12, tzinfo=UTC)
