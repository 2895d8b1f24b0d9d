from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.documents import Document, RunbookFacts, SourceKind
from tests.ingest.sources.reading import read, read_one, write

PAGE = """\
---
title: Checkout is slow
alerts: [CheckoutLatencyHigh, CheckoutErrorRateHigh]
services: checkout, payments
regions: [eu-west]
audience: [security]
updated: 2026-06-18T14:02:00+02:00
---
<!-- owner: nobody -->
# Checkout is slow

People wait at the counter.

## Diagnosis

Look first.

1. Open the dashboard and
   compare regions.
   - a detail
2. Then ask payments.

```sh
# not a heading
kubectl get pods
```

## Likely causes

- Session-cache refuses
  connections.
- The provider is down.
- TODO

### Rare ones

* A leap second.
"""


def facts(document: Document) -> RunbookFacts:
    assert isinstance(document.facts, RunbookFacts)
    return document.facts


def test_a_page_is_cut_at_its_headings_and_kept_as_written(tmp_path: Path) -> None:
    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"a.md": PAGE}))

    assert [section.headings for section in document.sections] == [
        (),
        ("Diagnosis",),
        ("Likely causes",),
        ("Likely causes", "Rare ones"),
    ]
    assert document.sections[0].text == "# Checkout is slow\n\nPeople wait at the counter."
    assert "```sh\n# not a heading\nkubectl get pods\n```" in document.text
    assert "nobody" not in document.text


def test_front_matter_becomes_title_services_audience_and_time(tmp_path: Path) -> None:
    document = read_one(
        SourceKind.RUNBOOKS,
        write(tmp_path, {"shop/check out.md": PAGE}),
        base_url="https://wiki.example/runbooks/",
    )

    assert document.title == "Checkout is slow"
    assert document.url == "https://wiki.example/runbooks/shop/check%20out"
    assert document.services == ("checkout", "payments")
    assert document.regions == ("eu-west",)
    assert document.audience == ("security",)
    assert document.written_at == datetime(2026, 6, 18, 12, 2, tzinfo=UTC)
    assert facts(document).alerts == ("CheckoutLatencyHigh", "CheckoutErrorRateHigh")


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("https://github.com/o/r/blob/main/docs", "kube/a b.md", "/kube/a%20b.md"),
        ("https://gitlab.example/o/r/-/blob/main/", "README.md", "/README.md"),
        ("https://wiki.example/blob", "kube/disk.md", "/kube/disk"),
        ("https://site.example/runbooks", "kube/README.md", "/kube"),
        ("https://site.example/runbooks", "kube/_index.md", "/kube"),
        ("https://site.example/runbooks", "index.md", ""),
    ],
)
def test_a_page_is_linked_as_repositories_wikis_and_sites_serve_it(
    tmp_path: Path, base_url: str, path: str, url: str
) -> None:
    folder = write(tmp_path, {path: "# Disk full\n\nEmpty it.\n"})
    document = read_one(SourceKind.RUNBOOKS, folder, base_url=base_url)
    assert document.url == base_url.rstrip("/") + url


@pytest.mark.parametrize(
    ("path", "text", "title"),
    [
        ("elastic/kibana.md", "# Quick start\n\nOpen it.\n", "kibana: Quick start"),
        ("elastic/README.md", "# Overview\n\nIt stores logs.\n", "elastic: Overview"),
        ("a/b/elastic/README.md", "No heading here.\n", "b/elastic"),
        ("elastic/README.md", "# Elastic\n\nIt stores logs.\n", "Elastic"),
        ("README.md", "No heading here.\n", "README"),
        ("README.md", "# Overview\n\nAll of it.\n", "Overview"),
        ("kibana.md", "---\ntitle: Summary\n---\n# Kibana\n\nOpen it.\n", "kibana: Summary"),
    ],
)
def test_a_title_that_many_pages_have_says_which_page_it_is(
    tmp_path: Path, path: str, text: str, title: str
) -> None:
    assert read_one(SourceKind.RUNBOOKS, write(tmp_path, {path: text})).title == title


@pytest.mark.parametrize(
    ("stated", "sections"),
    [
        ("summary: Kafka stops when its disk is full.", 2),
        ("description: Kafka stops when its disk is full.", 2),
        ("description: Empty the disk of the broker.", 1),
        ("description: Kafka", 1),
    ],
)
def test_a_summary_in_the_front_matter_is_part_of_the_page(
    tmp_path: Path, stated: str, sections: int
) -> None:
    page = f"---\n{stated}\n---\n# Kafka\n\nEmpty the disk\nof the broker.\n"
    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"kafka.md": page}))
    assert len(document.sections) == sections
    assert ("Kafka stops when" in document.text) is (sections == 2)


def test_a_table_of_contents_says_nothing(tmp_path: Path) -> None:
    page = """# PostgreSQL

<!-- START doctoc generated TOC please keep comment here to allow auto update -->
**Table of Contents**  *generated with [DocToc](https://github.com/thlorenz/doctoc)*

- [PostgreSQL](#postgresql)
  - [Replication lags (or *stopped*)](#replication-lags)
<!-- END doctoc -->

[[_TOC_]]

Ask the team first:

- [the lag](#replication-lags), which is usual at night
- [whether it stopped](#replication-lags)

- [A lone link](#replication-lags)

Read the [lag](#replication-lags).

```
- [in code](#a)
- [in code](#b)
```
"""
    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"a.md": page}))
    assert "DocToc" not in document.text
    assert "TOC" not in document.text
    assert "(#postgresql)" not in document.text
    for kept in ("usual at night", "whether it stopped", "A lone link", "Read the", "in code](#b"):
        assert kept in document.text


def test_causes_and_first_check_are_verbatim(tmp_path: Path) -> None:
    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"a.md": PAGE}))

    assert facts(document).causes == (
        "Session-cache refuses\n  connections.",
        "The provider is down.",
        "A leap second.",
    )
    assert facts(document).next_check == "Open the dashboard and\n   compare regions."
    stated = (*facts(document).causes, facts(document).next_check or "")
    assert all(passage in document.text for passage in stated)


def test_a_list_under_diagnosis_is_of_causes_only_if_a_sentence_says_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "causes.md": "# A\n\n## Diagnosis\n\nThis might be caused by:\n\n- no route\n\n"
            "Next:\n\n- look\n",
            "steps.md": "# B\n\n## Diagnosis\n\n- look at the logs\n",
        },
    )

    documents, _ = read(SourceKind.RUNBOOKS, tmp_path)

    assert [facts(document).causes for document in documents] == [("no route",), ()]


def test_a_first_check_may_be_a_query_or_missing(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "query.md": "# A\n\nDiagnosis\n---------\n\n```promql\nup == 0\n```\n\nThen think.\n",
            "stub.md": "# B\n\n## Diagnosis\n\nTODO\n",
        },
    )

    documents, _ = read(SourceKind.RUNBOOKS, tmp_path)

    assert [facts(document).next_check for document in documents] == ["up == 0", None]


@pytest.mark.parametrize(
    ("name", "heading", "alerts"),
    [
        ("KubePodCrashLooping.md", "Kube Pod Crash Looping", ("KubePodCrashLooping",)),
        ("etcd.md", "etcdNoLeader", ("etcdNoLeader",)),
        ("Watchdog.md", "Watchdog", ("Watchdog",)),
        ("README.md", "README", ()),
        ("glossary.md", "Glossary", ()),
        ("rollback-a-deploy.md", "Roll back a deploy", ()),
    ],
)
def test_a_page_named_like_an_alert_is_for_that_alert(
    name: str, heading: str, alerts: tuple[str, ...], tmp_path: Path
) -> None:
    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {name: f"# {heading}\n\nText."}))

    assert facts(document).alerts == alerts


def test_an_undated_page_is_standing_knowledge_and_a_day_ends_at_midnight(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "# A\n\nText.", "b.md": "---\ndate: 2026-06-18\n---\n# B\n\nText."})

    documents, _ = read(SourceKind.RUNBOOKS, tmp_path)

    assert [document.written_at for document in documents] == [
        None,
        datetime(2026, 6, 18, 23, 59, 59, tzinfo=UTC),
    ]


def test_hugo_pages_have_toml_and_empty_section_pages(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "_index.md": "---\nbookHidden: true\n---\n",
            "a.md": '+++\ntitle = "Node down"\nservices = ["dns"]\n+++\n\n# NodeDown\n\nText.',
            "empty.md": "---\ntitle: Nothing\n---\n",
        },
    )

    documents, problems = read(SourceKind.RUNBOOKS, tmp_path)

    assert [(d.title, d.services, facts(d).alerts) for d in documents] == [
        ("Node down", ("dns",), ("NodeDown",))
    ]
    assert [problem.path for problem in problems] == ["empty.md"]


def test_a_page_that_begins_with_a_line_is_no_front_matter(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "---\n# A\n\nText.", "b.md": "---\n\nJust prose.\n\n---\n\nMore."})

    documents, problems = read(SourceKind.RUNBOOKS, tmp_path)

    assert problems == []
    assert "Text." in documents[0].text
    assert "Just prose." in documents[1].text


def test_asciidoc_is_cut_at_its_headings(tmp_path: Path) -> None:
    page = (
        "= Disk full\n:services: orders-db\n:icons: font\n\nText.\n\n"
        "== Diagnosis\n\n----\n== not a heading\n----\n\n. Run df.\n. Run du.\n\n"
        "== Causes\n\n* Logs are not rotated.\n"
    )

    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"a.adoc": page}))

    assert document.title == "Disk full"
    assert document.services == ("orders-db",)
    assert [section.headings for section in document.sections] == [
        (),
        ("Diagnosis",),
        ("Causes",),
    ]
    assert facts(document).causes == ("Logs are not rotated.",)
    assert facts(document).next_check == "Run df."


def test_restructured_text_is_cut_at_its_headings(tmp_path: Path) -> None:
    page = (
        "=========\nDisk full\n=========\n\nText with an :unknown:`role`.\n\n"
        "Diagnosis\n---------\n\n#. Run df.\n\n.. code-block:: sh\n\n   Fake\n   ----\n\n"
        "Deeper\n~~~~~~\n\nMore.\n\nCauses\n------\n\n- Logs are not rotated.\n"
    )

    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"a.rst": page}))

    assert document.title == "Disk full"
    assert [section.headings for section in document.sections] == [
        (),
        ("Diagnosis",),
        ("Diagnosis", "Deeper"),
        ("Causes",),
    ]
    assert document.sections[1].text.startswith("Diagnosis\n---------\n")
    assert facts(document).causes == ("Logs are not rotated.",)


def test_restructured_text_does_not_include_other_files(tmp_path: Path) -> None:
    write(tmp_path, {"secret.txt": "top secret", "a.rst": "A\n=\n\n.. include:: secret.txt\n"})

    document = read_one(SourceKind.RUNBOOKS, tmp_path)

    assert "top secret" not in document.text


def test_html_becomes_text_without_navigation(tmp_path: Path) -> None:
    page = (
        "<html><head><title>Disk full</title><style>p {}</style></head><body>"
        "<nav>Home</nav><main><h1>Disk full<a href='#x'>¶</a></h1><p>Some\n <b>text</b>.</p>"
        "<h2>Diagnosis</h2><ol><li><p>Run df.</p></li></ol><pre>df -h\n  du</pre>"
        "<h2>Causes</h2><ul><li>Logs are <i>not</i> rotated.</li></ul>"
        "<table><tr><th>a</th><td>b</td></tr></table></main><script>x</script></body></html>"
    )

    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"a.html": page}))

    assert document.title == "Disk full"
    assert document.sections[0].text == "Disk full\n\nSome text."
    assert document.sections[1].text == "Diagnosis\n\n- Run df.\n\n\ndf -h\n  du"
    assert facts(document).causes == ("Logs are not rotated.",)
    assert facts(document).next_check == "Run df."
    assert "| a | b" in document.text
    assert "Home" not in document.text


def test_html_that_looks_like_a_file_name_or_xml_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.html": "page.html", "b.html": "<?xml version='1.0'?><p>Text.</p>"})

    documents, problems = read(SourceKind.RUNBOOKS, tmp_path)

    assert problems == []
    assert [document.text for document in documents] == ["page.html", "Text."]
