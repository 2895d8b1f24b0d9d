"""The seam to whatever turns text into dense vectors.

Errors::

    EncoderError
     ├── EncoderUnavailable   the model is not here, or the endpoint does not answer or refuses
     └── ModelMismatch        the model is not the one that its name promises
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class EncoderError(Exception):
    """Root of what can go wrong with an encoder; the message is for the reader."""


class EncoderUnavailable(EncoderError):
    """The model is not on this machine, or the endpoint does not answer or refuses."""


class ModelMismatch(EncoderError):
    """The model's content is not what its name promises; its vectors must not be stored."""


class Encoder(Protocol):
    """Text → dense vector. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """A fingerprint: two encoders of one name give comparable vectors.

        It holds whatever changes a vector: the model's content and the arithmetic it runs in.
        """
        ...

    @property
    def dimensions(self) -> int: ...

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """The vectors of passages, of unit length; shape ``(len(texts), dimensions)``.

        ``on_progress`` gets how many more texts are done, each time some are.
        Raises: EncoderError.
        """
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a question, of unit length; shape ``(dimensions,)``.

        Raises: EncoderError.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """The length of ``text`` in the model's tokens, uncut, without special tokens."""
        ...
