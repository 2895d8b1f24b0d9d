"""Does what is cited say what the sentence says? By rule, since no entailment model is packaged.

A sentence is taken to follow from its evidence if nearly all of its content words occur there (as
stems) and it denies nothing that the evidence affirms, nor the other way round. Lexical overlap
is the oldest baseline of textual entailment (Dagan et al., RTE 2005): it misses fair paraphrases
and lets some nonsense pass that is made of the right words. ALCE (Gao et al., EMNLP 2023) asks a
large model instead; where figures are named after ALCE, they are computed as there with this rule
in the model's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.documents import Frozen


class EntailmentPolicy(Frozen):
    """Fitted by looking: ``why eval reports`` says what it lets pass and what it takes away."""

    least: float = 0.75
    """Share of a sentence's content words that its evidence must hold."""


_WORD = re.compile(r"[A-Za-z][A-Za-z'’]+")
_FUNCTION_WORDS = frozenset(
    _WORD.findall("""
        a about above after again against all also an and any are as at be became
        because become been before began being below between both but by came can come
        could did do does down due during each either every few first for from further
        had has have having he her here his how if in into is it its itself just last
        later least less like likely made may might more most much must near nearly next
        nor of off on once one only or other our out over own per probably same seems
        she should shows since so some soon still such than that the their them then
        there these they this those through thus to too two under until up upon very via
        was we were what when where which while who whom why will with within would you
        your
        """)
)
_REPORT_WORDS = frozenset(
    _WORD.findall("""
        alert alerts baseline baselines cause caused causes causing changed changes
        changing confirmed consistent coincided coincides deploy deployed deployment
        dropped evidence exceeded fell fire fired fires firing followed following grew
        grow high higher victim incident increase increased likely low lower metric
        minute minutes hour hours normal onset peak peaked peaking points recovered
        recover reached returned rise risen rising rose sharply shortly similar spike
        spiked spiking stayed started suggests suspect suspected time times usual worst
        runbook lists according region service services utc value
        """)
)
_NEGATIONS = frozenset(
    _WORD.findall("no not never none nothing without cannot didn't isn't wasn't weren't")
)
_STEM = 5


def support(sentence: str, evidence: Iterable[str]) -> float:
    """The share, 0..1, of the sentence's content words that the evidence holds; 1 without any."""
    wanted = _content(sentence)
    if not wanted:
        return 1.0
    held = {word for text in evidence for word in _stems(text)}
    return len(wanted & held) / len(wanted)


def contradicts(sentence: str, evidence: Iterable[str]) -> bool:
    """Whether the sentence denies something although nothing in its evidence does."""
    if not _NEGATIONS & set(_words(sentence)):
        return False
    return not any(_NEGATIONS & set(_words(text)) for text in evidence)


def _content(text: str) -> set[str]:
    words = set(_words(text)) - _FUNCTION_WORDS - _REPORT_WORDS - _NEGATIONS
    return {word[:_STEM] for word in words if len(word) > 2}


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _words(text)}


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text.replace("_", " "))]
