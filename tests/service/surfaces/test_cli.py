"""The command line as its users type it: real processes, real files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.reports.model import Report
from service.settings import Settings
from service.surfaces.cli import COMMANDS
from service.surfaces.deferred import Deferred
from tests.company import CONFIG, DATA

WHY = Path(sys.executable).with_name("why")
QUESTION = "Why did checkout fail last night?"


def why(
    *arguments: str | Path,
    index: Path | None = None,
    prefix: tuple[str, ...] = (),
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WHY_", "QDRANT_")) or name == "WHY_CACHE_DIR"
    }
    if index is not None:
        environment["WHY_INDEX_DIR"] = str(index)
        environment["WHY_DATABASE_FILE"] = str(index.with_name("why.db"))
    return subprocess.run(
        [*prefix, str(WHY), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=inherited | environment,
        check=False,
    )


def small_company(folder: Path) -> Path:
    """Two runbooks and a configuration; returns the configuration's path."""
    pages = folder / "pages"
    pages.mkdir()
    (pages / "disk.md").write_text("# Disk full\n\nDelete old files from the disk.\n")
    (pages / "cert.md").write_text("# Certificate expired\n\nRenew the certificate.\n")
    config = folder / "why.toml"
    config.write_text(
        'index_dir = "index"\ndatabase_file = "why.db"\nas_of = "2026-11-12T07:30:00Z"\n'
        '[[sources]]\nkind = "runbooks"\npath = "pages"\n'
    )
    return config


def embedded(result: subprocess.CompletedProcess[str]) -> int:
    return sum(source["chunks_embedded"] for source in json.loads(result.stdout)["sources"])


def test_ingest_embeds_everything_once_and_then_only_what_changed(tmp_path: Path) -> None:
    config = small_company(tmp_path)
    first = why("ingest", "-c", config, "--json")
    assert (first.returncode, embedded(first)) == (0, 2), first.stderr
    assert embedded(why("ingest", "-c", config, "--json")) == 0
    (tmp_path / "pages" / "disk.md").write_text("# Disk full\n\nMount a larger disk.\n")
    dry = why("ingest", "-c", config, "--dry-run", "--json")
    assert embedded(dry) == 1
    assert "larger" not in why("search", "larger disk", "-c", config).stdout
    assert embedded(why("ingest", "-c", config, "--json")) == 1
    found = why("search", "larger disk", "-c", config).stdout
    assert "larger" in found
    assert "old files" not in found


def test_a_page_that_cannot_be_read_is_named_and_sets_the_exit_code(tmp_path: Path) -> None:
    config = small_company(tmp_path)
    (tmp_path / "pages" / "broken.md").write_bytes(b"# Broken\n\n\xff\xfe\x00\x01 binary")
    result = why("ingest", "-c", config)
    assert result.returncode == 1
    assert "broken.md" in result.stderr
    assert "Renew" in why("search", "certificate", "-c", config).stdout


def test_a_copied_page_is_found_once_and_its_copies_are_named(tmp_path: Path) -> None:
    config = small_company(tmp_path)
    page = (tmp_path / "pages" / "cert.md").read_text()
    (tmp_path / "pages" / "forwarded.md").write_text(page)
    why("ingest", "-c", config)
    found = why("search", "certificate", "-c", config).stdout
    assert found.count("Renew the certificate") == 1
    assert "nearly the same: runbooks/forwarded.md" in found


def test_output_that_is_piped_has_no_bar_and_no_colour(tmp_path: Path) -> None:
    result = why("ingest", "-c", small_company(tmp_path))
    assert result.stderr == ""
    assert "\x1b" not in result.stdout


def test_the_report_is_markdown_for_people_and_json_for_programs(company: Settings) -> None:
    text = why("ask", QUESTION, "-c", CONFIG, index=company.index_dir)
    assert text.returncode == 0, text.stderr
    assert text.stderr == ""
    assert text.stdout.startswith(f"# {QUESTION}\n")
    assert "### 1. quota (eu-west)" in text.stdout
    for heading in ("## Impact", "## What I could not see", "## Sources"):
        assert heading in text.stdout
    report = Report.model_validate_json(
        why("ask", QUESTION, "-c", CONFIG, "--json", index=company.index_dir).stdout
    )
    assert report.causes[0].component == "quota"


def test_charts_are_written_beside_the_report(company: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "charts"
    result = why("ask", QUESTION, "-c", CONFIG, "--charts", folder, index=company.index_dir)
    files = sorted(folder.glob("*.svg"))
    assert len(files) == 3
    assert all(f"]({file})" in result.stdout for file in files)


def test_search_shows_the_scores_of_each_stage_and_keeps_to_the_kind(company: Settings) -> None:
    result = why(
        "search", "redis clients never closed", "-c", CONFIG, "--kind", "incidents", "--json",
        index=company.index_dir,
    )  # fmt: skip
    best, *others = json.loads(result.stdout)
    assert "inc-2026-031" in best["chunk"]["document_id"]
    assert best["dense"]["rank"] >= 1
    assert best["sparse"]["score"] > 0
    assert {p["chunk"]["kind"] for p in (best, *others)} == {"incidents"}
    assert best["chunk"]["end"] - best["chunk"]["start"] == len(best["chunk"]["text"])


def test_search_says_when_nothing_seems_to_answer(company: Settings) -> None:
    def said(text: str) -> str:
        return why("search", text, "-c", CONFIG, index=company.index_dir).stdout

    assert "Nothing here seems to answer this" in said("who takes the company car in May")
    found = said("redis clients never closed")
    assert "relevance 0." in found
    assert "Nothing here" not in found


def test_search_as_of_a_moment_sees_nothing_later(company: Settings) -> None:
    result = why(
        "search", "redis clients never closed", "-c", CONFIG, "--as-of", "2026-06-01T00:00:00Z",
        index=company.index_dir,
    )  # fmt: skip
    assert result.returncode == 0
    assert "inc-2026-031" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (("ask", "why", "-c", "nowhere.toml"), {}, "nowhere.toml"),
        (("search", "x"), {"WHY_INDEX_DIR": "/nonexistent/index"}, "why ingest"),
        (("ingest",), {}, "sources"),
        (("ask", "why"), {"WHY_DEADLINE": "soon"}, "deadline"),
        (("ask", "why", "--as-of", "yesterdayish"), {}, "as_of"),
        (("ask", "why", "--since", "sometime"), {}, "sometime"),
        (("ask", "why"), {"WHY_TIMEZONE": "Mars/Olympus"}, "Mars/Olympus"),
    ],
)
def test_what_cannot_run_says_in_a_line_what_to_do(
    arguments: tuple[str, ...], environment: dict[str, str], expected: str
) -> None:
    result = why(*arguments, **({"WHY_INDEX_DIR": "/nonexistent/index"} | environment))
    assert result.returncode == 2
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_a_key_in_a_wrong_setting_is_not_printed(tmp_path: Path) -> None:
    result = why("ask", "why", QDRANT_API_KEY="s3cret-k3y", WHY_QDRANT_TIMEOUT="s3cret-k3y")
    assert result.returncode == 2
    assert "s3cret" not in result.stderr + result.stdout


def test_help_imports_nothing_that_a_command_needs() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from service.surfaces.cli import app; "
        "result = CliRunner().invoke(app, ['--help']); assert 'ingest' in result.output; "
        "dear = {'torch', 'llama_index', 'transformers', 'qdrant_client', 'onnxruntime', 'numpy', "
        "'pydantic', 'sqlalchemy', 'fastapi', 'httpx', 'rich', 'matplotlib', 'ingest'}; "
        "sys.exit(', '.join(dear & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("listed", COMMANDS, ids=lambda listed: listed.name)
def test_a_command_is_listed_with_the_first_words_of_its_own_help(listed: Deferred) -> None:
    own = listed.command()
    assert (own.name, own.help.partition("\n\n")[0]) == (listed.name, listed.help)


def test_a_misspelt_command_is_told_which_one_was_meant() -> None:
    result = why("serach", "disk")
    assert result.returncode == 2
    assert "Did you mean 'search'?" in result.stderr


def test_asking_loads_neither_torch_nor_llamaindex(company: Settings) -> None:
    code = (
        "import sys; from service.surfaces.cli import app; from typer.testing import CliRunner; "
        f"result = CliRunner().invoke(app, ['ask', {QUESTION!r}, '-c', {str(CONFIG)!r}]); "
        "assert 'quota' in result.output, result.output; "
        "dear = {'torch', 'llama_index', 'transformers', 'qdrant_client'}; "
        "sys.exit(', '.join(dear & set(sys.modules)) or 0)"
    )
    environment = os.environ | {"WHY_INDEX_DIR": str(company.index_dir)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr


def without_network() -> tuple[str, ...]:
    """A command prefix under which nothing outside this process can be reached."""
    for prefix in (("unshare", "-n"), ("unshare", "-rn")):
        if (
            shutil.which("unshare")
            and not subprocess.run([*prefix, "true"], capture_output=True).returncode
        ):
            return prefix
    pytest.skip("no network namespaces on this machine")


@pytest.mark.slow
def test_the_demo_runs_with_the_network_cut_and_an_empty_cache(tmp_path: Path) -> None:
    cut = without_network()
    assert subprocess.run(
        [*cut, sys.executable, "-c", "import socket; socket.create_connection(('1.1.1.1', 53), 2)"],
        capture_output=True,
    ).returncode, "the network is not cut"
    options: dict[str, str] = {"WHY_CACHE_DIR": str(tmp_path / "cache")}
    index = tmp_path / "index"
    ingested = why("ingest", "-c", CONFIG, index=index, prefix=cut, **options)
    assert ingested.returncode == 0, ingested.stderr
    report = why("ask", QUESTION, "-c", CONFIG, index=index, prefix=cut, **options)
    assert "### 1. quota (eu-west)" in report.stdout


def test_nothing_secret_of_the_sample_company_is_stored(company: Settings) -> None:
    planted = ("Sp4rrow-Kite-91x", "AKIAQ7KESTREL2FAKE3X")
    export = "".join(path.read_text() for path in (DATA / "slack").rglob("*.json"))
    assert all(secret in export for secret in planted)
    for path in company.index_dir.rglob("*"):
        if path.is_file():
            stored = path.read_bytes()
            assert not [secret for secret in planted if secret.encode() in stored], path
