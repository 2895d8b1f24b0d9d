"""An encoder that remembers the last questions' vectors.

One question is looked up half a dozen times (in all documents, in dashboards, in alerts), each
time with the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ingest.encoders.base import Encoder

_QUESTIONS = 256
"""At 384 dimensions, 400 kB."""


class RememberingEncoder:
    """As the encoder that it is given, in vectors and in name."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name = encoder.name
        self.dimensions = encoder.dimensions
        self.count_tokens = encoder.count_tokens
        self._remembered = lru_cache(maxsize=_QUESTIONS)(self._embedded)

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        return self._encoder.embed_documents(texts, on_progress)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._remembered(text)

    def _embedded(self, text: str) -> NDArray[np.float32]:
        vector = self._encoder.embed_query(text)
        vector.flags.writeable = False  # it is given to more than one
        return vector
