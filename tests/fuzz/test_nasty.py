"""Files that are made to do harm: each is read or reported, soon, and in little memory."""

import io
import json
import resource
import struct
import time
import zipfile
from pathlib import Path

import pytest

from ingest.documents import Document, Problem, SourceKind
from ingest.redaction import redact_text
from service.metrics.promql_text import parse_promql
from service.reports.untrusted import clean
from tests.fuzz.targets import ingested

CPU_SECONDS = 60
MEGABYTES = 600


def read(kind: SourceKind, path: Path) -> tuple[list[Document], list[Problem]]:
    """What comes of it, within bounds."""
    began, before = time.process_time(), _peak()
    found = ingested(kind, path)
    assert time.process_time() - began < CPU_SECONDS
    assert _peak() - before < MEGABYTES
    return found


def _peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def export(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "channels.json", '[{"id": "C1", "name": "ops"}, {"id": "C2", "name": ".."}]'
        )
        archive.writestr("users.json", '[{"id": "U1", "real_name": "Mira"}]')
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def day(text: str) -> bytes:
    said = {"type": "message", "user": "U1", "ts": "1718700000.0001", "text": text}
    return json.dumps([said]).encode()


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "export.zip"
    bomb.write_bytes(export({"ops/1.json": b" " * 300_000_000, "ops/2.json": day("quota is full")}))

    documents, problems = read(SourceKind.SLACK, bomb)

    assert [document.origin for document in documents] == ["ops/2.json#1718700000.0001"]
    assert ("ops/1.json", "ops/1.json") in [(p.path, p.affects) for p in problems]


def test_a_zip_that_understates_its_size_is_not_unpacked(tmp_path: Path) -> None:
    data = bytearray(export({"ops/1.json": b"[" + b" " * 50_000_000 + b"]"}))
    real, said = struct.pack("<I", 50_000_002), struct.pack("<I", 2)
    bomb = tmp_path / "export.zip"
    bomb.write_bytes(data.replace(real, said))

    documents, problems = read(SourceKind.SLACK, bomb)

    assert documents == []
    assert [problem.path for problem in problems if problem.affects == "ops/1.json"]


def test_a_zip_of_very_many_files_is_bounded(tmp_path: Path) -> None:
    bomb = tmp_path / "export.zip"
    bomb.write_bytes(export({f"x{n}/2026-01-01.json": b"[]" for n in range(20_000)}))

    documents, problems = read(SourceKind.SLACK, bomb)

    assert documents == []
    assert sum("nobody knows who may read it" in problem.reason for problem in problems) == 20_000


def test_a_zip_inside_a_zip_is_only_bytes(tmp_path: Path) -> None:
    inner = export({"ops/1.json": day("inside")})
    outer = tmp_path / "export.zip"
    outer.write_bytes(export({"ops/inner.zip": inner, "ops/3.json": inner}))

    documents, problems = read(SourceKind.SLACK, outer)

    assert documents == []
    assert "ops/3.json" in [problem.path for problem in problems]


def test_no_name_in_a_zip_leads_out_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "secret.json"
    outside.write_bytes(day("outside"))
    path = tmp_path / "in" / "export.zip"
    path.parent.mkdir()
    names = ("../secret.json", "ops/../../secret.json", str(outside), "..\\secret.json")
    archive = export({name: day(f"member {n}") for n, name in enumerate(names)})
    path.write_bytes(archive)
    link = zipfile.ZipInfo("ops/link.json")
    link.external_attr = 0o120777 << 16  # a symbolic link, as Info-ZIP stores it
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(link, "../../secret.json")

    documents, _ = read(SourceKind.SLACK, path)

    assert "outside" not in "".join(document.text for document in documents)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["export.zip", "in", "secret.json"]


@pytest.mark.parametrize("kind", [SourceKind.RUNBOOKS, SourceKind.SLACK])
def test_no_link_leads_out_of_a_folder(kind: SourceKind, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("# Outside\n\nNot of this source.")
    (tmp_path / "secret.json").write_bytes(day("Not of this source."))
    root = tmp_path / "root"
    (root / "ops").mkdir(parents=True)
    (root / "page.md").write_text("# Inside\n\nOf this source.")
    (root / "channels.json").write_text('[{"id": "C1", "name": "ops"}]')
    (root / "users.json").write_text("[]")
    (root / "ops" / "1.json").write_bytes(day("Of this source."))
    (root / "link.md").symlink_to(secret)
    (root / "ops" / "2.json").symlink_to(tmp_path / "secret.json")

    documents, problems = read(kind, root)

    text = "".join(document.text for document in documents)
    assert "Of this source" in text
    assert "Not of this source" not in text
    assert any("link" in problem.reason for problem in problems)


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        (SourceKind.DASHBOARDS, "a.json", '{"panels": ' + "[" * 10_000 + "]" * 10_000 + "}"),
        (SourceKind.DASHBOARDS, "a.json", '{"a":' * 10_000 + "1" + "}" * 10_000),
        (SourceKind.ALERTS, "a.yaml", "groups: " + "[" * 10_000 + "]" * 10_000),
        (
            SourceKind.ALERTS,
            "a.yaml",
            "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
            + "items: [*a11]\n",
        ),
        (
            SourceKind.RUNBOOKS,
            "a.md",
            "---\na0: &a0 [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
            + "services: *a11\n---\n# A\n\nText.",
        ),
        (SourceKind.RUNBOOKS, "a.md", "# A\n\n" + "word " * 400_000),
        (SourceKind.RUNBOOKS, "a.md", "# A\n\n" + "x" * 2_000_000),
        (SourceKind.RUNBOOKS, "a.md", "# A\n\n" + "| a" * 700_000 + "|\n"),
        (SourceKind.RUNBOOKS, "a.md", "# A\n\n" + ">" * 20_000 + " deep"),
        (SourceKind.RUNBOOKS, "a.md", "# A\n\n" + "[" * 50_000),
        (SourceKind.RUNBOOKS, "a.md", "# A\n\n" + "<!--" * 50_000),
        (SourceKind.RUNBOOKS, "a.md", "- " * 20_000 + "x"),
        (SourceKind.RUNBOOKS, "a.html", "<b>" * 100_000),
        (SourceKind.RUNBOOKS, "a.html", "<table>" + "<tr><td>1" * 100_000),
        (SourceKind.GLOSSARY, "a.md", "**a** - b\n" * 20_000),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 10 else None,
)
@pytest.mark.slow
def test_what_grows_without_end_does_not(
    kind: SourceKind, name: str, content: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)

    documents, problems = read(kind, tmp_path)

    assert documents or [problem.path for problem in problems] == [name]


@pytest.mark.slow
def test_a_table_of_a_million_cells_is_read(tmp_path: Path) -> None:
    row = "|" + " 1 |" * 10 + "\n"
    (tmp_path / "a.md").write_text("# A\n\n" + row + "|" + "---|" * 10 + "\n" + row * 100_000)

    documents, _ = read(SourceKind.RUNBOOKS, tmp_path)

    assert len(documents) == 1


@pytest.mark.parametrize(
    "query",
    [
        "(" * 1_900 + "up" + ")" * 1_900,
        "sum(" * 3_000 + "up" + ")" * 3_000,
        "-" * 15_000 + "up",
        "a" + "+a" * 5_000,
        "a" + " or a" * 3_000,
        "a" * 1_000_000,
    ],
    ids=["brackets", "calls", "signs", "sums", "sets", "length"],
)
def test_a_query_deeper_than_anybody_writes_is_refused(query: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="more than"):
        parse_promql(query)
    assert time.process_time() - began < 0.5


TROJAN = "quota\u202e\u2066 evil\u2069\u200b\u200d\ufeff\0\x1b[31m \U000e0041tag"


def test_what_no_reader_sees_reaches_no_model() -> None:
    assert clean(TROJAN) == "quota evil[31m tag"


def test_a_secret_is_found_behind_invisible_characters() -> None:
    assert "AKIA" not in redact_text("key AKIAIOSF\u200bODNN7EXAMPLE of aws")
