"""The parts of a sentence, and which of its citations each of them is about.

"Quota's open fds rose to 4,256 and session-cache connections to 4,000" cites two series. Which
number is whose, the words beside it tell: names of services, regions and alerts, and words that
some of the cited have and others don't. What a part says must hold of those that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from service.reports.entailment import content_stems, stems
from service.reports.model import AlertCitation, Citation
from service.reports.stated import without_quotes, words_of
from service.scope import mentioned

_SPLIT = re.compile(
    r"(?<!\s)\s*(?:[;()]|[,:](?!\d)|\.(?=\s|$)|[–—])\s*|\b(?:and|but|while|whereas|when|then|before|after|"
    r"followed(?: by)?|follows|preceded(?: by)?|(?<!times )as|with|whose|which|that|because|caused|"
    r"due to|led to|leads to|comes? from)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(r"^\W*(?:in|at|on|for|by|from|since)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """A citation as evidence for a sentence. ``shown``: the words that the writer was shown."""

    citation: Citation
    shown: str
    words: frozenset[str]
    """Stems of everything that it says."""
    names: frozenset[str]
    """Services, regions, customers and alerts that occur in it."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence. ``telling``: its stems that some of the sources have, and not all."""

    text: str
    names: frozenset[str]
    telling: frozenset[str]

    def fitting(self, sources: Sequence[Source]) -> list[Source]:
        """The sources that it can be about."""
        return [
            source
            for source in sources
            if self.names <= source.names and (not self.telling or self.telling & source.words)
        ]


def source_of(citation: Citation, shown: str, names: Sequence[str]) -> Source:
    said = f"{words_of(citation)}\n{shown}"
    own = [citation.name] if isinstance(citation, AlertCitation) else []
    return Source(
        citation=citation,
        shown=shown,
        words=frozenset(stems(said)),
        names=frozenset(mentioned(said, [*names, *own])),
    )


def clauses_of(text: str, sources: Sequence[Source], names: Sequence[str]) -> list[Clause]:
    """The parts of a sentence, without what stands in quotation marks.

    A part that names nothing is about what the part before it is about.
    """
    found: list[Clause] = []
    for part in _parts(without_quotes(text), names):
        clause = clause_of(part, sources, names)
        if found and not clause.names and not clause.telling and not content_stems(part):
            clause = Clause(part, found[-1].names, found[-1].telling)
        found.append(clause)
    return found


def clause_of(text: str, sources: Sequence[Source], names: Sequence[str]) -> Clause:
    """A text by itself as a part."""
    known = {*names, *(name for source in sources for name in source.names)}
    named = frozenset(mentioned(text, sorted(known)))
    own = content_stems(_without(text, named))
    telling = frozenset(
        stem for stem in own if 0 < sum(stem in source.words for source in sources) < len(sources)
    )
    return Clause(text, named, telling)


def _without(text: str, names: Iterable[str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        words = [re.escape(word) for word in re.split(r"[-_\s]+", name)]
        text = re.sub(r"[-_\s]?".join(words), " ", text, flags=re.IGNORECASE)
    return text


def _parts(text: str, names: Sequence[str]) -> Iterator[str]:
    """Cut where another thing may begin; a leading "In eu-west," stays with what it is said of."""
    held = ""
    for part in _SPLIT.split(text):
        whole = f"{held} {part}".strip()
        if not whole:
            continue
        own = content_stems(_without(whole, mentioned(whole, names)))
        if _LEADING.match(whole) and not own and len(whole.split()) <= 4:
            held = whole
            continue
        held = ""
        yield whole
    if held:
        yield held
