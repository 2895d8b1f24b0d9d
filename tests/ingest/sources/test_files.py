import os
from pathlib import Path

import pytest

from ingest.documents import SourceKind
from tests.ingest.sources.reading import errors, read, write

PAGE = "# Page\n\nText."


def test_the_rest_is_read_when_one_file_is_bad(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "good.md": PAGE,
            "latin.md": "# Caf\n\nOne.\nAu caf\xe9.".encode("latin-1"),
            "binary.md": b"# Page\n\0\1\2",
            "broken.md": "---\ntitle: [a\nservices: x\n---\n# Page",
            "core.dump": b"\x7fELF\0\0",
            "huge.log": b"line\n" * 1_100_000,
            "huge.md": b"word " * 1_100_000,
            "diagram.png": b"\x89PNG\0\0",
            "notes.txt": "other text is not this source's business",
            ".git/config.md": PAGE,
            "sub/.hidden.md": PAGE,
        },
    )

    documents, problems = read(SourceKind.RUNBOOKS, tmp_path)

    assert [document.origin for document in documents] == ["good.md"]
    assert {(problem.path, problem.line) for problem in errors(problems)} == {
        ("latin.md", 4),
        ("binary.md", None),
        ("broken.md", 3),
        ("core.dump", None),
        ("huge.log", None),
        ("huge.md", None),
    }
    assert all(problem.affects == problem.path for problem in problems)
    assert "not UTF-8" in next(str(problem) for problem in problems if problem.path == "latin.md")


@pytest.mark.parametrize("kind", list(SourceKind))
def test_an_empty_folder_protects_everything_read_before(kind: SourceKind, tmp_path: Path) -> None:
    documents, problems = read(kind, tmp_path)

    assert documents == []
    (problem,) = errors(problems)
    assert problem.affects == ""
    assert str(tmp_path) in str(problem)


@pytest.mark.parametrize("kind", list(SourceKind))
def test_a_missing_folder_is_reported(kind: SourceKind, tmp_path: Path) -> None:
    documents, problems = read(kind, tmp_path / "nowhere")

    assert documents == []
    assert [problem.affects for problem in errors(problems)] == [""]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": PAGE, "b.md": PAGE})
    (tmp_path / "a.md").chmod(0)

    documents, problems = read(SourceKind.RUNBOOKS, tmp_path)

    assert [document.origin for document in documents] == ["b.md"]
    assert [problem.path for problem in errors(problems)] == ["a.md"]


def test_a_dangling_link_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": PAGE})
    (tmp_path / "b.md").symlink_to(tmp_path / "gone.md")

    documents, problems = read(SourceKind.RUNBOOKS, tmp_path)

    assert [document.origin for document in documents] == ["a.md"]
    assert [problem.path for problem in errors(problems)] == ["b.md"]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"a.md": b"\xef\xbb\xbf# A\r\n\r\nText.\r\n", "b.md": "# B\n\nÜber.".encode("utf-16")},
    )

    documents, problems = read(SourceKind.RUNBOOKS, tmp_path)

    assert problems == []
    assert [document.text for document in documents] == ["# A\n\nText.", "# B\n\nÜber."]


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        (SourceKind.DASHBOARDS, "a.json", '{"panels": [' + "[" * 100_000),
        (SourceKind.DASHBOARDS, "a.json", '{"panels": [\n{"id": 1,,}]}'),
        (SourceKind.DASHBOARDS, "a.yaml", "[" * 100_000),
        (SourceKind.ALERTS, "a.yaml", "groups:\n- name: a\n  rules: [\n"),
        (SourceKind.ALERTS, "a.yaml", "a: " + "9" * 5000),
        (SourceKind.ALERTS, "a.yaml", "a: &a [*a]"),
        (SourceKind.ALERTS, "a.yaml", "a: \x01"),
        (SourceKind.ALERTS, "a.yaml", "x: !!python/object/apply:os.getcwd []"),
        (SourceKind.RUNBOOKS, "a.html", "<div>" * 20_000 + "text"),
        (SourceKind.RUNBOOKS, "a.md", "---\na: " + "[" * 100_000 + "\n---\n# A"),
        (SourceKind.RUNBOOKS, "a.md", "+++\na = \n+++\n# A"),
    ],
)
def test_hopeless_files_are_reported_and_not_raised(
    kind: SourceKind, name: str, content: str, tmp_path: Path
) -> None:
    write(tmp_path, {name: content})

    documents, problems = read(kind, tmp_path)

    assert documents == []
    assert [problem.path for problem in errors(problems)] == [name]
