"""An index generation as lines of text, and back.

Points are copied, not the engine's files: a line has what ``Index.upsert`` takes, so that a copy
made of the embedded engine can be given to a server and the other way round, outlives the file
format of either, and is filled into a new generation that nobody reads until it is whole. Vectors
are kept bit by bit; nothing is embedded again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np

from ingest.documents import Chunk
from ingest.index import EmbeddedChunk, Index, SparseVector

_BATCH = 256
"""Chunks per durable write."""


class UnreadableLine(Exception):
    """A line of a copy is none that this version writes."""


async def dump_index(index: Index, write: Callable[[bytes], object]) -> int:
    """Give every stored chunk to ``write``, a line each; how many there were.

    Raises: IndexFailure.
    """
    count = 0
    after: str | None = None
    while True:
        chunks, after = await index.page(after)
        for chunk in chunks:
            write(to_line(chunk))
        count += len(chunks)
        if after is None:
            return count


async def load_index(index: Index, lines: Iterable[bytes]) -> None:
    """Store the chunks of a copy. Raises: UnreadableLine, IndexFailure."""
    left = iter(lines)
    while chunks := [from_line(line, index.spec.dimensions) for line in islice(left, _BATCH)]:
        await index.upsert(chunks)


def to_line(embedded: EmbeddedChunk) -> bytes:
    """The chunk, its dense vector (little-endian float32) and its term weights, as JSON."""
    fields = {
        "chunk": embedded.chunk.model_dump(mode="json"),
        "dense": base64.b64encode(embedded.dense.astype("<f4").tobytes()).decode(),
        "sparse": [embedded.sparse.indices, embedded.sparse.values],
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes, dimensions: int) -> EmbeddedChunk:
    """What ``to_line`` wrote. Raises: UnreadableLine, which quotes nothing of it."""
    try:
        fields = json.loads(line)
        dense = np.frombuffer(base64.b64decode(fields["dense"], validate=True), dtype="<f4")
        indices, values = fields["sparse"]
        embedded = EmbeddedChunk(
            Chunk.model_validate(fields["chunk"]),
            dense.astype(np.float32),
            SparseVector(indices=tuple(indices), values=tuple(values)),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableLine(f"no chunk of an index ({type(error).__name__})") from None
    if dense.shape != (dimensions,):
        raise UnreadableLine(f"a vector of {dense.size} dimensions instead of {dimensions}")
    return embedded
