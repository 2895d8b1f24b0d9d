"""Panels' queries as questions to a metrics source."""

from datetime import timedelta

import pytest

from ingest.documents import PanelFacts
from service.metrics.panels import panel_queries, resolve_variables, selection_of

STEP = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("query", "resolved"),
    [
        ('up{region="$region"}', 'up{region=~".+"}'),
        ('up{region=~"${region:regex}", code!~"$code"}', 'up{region=~".+", code!~""}'),
        ("rate(a_total[$__rate_interval])", "rate(a_total[300s])"),
        ("avg_over_time(a[${__range}])", "avg_over_time(a[300s])"),
        ("topk([[top]], a)", "topk(5, a)"),
        ('a{job="api"}', 'a{job="api"}'),
    ],
)
def test_variables_become_everything_that_the_panel_could_show(query: str, resolved: str) -> None:
    assert resolve_variables(query, {"top": ("5", "10")}, step=STEP) == resolved


def test_a_rate_covers_at_least_four_steps() -> None:
    assert (
        resolve_variables("rate(a[$__rate_interval])", {}, step=timedelta(minutes=5))
        == "rate(a[1200s])"
    )


def test_a_query_that_is_no_promql_is_left_out() -> None:
    facts = PanelFacts(
        dashboard_uid="d", dashboard="D", queries=("SELECT 1 FROM t", "up", "{{ broken"), panel="P"
    )
    found = panel_queries(facts, title="P", document_id="x", url=None, step=STEP)
    assert [item.query for item in found] == ["up"]


def test_a_selection_knows_the_metric_the_fixed_labels_and_whether_it_was_computed() -> None:
    plain = selection_of('sum by (region) (rate(a_total{service="auth",code=~"5.."}[5m]))')
    assert plain is not None
    assert (plain.metrics, plain.labels, plain.plain) == (("a_total",), {"service": "auth"}, True)
    ratio = selection_of('a{service="auth",code="500"} / on (region) a{service="auth"}')
    assert ratio is not None
    assert (ratio.metrics, ratio.labels, ratio.plain) == (("a",), {"service": "auth"}, False)
    assert selection_of("not ( promql") is None
