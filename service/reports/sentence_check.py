"""One sentence of a language model, held against the evidence that it cites: a claim, or why not.

The evidence it names must exist, a quotation must stand in it; every quotation, name, time and
number must be there (``stated``); it must say what the sentence says (``entailment``) and how it
says it (``assertions``). All of these read English, so the sentence must be in it (``english``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, Field

from service.reports.assertions import overstated
from service.reports.clauses import Source, source_of
from service.reports.draft import DraftClaim
from service.reports.english import is_english
from service.reports.entailment import EntailmentPolicy, contradicts, support, unsaid
from service.reports.evidence import Evidence
from service.reports.model import Citation, PassageCitation
from service.reports.stated import unsupported
from service.reports.untrusted import clean, holds_a_link

NOT_ENGLISH = "it is not in English: only quotations may be in another language"
_NO_LONGER = re.compile(r"\bno longer (?:firing|high|slow|failing|active)\b", re.IGNORECASE)


class WrittenCitation(BaseModel):
    """What carries a sentence: evidence by id, and of a passage the words that do."""

    evidence: str
    quote: str | None = None


class WrittenSentence(BaseModel):
    """One sentence as the model returns it."""

    text: str
    citations: list[WrittenCitation] = Field(default_factory=list)


class SentenceCheck:
    """Takes sentences over these pieces of evidence; ``names`` of services, regions, customers."""

    def __init__(
        self,
        evidence: Iterable[Evidence],
        names: Sequence[str],
        policy: EntailmentPolicy | None = None,
    ) -> None:
        self._evidence = {item.id: item for item in evidence}
        self._names = names
        self._policy = policy or EntailmentPolicy()

    def claim(self, sentence: WrittenSentence, *, live: bool = False) -> DraftClaim | str:
        """The sentence as a claim, or what is wrong with it in words.

        ``live``: what happened is said by metrics, alerts and changes, not by any page.
        """
        text = " ".join(_marks_removed(sentence.text).split())
        if not text:
            return "it is empty"
        if holds_a_link(sentence.text):
            return "it holds a link"
        if not is_english(text, self._names):
            return NOT_ENGLISH
        sources: list[Source] = []
        for cited in sentence.citations:
            item = self._evidence.get(cited.evidence.strip().strip("[]"))
            if item is None:
                return f"there is no evidence {cited.evidence!r}"
            citation = _part_of(item, cited.quote)
            if citation is None:
                return (
                    f"{item.id} is text: quote the words that say so"
                    if not cited.quote
                    else f"“{cited.quote}” is not in {item.id}"
                )
            sources.append(source_of(citation, _shown(item, citation), self._names))
        if not sources:
            return "it cites nothing"
        citations = tuple(source.citation for source in sources)
        wrong = unsupported(text, citations, self._names, written=True)
        if wrong is not None:
            return wrong
        shown = [
            source.shown
            for source in sources
            if not (live and isinstance(source.citation, PassageCitation))
        ]
        denied = _NO_LONGER.sub("ended", text)
        if contradicts(denied, shown):
            return "it denies what its evidence says, or says what that denies"
        if support(denied, shown) < self._policy.least:
            missing = ", ".join(f"“{word}”" for word in unsaid(denied, shown))
            whose = "metrics, alerts or changes do" if live else "evidence does"
            return f"its {whose} not say that: {missing}"
        return overstated(text, sources, self._names) or DraftClaim(text=text, citations=citations)


def _shown(item: Evidence, citation: Citation) -> str:
    """The words that a citation puts beside a sentence."""
    if isinstance(citation, PassageCitation):
        return " \n ".join((citation.title, *citation.headings, citation.quote))
    return f"{item.text} {item.also}"


_QUOTES = {"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "–": "-", "—": "-", "\u00a0": " "}


def _part_of(item: Evidence, quote: str | None) -> Citation | None:
    """The cited part: of a passage the quoted characters, of anything else all of it."""
    whole = item.citation
    if not isinstance(whole, PassageCitation):
        return whole
    found = _span(whole.quote, quote or "")
    if found is None:
        return None
    start, end = found
    return whole.model_copy(
        update={
            "start": whole.start + start,
            "end": whole.start + end,
            "quote": whole.quote[start:end],
        }
    )


def _span(text: str, quote: str) -> tuple[int, int] | None:
    """Where the quotation stands in the text, whatever its spaces and quotation marks."""
    words = "".join(_QUOTES.get(c, c) for c in quote).strip().strip('".…').split()
    if not words:
        return None
    flat = "".join(_QUOTES.get(c, c) for c in text)
    found = re.search(r"\s+".join(re.escape(word) for word in words), flat, re.IGNORECASE)
    return None if found is None else found.span()


def _marks_removed(text: str) -> str:
    """Without the model's own citation marks: numbers are given when a sentence is accepted."""
    unmarked = re.sub(r"(?<!\s)\s*[\[(]\s*E\d+(?:\s*,\s*E\d+)*\s*[\])]", "", clean(text))
    return re.sub(r"^\s*(?:[#>*-]+|\d+[.)])\s+", "", unmarked)
