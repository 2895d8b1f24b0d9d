"""Make the index say what the sources say: no more, no less, and no work twice.

Content decides. A document is redacted, hashed (``Document.revision``) and compared with the
index's inventory; only chunks of new revisions are embedded. There is no journal: what is
stored *is* the progress, so a run that was killed at any point is resumed by running again.
The order of writing makes that safe:

1. chunks of a source's new and changed documents, in batches that are durable one by one; a
   document counts as stored when all its chunks are;
2. then ``keep_only`` removes everything else of that source, old revisions included.

Another model or chunker is another index generation. It is filled beside the published one,
which answers until the new one is complete. Complete means that nothing readers have now gets
lost: a document that is published but cannot be read at the moment keeps the new generation
waiting, and the report names it.

BM25's average length is measured on the corpus when a generation is created, and stays: chunks
weighted by different constants could not be compared. It may drift as the corpus grows, which
chunks of one target size keep small, and which matters little: on 396 runbook pages, with 244
questions, a constant a quarter of or four times the measured one moves recall@1 of BM25 alone
from .816 to .807 or .791, which is inside its confidence interval. So drift is no reason to write
everything anew. A constant measured on nothing would matter (.701): a generation is only begun
with documents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter

from ingest.chunking import ChunkingPolicy
from ingest.corpus import Corpus, Inventory, Reading, read_source
from ingest.documents import Chunk, Problem, Source
from ingest.encoders.base import Encoder
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index.base import (
    EmbeddedChunk,
    Index,
    IndexLocked,
    IndexMissing,
    IndexSpec,
    IndexStore,
)
from ingest.planning import SourcePlan
from ingest.sync_report import Progress, SourceOutcome, SyncReport

_BATCH = 64
"""Chunks per durable write: what a killed run loses at most, and all vectors ever in memory."""


async def sync(
    sources: Sequence[Source],
    store: IndexStore,
    *,
    encoder: Encoder,
    policy: ChunkingPolicy,
    redact_emails: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> SyncReport:
    """Bring the index up to date with these sources; any other source in it is removed.

    ``dry_run`` reads and compares, and writes nothing. Bad input is in the report's problems.

    Raises: ValueError if there is no source or two have one name; IndexFailure as the store
    does; EncoderError as the encoder does.
    """
    began = perf_counter()
    names = [source.name for source in sources]
    if not names:
        raise ValueError("no source is configured, and that would empty the index")
    if shared := {name for name in names if names.count(name) > 1}:
        raise ValueError(
            f"two sources are named {', '.join(sorted(shared))}; give each a name of its own"
        )
    corpus = Corpus(policy, encoder.count_tokens)
    for source in sources:
        corpus.readings[source.name] = await asyncio.to_thread(
            read_source, source, redact_emails=redact_emails
        )
    spec = IndexSpec(
        dense_model=encoder.name,
        dimensions=encoder.dimensions,
        sparse_model=Bm25Encoder.fingerprint,
        chunking=policy.fingerprint,
    )
    if dry_run:
        report = await _forecast(corpus, store, spec)
    else:
        report = await _write(corpus, store, spec, encoder, on_progress)
    return report.model_copy(update={"dry_run": dry_run, "seconds": perf_counter() - began})


async def _forecast(corpus: Corpus, store: IndexStore, spec: IndexSpec) -> SyncReport:
    """What ``_write`` would do.

    An unfinished new generation is not looked at: what it holds counts as to be embedded.
    """
    published_spec, published = await _published(store, corpus.readings)
    new = published_spec != spec
    outcomes = []
    for name, plan in corpus.plans(published).items():
        to_write = corpus.readings[name].documents if new else plan.to_write
        embedded = len(corpus.chunks(name, to_write))
        outcomes.append(_outcome(name, plan, corpus.readings[name], embedded=embedded))
    if not (new and corpus.empty):
        outcomes += [_removal(name, published) for name in published if name not in corpus.readings]
    return SyncReport(
        sources=tuple(outcomes), dry_run=True, new_generation=new, published=False, seconds=0.0
    )


async def _write(
    corpus: Corpus,
    store: IndexStore,
    spec: IndexSpec,
    encoder: Encoder,
    on_progress: Callable[[Progress], None] | None,
) -> SyncReport:
    if corpus.empty:
        report = await _forecast(corpus, store, spec)
        if report.new_generation:
            return report  # nothing to begin a generation with
    index = await store.open_for_writing(
        spec, lambda: Bm25Encoder.measure_average_length(corpus.embedding_texts())
    )
    try:
        new = index.is_new
        stored = await _inventory(index, corpus.readings)
        published = stored
        blind = False
        if new:
            try:
                _, published = await _published(store, corpus.readings)
            except IndexLocked:
                blind = True  # a service answers from it
        work, changes = corpus.plans(stored), corpus.plans(published)
        pending = {name: corpus.chunks(name, plan.to_write) for name, plan in work.items()}
        writer = _Writer(index, encoder, sum(map(len, pending.values())), on_progress)
        outcomes = []
        complete = True
        for name, reading in corpus.readings.items():
            chunks = pending.pop(name)
            await writer.write(name, chunks)
            deleted = await index.keep_only(name, work[name].revisions)
            waits = new and _would_lose(changes[name], work[name], reading, blind=blind)
            complete = complete and not waits
            outcomes.append(
                _outcome(
                    name,
                    changes[name],
                    reading,
                    embedded=len(chunks),
                    deleted=deleted,
                    waits=waits,
                )
            )
        for name in sorted({*stored, *published} - corpus.readings.keys()):
            deleted = await index.keep_only(name, {})
            outcomes.append(_removal(name, published, deleted=deleted))
        # A new one even if nothing was left to write: its last run may have died before this.
        if new or writer.done or any(outcome.chunks_deleted for outcome in outcomes):
            await index.optimize()
        publishes = new and complete and await index.count() > 0
        if publishes:
            await store.publish(index)
    finally:
        await index.aclose()
    return SyncReport(
        sources=tuple(outcomes),
        dry_run=False,
        new_generation=new,
        published=publishes or not new,
        seconds=0.0,
        writing_seconds=writer.seconds,
        embedding_seconds=writer.embedding_seconds,
    )


def _would_lose(change: SourcePlan, work: SourcePlan, reading: Reading, *, blind: bool) -> bool:
    """Whether readers would miss a document if the new generation replaced theirs.

    ``blind``: what readers have could not be looked at, so anything unread might be in it.
    """
    return reading.partial if blind else not work.revisions.keys() >= set(change.kept)


class _Writer:
    """Embeds and stores chunks, batch by batch, and keeps the time."""

    def __init__(
        self,
        index: Index,
        encoder: Encoder,
        total: int,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.done = 0
        self.seconds = 0.0
        self.embedding_seconds = 0.0
        self._index = index
        self._encoder = encoder
        self._sparse = Bm25Encoder(index.average_length)
        self._total = total
        self._on_progress = on_progress

    async def write(self, source: str, chunks: Sequence[Chunk]) -> None:
        for start in range(0, len(chunks), _BATCH):
            batch = chunks[start : start + _BATCH]
            texts = [chunk.embedding_text for chunk in batch]
            began = perf_counter()
            dense = await asyncio.to_thread(self._encoder.embed_documents, texts)
            self.embedding_seconds += perf_counter() - began
            sparse = self._sparse.embed_documents(texts)
            await self._index.upsert(
                [
                    EmbeddedChunk(chunk, vector, terms)
                    for chunk, vector, terms in zip(batch, dense, sparse, strict=True)
                ]
            )
            self.seconds += perf_counter() - began
            self.done += len(batch)
            if self._on_progress is not None:
                self._on_progress(
                    Progress(
                        source=source,
                        done=self.done,
                        total=self._total,
                        texts_per_second=self.done / self.seconds,
                    )
                )


async def _published(store: IndexStore, names: Iterable[str]) -> tuple[IndexSpec | None, Inventory]:
    """What readers have now; nothing before the first publication."""
    try:
        index = await store.open_current()
    except IndexMissing:
        return None, {}
    try:
        return index.spec, await _inventory(index, names)
    finally:
        await index.aclose()


async def _inventory(index: Index, names: Iterable[str]) -> Inventory:
    """What the index holds of these sources and of any other that it knows."""
    return {name: await index.inventory(name) for name in sorted({*names, *await index.sources()})}


def _outcome(
    name: str,
    plan: SourcePlan,
    reading: Reading,
    *,
    embedded: int,
    deleted: int = 0,
    waits: bool = False,
) -> SourceOutcome:
    problems = list(reading.problems)
    if plan.kept and not reading.documents:
        problems.append(
            Problem(
                path=name,
                reason=f"no document was found in it; the {len(plan.kept)} indexed before stay. "
                "If they are to go, remove the source from the settings",
            )
        )
    if waits:
        problems.append(
            Problem(
                path=name,
                reason="some documents of the index in use cannot be read now, so the new index "
                "(another model or chunker) does not replace it yet. Repair or delete what the "
                "other problems name, then ingest again",
            )
        )
    return SourceOutcome(
        source=name,
        added=len(plan.added),
        changed=len(plan.changed),
        removed=len(plan.removed),
        unchanged=len(plan.unchanged),
        kept=len(plan.kept),
        chunks_embedded=embedded,
        chunks_deleted=deleted,
        problems=tuple(problems),
        redacted=dict(sorted(reading.redacted.items())),
    )


def _removal(name: str, published: Inventory, *, deleted: int = 0) -> SourceOutcome:
    documents = {row.document_id for row in published.get(name, ())}
    return SourceOutcome(
        source=name, configured=False, removed=len(documents), chunks_deleted=deleted
    )
