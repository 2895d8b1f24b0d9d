"""The cause that a report states in its own words, found by what headings and sentences say.

English cue words, in three degrees. A sentence that *names* a cause ("the root cause was …",
"caused by", "failed because") wins over one that tells what something *led to* ("…, preventing
pods from starting"), and both win over one that only *blames* ("due to load"). Conclusions are
read before summaries, and summaries before "what went wrong", which is mostly about the response.
What a report tells between the lines is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingest.documents import Section
from ingest.sources.outline import (
    lines_with_code,
    passages,
    says_something,
    sections_under,
    sentence_spans,
)

_CAUSE_HEADING = re.compile(
    r"\bcauses?\b(?! of (?:action|delay))|what caused|why (?:did )?(?:it|this) happen",
    re.IGNORECASE,
)
_FACTORS = re.compile(r"contributing factor|contributors|\btriggers?\b", re.IGNORECASE)
_CAUSE_LINE = re.compile(
    r"^\s*(?:[-*+]\s+|\|\s*)?[*_`]*(?:probable |technical |likely )?root causes?[*_`]*\s*"
    r"[:|][*_`]*\s*(?P<text>[^\s|].*?)(?<!\s)\s*(?:\|\s*)?$",
    re.IGNORECASE,
)

_CONCLUSION = re.compile(r"\b(?:conclusions?|analysis|findings|resolution)\b", re.IGNORECASE)
_SUMMARY = re.compile(r"\b(?:summary|overview|description)\b", re.IGNORECASE)
_WENT_WRONG = re.compile(r"what (?:went wrong|happened)", re.IGNORECASE)

_WHICH = r"(?:root|primary|ultimate|underlying|main|actual|real|immediate|direct)"
_NAMED_OUTRIGHT = re.compile(
    rf"\b{_WHICH}\s+causes?\b[^.]{{0,80}}?\b(?:is|was|were|are)\b", re.IGNORECASE
)
_NAMES = re.compile(
    rf"\b{_WHICH}\s+causes?\b|\bcaused by\b"
    r"|\b(?:was|were|is|happened|occurred|(?:went|came|goes) \w+|crash\w*|died|dies|broke|breaks"
    r"|fail\w*(?: to \w+)?)\s+because\b(?!\s+of)"
    r"|\b(?:problem|issue|reason|culprit|bug)\s+(?:was|is)\s+(?:that|a|an|the|in)\b"
    r"|\bturned out (?:to be|that)\b|\b(?:traced|narrow(?:ed)?)\b.{0,20}\bto\b",
    re.IGNORECASE,
)
_LEADS = re.compile(
    r"\b(?:le(?:d|ads|ading)(?: to)?|result(?:ed|s|ing) in|prevent(?:ed|s|ing)|caus(?:ed|es|ing)"
    r"|broke|breaks|breaking|meant|means|meaning|trigger(?:ed|s|ing) (?:an?|the)|r[au]n out of"
    r"|(?:brought|took|taking|bringing) down|exhaust(?:ed|ing)|overwhelm(?:ed|ing)|saturat\w+"
    r"|overload(?:ed|ing)|(?:keeps|kept|keeping)\b.{1,60}\bfrom)\b",
    re.IGNORECASE,
)
_BLAMES = re.compile(r"\b(?:due to|because of|as a result of)\b", re.IGNORECASE)

_POINTS_BACK = re.compile(
    r"^(?:(?:and|so|as a result),? )?(?:this|that|these|those|it|which)\s+(?:\w+\s+){0,3}?"
    r"(?:caused(?! by)|led|leads|meant|means|resulted|broke|prevented|triggered)\b",
    re.IGNORECASE,
)
"""A sentence whose cause stands in the one before it: "A node was deleted. This caused …"."""

_STILL_SEARCHED = re.compile(
    r"\b(?:find|finding|found|identify|identifying|determin\w+|understand\w*|investigat\w+"
    r"|look\w* (?:for|into)|search\w*|debug\w*|confus\w+)\b[^.]{0,40}\bcauses?\b"
    r"|\bcauses? (?:for|of) confusion\b|\b(?:an)?other (?:root )?cause\b",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"\b(?:unknown|unclear|undetermined|unidentified)\b[^.]{0,20}\b(?:reasons?|causes?)\b"
    r"|\bcauses?\b[^.]{0,40}\b(?:unknown|unclear|undetermined|not (?:yet |been )*(?:known|clear"
    r"|identified|found|understood|determined))\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:probabl|suspect|possibl|may(?:be)? |might|perhaps|unclear|unknown|likely|not confirmed|"
    r"believe|seems?\b|appears?\b|guess|not sure|presumabl|hypothes)",
    re.IGNORECASE,
)
_FEWEST_WORDS = 4


class StatedCause(NamedTuple):
    """``text`` is verbatim; ``confirmed`` if the report says it outright and without a doubt."""

    text: str
    confirmed: bool


def stated_cause(sections: Sequence[Section]) -> StatedCause | None:
    """The cause that the report states, or ``None`` where it states none."""
    found = next(_candidates(sections), None)
    if found is None:
        return None
    text, outright = found
    doubted = _HEDGE.search(text) or any(_UNKNOWN.search(s.text) for s in sections)
    return StatedCause(text, outright and not doubted)


def is_causal(sentence: str) -> bool:
    """Whether a sentence tells why, and not only what."""
    return any(cue.search(sentence) for cue in (_NAMES, _LEADS, _BLAMES))


def _candidates(sections: Sequence[Section]) -> Iterator[tuple[str, bool]]:
    """What may be the cause, best first, and whether it is said outright."""
    for section in sections_under(sections, _CAUSE_HEADING):
        for passage in passages(section):
            yield passage, True
    for section in sections:
        yield from ((text, True) for text in _labelled(section))

    conclusions = sections_under(sections, _CONCLUSION)
    summaries = [*sections_under(sections, _SUMMARY), *(s for s in sections if not s.headings)]
    went_wrong = sections_under(sections, _WENT_WRONG)
    factors = sections_under(sections, _FACTORS)
    told = (conclusions, summaries, went_wrong)
    for place in told:
        yield from ((text, True) for text in _sentences_with(_NAMES, place))
    yield from ((text, True) for text in _sentences_with(_NAMED_OUTRIGHT, sections))
    yield from ((text, True) for text in _sentences_with(_LEADS, conclusions))
    # A conclusion that has no word for "why" still opens with what the matter was.
    yield from ((text, True) for text in _openings(conclusions))
    for place in (summaries, factors, went_wrong):
        yield from ((text, True) for text in _sentences_with(_LEADS, place))
    for section in factors:
        yield from ((passage, True) for passage in passages(section))
    for place in told:
        yield from ((text, False) for text in _sentences_with(_BLAMES, place))


def _labelled(section: Section) -> Iterator[str]:
    """``Root cause: …`` as a line, an item or a row of a table."""
    for line, code in lines_with_code(section.text):
        found = None if code else _CAUSE_LINE.match(line)
        if found and says_something(found["text"]):
            yield found["text"]


def _openings(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        for passage in passages(section):
            start, end = next(sentence_spans(passage))
            if _can_be_a_cause(passage[start:end]):
                yield passage[start:end]
            break


def _sentences_with(cue: re.Pattern[str], sections: Sequence[Section]) -> Iterator[str]:
    """Sentences with the cue, verbatim, with the one before where they point back to it."""
    for section in sections:
        for passage in passages(section):
            before: int | None = None
            for start, end in sentence_spans(passage):
                sentence = passage[start:end]
                if cue.search(sentence) and _can_be_a_cause(sentence):
                    back = before is not None and _POINTS_BACK.match(sentence)
                    yield passage[before if back else start : end]
                before = start


def _can_be_a_cause(sentence: str) -> bool:
    return (
        len(sentence.split()) >= _FEWEST_WORDS
        and not sentence.rstrip().endswith((":", "?"))
        and not _STILL_SEARCHED.search(sentence)
        and not _UNKNOWN.search(sentence)
    )
