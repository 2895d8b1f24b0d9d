"""What a sync did, or would do."""

from __future__ import annotations

from collections import Counter
from itertools import chain

from pydantic import Field

from ingest.documents import Frozen, Problem, ProblemLevel


class Progress(Frozen):
    """Where a sync is. ``done`` and ``total`` count chunks to embed, over all sources;
    ``source`` is the one being written and ``texts_per_second`` the rate so far."""

    source: str
    done: int
    total: int
    texts_per_second: float


class SourceOutcome(Frozen):
    """What happened to one source, counted in documents against what readers had before.

    ``kept`` were not read this time and stay as they were, because of a problem.
    ``redacted`` counts what was taken out of this reading, by kind of secret. ``chunks_reused``
    were written anew with the dense vectors of the published index. In a dry run
    ``chunks_embedded`` is what would be embedded (reused or not) and the other two are 0.
    """

    source: str
    configured: bool = True
    """False for a source that is indexed and no longer configured: it is removed."""
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    kept: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0
    chunks_deleted: int = 0
    problems: tuple[Problem, ...] = ()
    redacted: dict[str, int] = Field(default_factory=dict)


class SyncReport(Frozen):
    """A whole sync. Times are in seconds.

    ``new_generation``: the encoder or the chunker is not the published index's, or there was
    none, so everything is written anew. ``published``: readers now see what this sync wrote; false
    in a dry run, if nothing was ever read, and while a new generation waits for documents that
    cannot be read.
    """

    sources: tuple[SourceOutcome, ...]
    dry_run: bool
    new_generation: bool
    published: bool
    seconds: float
    writing_seconds: float = 0.0
    """Embedding, weighting and storing: ``texts_per_second`` counts in these."""
    embedding_seconds: float = 0.0
    """Of these, inside the dense encoder."""

    @property
    def chunks_embedded(self) -> int:
        return sum(source.chunks_embedded for source in self.sources)

    @property
    def chunks_reused(self) -> int:
        return sum(source.chunks_reused for source in self.sources)

    @property
    def chunks_deleted(self) -> int:
        return sum(source.chunks_deleted for source in self.sources)

    @property
    def texts_per_second(self) -> float:
        """Chunks stored per second of writing; 0 if there were none."""
        written = self.chunks_embedded + self.chunks_reused
        return written / self.writing_seconds if self.writing_seconds else 0.0

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(chain.from_iterable(source.problems for source in self.sources))

    @property
    def redacted(self) -> dict[str, int]:
        """What was taken out of this reading of all sources, by kind of secret."""
        total: Counter[str] = Counter()
        for source in self.sources:
            total.update(source.redacted)
        return dict(sorted(total.items()))

    @property
    def failed(self) -> bool:
        """Something could not be read; for the exit code."""
        return any(problem.level is ProblemLevel.ERROR for problem in self.problems)
