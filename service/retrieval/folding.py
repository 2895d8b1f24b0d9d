"""One of what is there twenty times, and not five by one hand.

A page that was copied, forwarded or planted again and again would fill a list of five. So of
documents that say nearly the same only the best is listed, and it names the others. What "nearly"
is, is measured on runs of words (shingles; Broder 1997): the share that two texts have in common
of all that either has. Titles are left out, because giving each copy another one costs nothing.

Texts that differ in a few words are still told apart by their folder, or, in chat, by who spoke:
at most ``most_alike`` of the first five are of one of them, as long as others are relevant. The
rest comes after the five, so nothing is lost. Incident reports are all in one folder, so of them a
hand is known by what it writes, too: form letters state one cause, each of another component.

Dashboard panels and alert rules are look-alikes by nature (one metric, twelve services) and no
prose: of them only texts that are word for word the same are folded.

Everything here is pure: equal input, equal order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

from ingest.documents import Chunk, IncidentFacts, SourceKind, ThreadFacts

T = TypeVar("T")

Shingles = frozenset[tuple[str, ...]]

FIRST = 5
"""Places that one hand must not fill: what people and reports look at."""
_RUN = 4
"""Words of a shingle."""
_SAME_WORDS = 0.6
"""Share of common words (Jaccard) from which two stated causes are one form; those of different
real events stay below .25 (``python -m bench.forms``)."""
_PROSE = frozenset(
    {SourceKind.RUNBOOKS, SourceKind.INCIDENTS, SourceKind.SLACK, SourceKind.GLOSSARY}
)
_WORD = re.compile(r"\w+")


def fold(
    chunks: Sequence[Chunk], *, same: float, limit: int
) -> list[tuple[Chunk, tuple[Chunk, ...]]]:
    """The first ``limit`` of these that are no copies, each with its copies among all of them.

    ``chunks``: one of each document, best first. ``same``: the share of common shingles, 0..1.
    """
    kept: list[tuple[Chunk, Shingles, list[Chunk]]] = []
    for chunk in chunks:
        runs = shingles(_body(chunk))
        for first, others, copies in kept:
            if _are_copies(first, others, chunk, runs, same):
                copies.append(chunk)
                break
        else:
            if len(kept) < limit:
                kept.append((chunk, runs, []))
    return [(chunk, tuple(copies)) for chunk, _, copies in kept]


def shingles(text: str) -> Shingles:
    """Its runs of ``_RUN`` words, whatever stands between them; of a shorter text, itself."""
    words = _WORD.findall(text.casefold())
    if len(words) < _RUN:
        return frozenset([tuple(words)])
    return frozenset(zip(*(words[start:] for start in range(_RUN)), strict=False))


def forms(chunks: Sequence[Chunk]) -> dict[str, str]:
    """Document → the first document, of these, whose incident report states the same cause.

    The same but for numbers and the names of services. What states no cause stands for itself.
    """
    first: dict[str, frozenset[str]] = {}
    found: dict[str, str] = {}
    for chunk in chunks:
        facts = chunk.facts
        if not isinstance(facts, IncidentFacts) or not facts.cause:
            found[chunk.document_id] = chunk.document_id
            continue
        words = words_but_names(facts.cause, (*chunk.services, facts.component or ""))
        same = (one for one, others in first.items() if says_the_same(words, others))
        form = found[chunk.document_id] = next(same, chunk.document_id)
        first.setdefault(form, words)
    return found


def words_but_names(text: str, names: Iterable[str]) -> frozenset[str]:
    """The words of a text that are neither a number nor in one of these names."""
    named = {word for name in names for word in _WORD.findall(name.casefold())}
    words = frozenset(_WORD.findall(text.casefold()))
    return frozenset(word for word in words - named if not word.isdigit())


def says_the_same(words: frozenset[str], others: frozenset[str]) -> bool:
    """Whether two stated causes are one but for a few words."""
    return len(words & others) >= _SAME_WORDS * len(words | others)


def spread(
    ranked: Sequence[T],
    *,
    hands: Callable[[T], Sequence[str]],
    relevant: Callable[[T], bool],
    most: int,
) -> list[T]:
    """The same items, with at most ``most`` of one hand among the first five.

    One that is over it gives way to the best one after it that is ``relevant`` and of fewer such
    ``hands``; where there is none it stays.
    """
    waiting = list(ranked)
    first: list[T] = []
    seen: Counter[str] = Counter()

    def over(one: T) -> int:
        return sum(seen[hand] >= most for hand in hands(one))

    while waiting and len(first) < FIRST:
        best = waiting[0]
        if over(best):
            best = min((best, *filter(relevant, waiting[1:])), key=over)
        waiting.remove(best)
        seen.update(hands(best))
        first.append(best)
    return [*first, *waiting]


def hand_of(chunk: Chunk) -> str:
    """Who is behind a text, as far as it shows: who spoke in a thread, else the folder."""
    if isinstance(chunk.facts, ThreadFacts) and chunk.facts.authors:
        return f"{chunk.source}: {', '.join(sorted(set(chunk.facts.authors)))}"
    place = PurePosixPath(chunk.origin.partition("#")[0])
    return f"{chunk.source}/{place.parent if chunk.kind in _PROSE else place}"


def _are_copies(
    one: Chunk,
    runs: Shingles,
    other: Chunk,
    others: Shingles,
    same: float,
) -> bool:
    if one.kind not in _PROSE or other.kind not in _PROSE:
        return same <= 1.0 and one.kind is other.kind and one.text == other.text
    smaller, larger = sorted((len(runs), len(others)))
    if smaller < same * larger:
        return False  # even if all of the smaller one were in the larger
    common = len(runs & others)
    return common >= same * (smaller + larger - common)


def _body(chunk: Chunk) -> str:
    """The text without its headings, which are cheap to vary."""
    return "\n".join(line for line in chunk.text.split("\n") if not line.startswith("#"))
