from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ingest.documents import Document, IncidentFacts, SourceKind
from tests.ingest.sources.reading import errors, read, read_one, write

REPORT = """\
---
id: INC-2026-031
title: Logins slow
severity: SEV1
started: 2026-06-18T13:52:00Z
detected: 2026-06-18T13:58:00Z
resolved: 2026-06-18T15:44:00Z
{published}
services: [session-cache, auth]
regions: [us-east]
customers: [Brightwater Retail]
component: billing
cause: Billing leaked connections.
confirmed: {confirmed}
---
# Logins slow

## Root cause

{cause} It was new.
"""


def report(**changes: str) -> str:
    defaults = {"published": "", "confirmed": "true", "cause": "Billing leaked connections."}
    return REPORT.format(**{**defaults, **changes})


def facts(document: Document) -> IncidentFacts:
    assert isinstance(document.facts, IncidentFacts)
    return document.facts


def free_form(tmp_path: Path, text: str, name: str = "report.md") -> Document:
    return read_one(SourceKind.INCIDENTS, write(tmp_path, {name: text}))


def test_the_cause_may_stand_in_the_summary_of_the_front_matter(tmp_path: Path) -> None:
    summary = "The outage was caused by an expired certificate of the proxy."
    page = f"---\nsummary: {summary}\n---\n# Logins fail\n\nOn 2026-06-18 nobody could log in.\n"
    document = free_form(tmp_path, page)
    assert facts(document).cause == summary
    assert summary in document.text
    assert facts(document).day == date(2026, 6, 18)


def test_front_matter_states_the_facts(tmp_path: Path) -> None:
    document = free_form(tmp_path, report())

    assert facts(document) == IncidentFacts(
        incident_id="INC-2026-031",
        severity="SEV1",
        started=datetime(2026, 6, 18, 13, 52, tzinfo=UTC),
        detected=datetime(2026, 6, 18, 13, 58, tzinfo=UTC),
        resolved=datetime(2026, 6, 18, 15, 44, tzinfo=UTC),
        component="billing",
        cause="Billing leaked connections.",
        confirmed=True,
    )
    assert document.services == ("session-cache", "auth")
    assert document.customers == ("Brightwater Retail",)
    assert document.title.startswith("INC-2026-031: ")


def test_the_stated_facts_can_be_cited(tmp_path: Path) -> None:
    document = free_form(tmp_path, report(cause="Something else is written here."))

    assert document.sections[0].text == (
        "INC-2026-031 · SEV1 · started 2026-06-18 13:52 UTC · detected 2026-06-18 13:58 UTC · "
        "resolved 2026-06-18 15:44 UTC · services: session-cache, auth · regions: us-east · "
        "customers: Brightwater Retail\nCause: Billing leaked connections."
    )


def test_an_incident_is_not_known_before_it_was_published(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"a.md": report(), "b.md": report(published="published: 2026-06-25T14:00:00Z")},
    )

    documents, _ = read(SourceKind.INCIDENTS, tmp_path)

    assert [document.written_at for document in documents] == [
        datetime(2026, 6, 18, 15, 44, tzinfo=UTC),
        datetime(2026, 6, 25, 14, tzinfo=UTC),
    ]


def test_a_time_that_is_none_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": report(published="published: soon")})

    documents, problems = read(SourceKind.INCIDENTS, tmp_path)

    assert len(documents) == 1
    assert ["soon" in str(problem) for problem in problems] == [True]


FREE_FORM = """\
# 2018-02-12, Hub launch fail

## Summary

{summary}

## Timeline

All times in {zone}

### Feb 12 2018 23:50

It fails.

### 00:10

Fixed.

## Action items

### Look at this again on 2019-01-01 10:00
"""


@pytest.mark.parametrize(
    ("zone", "started", "ended"),
    [
        ("PST", datetime(2018, 2, 13, 7, 50, tzinfo=UTC), datetime(2018, 2, 13, 8, 10, tzinfo=UTC)),
        (
            "CET (GMT+1)",
            datetime(2018, 2, 12, 22, 50, tzinfo=UTC),
            datetime(2018, 2, 12, 23, 10, tzinfo=UTC),
        ),
        (
            "US/Pacific",
            datetime(2018, 2, 13, 7, 50, tzinfo=UTC),
            datetime(2018, 2, 13, 8, 10, tzinfo=UTC),
        ),
    ],
)
def test_a_timeline_is_read_in_its_zone_and_across_midnight(
    zone: str, started: datetime, ended: datetime, tmp_path: Path
) -> None:
    document = free_form(tmp_path, FREE_FORM.format(zone=zone, summary="It failed."))

    assert facts(document).started == started
    assert facts(document).resolved == ended
    assert document.written_at == ended
    assert document.title == "Hub launch fail"


def test_without_a_zone_no_moment_is_guessed_and_it_is_known_late_rather_than_early(
    tmp_path: Path,
) -> None:
    document = free_form(tmp_path, FREE_FORM.format(zone="the hub's log", summary="It failed."))

    assert facts(document).started is None
    assert document.written_at == datetime(2018, 2, 13, 12, 10, tzinfo=UTC)


def test_without_a_zone_the_day_is_known(tmp_path: Path) -> None:
    document = free_form(tmp_path, FREE_FORM.format(zone="the hub's log", summary="It failed."))

    assert facts(document).day == date(2018, 2, 12)


def test_a_date_that_only_the_timeline_names_counts(tmp_path: Path) -> None:
    text = (
        "# PM-7 Nodes down\n\n## Summary\n\nThe rollout of 2019-01-01 was not it.\n\n"
        "## Timeline\n\nAll times in CET.\n\n| Time | Event |\n| :-- | --- |\n"
        "| 2021-02-15 06:05 | They fail. |\n| 2021-02-15 07:00 | They are back. |\n"
    )

    document = free_form(tmp_path, text)

    assert facts(document).started == datetime(2021, 2, 15, 5, 5, tzinfo=UTC)
    assert document.written_at == datetime(2021, 2, 15, 22, 59, 59, tzinfo=UTC)


def test_labelled_lines_above_the_timeline_are_facts(tmp_path: Path) -> None:
    text = (
        "# 2026-03-01, Checkout down\n\n"
        "- **Component:** billing\n- **Severity**: SEV2\n- Services affected: checkout, auth\n\n"
        "| Started | 2026-03-01 09:10 UTC |\n|---|---|\n| Resolved | 10:40 |\n\n"
        "## Timeline\n\nAll times UTC.\n\n- 09:15 Component: another\n- 10:20 it ends\n"
    )

    document = free_form(tmp_path, text)

    assert facts(document).component == "billing"
    assert facts(document).severity == "SEV2"
    assert document.services == ("checkout", "auth")
    assert facts(document).started == datetime(2026, 3, 1, 9, 10, tzinfo=UTC)
    assert facts(document).resolved == datetime(2026, 3, 1, 10, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "symptom"),
    [
        (
            "## Summary\n\nA leak.\n\n## Impact\n\n112 minutes, all in all. Nobody could pay.\n",
            "Nobody could pay.",
        ),
        (
            "## Summary\n\nA bug kept the cache from\nfailing over. Logins were\nslow for all.\n",
            "Logins were\nslow for all.",
        ),
        (
            "## Summary\n\nWe learned a lot.\n\n## Timeline\n\n| time | event |\n|---|---|\n"
            "| 09:00 | a rollout begins |\n| 09:10 | users report 503 errors |\n",
            "users report 503 errors",
        ),
        ("## Summary\n\nA full disk caused errors.\n", None),
    ],
    ids=["the impact", "what the summary says besides the cause", "the timeline", "only a cause"],
)  # fmt: skip
def test_what_was_felt_is_told_apart_from_why(
    text: str, symptom: str | None, tmp_path: Path
) -> None:
    document = free_form(tmp_path, f"# 2026-03-01, Trouble\n\n{text}")

    assert facts(document).symptom == symptom
    assert symptom is None or symptom in document.text


def test_a_report_with_a_day_only_is_known_when_that_day_is_over_everywhere(tmp_path: Path) -> None:
    document = free_form(tmp_path, "# Disk full\n\nIt was.", name="2019-05-01-disk.md")

    assert document.written_at == datetime(2019, 5, 2, 11, 59, 59, tzinfo=UTC)


def test_timelines_in_tables_and_lists_are_read(tmp_path: Path) -> None:
    text = (
        "# Outage of 2026-03-01\n\n## Timeline (UTC)\n\nAll times UTC.\n\n"
        "| time | event |\n|---|---|\n| 09:15 | starts |\n| 9:40 pm | ends, see 11:59 |\n"
    )

    document = free_form(tmp_path, text)

    assert facts(document).started == datetime(2026, 3, 1, 9, 15, tzinfo=UTC)
    assert facts(document).resolved == datetime(2026, 3, 1, 21, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("summary", "cause", "confirmed"),
    [
        ("It failed. This was caused by a\ndisk. We did it.", "This was caused by a\ndisk.", True),
        ("It was probably caused by a full disk.", "It was probably caused by a full disk.", False),
        ("It failed due to load.", "It failed due to load.", False),
        ("It failed, and we noticed.", None, False),
    ],
)  # fmt: skip
def test_a_free_form_cause_is_a_sentence_that_says_so(
    summary: str, cause: str | None, confirmed: bool, tmp_path: Path
) -> None:
    document = free_form(tmp_path, FREE_FORM.format(zone="UTC", summary=summary))

    assert facts(document).cause == cause
    assert facts(document).confirmed is confirmed


@pytest.mark.parametrize(
    ("text", "cause", "confirmed"),
    [
        (
            "## Summary\n\nPods hung due to load.\n\n## Conclusion\n\nDocker was hung on two "
            "nodes, preventing pods from starting.\n",
            "Docker was hung on two nodes, preventing pods from starting.",
            True,
        ),
        (
            "## Summary\n\nIt failed due to the end date.\n\n## Conclusion\n\nThere were "
            "insufficient funds on the account.  The budget was raised.\n",
            "There were insufficient funds on the account.",
            True,
        ),
        (
            "## Summary\n\nAll ingress nodes were\ncordoned. This caused the outage.\n",
            "All ingress nodes were\ncordoned. This caused the outage.",
            True,
        ),
        (
            "## Summary\n\nOn Monday 20. January a node ran out of file watches.\n",
            "On Monday 20. January a node ran out of file watches.",
            True,
        ),
        (
            "A deploy went out. The culler had a bug which resulted in a flood of requests.\n",
            "The culler had a bug which resulted in a flood of requests.",
            True,
        ),
        (
            "## Summary\n\nA node broke the proxy.\n\n## Notes\n\nThe root cause is still unknown."
            "\n",
            "A node broke the proxy.",
            False,
        ),
        ("## Summary\n\nWe spent an hour to find the root cause.\n", None, False),
        ("## Summary\n\nTwo alerts were triggered.\n", None, False),
        ("## Notes\n\n- **Root cause:** A full disk.\n", "A full disk.", True),
        ("| Root cause | A full disk |\n|---|---|\n| Owner | me |\n", "A full disk", True),
        (
            "## Summary\n\nAn upgrade caused the pods to restart.\n\n## Contributing factors\n\n"
            "- Nobody was there\n",
            "An upgrade caused the pods to restart.",
            True,
        ),
        (
            "## Summary\n\nPods restarted.\n\n## Contributing factors\n\n- No limits were set\n",
            "No limits were set",
            True,
        ),
    ],
    ids=[
        "what a conclusion says it led to",
        "how a conclusion opens",
        "with the sentence it points back to",
        "not cut at a date",
        "above all headings",
        "not confirmed where the root cause is unknown",
        "not where it is searched for",
        "not what set off an alarm",
        "in a labelled line",
        "in a row of a table",
        "before what contributed",
        "what contributed, where nothing else is said",
    ],
)  # fmt: skip
def test_a_free_form_cause_is_found_where_reports_tell_it(
    text: str, cause: str | None, confirmed: bool, tmp_path: Path
) -> None:
    document = free_form(tmp_path, f"# 2026-03-01, Outage\n\n{text}")

    assert facts(document).cause == cause
    assert facts(document).confirmed is confirmed


def test_a_heading_that_names_the_cause_comes_first(tmp_path: Path) -> None:
    text = "# 2026-03-01, Outage\n\nCaused by rain.\n\n## Root cause\n\n- The disk was full.\n"

    assert facts(free_form(tmp_path, text)).cause == "The disk was full."


def test_templates_and_indexes_are_no_reports(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "index.md": "# Incidents\n\nAll of them.",
            "template-incident-report.md": "# {{ date }}, {{ name }}\n\nText.",
            "2026-03-01.md": "# Outage\n\nIt happened.",
            "undated.md": "# Outage\n\nIt happened some day.",
        },
    )

    documents, problems = read(SourceKind.INCIDENTS, tmp_path)

    assert [document.origin for document in documents] == ["2026-03-01.md", "undated.md"]
    assert [problem.path for problem in problems] == ["undated.md"]
    assert errors(problems) == []
