"""A crew of workers: reading, chunking and embedding spread over processes by Ray Data.

A sync's work is two data sets: sources become documents and chunks, each source wherever a worker
is free, and batches of chunks become vectors. Ray Data starts the workers, keeps them busy, starts
one that dies anew and gives it its part again
(https://docs.ray.io/en/latest/data/api/doc/ray.data.Dataset.flat_map.html). The same batch gives
the same points under the same ids, so nothing depends on how far the dead one had come. What kills
its worker ``TRIES`` times is given up and named, after everything else was done: a source is a
problem of this run, as one that can't be read; the documents of a batch are tried one by one.

The process that calls ``sync`` alone writes: it stores thousands of chunks per second where a
worker embeds tens, and an embedded index has one writer. Rows carry pickled objects: nothing in
between looks into them. Workers chunk documents that did not change, too; asking first would need
the index. They need Why installed and the sources at the same paths, and what opens a source or a
model goes to them with its token or key, so a cluster must be one that may know these.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cached_property
from itertools import groupby
from typing import Any, Protocol

from ingest.chunking import ChunkingPolicy, chunk_document
from ingest.corpus import Corpus, Reading, not_read, read_source
from ingest.crew import Embedded, batches, embed
from ingest.documents import Chunk, Document, Source
from ingest.encoders.base import Encoder, EncoderError
from ingest.encoders.bm25 import Bm25Encoder

_ITEM = "item"
"""The column that ``ray.data.from_items`` makes."""
_PART = 64
"""Documents of a row; a source's rows arrive together."""
TRIES = 3
"""How many workers may die of a part before it is given up."""
_NAMED = 5
"""Documents that are named of those which could not be embedded."""
_STUCK = 6 * 3600.0
"""Seconds without any part done after which the run is given up. A source is a part."""
_REACH = 10
"""Seconds for a cluster to take a connection. Ray itself tries for minutes, then exits."""

_Row = dict[str, bytes]


class WorkersLost(EncoderError):
    """Ray is not installed or not reached, or the workers died or got nowhere."""


@contextmanager
def ray_running(workers: int, address: str = "") -> Iterator[None]:
    """Ray, until the end of the block, without usage statistics; stdout is stderr meanwhile.

    ``address`` is a running cluster's (``host:6379``, or ``auto`` on one of its machines); empty,
    Ray is started on this machine with ``workers`` CPUs and stopped again. Raises: WorkersLost.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "CRITICAL")  # what matters is raised
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own future and its own sockets
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise WorkersLost(
                "workers need Ray, which is not installed: pip install 'incident-why[ray]'"
            ) from error
        try:
            _knock(address)
            ray.init(
                address=address or "local",
                num_cpus=None if address else workers,
                include_dashboard=None if address else False,
                logging_level=logging.CRITICAL,
                log_to_driver=False,
            )
        except (Exception, SystemExit) as error:  # what Ray does where no cluster answers
            where = "on this machine"
            if address:
                where = f"at {address} (ray_address; a token needs RAY_AUTH_MODE=token)"
            raise WorkersLost(f"no Ray {where}: {type(error).__name__}: {error}") from error
        context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = _STUCK
    context.target_max_block_size = None  # a source is read whole or read again
    try:
        with redirect_stdout(sys.stderr):  # a thread of Ray's prints which worker died
            yield
    finally:
        ray.shutdown()


class Spread:
    """A ``Crew`` of ``workers`` processes, each with one CPU, where Ray runs.

    ``open_encoder`` is called once in each of them; it and the sources are pickled.
    """

    def __init__(
        self, open_encoder: Callable[[], Encoder], policy: ChunkingPolicy, *, workers: int
    ) -> None:
        self._open_encoder = open_encoder
        self._policy = policy
        self._workers = workers

    async def read(self, sources: Sequence[Source], corpus: Corpus, *, redact_emails: bool) -> None:
        corpus.readings.update({source.name: Reading() for source in sources})  # in their order
        reader = _Reader(self._open_encoder, self._policy, redact_emails)
        async for source, result in self._results(reader, sources):
            reading = corpus.readings[source.name]
            if result is None:
                why = f"{TRIES} workers died while they read it"
                advice = "See whether they have the memory that it needs"
                reading.problems.append(not_read(source, why, advice))
                continue
            part, chunks = result
            reading.documents.update(part.documents)
            reading.problems += part.problems
            reading.redacted.update(part.redacted)
            corpus.remember(chunks)

    async def embed(
        self, chunks: Sequence[Chunk], average_length: float
    ) -> AsyncIterator[Embedded]:
        embedder = _Embedder(self._open_encoder, average_length)
        left = list(chunks)
        for divided in (batches, _documents):
            parts, left = divided(left), []
            async for part, embedded in self._results(embedder, parts):
                if embedded is None:
                    left += part
                else:
                    yield embedded
        if left:
            raise WorkersLost(
                f"{TRIES} workers each died while they embedded {_origins(left)}; everything else "
                "is stored. See whether they have the memory that it needs, or take it out of its "
                "source, and ingest again"
            )

    async def _results(self, work: _Work, parts: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        """Every part with what the workers make of it, as it comes; None where they died of it.

        Raises: EncoderError, WorkersLost; RuntimeError for a mistake in what the workers run.
        """
        import ray.data
        from ray.data.exceptions import ExecutionTimeoutError
        from ray.exceptions import RayError

        if not parts:
            return
        rows = ray.data.from_items(
            [pickle.dumps(part) for part in enumerate(parts)], override_num_blocks=len(parts)
        )
        tries = ray.remote(_Tries).options(num_cpus=0).remote(TRIES)
        done = rows.flat_map(
            _Worker,
            fn_constructor_args=(work, tries),
            compute=ray.data.ActorPoolStrategy(size=min(self._workers, len(parts))),
            num_cpus=1,
        )
        waiting = iter(done.iter_rows())
        try:
            while (row := await asyncio.to_thread(next, waiting, None)) is not None:
                number, result = _unpickled(row)
                if isinstance(result, Exception):
                    raise result
                yield parts[number], result
        except (RayError, ExecutionTimeoutError) as error:
            raise WorkersLost(
                f"no worker gets on ({type(error).__name__}): see whether they have the "
                "memory and the CPUs that they need, then ingest again; what was stored stays"
            ) from error
        finally:
            ray.kill(tries)


class _Work(Protocol):
    """What is done with a part, in a worker."""

    def results(self, part: Any) -> Iterator[object]:
        """Raises: EncoderError."""
        ...


class _Tries:
    """How often each part was begun, in a process of its own: Ray Data itself knows no end."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begun: Counter[int] = Counter()

    def begin(self, number: int) -> bool:
        """Whether the part may be tried (again)."""
        self._begun[number] += 1
        return self._begun[number] <= self._limit


class _Worker:
    """What Ray Data keeps in a worker's process: the work, and the encoder that it opened.

    ``tries`` is a handle on ``_Tries``.
    """

    def __init__(self, work: _Work, tries: Any) -> None:
        self._work = work
        self._tries = tries

    def __call__(self, row: _Row) -> list[_Row]:
        import ray

        number, part = _unpickled(row)
        if not ray.get(self._tries.begin.remote(number)):
            return [_row(number, None)]
        try:
            return [_row(number, result) for result in self._work.results(part)]
        except EncoderError as error:  # a result, too: raised here it would arrive as Ray's
            return [_row(number, error)]
        except Exception:  # as above, with where it happened
            return [_row(number, RuntimeError(f"in a worker:\n{traceback.format_exc()}"))]


class _Encoders:
    """The encoder of a process, opened when first needed."""

    def __init__(self, open_encoder: Callable[[], Encoder]) -> None:
        self._open = open_encoder

    @cached_property
    def encoder(self) -> Encoder:
        """Raises: EncoderError."""
        return self._open()


class _Reader(_Encoders):
    """Source → its documents, redacted, and their chunks by document id."""

    def __init__(
        self, open_encoder: Callable[[], Encoder], policy: ChunkingPolicy, redact_emails: bool
    ) -> None:
        super().__init__(open_encoder)
        self._policy = policy
        self._redact_emails = redact_emails

    def results(self, part: Source) -> Iterator[tuple[Reading, dict[str, list[Chunk]]]]:
        for reading in _parts(read_source(part, redact_emails=self._redact_emails)):
            yield reading, {id: self._cut(it) for id, it in reading.documents.items()}

    def _cut(self, document: Document) -> list[Chunk]:
        count_tokens = self.encoder.count_tokens
        return chunk_document(document, policy=self._policy, count_tokens=count_tokens)


class _Embedder(_Encoders):
    """Batch of chunks → the same with vectors."""

    def __init__(self, open_encoder: Callable[[], Encoder], average_length: float) -> None:
        super().__init__(open_encoder)
        self._average_length = average_length

    @cached_property
    def sparse(self) -> Bm25Encoder:
        return Bm25Encoder(self._average_length)  # can't be pickled

    def results(self, part: Sequence[Chunk]) -> Iterator[Embedded]:
        yield embed(part, self.encoder, self.sparse)


def _parts(reading: Reading) -> Iterator[Reading]:
    """The reading in parts of a size that a row can have; the first has the problems."""
    documents = list(reading.documents.items())
    for start in range(0, max(len(documents), 1), _PART):
        part = Reading()
        part.documents = dict(documents[start : start + _PART])
        if start == 0:
            part.problems, part.redacted = reading.problems, reading.redacted
        yield part


def _documents(chunks: Sequence[Chunk]) -> list[Sequence[Chunk]]:
    return [list(own) for _, own in groupby(chunks, lambda chunk: chunk.document_id)]


def _origins(chunks: Sequence[Chunk]) -> str:
    """The documents of these chunks, the first of them by source and file."""
    names = sorted({f"{chunk.source}: {chunk.origin}" for chunk in chunks})
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _row(number: int, result: object) -> _Row:
    return {_ITEM: pickle.dumps((number, result))}


def _unpickled(row: _Row) -> Any:
    return pickle.loads(row[_ITEM])  # noqa: S301 - written by this module, in this run


def _knock(address: str) -> None:
    """Raises: OSError where nothing listens at ``host:port``."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH).close()
