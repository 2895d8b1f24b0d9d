"""Panels' queries as questions to a metrics source."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.documents import PanelFacts, TemplateVariable
from service.metrics.panels import Skipped, panel_queries, selection_of, skipped_in_words
from service.metrics.source import Window
from service.scope import QuestionScope

STEP = timedelta(minutes=2)
WINDOW = Window(
    start=datetime(2026, 11, 12, 1, tzinfo=UTC), end=datetime(2026, 11, 12, 3, tzinfo=UTC)
)
LABELS = {"service": ["auth", "checkout"], "instance": ["10.0.0.1:80"], "region": ["eu-west"]}
VARIABLES = {
    "region": TemplateVariable(values=("us-east",)),
    "zone": TemplateVariable(values=("a", "b")),
    "cluster": TemplateVariable(),
    "service": TemplateVariable(values=("auth",)),
    "tier": TemplateVariable(values=("gold",), offers_all=True),
    "path": TemplateVariable(values=("/v1.*",), offers_all=True, all_value="/.*"),
    "code": TemplateVariable(values=("5..",)),
    "codes": TemplateVariable(values=("500", "50x+")),
    "team": TemplateVariable(kind="custom", values=("a",), options=("a", "b.c"), offers_all=True),
    "dependency": TemplateVariable(kind="custom", values=("auth",), options=("auth", "quota")),
    "group": TemplateVariable(values=("checkout", "billing")),
    "source": TemplateVariable(kind="datasource", values=("prom-uid",)),
    "stored": TemplateVariable(values=(".*",)),
    "tenant": TemplateVariable(),
    "top": TemplateVariable(kind="custom", values=("5", "10")),
    "every": TemplateVariable(kind="interval", values=("$__auto_interval_every",)),
}


def panel(*queries: str, data_sources: tuple[str, ...] = (), title: str = "Foo") -> PanelFacts:
    return PanelFacts(
        dashboard_uid="d",
        dashboard="Shop",
        panel=title,
        queries=queries,
        data_sources=data_sources,
        variables=VARIABLES,
    )


def asked(
    *queries: str,
    services: tuple[str, ...] = (),
    regions: tuple[str, ...] = (),
    step: timedelta = STEP,
) -> list[str]:
    found = panel_queries(
        panel(*queries),
        document_id="x",
        url=None,
        scope=QuestionScope(
            window=WINDOW, reason="", as_of=WINDOW.end, services=services, regions=regions
        ),
        labels=LABELS,
        step=step,
    )
    assert found.skipped == ()
    return [item.query for item in found.queries]


def skipped(facts: PanelFacts) -> list[Skipped]:
    scope = QuestionScope(window=WINDOW, reason="", as_of=WINDOW.end)
    found = panel_queries(facts, document_id="x", url=None, scope=scope, labels=LABELS, step=STEP)
    return list(found.skipped)


@pytest.mark.parametrize(
    ("query", "resolved"),
    [
        ('up{service="$service"}', 'up{service="checkout"}'),
        ('up{service=~"${service:regex}"}', 'up{service=~"checkout"}'),
        ('up{pod=~"$service-.*"}', 'up{pod=~"checkout-.*"}'),
        ('up{consumer="$group"}', 'up{consumer="checkout"}'),
        # not something that the label, or the variable, can be
        ('up{instance="$instance"}', 'up{instance=~".*"}'),
        ('up{service=~"$dependency"}', 'up{service=~"auth|quota"}'),
        # what is excluded is not what was asked about
        ('up{service!="$service"}', 'up{service!="auth"}'),
    ],
)
def test_what_the_question_names_is_what_a_panel_is_asked_for(query: str, resolved: str) -> None:
    assert asked(query, services=("checkout",)) == [resolved]


def test_several_names_become_alternatives_that_mean_nothing_but_themselves() -> None:
    assert asked('a{service="$service"}', services=("auth", "checkout")) == [
        'a{service=~"auth|checkout"}'
    ]
    assert asked("a{service='x-$service'}", services=("auth", "checkout")) == [
        'a{service=~"x-(?:auth|checkout)"}'
    ]
    assert asked('a{region="$region",service="$service"}', regions=("eu-west",)) == [
        'a{region="eu-west",service=~".+"}'
    ]


@pytest.mark.parametrize(
    ("query", "resolved"),
    [
        # where it runs: everywhere, not where somebody last looked
        ('up{region="$region"}', 'up{region=~".+"}'),
        ('up{zone=~"$zone", code!~"$stored"}', 'up{zone=~".+", code!~""}'),
        ('up{cluster="$cluster"}', 'up{cluster=~".*"}'),
        ('up{instance=~"[[node]]:[[port]]"}', 'up{instance=~".*:.*"}'),
        # "All" is offered
        ('up{tier="$tier"}', 'up{tier=~".+"}'),
        ('up{path="$path"}', 'up{path=~"/.*"}'),
        ('up{team=~"$team"}', 'up{team=~"a|b\\\\.c"}'),
        ('up{x="$stored"}', 'up{x=~".*"}'),
        # a selection of something else is what the panel is about
        ('up{code=~"$code"}', 'up{code=~"5.."}'),
        ('up{code=~"$codes"}', 'up{code=~"500|50x\\\\+"}'),
        ("up{code=~`$codes`}", 'up{code=~"500|50x\\\\+"}'),
        ("up{code=~`5\\d\\d`}", 'up{code=~"5\\\\d\\\\d"}'),
        ('up{code!="$code"}', 'up{code!="5.."}'),
        ('up{code="a.b-$codes"}', 'up{code=~"a\\\\.b-(?:500|50x\\\\+)"}'),
        ('up{source="$source"}', 'up{source=~".*"}'),
        ('a{job="api", x=~"^y$"}', 'a{job="api", x=~"^y$"}'),
    ],
)
def test_what_the_question_leaves_open_is_the_dashboards_default(query: str, resolved: str) -> None:
    assert asked(query) == [resolved]


@pytest.mark.parametrize(
    ("query", "resolved"),
    [
        ("rate(a_total[$__interval])", "rate(a_total[120s])"),
        ("a * $__interval_ms", "a * 120000"),
        ("rate(a_total[$__rate_interval])", "rate(a_total[300s])"),
        ("increase(a_total[${__range}])", "increase(a_total[7200s])"),
        ("increase(a_total[${__range_s}s])", "increase(a_total[7200s])"),
        ("a + $__range_ms", "a + 7200000"),
        ("a - $__from + ${__to:date:seconds}", "a - 1794445200000 + 1794452400"),
        ("rate(a_total[$every])", "rate(a_total[120s])"),
        ("topk([[top]], a)", "topk(5, a)"),
        ('label_replace(a, "b", "$1", "c", "(.*)")', 'label_replace(a, "b", "$1", "c", "(.*)")'),
    ],
)
def test_intervals_and_ranges_are_those_of_the_question(query: str, resolved: str) -> None:
    assert asked(query) == [resolved]


def test_a_rate_covers_a_step_and_the_scrape_before_it() -> None:
    (query,) = asked("rate(a[$__rate_interval])", step=timedelta(minutes=10))
    assert query == "rate(a[660s])"


def test_what_cannot_be_asked_is_skipped_with_a_reason() -> None:
    facts = panel(
        'up{tenant="$tenant"}',
        "rate(a[$nobody])",
        "SELECT 1 FROM t",
        '{app="shop"} |= "error"',
        "$A / $B",
        "up",
        data_sources=("prometheus", "", "", "loki", "__expr__", "grafana-amazonprometheus"),
    )
    assert [item.reason for item in skipped(facts)] == [
        "$tenant has no value and nothing in the question names one",
        "$nobody has no value and nothing in the question names one",
        "is not PromQL",
        "reads a loki data source",
        "is computed by Grafana itself",
    ]


def test_reasons_are_folded_and_bounded() -> None:
    same = [Skipped(panel=f"P{n}", dashboard="D", reason="is not PromQL") for n in range(3)]
    others = [
        Skipped(panel="Q", dashboard=f"D{n}", reason="reads a loki data source") for n in range(9)
    ]
    lines = skipped_in_words([*same, *others, *others])
    assert lines == [
        'panel "P0" and 2 more (D): is not PromQL',
        *(f'panel "Q" (D{n}): reads a loki data source' for n in range(3)),
        "6 more panels that the search found could not be asked either",
    ]


def test_what_an_earlier_version_stored_is_still_asked() -> None:
    stored = {
        "type": "panel", "dashboard_uid": "d", "dashboard": "D", "panel": "P",
        "queries": ['a{region=~"$region",tier="$tier"}'],
        "variables": {"region": ["eu-west"], "tier": [".*"]},
    }  # fmt: skip
    scope = QuestionScope(window=WINDOW, reason="", as_of=WINDOW.end)
    found = panel_queries(
        PanelFacts.model_validate(stored),
        document_id="x",
        url=None,
        scope=scope,
        labels=LABELS,
        step=STEP,
    )
    assert [item.query for item in found.queries] == ['a{region=~".+",tier=~".*"}']


def test_a_selection_knows_the_metric_the_fixed_labels_and_whether_it_was_computed() -> None:
    plain = selection_of('sum by (region) (rate(a_total{service="auth",code=~"5.."}[5m]))')
    assert plain is not None
    assert (plain.metrics, plain.labels, plain.plain) == (("a_total",), {"service": "auth"}, True)
    ratio = selection_of('a{service="auth",code="500"} / on (region) a{service="auth"}')
    assert ratio is not None
    assert (ratio.metrics, ratio.labels, ratio.plain) == (("a",), {"service": "auth"}, False)
    assert selection_of("not ( promql") is None


@pytest.mark.parametrize(
    "query", ["histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))", "count(a)", "absent(a)"]
)
def test_what_is_computed_from_one_metric_is_not_that_metric(query: str) -> None:
    selection = selection_of(query)
    assert selection is not None
    assert not selection.plain
