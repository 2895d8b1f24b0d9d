"""Make the index say what the sources say: no more, no less, and no work twice.

Content decides. A document is redacted, hashed (``Document.revision``) and compared with the
index's inventory; only chunks of new revisions are embedded. There is no journal: what is
stored *is* the progress, so a run that was killed at any point is resumed by running again.
The order of writing makes that safe:

1. chunks of new and changed documents, in batches that are durable one by one; a document counts
   as stored when all its chunks are;
2. once all of a source are, ``keep_only`` removes everything else of it, old revisions included.

Another model, BM25 or chunker is another index generation. It is filled beside the published one,
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

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter

from ingest.chunking import ChunkingPolicy
from ingest.corpus import Corpus, Inventory, Reading
from ingest.crew import Crew, Here
from ingest.documents import Problem, Source
from ingest.encoders.base import Encoder
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index.base import Index, IndexLocked, IndexMissing, IndexSpec, IndexStore
from ingest.planning import SourcePlan
from ingest.sync_report import Progress, SourceOutcome, SyncReport
from ingest.writing import Writer


async def sync(
    sources: Sequence[Source],
    store: IndexStore,
    *,
    encoder: Encoder,
    policy: ChunkingPolicy,
    redact_emails: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    crew: Crew | None = None,
) -> SyncReport:
    """Bring the index up to date with these sources; any other source in it is removed.

    ``dry_run`` reads and compares, and writes nothing. Bad input is in the report's problems.
    ``crew`` reads and embeds, with the same encoder, instead of this process.

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
    crew = crew or Here(encoder)
    await crew.read(sources, corpus, redact_emails=redact_emails)
    spec = IndexSpec(
        dense_model=encoder.name,
        dimensions=encoder.dimensions,
        sparse_model=Bm25Encoder.fingerprint,
        chunking=policy.fingerprint,
    )
    if dry_run:
        report = await _forecast(corpus, store, spec)
    else:
        report = await _write(corpus, store, spec, crew, on_progress)
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
    crew: Crew,
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
        async with AsyncExitStack() as stack:
            readers = _Readers(stored)
            if new:
                readers = await stack.enter_async_context(_readers(store, spec, corpus.readings))
            published = readers.stored
            work, changes = corpus.plans(stored), corpus.plans(published)
            pending = {name: corpus.chunks(name, plan.to_write) for name, plan in work.items()}
            writer = Writer(
                index,
                crew,
                sum(map(len, pending.values())),
                on_progress,
                source_of_vectors=readers.vectors,
            )
            deleted: dict[str, int] = {}
            async for name in writer.write(pending):
                deleted[name] = await index.keep_only(name, work[name].revisions)
            outcomes = []
            complete = True
            for name, reading in corpus.readings.items():
                waits = new and _would_lose(changes[name], work[name], reading, blind=readers.blind)
                complete = complete and not waits
                outcomes.append(
                    _outcome(
                        name,
                        changes[name],
                        reading,
                        embedded=len(pending[name]) - writer.reused[name],
                        reused=writer.reused[name],
                        deleted=deleted[name],
                        waits=waits,
                    )
                )
            for name in sorted({*stored, *published} - corpus.readings.keys()):
                gone = await index.keep_only(name, {})
                outcomes.append(_removal(name, published, deleted=gone))
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


class _Readers:
    """What readers have now. ``blind``: it could not be looked at, because a service has it open.

    ``vectors`` is their index, open, where it has the dense vectors that are wanted.
    """

    def __init__(
        self, stored: Inventory, *, vectors: Index | None = None, blind: bool = False
    ) -> None:
        self.stored = stored
        self.vectors = vectors
        self.blind = blind


@asynccontextmanager
async def _readers(
    store: IndexStore, spec: IndexSpec, names: Iterable[str]
) -> AsyncIterator[_Readers]:
    """Open only as long as needed: an embedded index is open to one process, and what is open
    is not dropped when another generation replaces it."""
    try:
        index = await store.open_current()
    except IndexMissing:
        yield _Readers({})
        return
    except IndexLocked:
        yield _Readers({}, blind=True)
        return
    try:
        stored = await _inventory(index, names)
        if spec.has_vectors_of(index.spec):
            yield _Readers(stored, vectors=index)
            return
    finally:
        await index.aclose()
    yield _Readers(stored)


def _would_lose(change: SourcePlan, work: SourcePlan, reading: Reading, *, blind: bool) -> bool:
    """Whether readers would miss a document if the new generation replaced theirs.

    ``blind``: what readers have could not be looked at, so anything unread might be in it.
    """
    return reading.partial if blind else not work.revisions.keys() >= set(change.kept)


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
    reused: int = 0,
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
        chunks_reused=reused,
        chunks_deleted=deleted,
        problems=tuple(problems),
        redacted=dict(sorted(reading.redacted.items())),
    )


def _removal(name: str, published: Inventory, *, deleted: int = 0) -> SourceOutcome:
    documents = {row.document_id for row in published.get(name, ())}
    return SourceOutcome(
        source=name, configured=False, removed=len(documents), chunks_deleted=deleted
    )
