"""The page that an alert's rule links is the page that a report opens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ingest.documents import RunbookFacts, SourceKind
from service.assembly import moment_of, open_engine
from service.linked_runbooks import RunbookReference, linked_passage, openable, page_ids, references
from service.metrics.usage import Rule, Use
from service.reports.model import PassageCitation, Report
from service.settings import Settings, SourceSettings
from tests.company import DATA, ingest, settings_in
from tests.ingest.index.builders import chunk
from tests.ingest.sources.reading import write

RULES = """
groups:
- name: kube
  rules:
  - alert: NodeNotReady
    expr: kube_node_status_ready == 0
    annotations:
      title: Node not ready for more than an hour
      runbook: {link}
"""
PAGES: dict[str, str | bytes] = {
    "kube/kubernetes.md": """# Kubernetes

What we run, and what to do about the alerts of the cluster.

## Volumes

### Diagnosis

- List the persistent volumes first.

## Machines

Cordon the machine, drain it, and let the autoscaler replace it. Its kubelet hangs, its disk is
full, or its network is gone; the console of the provider tells which.
""",
    "patroni/maintenance.md": "# Node maintenance\n\nA node is not ready for an hour: restart.\n",
    "README.md": "# Node not ready and other things\n\nA node may be not ready for an hour.\n",
}
REPOSITORY = "https://github.com/example/runbooks/blob/main/docs"


def linking(url: str, alert: str = "NodeNotReady") -> RunbookReference:
    return RunbookReference(alert=alert, url=url, rule_id="alerts/kube.yaml#kube/NodeNotReady")


def rule(alert: str, link: str) -> Rule:
    use = Use(
        kind=SourceKind.ALERTS,
        document_id=f"alerts/{alert}",
        title=alert,
        url=None,
        written_at=None,
    )
    return Rule(alert=alert, expression="up == 0", runbook=link, use=use)


@pytest.mark.parametrize(
    ("link", "page"),
    [
        (f"{REPOSITORY}/kube/kubernetes.md", "docs/kube/kubernetes.md"),
        (f"{REPOSITORY}/kube/kubernetes.md#machines", "docs/kube/kubernetes.md"),
        ("docs/kube/kubernetes.md", "docs/kube/kubernetes.md"),
        ("https://runbooks.example/kube/kubernetes/", "docs/kube/kubernetes.md"),
        ("https://runbooks.example/kube/disk%20full", "docs/kube/disk full.md"),
        ("https://runbooks.example/alerts/nodenotready", "docs/alerts/NodeNotReady.md"),
        ("https://wiki.example/kube/", "docs/kube/README.md"),
        ("https://wiki.example/kube?version=2", "docs/kube/_index.md"),
        ("https://wiki.example/x/y/kube/README.md", "docs/kube/README.md"),
    ],
)
def test_a_link_names_the_page_wherever_it_is_published(link: str, page: str) -> None:
    assert page in page_ids(linking(link), ["docs", "other"])


def test_the_longer_path_is_tried_first_and_a_name_of_many_pages_not_alone() -> None:
    ids = page_ids(linking("https://wiki.example/team/kube/README.md"), ["docs"])
    assert ids.index("docs/team/kube/README.md") < ids.index("docs/kube/README.md")
    assert "docs/README.md" not in ids


@pytest.mark.parametrize("link", ["", "https://[", "https://wiki.example", "#machines", "{{ x }}"])
def test_what_is_no_link_to_a_page_names_none(link: str) -> None:
    found = references([rule("NodeNotReady", link)], {})
    assert [page for reference in found for page in page_ids(reference, ["docs"])] == []


def test_the_labels_of_the_alert_that_fired_are_filled_in() -> None:
    link = "docs/{{ $labels.type }}/{{.Labels.tier}}.md"
    rules = [rule("A", link), rule("B", link), rule("A", "https://wiki.example/a")]
    found = references(rules, {"A": {"type": "redis", "tier": "db"}, "B": {"type": "redis"}})
    assert [reference.url for reference in found] == ["docs/redis/db.md", "https://wiki.example/a"]


@pytest.mark.parametrize(
    ("link", "opened"),
    [
        ("https://wiki.example/a(b) c", "https://wiki.example/a%28b%29%20c"),
        ("javascript:alert(1)", None),
        ("docs/kube/README.md", None),
    ],
)
def test_only_what_a_browser_opens_as_a_page_is_a_link(link: str, opened: str | None) -> None:
    assert openable(link) == opened


@pytest.mark.parametrize(
    ("link", "alerts", "shown", "url", "step"),
    [
        ("kube.md#volumes", (), "volumes", "https://w.example/kube#volumes", "List them."),
        ("kube.md#machines", (), "machines", "https://w.example/kube#machines", None),
        (
            "kube.md#machines",
            ("NodeNotReady",),
            "machines",
            "https://w.example/kube#machines",
            "List them.",
        ),
        ("kube.md#gone", (), "nearest", "https://w.example/kube#gone", "List them."),
        ("kube.md", (), "nearest", "https://w.example/kube", "List them."),
    ],
)
def test_a_page_for_many_alerts_opens_at_the_linked_section(
    link: str, alerts: tuple[str, ...], shown: str, url: str, step: str | None
) -> None:
    facts = RunbookFacts(alerts=alerts, causes=(), next_check="List them.")
    volumes, machines, nearest = (
        chunk(
            "docs/kube.md",
            n,
            headings=headings,
            text=text,
            url="https://w.example/kube",
            facts=facts,
        )
        for n, (headings, text) in enumerate(
            [(("Volumes",), "volumes: List them."), (("Machines",), "machines"), ((), "nearest")]
        )
    )
    passage = linked_passage(linking(link), [volumes, machines, nearest], nearest)
    assert passage.text.startswith(shown)
    assert passage.url == url
    assert isinstance(passage.facts, RunbookFacts)
    assert passage.facts.next_check == step


def test_a_page_without_an_address_of_its_own_opens_where_the_rule_links_it() -> None:
    page = chunk("docs/kube.md", facts=RunbookFacts(), headings=())
    assert linked_passage(linking("https://w.example/kube"), [page], None).url == (
        "https://w.example/kube"
    )
    assert linked_passage(linking("docs/kube.md"), [page], None).url is None


def report_on(question: str, settings: Settings) -> Report:
    async def run() -> Report:
        now = moment_of(settings)
        async with open_engine(settings, as_of=now) as engine:
            return await engine.ask(question, now=now, audience=settings.audience)

    ingest(settings)
    return asyncio.run(run())


def small_house(folder: Path, link: str) -> Settings:
    write(folder / "docs", PAGES)
    write(folder / "rules", {"kube.yaml": RULES.format(link=link)})
    return Settings(
        sources=[
            SourceSettings(kind=SourceKind.RUNBOOKS, path=folder / "docs", base_url=REPOSITORY),
            SourceSettings(kind=SourceKind.ALERTS, path=folder / "rules"),
        ],
        index_dir=folder / "index",
        database_file=folder / "why.db",
    )


@pytest.mark.parametrize(
    ("link", "shown", "url"),
    [
        (
            "docs/kube/kubernetes.md#machines",
            "Cordon the machine",
            f"{REPOSITORY}/kube/kubernetes.md#machines",
        ),
        ("https://wiki.example/nowhere", "NodeNotReady", None),
    ],
)
def test_who_asks_about_an_alert_reads_first_what_its_rule_links(
    tmp_path: Path, link: str, shown: str, url: str | None
) -> None:
    """Other pages say its words, and the linked one does not."""
    report = report_on("Why does NodeNotReady fire?", small_house(tmp_path, link))
    first = report.related[0]
    [cited] = [c for c in report.citations if c.number == first.number]
    assert isinstance(cited, PassageCitation)
    assert cited.url == url
    assert shown in cited.quote


@pytest.mark.parametrize(
    ("link", "title", "url"),
    [
        (
            "https://wiki.kestrel.example/runbooks/dns-resolution-failures",
            "DNS resolution failures",
            "https://wiki.kestrel.example/runbooks/dns-resolution-failures",
        ),
        (
            "https://elsewhere.example/{{ $labels.region }}/auth (new)",
            "Runbook of AuthTokenLatencyHigh",
            "https://elsewhere.example/eu-west/auth%20%28new%29",
        ),
    ],
)
def test_the_runbook_of_a_cause_is_the_one_that_its_alert_links(
    tmp_path: Path, link: str, title: str, url: str
) -> None:
    own = "https://wiki.kestrel.example/runbooks/auth-token-latency-high"
    rules: dict[str, str | bytes] = {
        file.name: file.read_text(encoding="utf-8").replace(own, f'"{link}"')
        for file in (DATA / "alerts").iterdir()
    }
    write(tmp_path / "rules", rules)
    company = settings_in(tmp_path)
    sources = [
        source.model_copy(update={"path": tmp_path / "rules"})
        if source.kind is SourceKind.ALERTS
        else source
        for source in company.sources
    ]
    settings = company.model_copy(update={"sources": sources})
    report = report_on("Why did checkout fail last night?", settings)
    [auth] = [cause for cause in report.causes if cause.component == "auth"]
    assert auth.runbook is not None
    assert (auth.runbook.title, auth.runbook.url) == (title, url)


def test_the_page_of_the_alert_that_is_asked_about_is_there_beside_the_causes(
    company: Settings,
) -> None:
    now = moment_of(company)

    async def run() -> Report:
        async with open_engine(company, as_of=now) as engine:
            question = "Why did CheckoutLatencyHigh fire last night?"
            return await engine.ask(question, now=now, audience=company.audience)

    report = asyncio.run(run())
    assert report.causes[0].component == "quota"
    assert [page.title for page in report.related] == ["Checkout latency is high"]
