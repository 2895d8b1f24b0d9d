"""Is a sentence in English? What looks after sentences reads nothing else.

Reports are in English, whatever the question and the documents are in: negations, directions,
causes and attributions are known here by their English words, so a sentence in another language
would be shown unchecked. "Der Pool war voll" shares every word with a page that says "der Pool war
nicht voll", and to a check of Latin letters a Chinese sentence says nothing at all. What a document
says in its own language is quoted.

A sentence is not in English if a word is written in letters that are not Latin (a Greek one alone
is a sign: µs, 3 σ), or if it has words that only hold sentences of another language together, and
no fewer of them than English ones. The words are the commonest of Germanic and Romance languages,
without those that are English, too (die, war, me). Names, code and quotations don't count. Other
languages in Latin letters pass here; the evidence must then still hold every word of theirs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from service.reports.stated import without_quotes

_CODE = re.compile(r"`[^`]*`")
_WORD = re.compile(r"[^\W\d_]+")
_AROUND = ".,;:!?()'’"
_FOREIGN = frozenset(
    _WORD.findall("""
        aber als auch auf aus bei dann das dass dem den denn der des durch ein eine einem einen
        einer eines es für hat hatte hatten ihr im ist jedoch kein keine keinen mit nach nicht
        noch nur oder ohne sehr sich sie sind über und unter vom von vor waren wegen weil wenn
        werden wie wird wurde wurden zum zur zwischen
        het een niet werd werden voor naar zijn omdat geen dit deze maar ook
        och att som är inte på med för från och blev efter det
        le la les une est était étaient dans avec pour sur que qui et aux pas cette après avant
        été sont ont
        el los las del con por para una fue fueron está estaba después antes pero
        da não foi foram com pelo pela depois mas uma
        il lo gli che è stato stata non della dello delle dei sono nel nella dopo prima
        """)
)
_ENGLISH = frozenset(
    _WORD.findall("""
        a an and are as at been before but by for from had has have in is it its more not of on
        or than that the their then there these this those to up was were when which while with
        """)
)


def is_english(text: str, names: Iterable[str] = ()) -> bool:
    """Whether the sentence can be checked. ``names``: of services, regions and customers."""
    said = _CODE.sub(" ", without_quotes(text))
    lower = said.lower()
    held = [name for name in names if name.lower() in lower]  # a few, of thousands
    for name in sorted(held, key=len, reverse=True):
        said = re.sub(re.escape(name), " ", said, flags=re.IGNORECASE)
    words = _WORD.findall(unicodedata.normalize("NFC", said))
    if any(_in_other_letters(word) for word in words):
        return False
    whole = [part.strip(_AROUND) for part in said.split()]
    common = [word.lower() for word in whole if not word.isupper()]  # EST and OS are names
    foreign = sum(word in _FOREIGN for word in common)
    return not foreign or foreign < sum(word in _ENGLISH for word in common)


def _in_other_letters(word: str) -> bool:
    scripts = [unicodedata.name(letter, "").partition(" ")[0] for letter in word]
    greek = scripts.count("GREEK")
    return greek > 1 or any(one not in ("LATIN", "MICRO", "GREEK", "OHM") for one in scripts)
