"""Does what is cited say what the sentence says? By rule, since no entailment model is packaged.

A sentence is taken to follow from its evidence if its content words occur there (as stems), but
for those that reports are made of, and if it denies nothing that the evidence affirms, nor affirms
what is denied there. Lexical overlap is the oldest baseline of textual entailment (Dagan et al.,
RTE 2005): it misses fair paraphrases, and what it lets pass is looked at more closely by
``stated`` and ``assertions``. ALCE (Gao et al., EMNLP 2023) asks a large model instead; where
figures are named after ALCE, they are computed as there with this rule in the model's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.documents import Frozen
from service.reports.numbers import in_digits


class EntailmentPolicy(Frozen):
    """Chosen by ``python -m bench.verifier``, which says what it lets pass and takes away."""

    least: float = 1.0
    """Share of a sentence's content words that its evidence must hold. With less, a sentence about
    what is known may go on with what isn't ("… after an attack")."""


_WORD = re.compile(r"[A-Za-z][A-Za-z'’]+")
_FUNCTION_WORDS = frozenset(
    _WORD.findall("""
        a about above after again against all also an and any are as at back be became
        because become been before began being below between both but by came can come
        could did do does down due during each either every few first for from further
        had has have having he her here his how if in into is it its itself just last
        later least less like likely made may might more most much must near nearly next
        nor of off on once one only or other our out over own per probably same seems
        she should shows since so some soon still such than that the their them then
        there these they this those through thus to too two under until up upon very via
        was we were what when where which while who whom whose why will with within would you
        your
        """)
)
_REPORT_WORDS = frozenset(
    _WORD.findall("""
        according alert alerts appears around baseline baselines beginning behaviour
        candidate cause caused causes causing change changed changes changing climbed
        climbing coincided coincides comes coming confirmed consistent decreased degraded
        deploy deployed deployment described describes dropped earlier ended evening event
        evidence exceeded fell fire fired fires firing followed following fully going gone
        got grew grow grown happened high higher highest hit hour hours incident increase
        increased increasing jumped lasted leaves left level levels lists low lower lowest
        maximum meanwhile mentions metric minimum minute minutes morning moved named names
        night normal notes observed onset passed past peak peaked peaking percent point
        points possible possibly preceded previous rate rates reached recover recovered
        region remained report reported reports resolved returned rise risen rising rose
        runbook says second seconds seen service services sharply shortly showed similar
        slightly slowly spike spiked spiking start started starting states stayed steadily
        steeply suddenly suggest suggests suspect suspected symptom symptoms tells time
        times together tonight used usual utc value values victim visible warns well went
        worst
        """)
)
_NEGATIONS = frozenset(
    _WORD.findall(
        "no not never none nothing nobody nobody's without cannot don't doesn't didn't isn't "
        "wasn't weren't hasn't haven't hadn't won't can't couldn't wouldn't"
    )
)
_NUMERALS = re.compile(
    r"\b(?:(?:Jan|Febr)uary|March|April|May|June|July|August|(?:Septem|Octo|Novem|Decem)ber|"
    r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)s?\b|\bfold\b"
)
_ENDINGS = ("ings", "ing", "edly", "ed", "ies", "es", "s", "e", "y")
_STEM = 5


def support(sentence: str, evidence: Iterable[str]) -> float:
    """The share, 0..1, of the sentence's content words that the evidence holds; 1 without any."""
    wanted = content_stems(sentence)
    if not wanted:
        return 1.0
    return 1.0 - len(set(wanted) - stems(" ".join(evidence))) / len(wanted)


def unsaid(sentence: str, evidence: Iterable[str]) -> list[str]:
    """The content words of the sentence that its evidence doesn't hold, as they are written."""
    held = stems(" ".join(evidence))
    return [word for stem, word in content_stems(sentence).items() if stem not in held]


def contradicts(sentence: str, evidence: Iterable[str]) -> bool:
    """Whether the sentence denies what its evidence affirms, or affirms what that denies.

    What is denied is the next word with a meaning after a negation. A denial of something that the
    evidence doesn't speak of follows from nothing, unless that denies something as well.
    """
    denied, affirmed = _polarity(sentence)
    texts = list(evidence)
    shown = [_polarity(text) for text in texts]
    denied_there = {stem for negative, _ in shown for stem in negative}
    affirmed_there = {stem for _, positive in shown for stem in positive}
    if denied and not denied_there:
        return True
    return bool(
        denied & (affirmed_there - denied_there) or affirmed & (denied_there - affirmed_there)
    )


def _polarity(text: str) -> tuple[set[str], set[str]]:
    """Stems that the text denies, and all others."""
    denied: set[str] = set()
    affirmed: set[str] = set()
    after_negation = False
    for word in _words(text):
        if word in _NEGATIONS:
            after_negation = True
        elif word not in _FUNCTION_WORDS:
            (denied if after_negation else affirmed).add(stem_of(word))
            after_negation = False
    return denied, affirmed


def content_stems(text: str) -> dict[str, str]:
    """The words of a sentence that say something of their own: stem → as written.

    Numbers and days in words are none: ``stated`` looks after them.
    """
    return {
        stem_of(word): word
        for word in _words(_NUMERALS.sub(" ", in_digits(text)))
        if len(word) > 2
        and word not in _FUNCTION_WORDS
        and word not in _REPORT_WORDS
        and word not in _NEGATIONS
    }


def stems(text: str) -> set[str]:
    """The stems of all words."""
    return {stem_of(word) for word in _words(text)}


def stem_of(word: str) -> str:
    """A word's beginning, without its ending: "opened" and "open" have one."""
    word = word.removesuffix("'s")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:_STEM]


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text.replace("_", " "))]
