from datetime import UTC, datetime
from pathlib import Path

from ingest.documents import SourceKind, TermFacts
from tests.ingest.sources.reading import errors, read, write

GLOSSARY = """\
---
updated: 2026-09-30T08:00:00Z
---
# Our words

In general, **bold** words are no terms.

## Shop

**the counter** - checkout, the service
and the page alike.

- **window**: storefront
- **Basket:** what a shopper will buy

| term | meaning |
|---|---|
| `MIG` | Multi-Instance GPU | NVIDIA |

XID
: what the driver reports

**a** - first
**b** - second

**the counter** - said twice
"""


def test_each_term_is_a_document_with_its_text_as_written(tmp_path: Path) -> None:
    write(tmp_path, {"glossary.md": GLOSSARY})

    documents, problems = read(
        SourceKind.GLOSSARY, tmp_path / "glossary.md", "https://wiki.example/glossary"
    )

    assert [(document.title, document.text) for document in documents] == [
        ("the counter", "**the counter** - checkout, the service\nand the page alike."),
        ("window", "**window**: storefront"),
        ("Basket", "**Basket:** what a shopper will buy"),
        ("MIG", "`MIG` - Multi-Instance GPU"),
        ("XID", "XID\n: what the driver reports"),
        ("a", "**a** - first"),
        ("b", "**b** - second"),
    ]
    assert documents[0].facts == TermFacts(term="the counter")
    assert documents[0].url == "https://wiki.example/glossary#the-counter"
    assert documents[0].sections[0].headings == ("Shop",)
    assert documents[0].written_at == datetime(2026, 9, 30, 8, tzinfo=UTC)
    assert [(problem.line, "line 10" in problem.reason) for problem in problems] == [(26, True)]
    assert errors(problems) == []


def test_a_folder_of_glossaries_may_explain_a_word_twice(tmp_path: Path) -> None:
    write(tmp_path, {"shop.md": "**gate** - a door", "gpu.md": "**gate** - the gateway"})

    documents, problems = read(SourceKind.GLOSSARY, tmp_path, "https://wiki.example")

    assert problems == []
    assert [document.url for document in documents] == [
        "https://wiki.example/gpu#gate",
        "https://wiki.example/shop#gate",
    ]


def test_a_page_without_terms_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"glossary.md": "# Words\n\nNone yet."})

    documents, problems = read(SourceKind.GLOSSARY, tmp_path)

    assert documents == []
    assert ["no terms" in problem.reason for problem in errors(problems)] == [True]
