"""Which sentences the check of a language model lets pass: true ones, and lies about the evidence.

Every sentence names the evidence that it cites by words of it, and is marked as true or false. Two
things can go wrong: a lie is shown, or a truth is cut. A truth that is cut costs a wording, for the
extractive writer has said it already; a lie that is shown costs the reader's trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.documents import Frozen
from service.evaluation.pairs import EvaluationError
from service.reports.draft import DraftClaim
from service.reports.evidence import Evidence
from service.reports.sentence_check import SentenceCheck, WrittenCitation, WrittenSentence


class GivenEvidence(BaseModel):
    """What the sentences are about: pieces of evidence, and names of services, regions and
    customers."""

    names: tuple[str, ...]
    evidence: tuple[Evidence, ...]


class Quoted(BaseModel):
    """Words of a passage, and which of its words are quoted."""

    of: str
    quote: str


class Sentence(BaseModel):
    """A line of the file. ``cites``: words by which each piece of evidence is found; ``set``: when
    it was written."""

    model_config = ConfigDict(frozen=True)

    set: str
    holds: bool
    kind: str
    text: str
    cites: tuple[str | Quoted, ...]


class Verdict(Frozen):
    """What became of a sentence: shown, or cut for a reason."""

    sentence: Sentence
    reason: str | None

    @property
    def shown(self) -> bool:
        return self.reason is None


class SetResult(Frozen):
    """A set of sentences by what became of them."""

    name: str
    verdicts: tuple[Verdict, ...]

    def count(self, *, holds: bool, shown: bool | None = None) -> int:
        return sum(
            one.sentence.holds == holds and shown in (None, one.shown) for one in self.verdicts
        )

    @property
    def precision(self) -> float:
        """Share of the shown sentences that are true."""
        shown = sum(one.shown for one in self.verdicts)
        return self.count(holds=True, shown=True) / shown if shown else 1.0

    @property
    def recall(self) -> float:
        """Share of the true sentences that are shown."""
        return self.count(holds=True, shown=True) / (self.count(holds=True) or 1)


def read_sentences(file: Path) -> list[Sentence]:
    """The sentences of a file of JSON lines. Raises: EvaluationError, naming the line."""
    sentences = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            sentences.append(Sentence.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise EvaluationError(f"{file}:{number}: {where}: {first['msg']}") from error
    return sentences


def judge(sentences: Sequence[Sentence], given: GivenEvidence) -> list[SetResult]:
    """Hold every sentence against the evidence. Raises: EvaluationError."""
    check = SentenceCheck(given.evidence, given.names)
    sets: dict[str, list[Verdict]] = {}
    for sentence in sentences:
        claim = check.claim(_written(sentence, given.evidence))
        reason = None if isinstance(claim, DraftClaim) else claim
        sets.setdefault(sentence.set, []).append(Verdict(sentence=sentence, reason=reason))
    return [SetResult(name=name, verdicts=tuple(found)) for name, found in sets.items()]


def _written(sentence: Sentence, evidence: Sequence[Evidence]) -> WrittenSentence:
    citations = []
    for cited in sentence.cites:
        words, quote = (cited, None) if isinstance(cited, str) else (cited.of, cited.quote)
        found = next((one for one in evidence if words in f"{one.kind} {one.text}"), None)
        if found is None:
            raise EvaluationError(f"{sentence.text!r}: no evidence has {words!r}")
        citations.append(WrittenCitation(evidence=found.id, quote=quote))
    return WrittenSentence(text=sentence.text, citations=citations)
