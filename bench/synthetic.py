"""A corpus of any size to measure growth on: seeded, made batch by batch, never held as a whole.

**Vectors.** Neighbours found among independent Gaussian vectors say nothing: in 384 dimensions
they are all equally far away. These have the shape of a real embedding: a mean direction that all
share, then a topic, a document and a chunk, each a Gaussian whose variances fall off as those of
the real corpus do (``SPECTRUM``), and chunks that lie closer to or farther from their document's
centre. The constants are fitted to the 1,959 chunks of the 396 shared runbooks with text, as the
packaged model embeds them: the same mean cosine of two chunks (0.3), of two of a document (0.6) and
spread (0.13), a few local dimensions more and nearest neighbours a little farther away. Topics grow
with the square root of the documents, so a larger corpus is also a denser one.

**Words.** 60 words a chunk as there; frequencies by Zipf's law, part of the words from the topic's
own vocabulary; a twelfth of the words are names as code has them (``KubeNodeLagging``,
``api_latency_seconds``). Common words are English ones, and BM25 drops its stop words as usual.

A question is a chunk's vector with noise (the cosine to the best chunk as measured on the 244
questions) and some of the chunk's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ingest.documents import EVERYONE, Chunk, SourceKind, chunk_id

DIMENSIONS = 384
PER_DOCUMENT = 5
"""Chunks of a document: 1,959 / 396."""
BATCH = 1000
"""Chunks that are made at a time; a multiple of PER_DOCUMENT."""

MEAN = 0.27
TOPIC, DOCUMENT = 0.19, 0.12
"""Squared lengths of the shared, the topic's and the document's part; the chunk's is the rest."""
CLOSENESS = (0.1, 1.7)
"""Factor of the chunk's part, drawn evenly between the two."""
SPECTRUM = (20.0, 1.97)
"""Variance along the i-th principal direction is proportional to (i + first) ** -second."""
QUESTION = 0.70
"""Cosine of a question to the chunk that it was made from."""

WORDS = 60
ZIPF = 1.1
COMMON, OWN = 40_000, 300
"""Words that everybody uses, and words that a topic has to itself."""
FROM_TOPIC = 0.3
_ASKED_ABOUT = 20
"""Batches of chunks that questions are made from."""

LABELS = (EVERYONE, "slack:sec-response", "team:payments")
FIRST, LAST = datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
SOURCES = ("runbooks", "incidents", "slack", "alerts")

Matrix = NDArray[np.float32]


class Synthetic:
    """``size`` chunks. The same seed and size give the same corpus.

    One audience label in ten is not ``everyone``; chunks are written evenly between ``FIRST`` and
    ``LAST``, and a third has no time.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.seed = seed
        self.topics = max(8, round(2 * (size / PER_DOCUMENT) ** 0.5))
        rng = np.random.default_rng((seed, 0))
        offset, slope = SPECTRUM
        spectrum = (np.arange(1, DIMENSIONS + 1) + offset) ** -slope
        rotation, _ = np.linalg.qr(rng.standard_normal((DIMENSIONS, DIMENSIONS)))
        self._axes = (np.sqrt(spectrum / spectrum.sum())[:, None] * rotation).astype(np.float32)
        mean = rng.standard_normal(DIMENSIONS)
        self._mean = (MEAN**0.5 * mean / np.linalg.norm(mean)).astype(np.float32)
        self._centres = TOPIC**0.5 * self._drawn(rng, self.topics)
        self._common = _vocabulary(rng, COMMON)
        ranks = np.arange(1, COMMON + 1, dtype=np.float64) ** -ZIPF
        self._common_odds = np.cumsum(ranks / ranks.sum())
        own = np.arange(1, OWN + 1, dtype=np.float64) ** -ZIPF
        self._own_odds = np.cumsum(own / own.sum())

    def batches(self) -> Iterator[tuple[list[Chunk], Matrix]]:
        """Chunks and their vectors, shape (chunks, DIMENSIONS), unit length."""
        for number in range(-(-self.size // BATCH)):
            count = min(BATCH, self.size - number * BATCH)
            chunks, vectors = self._batch(number)
            yield chunks[:count], vectors[:count]

    def questions(self, count: int) -> list[tuple[str, NDArray[np.float32]]]:
        """Texts and unit vectors of questions about chunks from all over the corpus."""
        rng = np.random.default_rng((self.seed, 2))
        asked = []
        for number in rng.integers(0, max(1, self.size // BATCH), _ASKED_ABOUT):
            chunks, vectors = self._batch(int(number))
            for row in rng.integers(0, min(BATCH, self.size), -(-count // _ASKED_ABOUT)):
                vector = vectors[row]
                noise = self._drawn(rng, 1)[0]
                noise -= (noise @ vector) * vector
                noise *= (1 - QUESTION**2) ** 0.5 / np.linalg.norm(noise)
                words = rng.choice(chunks[row].text.split(), 12, replace=False)
                asked.append((" ".join(words.tolist()), QUESTION * vector + noise))
        return asked[:count]

    def _batch(self, number: int) -> tuple[list[Chunk], Matrix]:
        rng = np.random.default_rng((self.seed, 1, number))
        documents = BATCH // PER_DOCUMENT
        topics = rng.integers(0, self.topics, documents)
        centres = self._centres[topics] + DOCUMENT**0.5 * self._drawn(rng, documents)
        own = self._drawn(rng, BATCH) * np.float32((1 - MEAN - TOPIC - DOCUMENT) ** 0.5)
        own *= rng.uniform(*CLOSENESS, (BATCH, 1)).astype(np.float32)
        vectors = self._mean + np.repeat(centres, PER_DOCUMENT, axis=0) + own
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        texts = self._texts(rng, np.repeat(topics, PER_DOCUMENT))
        days = rng.uniform(0, (LAST - FIRST).days, documents)
        chunks = []
        for document, topic in enumerate(topics):
            row = number * documents + document
            source = SOURCES[row % len(SOURCES)]
            name = f"{source}/{row}"
            for ordinal in range(PER_DOCUMENT):
                text = texts[document * PER_DOCUMENT + ordinal]
                chunks.append(
                    Chunk(
                        id=chunk_id(name, "1", ordinal, "synthetic"),
                        document_id=name,
                        revision="1",
                        source=source,
                        kind=SourceKind(source),
                        title=f"{self._common[int(topic) * 7 % COMMON]} {row}",
                        url=f"https://wiki.example.com/{name}",
                        origin=f"{row}.md",
                        ordinal=ordinal,
                        chunks=PER_DOCUMENT,
                        headings=("Diagnosis",),
                        start=0,
                        end=len(text),
                        text=text,
                        written_at=None if row % 3 == 0 else FIRST + timedelta(days=days[document]),
                        services=(f"service-{topic % 40}",),
                        regions=(),
                        customers=(),
                        audience=(LABELS[1 + row % 2] if row % 10 == 0 else EVERYONE,),
                        facts=None,
                    )
                )
        return chunks, vectors.astype(np.float32)

    def _drawn(self, rng: np.random.Generator, count: int) -> Matrix:
        """Vectors of squared length 1 on average."""
        return rng.standard_normal((count, DIMENSIONS), dtype=np.float32) @ self._axes

    def _texts(self, rng: np.random.Generator, topics: NDArray[np.int64]) -> list[str]:
        count = len(topics)
        common = np.searchsorted(self._common_odds, rng.random((count, WORDS)))
        own = np.searchsorted(self._own_odds, rng.random((count, WORDS)))
        from_topic = rng.random((count, WORDS)) < FROM_TOPIC
        # A topic's own words are names of its own, and rare common words in an order of its own.
        rare = 2000 + (topics[:, None] * 7919 + own * 104_729) % (COMMON - 2000)
        words = np.where(from_topic, rare, common)
        return [" ".join([self._common[word] for word in row]) for row in words]


_ENGLISH = re.findall(
    r"\w+",
    "the to a and is of in for it on that this be with are if from as check can when not by or at "
    "pod node disk memory error restart service cluster alert after value request log run time",
)
_SYLLABLES = re.findall("..", "kaloremisutanovidepoferatogubinodalaquendome")


def _vocabulary(rng: np.random.Generator, count: int) -> list[str]:
    """Distinct words, commonest first; a twelfth of them look like names from code."""
    words = dict.fromkeys(_ENGLISH)
    while len(words) < count:
        drawn = rng.integers(0, len(_SYLLABLES), (count, 6)).tolist()
        for kind, row in zip(rng.integers(0, 24, count).tolist(), drawn, strict=True):
            halves = [_SYLLABLES[syllable] for syllable in row]
            parts = [halves[at] + halves[at + 1] for at in (0, 2, 4)]
            if kind == 0:
                words["".join(part.capitalize() for part in parts)] = None
            elif kind == 1:
                words["_".join(parts)] = None
            else:
                words[parts[0] + (parts[1][:3] if kind % 2 else "")] = None
    return list(words)[:count]
