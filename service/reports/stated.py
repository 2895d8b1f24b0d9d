"""What a sentence states, held against what it cites: quotations, names, times and numbers.

- text in quotation marks stands in one cited quotation, title or annotation;
- each service, region and customer that is named, and each report that is named by its number,
  occurs in what is cited;
- each clock time, date and day is that of a cited sample, alert, change or document, or of a
  moment that a quotation states with date and zone;
- each number is a cited sample (rounded as written, in its own unit), or stands in a cited
  quotation with the same unit, or is the time between two cited moments, or how many times one
  cited value of a series is another ("12-fold"), or how many alerts or changes are cited. Each
  version stands in what is cited.

What is said *about* them (which of two series, rising or falling, earlier or later, the cause) is
``assertions``' part. Everything here is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo

from service.reports.clock_words import ANY_MONTH, clock_in_24_hours, wrong_day
from service.reports.model import (
    AlertCitation,
    ChangeCitation,
    Citation,
    MetricCitation,
    PassageCitation,
)
from service.reports.numbers import StatedNumber, in_base_unit, in_digits, stated_numbers
from service.scope import mentioned

_QUOTED = re.compile("[\u201c\u201e]([^\u201c\u201d\u201e]*)[\u201d\u201c]|«([^«»]*)»")
_STRAIGHT = re.compile(r'"([^"]*)"')
CLOCK = re.compile(r"\b\d{1,2}:\d\d\b")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_CODE = re.compile(r"`[^`]*`")
_CODE_APART = re.compile(rf"({_CODE.pattern})")
_TICKET = re.compile(r"\b[A-Z]{2,}-\d[\d-]*\b")
_FOLD = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?(?:-?fold\b|×|times (?:as|the|higher|more)\b)")
_VERSION = re.compile(r"\bv?\d+(?:\.\d+){2,}(?:[-+][\w.]+)?\b")
SPAN = re.compile(r"\b(?P<amount>\d+(?:\.\d+)?) (?P<unit>second|minute|hour)s?\b")
SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_COUNTED = re.compile(r"\b(\d+) (?:\w+ )?(alert|change|deploy|deployment)s?\b")


def unsupported(
    text: str,
    citations: Sequence[Citation],
    names: Sequence[str],
    zone: tzinfo = UTC,
    *,
    written: bool = False,
) -> str | None:
    """What in the sentence its citations don't show, in words; None if they show all of it.

    ``zone``: that of the sentence's times. ``written``: by a language model. Then numbers, days and
    times in words are looked at as well, and what a number counts; a template has counted itself.
    """
    parts = [squeezed(words_of(citation)) for citation in citations]
    words = " \n ".join(parts)
    for quote in quotes_in(text):
        if not any(squeezed(quote).lower() in part.lower() for part in parts):
            return f"“{quote}” is not in what is cited"
    rest = without_quotes(text)
    for name in mentioned(rest, names):
        if not mentioned(words, [name]):
            return f"{name} does not occur in what is cited"
    for citation in citations:
        if isinstance(citation, PassageCitation):
            rest = rest.replace(citation.title, " ")  # as a whole, before its numbers are read
    for pattern in (_TICKET, _CODE, _VERSION):
        for found in pattern.findall(rest):
            if found.strip("`") not in words:
                return f"{found} is not in what is cited"
    rest = _VERSION.sub(" ", _TICKET.sub(" ", _CODE.sub(" ", rest)))
    moments = [m.astimezone(zone) for citation in citations for m in moments_of(citation)]
    wrong = None
    if written:
        rest = in_digits(clock_in_24_hours(rest))
        wrong = wrong_day(rest, moments, words)
        rest = ANY_MONTH.sub(" ", rest)
    wrong = wrong or _wrong_time(rest, moments, words)
    if wrong is not None:
        return wrong
    rest = _CLOCK_OR_DATE.sub(" ", rest)
    for name in sorted({n for c in citations for n in names_in(c)}, key=len, reverse=True):
        rest = rest.replace(name, " ")  # the 07 of gpu-eu-07 is no number
    return _wrong_number(rest, citations, moments, written=written)


_CLOCK_OR_DATE = re.compile(rf"{_DATE.pattern}|{CLOCK.pattern}")


def _wrong_time(text: str, moments: Sequence[datetime], words: str) -> str | None:
    for pattern, layout in ((_DATE, "%Y-%m-%d"), (CLOCK, "%H:%M")):
        shown = {moment.strftime(layout) for moment in moments}
        for stated in pattern.findall(text):
            if stated.zfill(5) not in shown and stated not in words:
                return f"{stated} is not a time of what is cited"
    return None


def _wrong_number(
    text: str, citations: Sequence[Citation], moments: Sequence[datetime], *, written: bool
) -> str | None:
    quotes = [in_digits(c.quote) for c in citations if isinstance(c, PassageCitation)]
    for span in SPAN.finditer(text):
        if (
            any(span[0] in quote for quote in quotes)
            or is_between(span, moments)
            or any(_spans(span, text, c) for c in citations if isinstance(c, PassageCitation))
        ):
            text = text.replace(span[0], " ", 1)
        elif span["unit"] != "second":  # seconds are a unit of values, too
            return f"no two cited moments are {span[0]} apart"
    for times in _FOLD.findall(text):
        if not any(_is_ratio(times, one) for one in citations if isinstance(one, MetricCitation)):
            return f"no two cited values of a series are {times} times apart"
    text = _FOLD.sub(" ", text)
    alerts = len({c.model_dump_json() for c in citations if isinstance(c, AlertCitation)})
    changes = len({c.model_dump_json() for c in citations if isinstance(c, ChangeCitation)})
    for count, what in _COUNTED.findall(text):
        if int(count) != (alerts if what == "alert" else changes):
            return f"{count} {what}s are not cited"
    text = _COUNTED.sub(" ", text)
    for number in stated_numbers(text):
        if not _is_held(number, text if written else "", citations):
            return f"{number.text} is not a value of what is cited"
    return None


def _is_held(number: StatedNumber, text: str, citations: Sequence[Citation]) -> bool:
    """Whether one of the citations has the number that stands in ``text``."""
    for citation in citations:
        if isinstance(citation, MetricCitation):
            values = (in_base_unit(sample.value, citation.unit) for sample in citation.samples)
            if any(number.matches(*value) for value in values):
                return True
        elif isinstance(citation, PassageCitation) and _is_quoted(number, text, citation):
            return True
    return False


_BEFORE, _AFTER = 3, 7
"""Words around a number of a quotation among which is what it counts."""
_COUNTED_BY = 2
"""Words after a number that say what it counts, or what became of it."""
_LETTERS = re.compile(r"[A-Za-z]{2,}|\d[\d,.]*")
_LITTLE = frozenset(
    _LETTERS.findall("of the and to in on for at by an or is was were are up about per")
)


def _is_quoted(number: StatedNumber, text: str, citation: PassageCitation) -> bool:
    """Whether the quotation has this number, of the same thing: what is counted in the sentence
    stands beside it there."""
    quote = in_digits(citation.quote)
    counted = _counted(text[number.end :])
    for other in stated_numbers(quote):
        if (other.value, other.unit) != (number.value, number.unit):
            continue
        near = (
            *_LETTERS.findall(quote[: other.start])[-_BEFORE:],
            *_until_the_next_number(_LETTERS.findall(quote[other.end :])[:_AFTER]),
        )
        if {word[:4] for word in counted} <= {word.lower()[:4] for word in near}:
            return True
    return False


def _spans(span: re.Match[str], text: str, citation: PassageCitation) -> bool:
    """Whether the quotation has the amount, and leaves the unit to what stands before it ("two
    to four minutes for one and up to fifteen for the other")."""
    (amount,) = stated_numbers(span["amount"])
    amount = amount.model_copy(update={"end": span.end()})
    said_of = _counted(text[amount.end :])
    return bool(said_of) and span["unit"] in citation.quote and _is_quoted(amount, text, citation)


def _counted(text: str) -> list[str]:
    """What the number before this text counts, and what became of it: a word or two."""
    part = re.split(r"[;()]|[,.:](?!\d)", text)[0]
    words = (word.lower() for word in _LETTERS.findall(part) if word.isalpha())
    return [word for word in words if word not in _LITTLE][:_COUNTED_BY]


def _until_the_next_number(words: Sequence[str]) -> Sequence[str]:
    """What follows a number belongs to it, up to the next one; "20 % and 70 %" share it."""
    for place, word in enumerate(words):
        if word[0].isdigit() and not (place == 1 and words[0].lower() in ("and", "to", "or")):
            return words[:place]
    return words


def _is_ratio(stated: str, citation: MetricCitation) -> bool:
    """Whether a value of the series is so many times the usual one, or the other way round,
    rounded as written, by a tenth at most."""
    times = float(stated)
    tolerance = min(0.5 * 10.0 ** -len(stated.partition(".")[2]), 0.1 * times) * (1 + 1e-9)
    usual, *others = [sample.value for sample in citation.samples]
    pairs = [*((other, usual) for other in others), *((usual, other) for other in others)]
    return any(b != 0 and abs(a / b - times) <= tolerance for a, b in pairs)


def is_between(span: re.Match[str], moments: Sequence[datetime]) -> bool:
    """Whether two of the moments are that far apart, rounded as the span is written."""
    unit = SECONDS[span["unit"]]
    stated = float(span["amount"]) * unit
    slack = 0.5 * unit * 10.0 ** -len(span["amount"].partition(".")[2])
    return any(
        abs(abs((a - b).total_seconds()) - stated) <= slack for a in moments for b in moments
    )


def quotes_in(text: str) -> list[str]:
    """What stands in quotation marks; straight ones in code are code."""
    curled = [first or second for first, second in _QUOTED.findall(text)]
    return [*curled, *_STRAIGHT.findall(_CODE.sub(" ", _QUOTED.sub(" ", text)))]


def without_quotes(text: str) -> str:
    """The sentence without what it quotes."""
    parts = _CODE_APART.split(_QUOTED.sub(" ", text))
    return "".join(part if part.startswith("`") else _STRAIGHT.sub(" ", part) for part in parts)


def squeezed(text: str) -> str:
    return " ".join(text.split())


def words_of(citation: Citation) -> str:
    """Everything that a citation says in words, each part in a line of its own."""
    if isinstance(citation, PassageCitation):
        return "\n".join((citation.title, *citation.headings, citation.quote))
    if isinstance(citation, MetricCitation):
        return "\n".join((citation.title, citation.query, *citation.labels.values()))
    if isinstance(citation, AlertCitation):
        return "\n".join((citation.name, *citation.labels.values()))
    return "\n".join((citation.text, *citation.tags))


def names_in(citation: Citation) -> tuple[str, ...]:
    """What a citation calls things by."""
    if isinstance(citation, PassageCitation):
        names = [citation.title]
    elif isinstance(citation, MetricCitation):
        names = [citation.title, *citation.labels.values()]
    elif isinstance(citation, AlertCitation):
        names = [citation.name, *citation.labels.values()]
    else:
        names = list(citation.tags)
    return tuple(name for name in names if name)


_MOMENT = re.compile(
    r"\b(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)\s?(UTC|Z|[+-]\d\d:\d\d)(?![\w:])"
)


def moments_of(citation: Citation) -> list[datetime]:
    """The moments that a citation shows (UTC)."""
    if isinstance(citation, PassageCitation):
        moments = [citation.written_at, *_moments_in(citation.quote)]
    elif isinstance(citation, MetricCitation):
        moments = [sample.at for sample in citation.samples]
    elif isinstance(citation, AlertCitation):
        moments = [citation.started, citation.ended]
    else:
        moments = [citation.at, citation.until]
    return [moment.astimezone(UTC) for moment in moments if moment is not None]


def _moments_in(quote: str) -> Iterator[datetime]:
    for day, time, zone in _MOMENT.findall(quote):
        with suppress(ValueError):  # the 31st of June
            offset = "+00:00" if zone in ("UTC", "Z") else zone
            yield datetime.fromisoformat(f"{day}T{time}{offset}")
