"""What a sentence asserts beyond its words and values, held against what it cites.

- What is said in one part of the sentence holds of the citations that this part is about
  (``clauses``): the number of one series is not that of another.
- A series rose or fell as it is said (``movements``), at that time and in that order
  (``sequence``).
- A cause is stated only as likely: metrics, alerts and changes show what happened together, and not
  why. A passage may state that of its own incident.
- "All", "only", "first", "still" and the like are said by what is cited.
- What stands in a report of another incident, or in a runbook, is said to stand there.

Rules, and no understanding: ``bench.verifier`` says which lies they let pass. Everything here is
pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.documents import SourceKind
from service.reports.clauses import Clause, Source, clauses_of
from service.reports.entailment import content_stems
from service.reports.model import AlertCitation, MetricCitation, PassageCitation
from service.reports.movements import movement_of, wrong_way
from service.reports.numbers import in_digits
from service.reports.sequence import cause_and_effect, wrong_moment, wrong_order
from service.reports.stated import SPAN, unsupported, without_quotes

_CAUSAL = re.compile(
    r"\b(?:caus(?:e|ed|es|ing)|because|due to|owing to|thanks to|led to|leads? to|leading to|"
    r"result(?:ed|s|ing)? (?:in|from)|trigger\w*|(?:brought|took|takes|brings) down|broke|to blame|"
    r"blamed?|responsible|culprit|made|makes|forced|prevented|root cause|as a result|therefore|"
    r"hence|comes? from|stems? from|overload\w*)\b",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:likely|probabl[ey]|may|might|could|possibl[ey]|perhaps|suspect\w*|suggest\w*|seems?|"
    r"appears?|consistent with|candidate|points? to)\b",
    re.IGNORECASE,
)
_QUANTIFIED = re.compile(
    r"\b(?:all|every|everyone|everybody|everything|each|only|none|nobody|always|entire(?:ly)?|whole|"
    r"any|first|last|earliest|latest|both|alone|half|majority|quarter|few|"
    r"(?<!at )most(?! likely))\b(?! night)",
    re.IGNORECASE,
)
_LASTING = re.compile(
    r"\b(?:still|ongoing|continu\w+|persist\w*|unresolved|remain\w*|keeps?|(?:never|not(?: yet)?) "
    r"(?:recovered|resolved|ended|over))\b",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"\b(?:recovered|resolved|ended|(?:is|was|were|are) over|normal|no longer)\b", re.IGNORECASE
)
_ELSEWHERE = re.compile(
    r"\bINC-|\b(?:incident|postmortem|earlier|previous\w*|past|once|back then|report\w*)\b",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"\b(?:last night|tonight|now|currently|today|this (?:time|incident|night))\b", re.I
)
_ADVICE = re.compile(
    r"\b(?:runbook|page|list\w*|according|may|might|can|could|possibl[ey]|if|check|should|usually|"
    r"procedure|step|advis\w+|recommend\w*|name[sd]|descri\w+)\b",
    re.IGNORECASE,
)
_PROPER = re.compile(r"(?<![\w`-])[A-Z][a-z]+(?:[A-Z]?[a-z]+)*\b")
_CALENDAR = re.compile(
    r"^(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)"
)


def overstated(text: str, sources: Sequence[Source], names: Sequence[str]) -> str | None:
    """What the sentence asserts and its sources don't, in words; None if they bear all of it.

    ``names``: of services, regions and customers.
    """
    said = in_digits(without_quotes(text))
    clauses = clauses_of(said, sources, names)
    shown = " ".join(source.shown for source in sources)
    return (
        _stranger(said, sources, names)
        or _quantity(said, sources, shown)
        or _unattributed(said, clauses, sources)
        or _cause(said, sources, names)
        or next((wrong for one in clauses if (wrong := _of_another(one, sources, names))), None)
        or next((wrong for one in clauses if (wrong := _state(one, sources))), None)
        or wrong_order(said, sources, names)
    )


def _stranger(text: str, sources: Sequence[Source], names: Sequence[str]) -> str | None:
    """A proper name that nothing cited has, such as half of a customer's."""
    parts = {part for name in names if " " in name for part in name.split()}
    held = " ".join(source.shown for source in sources).lower()
    for found in _PROPER.finditer(text):
        begins = not text[: found.start()].rstrip() or text[: found.start()].rstrip()[-1] in ".:;“"
        if (begins and found[0] not in parts) or _CALENDAR.match(found[0]):
            continue
        if found[0].lower() not in held and content_stems(found[0]):
            return f"{found[0]} does not occur in what is cited"
    return None


def _quantity(text: str, sources: Sequence[Source], shown: str) -> str | None:
    for word in _QUANTIFIED.findall(text):
        if word.lower() == "both" and len(sources) > 1:
            continue
        if word.lower() == "first" and re.search(r"\bthen\b", text):
            continue  # an order, which is looked at as such
        if not re.search(rf"\b{word}\b", shown, re.IGNORECASE):
            return f"its evidence does not say “{word}”"
    return None


def _unattributed(text: str, clauses: Sequence[Clause], sources: Sequence[Source]) -> str | None:
    """What a page says, told as if it had happened now."""
    if not content_stems(text):
        return None  # nothing but a quotation
    for clause in clauses:
        kinds = {
            source.citation.kind if isinstance(source.citation, PassageCitation) else None
            for source in clause.fitting(sources)
        }
        if not kinds or None in kinds:
            continue  # a metric, an alert or a change may say it
        if SourceKind.INCIDENTS in kinds and (_NOW.search(text) or not _ELSEWHERE.search(text)):
            return "it is of another incident: say which"
        if kinds == {SourceKind.RUNBOOKS} and not _ADVICE.search(text):
            return "it is what a runbook says, not what happened: say so"
    return None


def _cause(text: str, sources: Sequence[Source], names: Sequence[str]) -> str | None:
    """A cause that is told as a fact, or that came later than what it is to have caused."""
    found = _CAUSAL.search(text)
    if found is None or all(isinstance(one.citation, PassageCitation) for one in sources):
        return None
    if not _HEDGED.search(text):
        return f"“{found[0]}”: no evidence says what caused it, only what is likely"
    return cause_and_effect(text, sources, names)


def _of_another(clause: Clause, sources: Sequence[Source], names: Sequence[str]) -> str | None:
    """What a part says of a source that it is not about."""
    fitting = clause.fitting(sources)
    if not fitting:
        return f"“{clause.text}” is not about one thing that is cited"
    alone = SPAN.sub(" ", clause.text)
    return unsupported(alone, [source.citation for source in fitting], names, written=True)


def _state(clause: Clause, sources: Sequence[Source]) -> str | None:
    """The direction, the time or the end that is not that of what the part is about."""
    fitting = clause.fitting(sources)
    series = [movement_of(s.citation) for s in fitting if isinstance(s.citation, MetricCitation)]
    if series and len(series) == len(fitting) and (wrong := wrong_way(clause.text, series)):
        return wrong
    lasting, over = _LASTING.search(clause.text), _OVER.search(clause.text)
    if lasting and not any(_lasts(source, lasting[0]) for source in fitting):
        return f"its evidence does not say that it is “{lasting[0]}”"
    if over and not lasting and not any(_ended(source, over[0]) for source in fitting):
        return f"its evidence does not say that it is “{over[0]}”"
    return wrong_moment(clause, sources)


def _lasts(source: Source, word: str) -> bool:
    if isinstance(source.citation, AlertCitation):
        return source.citation.ended is None
    return "still" in source.shown or word.lower() in source.shown.lower()


def _ended(source: Source, word: str) -> bool:
    if isinstance(source.citation, AlertCitation):
        return source.citation.ended is not None
    return "normal again" in source.shown or word.lower() in source.shown.lower()
