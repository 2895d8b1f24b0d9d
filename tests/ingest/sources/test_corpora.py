"""The sample company and, where they are on the machine, corpora that others wrote."""

from collections import Counter
from pathlib import Path

import pytest

from ingest.documents import (
    AlertRuleFacts,
    Document,
    IncidentFacts,
    PanelFacts,
    RunbookFacts,
    SourceKind,
)
from ingest.redaction import redact_document
from tests.corpora import SHARED_DATA, needs_shared_data
from tests.ingest.sources.reading import errors, read

SAMPLE = Path(__file__).parents[3] / "data"
SAMPLE_PATHS = {
    kind: "glossary.md" if kind is SourceKind.GLOSSARY else kind.value for kind in SourceKind
}


def stated(document: Document) -> list[str]:
    """What the facts hold that must be citable, as it stands in the text."""
    match document.facts:
        case RunbookFacts(causes=causes, next_check=check):
            return [*causes, *([check] if check else [])]
        case IncidentFacts(cause=cause, symptom=symptom):
            return [passage for passage in (cause, symptom) if passage]
        case PanelFacts(queries=queries):
            return list(queries)
        case AlertRuleFacts(alert=alert, expression=expression):
            return [alert, expression]
    return []


@pytest.mark.parametrize("kind", list(SourceKind))
def test_the_sample_company_is_read_without_a_problem(kind: SourceKind) -> None:
    documents, problems = read(kind, SAMPLE / SAMPLE_PATHS[kind], "https://kestrel.example")

    assert problems == []
    assert documents
    for document in documents:
        redacted, _ = redact_document(document)
        assert document.url is not None
        assert all(passage in redacted.text for passage in stated(redacted))


def test_the_sample_company_tells_its_alerts_incidents_and_who_may_read_them() -> None:
    runbooks, _ = read(SourceKind.RUNBOOKS, SAMPLE / "runbooks")
    incidents, _ = read(SourceKind.INCIDENTS, SAMPLE / "incidents")
    rules, _ = read(SourceKind.ALERTS, SAMPLE / "alerts")
    threads, _ = read(SourceKind.SLACK, SAMPLE / "slack")

    with_runbook = {
        alert
        for document in runbooks
        if isinstance(document.facts, RunbookFacts)
        for alert in document.facts.alerts
    }
    assert {document.title for document in rules} <= with_runbook
    assert all(document.written_at is not None for document in incidents)
    assert {document.audience for document in incidents} == {("everyone",), ("security",)}
    assert {document.audience for document in threads} == {
        ("everyone",),
        ("slack:sec-response",),
    }


def test_the_secrets_in_the_sample_company_do_not_get_into_the_index() -> None:
    threads, _ = read(SourceKind.SLACK, SAMPLE / "slack")

    found = sum((redact_document(document)[1] for document in threads), Counter[str]())

    assert found == {"password": 1, "aws-key": 1}


@needs_shared_data
@pytest.mark.parametrize(
    ("kind", "folder", "documents", "problems"),
    [
        (SourceKind.RUNBOOKS, "runbooks-prometheus-operator", 108, 0),
        (SourceKind.RUNBOOKS, "runbooks-openshift", 272, 0),
        (SourceKind.RUNBOOKS, "runbooks-cloudnativepg", 16, 0),
        (SourceKind.INCIDENTS, "mybinder/docs/source/incident-reports", 23, 0),
        (SourceKind.INCIDENTS, "pm-berkeley-datahub", 19, 0),
        (SourceKind.SLACK, "slack-fixture-hfaran/tests/testarchive.zip", 25, 0),
        (SourceKind.SLACK, "slack-k8s-testinfra", 7, 0),
        (SourceKind.DASHBOARDS, "mybinder/grafana-data", 208, 0),
        (SourceKind.DASHBOARDS, "dash-rfmoz-node-exporter", 536, 0),
        (SourceKind.DASHBOARDS, "dash-dcgm-exporter", 8, 0),
        (SourceKind.DASHBOARDS, "kube-prometheus", 340, 0),
        (SourceKind.ALERTS, "kube-prometheus", 139, 0),
        (SourceKind.ALERTS, "alerts-openshift", 266, 1),
        (SourceKind.ALERTS, "runbooks-cloudnativepg", 0, 19),
        (SourceKind.ALERTS, "awesome-prometheus-alerts", 0, 13),
    ],
)
def test_real_corpora_are_read_or_reported(
    kind: SourceKind, folder: str, documents: int, problems: int
) -> None:
    found, reported = read(kind, SHARED_DATA / folder)

    assert len(found) == documents
    assert len(errors(reported)) == problems
    assert all(problem.line is not None for problem in errors(reported))
    for document in found:
        assert document.text.strip()
        assert all(passage in document.text for passage in stated(document))


@needs_shared_data
def test_every_real_incident_report_has_a_day() -> None:
    for folder in ("mybinder/docs/source/incident-reports", "pm-berkeley-datahub"):
        documents, _ = read(SourceKind.INCIDENTS, SHARED_DATA / folder)
        for document in documents:
            assert document.written_at is not None
            year = document.origin.rpartition("/")[2][:4]
            assert document.written_at.year == int(year)


@needs_shared_data
def test_most_real_incident_reports_state_a_cause_and_a_day_to_ask_about() -> None:
    usable = {}
    for folder in ("mybinder/docs/source/incident-reports", "pm-berkeley-datahub"):
        documents, _ = read(SourceKind.INCIDENTS, SHARED_DATA / folder)
        facts = [d.facts for d in documents if isinstance(d.facts, IncidentFacts)]
        assert all(f.started or f.day for f in facts)
        usable[folder.partition("/")[0]] = (len(facts), sum(f.confirmed for f in facts))

    assert usable == {"mybinder": (23, 16), "pm-berkeley-datahub": (19, 16)}


@needs_shared_data
def test_a_channel_without_messages_is_noticed() -> None:
    _, problems = read(SourceKind.SLACK, SHARED_DATA / "slack-k8s-testinfra")

    assert [(problem.path, problem.affects) for problem in problems] == [
        ("sig-testing", "sig-testing/")
    ]
