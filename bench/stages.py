"""Where the time of an ingestion, a search and a question goes, on the sample company."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

from bench.sample import QUESTION, ingested, scratch_settings, texts_of
from bench.tables import percentiles, table
from ingest.chunking import ChunkingPolicy, chunk_document
from ingest.documents import Document
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import FusionMethod, HybridQuery, Scope
from ingest.redaction import redact_document
from service.assembly import encoder_of, moment_of, open_engine, open_knowledge, sources_of
from service.retrieval import RetrievalPolicy
from service.settings import Settings

T = TypeVar("T")
_SEARCHES = 100
_QUESTIONS = 12
_BATCH = 64


def ingest_table() -> str:
    """A whole sync into an empty index, by what it is spent on, and beside the encoder alone."""
    with TemporaryDirectory(prefix="why-bench-") as scratch:
        settings = scratch_settings(Path(scratch))
        encoder = encoder_of(settings)
        texts = texts_of(settings, encoder)  # warm: LlamaIndex, redaction's rules
        began = perf_counter()
        documents = [
            one
            for source in sources_of(settings)
            for one in source.read()
            if isinstance(one, Document)
        ]
        read = perf_counter()
        redacted = [redact_document(one, emails=False)[0] for one in documents]
        clean = perf_counter()
        for one in redacted:
            chunk_document(one, policy=ChunkingPolicy(), count_tokens=encoder.count_tokens)
        chunked = perf_counter()
        report = asyncio.run(ingested(settings, encoder))
        alone = perf_counter()
        for start in range(0, len(texts), _BATCH):
            encoder.embed_documents(texts[start : start + _BATCH])
        alone = perf_counter() - alone
    parts = {
        "reading": read - began,
        "redaction": clean - read,
        "chunking": chunked - clean,
        "embedding": report.embedding_seconds,
        "weighting and writing": report.writing_seconds - report.embedding_seconds,
    }
    parts["opening, planning, optimising"] = max(0.0, report.seconds - sum(parts.values()))
    rows = [
        (name, f"{seconds:.2f}", f"{seconds / report.seconds:.0%}")
        for name, seconds in parts.items()
    ]
    rows += [
        ("**the whole sync**", f"{report.seconds:.2f}", "100%"),
        ("the encoder alone, same texts", f"{alone:.2f}", f"{alone / report.seconds:.0%}"),
    ]
    return (
        table(("stage", "s", "of the sync"), rows)
        + f"\n\n{len(texts)} texts: {len(texts) / report.seconds:.1f} a second, "
        f"{alone / report.seconds:.0%} of the bare encoder's {len(texts) / alone:.1f}."
    )


def search_table(settings: Settings) -> str:
    """Each stage on its own, one search after another, in a warm process."""
    return asyncio.run(_search_table(settings))


async def _search_table(settings: Settings) -> str:
    took: dict[str, list[float]] = {}

    async def timed(stage: str, work: Callable[[], Awaitable[T]]) -> T:
        began = perf_counter()
        found = await work()
        took.setdefault(stage, []).append(perf_counter() - began)
        return found

    policy = RetrievalPolicy()
    scope = Scope(audience=settings.audience, as_of=moment_of(settings))
    async with open_knowledge(settings) as knowledge:
        index, encoder = knowledge.index, knowledge.encoder
        bm25 = Bm25Encoder(index.average_length)
        chunks = await index.chunks_of(None, scope)
        step = max(1, len(chunks) // _SEARCHES)
        texts = [" ".join(chunk.text.split()[:12]) for chunk in chunks[::step]][:_SEARCHES]
        for text in texts[:3]:
            await knowledge.retriever.search(text, scope=scope)
        for text in texts:
            dense = await timed(
                "embedding the question", lambda t=text: asyncio.to_thread(encoder.embed_query, t)
            )
            sparse = await timed(
                "BM25 terms", lambda t=text: asyncio.to_thread(bm25.embed_query, t)
            )
            for stage, left, right, limit in (
                ("dense candidates", dense, None, 1),
                ("BM25 candidates", None, sparse, 1),
                ("both, fused", dense, sparse, 1),
                ("both, fused, chunks read", dense, sparse, policy.candidates),
            ):
                query = HybridQuery(
                    dense=left,
                    sparse=right,
                    scope=scope,
                    limit=limit,
                    prefetch=policy.prefetch,
                    fusion=FusionMethod.DBSF,
                )
                await timed(stage, lambda q=query: index.search(q))
            # Other words in effect: the encoder remembers a question that it has seen.
            await timed(
                "**a whole search**",
                lambda t=f"{text}?": knowledge.retriever.search(t, scope=scope),
            )
    rest = [
        max(0.0, whole - embedding - terms - found)
        for whole, embedding, terms, found in zip(
            took["**a whole search**"],
            took["embedding the question"],
            took["BM25 terms"],
            took["both, fused, chunks read"],
            strict=True,
        )
    ]
    took["titles, exact words, ranking (the rest)"] = rest
    took["**a whole search**"] = took.pop("**a whole search**")
    whole = percentiles(took["**a whole search**"], 50)[0]
    rows = []
    for stage, seconds in took.items():
        p50, p95 = percentiles(seconds, 50, 95)
        rows.append((stage, f"{p50:.1f}", f"{p95:.1f}", f"{p50 / whole:.0%}"))
    return (
        table(("stage", "p50 ms", "p95 ms", "of a search"), rows)
        + f"\n\n{len(texts)} searches in {len(chunks)} chunks. The rows of candidates are each a "
        "query of its own: *chunks read* less *fused* is what reading them takes."
    )


def question_table(settings: Settings) -> str:
    """The phases that a report gives itself, of one question that nobody asked before."""
    return asyncio.run(_question_table(settings))


async def _question_table(settings: Settings) -> str:
    took: dict[str, list[float]] = {}
    now = moment_of(settings)
    for turn in range(_QUESTIONS + 1):
        # Opened anew, outside the clock: an engine remembers vectors and catalogs.
        async with open_engine(settings, as_of=now) as engine:
            began = perf_counter()
            report = await engine.ask(QUESTION, now=now)
            whole = perf_counter() - began
        if turn == 0:
            continue  # warm: modules, the words of chunks
        for phase in report.timings:
            took.setdefault(phase.phase, []).append(phase.milliseconds / 1000)
        took.setdefault("**the whole question**", []).append(whole)
    took["**the whole question**"] = took.pop("**the whole question**")
    whole = percentiles(took["**the whole question**"], 50)[0]
    rows = []
    for phase, seconds in took.items():
        p50, p95 = percentiles(seconds, 50, 95)
        rows.append((phase, f"{p50:.0f}", f"{p95:.0f}", f"{p50 / whole:.0%}"))
    return table(("phase", "p50 ms", "p95 ms", "of a question"), rows) + (
        f"\n\n“{QUESTION}”, {_QUESTIONS} times, each in a newly opened engine, its metrics out "
        "of the sample company's file, no language model."
    )
