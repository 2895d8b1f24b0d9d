from pathlib import Path

from ingest.documents import AlertRuleFacts, SourceKind
from tests.ingest.sources.reading import errors, read, read_one, write

RULES = """\
groups:
- name: checkout
  rules:
  - record: checkout:p99
    expr: quantile(0.99, x)
  - alert: CheckoutLatencyHigh
    expr: |
      checkout:p99{region="eu-west"}
        > 1.5
    for: 5m
    labels:
      severity: critical
      service: checkout
    annotations:
      summary: Checkout is slow
      description: p99 above 1.5 s in {{ $labels.region }}
      runbook_url: https://wiki.example/checkout-latency-high
"""


def test_an_alert_is_one_document(tmp_path: Path) -> None:
    document = read_one(
        SourceKind.ALERTS, write(tmp_path, {"shop.yaml": RULES}), "https://grafana.example"
    )

    assert document.text == (
        "CheckoutLatencyHigh\nCheckout is slow\np99 above 1.5 s in {{ $labels.region }}\n"
        'Fires when: checkout:p99{region="eu-west"}\n  > 1.5\nFor: 5m\n'
        "Labels: severity=critical, service=checkout\n"
        "runbook_url: https://wiki.example/checkout-latency-high"
    )
    assert document.url == "https://grafana.example/alerting/list?search=CheckoutLatencyHigh"
    assert document.origin == "shop.yaml#checkout/CheckoutLatencyHigh"
    assert document.services == ("checkout",)
    assert document.regions == ("eu-west",)
    assert document.facts == AlertRuleFacts(
        alert="CheckoutLatencyHigh",
        expression='checkout:p99{region="eu-west"}\n  > 1.5',
        hold="5m",
        severity="critical",
        runbook_url="https://wiki.example/checkout-latency-high",
    )


def test_rules_are_found_in_resources_streams_and_alone(tmp_path: Path) -> None:
    indented = "".join(f"    {line}\n" for line in RULES.splitlines())
    write(
        tmp_path,
        {
            "crd.yaml": "kind: Service\nspec: {}\n---\nkind: PrometheusRule\nspec:\n" + indented,
            "list.yaml": "kind: List\nitems:\n- kind: PrometheusRule\n  spec:\n" + indented,
            "bare.yml": "alert: A\nexpr: up == 0\n",
        },
    )

    documents, problems = read(SourceKind.ALERTS, tmp_path)

    assert problems == []
    assert [document.title for document in documents] == [
        "A",
        "CheckoutLatencyHigh",
        "CheckoutLatencyHigh",
    ]


def test_an_alert_in_two_severities_is_two_documents(tmp_path: Path) -> None:
    rule = "- {alert: A, expr: x > %d, labels: {severity: %s}}\n"
    write(tmp_path, {"a.yaml": rule % (1, "warning") + rule % (2, "critical")})

    documents, _ = read(SourceKind.ALERTS, tmp_path)

    assert [document.origin for document in documents] == ["a.yaml#A", "a.yaml#A/2"]


def test_a_rule_that_lacks_something_is_reported_with_its_line(tmp_path: Path) -> None:
    broken = RULES + "  - alert: NoExpression\n    for: 5m\n  - alert:\n    expr: up\n"
    write(tmp_path, {"a.yaml": broken + "- name: nothing\n"})

    documents, problems = read(SourceKind.ALERTS, tmp_path)

    assert [document.title for document in documents] == ["CheckoutLatencyHigh"]
    assert [problem.line for problem in errors(problems)] == [18, 20, 22]
    assert "'NoExpression' has no `expr`" in str(problems[0])


def test_template_debris_is_reported_with_its_line_and_the_rest_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "debris.yaml": '{{- $alert := "A" -}}\nalert: {{ $alert }}\nexpr: up\n',
            "inside.yaml": "alert: A\nexpr: up\nlabels:\n  namespace: {{ .namespace }}\n",
            "good.yaml": RULES,
        },
    )

    documents, problems = read(SourceKind.ALERTS, tmp_path)

    assert [document.title for document in documents] == ["CheckoutLatencyHigh"]
    assert [(problem.path, problem.line) for problem in errors(problems)] == [
        ("debris.yaml", 1),
        ("inside.yaml", 4),
    ]
    assert all("template" in problem.reason for problem in problems)
    assert [problem.affects for problem in problems] == ["debris.yaml", "inside.yaml"]


def test_the_services_of_an_expression_count_where_no_label_names_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.yaml": "- alert: A\n  expr: x{service=~'auth|quota',region=~'eu-.*'}\n"
            "- alert: B\n  expr: x{service='auth'}\n  labels: {service: '{{ $labels.job }}'}\n"
        },
    )

    documents, _ = read(SourceKind.ALERTS, tmp_path)

    assert [(d.services, d.regions) for d in documents] == [
        (("auth", "quota"), ()),
        (("auth",), ()),
    ]
