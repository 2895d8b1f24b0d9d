"""Alerting rules as questions to a metrics source."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.documents import SourceKind
from service.metrics.alert_rules import rule_query
from service.metrics.panels import WrittenQuery
from service.metrics.source import Window
from service.metrics.usage import Rule, Use
from service.scope import QuestionScope

MOMENT = datetime(2026, 11, 12, tzinfo=UTC)
SCOPE = QuestionScope(window=Window(start=MOMENT, end=MOMENT), reason="", as_of=MOMENT)


def asked(expression: str) -> WrittenQuery | None:
    use = Use(
        kind=SourceKind.ALERTS, document_id="alerts/x", title="Slow", url=None, written_at=None
    )
    rule = Rule(alert="Slow", expression=expression, use=use)
    return rule_query(rule, scope=SCOPE, step=timedelta(minutes=1))


@pytest.mark.parametrize(
    ("expression", "query"),
    [
        (
            "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m]))) > 0.5 and on () b == 1",
            "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))",
        ),
        ('(rate(a{x=~"b\\\\.c"}[5m]) > bool 5)', 'rate(a{x=~"b\\\\.c"}[5m])'),
        ("0.5 < a", "a"),
        ("a > 1.5 * avg_over_time(a[1h])", "a"),
        ("sum(\n  a\n) > 1 or sum(b) > 2 unless c", "sum(a)"),
        ("rate(a[$__rate_interval]) >= 1", "rate(a[5m])"),
        ("absent(up{job='a'})", 'absent(up{job="a"})'),
    ],
)
def test_what_a_rule_compares_is_asked_and_not_the_comparison(expression: str, query: str) -> None:
    found = asked(expression)
    assert found is not None
    assert found.query == query
    assert (found.title, found.document_id) == ("The value of Slow", "alerts/x")


@pytest.mark.parametrize("expression", ["vector(1)", "1 > 2", "SELECT 1", "a > 1; b"])
def test_a_rule_that_watches_no_metric_is_left_out(expression: str) -> None:
    assert asked(expression) is None


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        ('sum(rate(a{code="500"}[5m])) / sum(rate(a[5m])) > 0.05', "percentunit"),
        ("100 * a / a > 5", None),
        ("a / b > 0.85", None),
        ("a > 5", None),
    ],
)
def test_a_part_of_a_metric_divided_by_all_of_it_is_a_share(
    expression: str, unit: str | None
) -> None:
    found = asked(expression)
    assert found is not None
    assert found.unit == unit
