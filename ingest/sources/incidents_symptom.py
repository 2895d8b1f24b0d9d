"""What was felt in an incident: the words somebody would ask with who does not know the cause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from ingest.documents import Section
from ingest.sources.incidents_cause import is_causal
from ingest.sources.outline import lines_with_code, passages, sections_under, sentence_spans
from ingest.sources.timeline import TIMELINE_HEADING

_IMPACT = re.compile(r"\b(?:impact|symptoms?|effects?)\b", re.IGNORECASE)
_SUMMARY = re.compile(r"\b(?:summary|overview|description)\b|what happened", re.IGNORECASE)
_FELT = re.compile(
    r"\b(?:errors?|[45]\d\d|[45]xx|fail\w*|slow\w*|down|outage|unavailable|unreachable"
    r"|unresponsive|inaccessible|time(?:d|s)? ?outs?|timing out|latency|p9\d|crash\w*|stuck"
    r"|pending|hung|hang\w*|lost|missing|empty|refused|rejected|stale|degraded|broken|unable"
    r"|delay(?:s|ed)|backlog)\b"
    r"|(?:n['’]t|\b(?:not|nothing|nobody|no longer))\s+(?:\w+ly\s+)?(?:be |been |being )?"
    r"(?:able|access|answer|appear|available|build|come|complet|connect|deliver|get|launch|load|log"
    r"|pay|reach|receiv|respon|run|see|ship|sign|spawn|start|stop|work)\w*"
    r"|\b(?:nobody|no one) (?:could|can)\b",
    re.IGNORECASE,
)
_BACKDROP = re.compile(
    r"^\W*(?:none|n/?a|tbd|all times|what|links?|these are|things that|list of)\b|<!--|\{\{",
    re.IGNORECASE,
)
_CELL = re.compile(r"^\s*\|.*\|(?=[^|]*\w)(?P<event>[^|]*)\|\s*$")
_FEWEST_WORDS = 3


def stated_symptom(title: str, sections: Sequence[Section], cause: str | None) -> str | None:
    """The first sentence that tells what was felt and does not tell why.

    Looked for under "Impact", then in the summary, then along the timeline. ``None`` where the
    title says it better than the timeline, or where all that is told is the cause.
    """
    told = " ".join((cause or "").split())
    summaries = [*sections_under(sections, _SUMMARY), *(s for s in sections if not s.headings)]
    for place in (sections_under(sections, _IMPACT), summaries):
        for sentence in _sentences(place):
            if _is_felt(sentence, told):
                return sentence
    if _is_felt(title, told):
        return None
    timeline = _sentences(sections_under(sections, TIMELINE_HEADING))
    return next((sentence for sentence in timeline if _is_felt(sentence, told)), None)


def _sentences(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        rows = (
            row["event"].strip()
            for line, code in lines_with_code(section.text)
            if not code and (row := _CELL.match(line))
        )
        for passage in chain(passages(section), rows):
            yield from (passage[start:end] for start, end in sentence_spans(passage))


def _is_felt(sentence: str, cause: str) -> bool:
    words = " ".join(sentence.split())
    return (
        bool(_FELT.search(words))
        and len(words.split()) >= _FEWEST_WORDS
        and not words.endswith(":")
        and not _BACKDROP.search(words)
        and not is_causal(words)
        and words not in cause
    )
