"""Sources over files that a test writes."""

from pathlib import Path

from ingest.documents import Document, Problem, ProblemLevel, SourceKind
from ingest.sources import open_source


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """``root`` with these files in it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def read(
    kind: SourceKind, path: Path, base_url: str | None = None
) -> tuple[list[Document], list[Problem]]:
    """What the source at ``path`` yields; the documents have distinct ids."""
    found = list(open_source(kind, name=kind.value, path=path, base_url=base_url).read())
    documents = [item for item in found if isinstance(item, Document)]
    assert len({document.id for document in documents}) == len(documents)
    assert len({document.origin for document in documents}) == len(documents)
    return documents, [item for item in found if isinstance(item, Problem)]


def read_one(kind: SourceKind, path: Path, base_url: str | None = None) -> Document:
    """The only document at ``path``, read without a problem."""
    documents, problems = read(kind, path, base_url)
    assert problems == []
    (document,) = documents
    return document


def errors(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.level is ProblemLevel.ERROR]
