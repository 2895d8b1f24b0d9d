"""When what a sentence speaks of happened, and whether it puts that in the right order.

A time stands for what is said of it: "at its worst at 02:46" is the worst sample of the series,
"fired at 01:51" the beginning of the alert. "Before" and "after" compare what stands on their two
sides; where that can't be told, the sentence doesn't follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from service.reports.clauses import Clause, Source, clause_of
from service.reports.entailment import content_stems
from service.reports.model import AlertCitation, ChangeCitation, MetricCitation, PassageCitation
from service.reports.movements import DOWN, UP, Movement, movement_of
from service.reports.numbers import stated_numbers
from service.reports.stated import CLOCK, SECONDS, SPAN, moments_of

_WORST = re.compile(r"\b(?:worst|peak\w*|highest|maximum|most)\b", re.IGNORECASE)
_OVER = re.compile(
    r"\b(?:normal|recover\w*|back|ended|ends|over|resolved|stopped|cleared|until|till)\b",
    re.IGNORECASE,
)
_BEGAN = re.compile(
    r"\b(?:baselines?|began|begins|started|starts|starting|onset|fired|fires|since)\b|\bfrom\s+$",
    re.IGNORECASE,
)
_NEAR = 32
"""Characters before a time in which stands what it is the time of."""
_AT = re.compile(r"\W{1,3}(?:\w+\s+){0,2}(?P<how>at|by)\s+(?P<clock>\d{1,2}:\d\d)\b")
_OPENING = re.compile(r"\W*(?P<how>at|by)\s+(?P<clock>\d{1,2}:\d\d)\b(?!.*\bfrom\b)", re.IGNORECASE)


def wrong_moment(clause: Clause, sources: Sequence[Source]) -> str | None:
    """The time that is not that of what the clause says happened then, in words."""
    cited = [source.citation for source in clause.fitting(sources)]
    series = [movement_of(one) for one in cited if isinstance(one, MetricCitation)]
    alerts = [one for one in cited if isinstance(one, AlertCitation)]
    wrong = _wrong_value(clause.text, series)
    if wrong is None and len(series) == len(cited):
        wrong = _wrong_turn(clause.text, series)
    elif wrong is None and len(alerts) == len(cited):
        wrong = _wrong_alarm(clause.text, alerts)
    return wrong


def _wrong_value(text: str, series: Sequence[Movement]) -> str | None:
    """A value at a time at which the series had another."""
    pairs = [
        (number, pair["clock"], pair["how"])
        for number in stated_numbers(text)
        if (pair := _AT.match(text, number.end))
    ]
    if opening := _OPENING.match(text):
        rest = stated_numbers(text[opening.end() :])
        pairs += [(number, opening["clock"], opening["how"].lower()) for number in rest]
    for number, time, how in pairs:
        clock = time.zfill(5)
        had = [_clock(one.samples[place].at) for one in series for place in one.at(number)]
        if had and clock not in had and not (how == "by" and min(had) <= clock):
            return f"{number.text} is not the value at {clock}"
    return None


def _wrong_turn(text: str, series: Sequence[Movement]) -> str | None:
    """A time at which none of the series began, was worst, was back, or moved, as is said."""
    for time in CLOCK.finditer(text):
        clock = time[0].zfill(5)
        before = text[max(0, time.start() - _NEAR) : time.start()]
        said = _last(before, (_WORST, _OVER, _BEGAN)) or _last(before, (UP, DOWN))
        if said is _WORST:
            moments = [one.peak for one in series]
        elif said is _OVER:
            moments = [one.last for one in series]
        elif said is _BEGAN:
            moments = [one.onset for one in series]
        elif said is not None:
            moments = [at.at for one in series for at in one.samples if at.at >= one.onset]
        else:
            continue
        if clock not in [_clock(moment) for moment in moments]:
            return f"{clock} is not when that happened"
    return None


def _wrong_alarm(text: str, alerts: Sequence[AlertCitation]) -> str | None:
    """A time at which none of the alerts fired, or ended, as is said."""
    for time in CLOCK.finditer(text):
        clock = time[0].zfill(5)
        before = text[max(0, time.start() - _NEAR) : time.start()]
        ended = _last(before, (_OVER, _BEGAN)) is _OVER or before.rstrip().endswith(" to")
        moments = [alert.ended if ended else alert.started for alert in alerts]
        if clock not in [_clock(moment) for moment in moments if moment is not None]:
            return f"{clock} is not when it {'ended' if ended else 'fired'}"
    return None


def _last(text: str, patterns: Sequence[re.Pattern[str]]) -> re.Pattern[str] | None:
    """The pattern that is found nearest to the end."""
    ends = {p: [m.end() for m in p.finditer(text)] for p in patterns}
    found = [p for p in patterns if ends[p]]
    return max(found, key=lambda p: ends[p][-1], default=None)


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"


class _Order(NamedTuple):
    """``first`` is said to come before ``second``, by ``span`` if that is given."""

    first: str
    second: str
    span: re.Match[str] | None
    word: str


_SPAN_BEFORE = rf"(?P<span>{SPAN.pattern}\s+)?"
_CONNECTORS: tuple[tuple[re.Pattern[str], bool], ...] = tuple(
    (re.compile(rf"\b{_SPAN_BEFORE}(?P<word>{words})\b", re.IGNORECASE), first_is_left)
    for words, first_is_left in (
        (
            r"followed by|before|preced(?:ed|es|ing)(?! by)|ahead of|earlier than|"
            r"(?<!since )(?<!by )then",
            True,
        ),
        (r"after|follow(?:ed|s|ing)(?! by)|preceded by|later than|as soon as|once", False),
    )
)
_BOUNDARY = re.compile(r"[;()–—]|[.:](?=\s)|,(?!\d)")
_LATER = re.compile(rf"{SPAN.pattern}\s+(?P<word>later|earlier)\b", re.IGNORECASE)


def wrong_order(text: str, sources: Sequence[Source], names: Sequence[str]) -> str | None:
    """What the sentence puts into an order that its citations don't show, in words."""
    passages = " ".join(
        s.citation.quote.lower() for s in sources if isinstance(s.citation, PassageCitation)
    )
    for order in _orders(text):
        first, second = (_when(side, sources, names) for side in (order.first, order.second))
        if first is None or second is None:
            stem = order.word.lower().split()[0][:6]
            if stem not in passages:
                return f"its evidence does not say what came {order.word}"
            continue
        apart = (second - first).total_seconds()
        if apart <= 0:
            return f"what is cited did not come {order.word} it"
        if order.span is not None:
            unit = SECONDS[order.span["unit"]]
            if abs(apart - float(order.span["amount"]) * unit) > 0.5 * unit:
                return f"they are not {order.span[0].strip()} apart"
    return None


def _orders(text: str) -> Iterator[_Order]:
    for pattern, first_is_left in _CONNECTORS:
        for found in pattern.finditer(text):
            left = _BOUNDARY.split(text[: found.start()].rstrip(" ,;"))[-1]
            rest = text[found.end() :]
            right = _BOUNDARY.split(rest)[0]
            if _FOLLOWS.match(found["word"]) and _NO_OBJECT.match(right):
                # "…; auth's p99 followed at 01:48."
                first, second = _around(text, found)
                if first:
                    yield _Order(first, second + right, None, found["word"])
                continue
            if not content_stems(left) and "," in rest:
                # "After the deploy, its open fds rose."
                right, _, left = rest.partition(",")
            if _says_nothing(right):
                continue  # "166 before", "than before"
            first, second = (left, right) if first_is_left else (right, left)
            span = SPAN.search(found["span"]) if found["span"] else None
            yield _Order(first, second, span, found["word"])
    for found in _LATER.finditer(text):
        left, right = _around(text, found)
        if left and right:
            first, second = (left, right) if found["word"].lower() == "later" else (right, left)
            yield _Order(first, second, found, found["word"])


_FOLLOWS = re.compile(r"follow(?:ed|s)$", re.IGNORECASE)
_NO_OBJECT = re.compile(
    r"\s*(?:(?:at|around|by)\s+\d{1,2}:\d\d.*|soon.*|shortly.*|$)", re.IGNORECASE
)


def _says_nothing(text: str) -> bool:
    return not content_stems(text) and not re.search(r"\d|\b(?:deploy\w*|alert|change)\b", text)


def _around(text: str, found: re.Match[str]) -> tuple[str, str]:
    """The part with "3 minutes later" in it, and the part before that."""
    parts = re.split(r"[;()]|[.:,](?=\s)|\band\b|\bthen\b", text[: found.start()])
    parts = [part for part in parts if part.strip()]
    return (parts[-2], parts[-1]) if len(parts) > 1 else ("", "")


def _when(
    side: str, sources: Sequence[Source], names: Sequence[str], *, begun: bool = False
) -> datetime | None:
    """The moment that a side of "before" is about; None where it can't be told.

    ``begun``: when it began, whatever else of it is told.
    """
    clause = clause_of(side, sources, names)
    fitting = clause.fitting(sources)
    most = max((len(clause.telling & source.words) for source in fitting), default=0)
    fitting = [source for source in fitting if len(clause.telling & source.words) == most]
    clocks = [clock.zfill(5) for clock in CLOCK.findall(side)]
    if len(clocks) == 1:
        moments = {m for s in fitting for m in moments_of(s.citation) if _clock(m) == clocks[0]}
        return moments.pop() if len(moments) == 1 else None
    if len(fitting) != 1:
        deploys = [s for s in fitting if isinstance(s.citation, ChangeCitation)]
        if len(deploys) != 1 or not re.search(r"\b(?:deploy\w*|change|rollout)\b", side, re.I):
            return None
        fitting = deploys
    citation = fitting[0].citation
    if isinstance(citation, ChangeCitation):
        return citation.at
    if isinstance(citation, AlertCitation):
        return citation.ended if _OVER.search(side) else citation.started
    if not isinstance(citation, MetricCitation):
        return None
    movement = movement_of(citation)
    if begun:
        return movement.onset
    reached = [i for number in stated_numbers(side) for i in movement.at(number)]
    if reached:
        return movement.samples[reached[-1]].at
    if _WORST.search(side):
        return movement.peak
    return movement.last if _OVER.search(side) else movement.onset


_EFFECT_LAST = re.compile(
    r"\b(?:caus(?:ed|es|ing)(?! by)|led to|leads? to|leading to|result(?:ed|s|ing)? in|"
    r"trigger\w*(?! by)|(?:brought|took) down|broke|made|forced|prevented|cause of|to blame for|"
    r"responsible for)\b",
    re.IGNORECASE,
)
_CAUSE_LAST = re.compile(
    r"\b(?:caused by|because(?: of)?|due to|owing to|thanks to|triggered by|"
    r"result(?:ed|s|ing)? from)\b",
    re.IGNORECASE,
)


def cause_and_effect(text: str, sources: Sequence[Source], names: Sequence[str]) -> str | None:
    """A likely cause that came later than what it is to have caused, in words."""
    for pattern, cause_is_left in ((_CAUSE_LAST, False), (_EFFECT_LAST, True)):
        if found := pattern.search(text):
            sides = text[: found.start()], text[found.end() :]
            left, right = (_when(side, sources, names, begun=True) for side in sides)
            cause, effect = (left, right) if cause_is_left else (right, left)
            if cause is not None and effect is not None and cause > effect:
                return "what it calls the cause came later"
            return None
    return None
