"""How good a document is for a question, from the chunks of it that were found.

A document's score is a weighted sum of what its best chunk reaches, each by another measure:

- the cosine and the BM25 score, scaled as in Qdrant's distribution-based fusion (by their mean and
  three standard deviations over what was found);
- how much of the title, and of a chunk's own heading, the question says: look-alike pages differ
  in their titles and little else;
- how much of the question one chunk says: BM25 adds up, so that one rare word said often can
  outweigh all the others, while a share is full only when everything is there;
- which of the question's identifiers it has.

In the shares words count by how rare they are among what was found (the inverse document frequency
of Robertson & Spärck Jones 1976, smoothed to stay positive as in Robertson & Zaragoza 2009): what
all of the found titles have ("Kube", "cluster") tells none of them from the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple, TypeVar

from ingest.encoders.identifiers import among, identifiers
from ingest.index import Hit
from ingest.index.fusion import scaled
from service.retrieval.passages import RetrievalPolicy

T = TypeVar("T")

Terms = Callable[[str], frozenset[int]]
"""Text → what BM25 takes for its words."""


class Evidence(NamedTuple):
    """What speaks for a document, whatever else was found: the best cosine of its chunks, the share
    of its title that the question says, and the share of the question that one chunk says."""

    cosine: float
    said: float
    says: float


class DocumentScore(NamedTuple):
    """``score``: higher is better, without a unit, and only within one search."""

    score: float
    evidence: Evidence

    @property
    def relevance(self) -> float:
        """How likely it is that the document answers the question, 0..1: a logistic regression.

        Fitted on the first half of the benchmark's questions, each once with its answer in the
        index and once without (``python -m bench.abstention --fit``).
        """
        cosine, said, says = self.evidence
        return 1 / (1 + math.exp(4.56 - 2.10 * cosine - 3.52 * said - 3.40 * says))


def document_scores(
    question: str, hits: Sequence[Hit], terms: Terms, policy: RetrievalPolicy
) -> dict[str, DocumentScore]:
    """Of each document that was found."""
    scores = stage_scores(hits, policy.dense, policy.sparse)
    asked = terms(question)
    of = {hit.chunk.id: hit.chunk.document_id for hit in hits}
    titles = shares_said(asked, {hit.chunk.document_id: terms(hit.chunk.title) for hit in hits})
    own = {hit.chunk.id: terms(" ".join(hit.chunk.headings[-1:])) for hit in hits}
    headings = _best(shares_said(asked, own), of)
    says = _best(shares_of_question(asked, {hit.chunk.id: hit.terms for hit in hits}), of)
    cosines = _best({hit.chunk.id: hit.dense.score for hit in hits if hit.dense}, of)
    names = frozenset(identifiers(question))
    has: dict[str, set[str]] = {}
    for hit in hits:
        found = has.setdefault(hit.chunk.document_id, set())
        found |= among(names, hit.chunk.embedding_text)
    identified = named(names, has)
    return {
        document: DocumentScore(
            stages
            + policy.title * titles[document]
            + policy.heading * headings[document]
            + policy.covered * says[document]
            + policy.named * identified[document],
            Evidence(cosines.get(document, 0.0), titles[document], says[document]),
        )
        for document, stages in scores.items()
    }


def stage_scores(hits: Sequence[Hit], dense: float = 1.0, sparse: float = 1.0) -> dict[str, float]:
    """Each document's best cosine and its best BM25 score, scaled, weighted and added.

    A document that a stage did not find gets nothing from it.
    """
    stages = (
        (dense, [(hit.chunk.document_id, hit.dense.score) for hit in hits if hit.dense]),
        (sparse, [(hit.chunk.document_id, hit.sparse.score) for hit in hits if hit.sparse]),
    )
    total = dict.fromkeys((hit.chunk.document_id for hit in hits), 0.0)
    for weight, stage in stages:
        best: dict[str, float] = {}
        for (document, _), score in zip(stage, scaled([score for _, score in stage]), strict=True):
            best[document] = max(score, best.get(document, score))
        for document, score in best.items():
            total[document] += weight * score
    return total


def shares_said(question: frozenset[int], texts: Mapping[str, frozenset[int]]) -> dict[str, float]:
    """How much of each text the question says, 0..1."""
    weight = _rarity(frozenset().union(*texts.values()), texts.values())
    return {
        name: _total(weight, terms & question) / _total(weight, terms) if terms else 0.0
        for name, terms in texts.items()
    }


def shares_of_question(
    question: frozenset[int], texts: Mapping[str, frozenset[int]]
) -> dict[str, float]:
    """How much of the question each text says, 0..1."""
    weight = _rarity(question, texts.values())
    asked = _total(weight, question)
    return {
        name: _total(weight, terms & question) / asked if asked else 0.0
        for name, terms in texts.items()
    }


def named(names: AbstractSet[str], has: Mapping[str, AbstractSet[str]]) -> dict[str, float]:
    """For each text, the share of ``names`` that it has, 0..1.

    One that no other text has counts fully, one that half of them have a little.
    """
    if not names:
        return dict.fromkeys(has, 0.0)
    weight = _rarity(names, has.values())
    most = len(names) * math.log1p((len(has) + 0.5) / 0.5)
    return {text: _total(weight, names & found) / most for text, found in has.items()}


def _rarity(terms: Iterable[T], texts: Collection[AbstractSet[T]]) -> dict[T, float]:
    """The inverse document frequency of each term among these texts."""
    count = Counter(chain.from_iterable(texts))
    return {
        term: math.log1p((len(texts) - count[term] + 0.5) / (count[term] + 0.5)) for term in terms
    }


def _total(weight: Mapping[T, float], terms: Iterable[T]) -> float:
    return math.fsum(weight[term] for term in terms)


def _best(values: Mapping[str, float], of: Mapping[str, str]) -> dict[str, float]:
    """Each document's highest value among its chunks."""
    best: dict[str, float] = {}
    for chunk, value in values.items():
        best[of[chunk]] = max(value, best.get(of[chunk], value))
    return best
