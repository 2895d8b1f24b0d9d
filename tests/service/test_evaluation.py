"""Measuring retrieval on corpora whose figures can be worked out by hand."""

import asyncio
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from service.evaluation import EvaluationError, RetrievalEvaluation, evaluate_retrieval, render
from service.evaluation.statistics import MEASURES, Bootstrap, score_rankings
from service.settings import Settings
from tests.encoders import HashingEncoder

PAGES = {
    "shop/checkout.md": "# Checkout\n\nCarts are stuck in the queue.\n",
    "shop/search.rst": "Search\n======\n\nThe lexicon is stale.\n",
    "cloud/gpu.adoc": "= Graphics cards\n\nThermal throttling of boards.\n",
    "cloud/net.html": "<html><body><h1>Network</h1><p>Packets are dropped.</p></body></html>",
}


def write(root: Path, pages: dict[str, str]) -> None:
    for name, text in pages.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_pairs(root: Path, *pairs: tuple[str, list[str]]) -> Path:
    file = root / "pairs.jsonl"
    file.write_text(
        "".join(json.dumps({"query": query, "gold": gold}) + "\n" for query, gold in pairs),
        encoding="utf-8",
    )
    return file


def evaluate(root: Path, pairs: Path, *names: str) -> RetrievalEvaluation:
    return asyncio.run(
        evaluate_retrieval(
            [root / name for name in names or ("shop", "cloud")],
            pairs,
            settings=Settings(),
            encoder=HashingEncoder(dimensions=256),
        )
    )


def values(result: RetrievalEvaluation, system: str) -> dict[str, float]:
    found = next(one for one in result.systems if one.name == system)
    return {name: estimate.value for name, estimate in found.measures.items()}


def test_pages_in_every_markup_are_found(tmp_path: Path) -> None:
    write(tmp_path, PAGES)
    pairs = write_pairs(
        tmp_path,
        ("carts stuck in the queue", ["shop/checkout.md"]),
        ("stale lexicon", ["shop/search.rst"]),
        ("thermal throttling", ["cloud/gpu.adoc"]),
        ("dropped packets", ["cloud/net.html"]),
    )
    result = evaluate(tmp_path, pairs)
    assert values(result, "why") == dict.fromkeys(MEASURES, 1.0)
    assert not result.problems


def test_a_wrong_gold_page_lowers_the_figures_by_its_share(tmp_path: Path) -> None:
    # BM25 finds only pages that share a word: the wrong gold page is never in its ranking, and
    # the page that the second question names is in first place, before the gold one.
    write(tmp_path, {**PAGES, "shop/second.md": "# Cart\n\nCarts, and much else besides them.\n"})
    pairs = write_pairs(
        tmp_path,
        ("stale lexicon", ["shop/search.rst"]),
        ("carts stuck in the queue", ["shop/second.md"]),
        ("thermal throttling", ["shop/search.rst"]),
        ("dropped packets", ["shop/search.rst", "cloud/net.html"]),
    )
    found = values(evaluate(tmp_path, pairs), "bm25")
    assert found["recall@1"] == pytest.approx(2 / 4)
    assert found["recall@3"] == pytest.approx(3 / 4)
    assert found["MRR"] == pytest.approx((1 + 1 / 2 + 0 + 1) / 4)


def test_the_json_is_the_documented_one(tmp_path: Path) -> None:
    write(tmp_path, PAGES)
    pairs = write_pairs(
        tmp_path, ("stale lexicon", ["shop/search.rst"]), ("carts", ["cloud/net.html"])
    )
    found = json.loads(json.dumps(evaluate(tmp_path, pairs).as_json()))
    assert [system["name"] for system in found["systems"]] == ["bm25", "dense", "why"]
    for system in found["systems"]:
        for measure in ("recall@1", "recall@3", "recall@5", "recall@10", "MRR", "nDCG@10"):
            estimate = system[measure]
            assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
    assert found["pairs"] == 2
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p95"]
    assert {row["other"] for row in found["comparisons"]} == {"bm25", "dense"}


def test_the_table_names_every_system_and_every_problem(tmp_path: Path) -> None:
    write(tmp_path, PAGES)
    (tmp_path / "shop" / "bytes.md").write_bytes(b"caf\xe9")
    pairs = write_pairs(
        tmp_path, ("stale lexicon", ["shop/search.rst"]), ("coffee", ["shop/bytes.md"])
    )
    result = evaluate(tmp_path, pairs)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(render(result))
    text = console.export_text()
    assert all(name in text for name in ("bm25", "dense", "why", *MEASURES))
    assert "…" not in text
    assert "bytes.md:1: not UTF-8 text" in text
    assert "shop/bytes.md: was not indexed" in text
    assert values(result, "why")["recall@10"] == pytest.approx(1 / 2)


def test_a_gold_path_that_is_no_file_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, PAGES)
    pairs = write_pairs(
        tmp_path, ("stale lexicon", ["shop/search.rst"]), ("carts", ["shop/gone.md"])
    )
    with pytest.raises(EvaluationError, match=r"pairs\.jsonl:2: the gold path 'shop/gone\.md'"):
        evaluate(tmp_path, pairs)


def test_a_page_outside_of_the_corpora_is_no_answer(tmp_path: Path) -> None:
    write(tmp_path, PAGES)
    pairs = write_pairs(tmp_path, ("dropped packets", ["cloud/net.html"]))
    with pytest.raises(EvaluationError, match=r"no file of the corpora \(shop\)"):
        evaluate(tmp_path, pairs, "shop")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": ', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"gold": ["shop/search.rst"]}', '"query" is missing'),
        ('{"query": "stale", "gold": []}', '"gold" is missing'),
    ],
)
def test_a_broken_line_of_the_pairs_is_named(tmp_path: Path, line: str, message: str) -> None:
    write(tmp_path, PAGES)
    pairs = write_pairs(tmp_path, ("stale lexicon", ["shop/search.rst"]))
    pairs.write_text(f"{pairs.read_text()}\n{line}\n")
    with pytest.raises(EvaluationError, match=f"pairs.jsonl:3: {message}"):
        evaluate(tmp_path, pairs)


def test_corpora_in_different_folders_keep_their_own_paths(tmp_path: Path) -> None:
    write(tmp_path, {f"{'ab'['cloud' in name]}/{name}": text for name, text in PAGES.items()})
    pairs = write_pairs(
        tmp_path,
        ("stale lexicon", ["shop/search.rst"]),  # beside its own corpus
        ("dropped packets", ["b/cloud/net.html"]),  # from the folder that holds both
    )
    result = evaluate(tmp_path, pairs, "a/shop", "b/cloud")
    assert values(result, "why")["recall@1"] == 1.0


def test_one_corpus_inside_another_is_refused(tmp_path: Path) -> None:
    write(tmp_path, PAGES)
    pairs = write_pairs(tmp_path, ("stale lexicon", ["shop/search.rst"]))
    with pytest.raises(EvaluationError, match="hold the same pages"):
        evaluate(tmp_path, pairs, "shop", ".")


def test_a_corpus_without_a_readable_page_says_why(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "bytes.md").write_bytes(b"caf\xe9")
    pairs = write_pairs(tmp_path, ("coffee", ["shop/bytes.md"]))
    with pytest.raises(EvaluationError, match=r"bytes\.md:1: not UTF-8 text"):
        evaluate(tmp_path, pairs, "shop")


def test_measures_of_a_ranking_are_those_of_the_literature() -> None:
    scores = score_rankings([["a", "b"], ["c"]], [["x", "a", "y", "b"], []])
    gain, ideal = 1 / np.log2(3) + 1 / np.log2(5), 1 + 1 / np.log2(3)
    assert scores[0].tolist() == pytest.approx([0, 1, 1, 1, 1 / 2, gain / ideal])
    assert scores[1].tolist() == [0, 0, 0, 0, 0, 0]


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    # 80 of 100: the standard error is .04, so the interval is about .8 ± .078.
    scores = np.zeros((100, len(MEASURES)))
    scores[:80] = 1.0
    found = Bootstrap({"why": scores}).estimates("why")["recall@1"]
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.722, 0.878), abs=0.012)


def test_a_difference_is_that_of_pairs() -> None:
    # Better by one question in ten, and never worse: unpaired, the intervals would overlap.
    one = np.tile([[1.0], [0.0]], (50, len(MEASURES)))
    other = one.copy()
    other[:20] = 0.0
    bootstrap = Bootstrap({"why": one, "bm25": other})
    found = bootstrap.differences("why", "bm25")["recall@1"]
    assert found.value == pytest.approx(0.1)
    assert 0 < found.low < found.value < found.high < 0.2
    assert found.share_not_better < 0.01
    assert bootstrap.differences("bm25", "why")["recall@1"].share_not_better == 1.0
    assert bootstrap.differences("why", "why")["recall@1"].share_not_better == 1.0
