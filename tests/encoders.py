"""A dense encoder for tests: no model, no download, and still similar texts are close."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+|[^\w\s]")


class HashingEncoder:
    """Bag of words, hashed (Weinberger et al. 2009): every word adds ±1 to one of the
    dimensions, and vectors have unit length. Deterministic across processes.

    ``embedded`` counts the texts that were embedded as documents.
    """

    def __init__(self, dimensions: int = 64, name: str = "hashing") -> None:
        self.name = name
        self.dimensions = dimensions
        self.embedded = 0

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        self.embedded += len(texts)
        vectors = np.stack([self.embed_query(text) for text in texts])
        if on_progress is not None:
            on_progress(len(texts))
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.dimensions, dtype=np.float32)
        for word in _WORD.findall(text.lower()):
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            slot = int.from_bytes(digest[:4], "big") % self.dimensions
            vector[slot] += 1.0 if digest[4] & 1 else -1.0
        length = float(np.linalg.norm(vector))
        if length == 0.0:  # no words, or words that cancel out
            vector[0] = length = 1.0
        return vector / np.float32(length)

    def count_tokens(self, text: str) -> int:
        return len(_WORD.findall(text))
