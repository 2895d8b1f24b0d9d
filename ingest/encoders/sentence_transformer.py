"""Any sentence-transformers model, run by torch.

The runtime for models other than the packaged one, and the reference that it is tested against.
Prompts that a model's configuration carries ("query: ", "passage: ") are used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from ingest.encoders.base import EncoderUnavailable

TorchPrecision = Literal["float32", "bfloat16"]

_BATCHES_A_CALL = 8


class SentenceTransformerEncoder:
    """``model`` is a folder or the name of a model on the Hugging Face hub.

    A model that is not on this machine is downloaded only with ``allow_download``.

    Raises: EncoderUnavailable.
    """

    def __init__(
        self,
        model: str,
        *,
        allow_download: bool = False,
        precision: TorchPrecision = "float32",
        batch_size: int = 16,
    ) -> None:
        try:
            self._model = SentenceTransformer(
                model,
                local_files_only=not allow_download,
                model_kwargs={"dtype": getattr(torch, precision)},
            )
        except (OSError, ValueError) as error:
            hint = "" if allow_download else " It is not downloaded unless that is allowed."
            raise EncoderUnavailable(
                f"the embedding model {model!r} cannot be loaded: {error}.{hint}"
            ) from error
        dimensions = self._model.get_embedding_dimension()
        backend = getattr(self._model.tokenizer, "backend_tokenizer", None)
        if dimensions is None or backend is None:
            raise EncoderUnavailable(
                f"the embedding model {model!r} states no dimension or has no fast tokenizer"
            )
        self.dimensions = int(dimensions)
        self._batch_size = batch_size
        # A copy, because counting must not cut and encoding must.
        self._counter: Tokenizer = Tokenizer.from_str(backend.to_str())
        self._counter.no_truncation()
        self._counter.no_padding()
        self.name = f"{model.rstrip('/').rsplit('/', 1)[-1]}@{self._digest()}/torch-{precision}"

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        step = self._batch_size * _BATCHES_A_CALL
        for start in range(0, len(texts), step):
            part = list(texts[start : start + step])
            encoded = self._model.encode_document(
                part,
                batch_size=self._batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            vectors[start : start + len(part)] = np.asarray(encoded)
            if on_progress is not None:
                on_progress(len(part))
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        encoded = self._model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(encoded, np.float32)

    def count_tokens(self, text: str) -> int:
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def _digest(self) -> str:
        """A hash of the weights, the modules' settings, the prompts and the tokenizer."""
        digest = hashlib.blake2b(digest_size=8)
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        digest.update(repr((self._model.max_seq_length, self._model.prompts)).encode())
        digest.update(repr(self._model).encode())
        digest.update(self._counter.to_str().encode())
        return digest.hexdigest()
