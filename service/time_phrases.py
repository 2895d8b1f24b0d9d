"""When people say that something was: "last night", "yesterday between 2 and 4 am", "since 01:30".

A text can name a day (``_DAYS``) and a moment (``_MOMENTS``); a moment is then one of that day: the
last one with that clock time before the day is over, which for a night is the next morning.
Everything is read by rule, in the zone of ``now``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple


class ScopeError(Exception):
    """A time that cannot be read or a window that makes no sense; the message says which."""


class Said(NamedTuple):
    """From when to when, and the words for it."""

    start: datetime
    end: datetime
    phrase: str


def said_time(text: str, now: datetime) -> Said | None:
    """What the text says about when. Raises: ScopeError, OverflowError."""
    day, moment = _phrases(text)
    window = day.read(day.match, now, now) if day else None
    if moment is not None:
        window = moment.read(moment.match, min(now, window[1]) if window else now, now)
    if window is None:
        return None
    phrases = sorted(filter(None, (day, moment)), key=lambda one: one.match.start())
    return Said(*window, " ".join(one.match[0].strip() for one in phrases))


def without_times(text: str) -> str:
    """The text without the words that say when: what it is about. As it is, if that is nothing."""
    letters = list(_squeezed(text))
    for phrase in filter(None, _phrases(text)):
        start, end = phrase.match.span()
        letters[start:end] = " " * (end - start)
    rest = "".join(letters)
    return " ".join(rest.split()) if re.search(r"\w", rest) else text


def has_time(text: str) -> bool:
    """Whether the text says when."""
    return any(_phrases(text))


def named_period(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """A phrase such as "last night" as the whole of the text."""
    for pattern, read in (*_DAYS, *_PERIODS):
        match = pattern.fullmatch(_squeezed(text))
        if match:
            return read(match, now, now)
    return None


def parse_time(text: str, now: datetime) -> datetime:
    """A moment as people write it, in the zone of ``now`` unless it names its own.

    Raises: ScopeError.
    """
    stripped = text.strip()
    if stripped.lower() == "now":
        return now
    if stripped.lower() in _NAMED_HOURS:
        return _last_time_of_day(_NAMED_HOURS[stripped.lower()], 0, now)
    clock = _CLOCK.fullmatch(stripped)
    if clock and (hour := _hour(clock)) is not None:
        here = now.astimezone(UTC) if clock["zone"] else now
        return _last_time_of_day(hour, int(clock["minute"] or 0), here)
    span = _SPAN.fullmatch(stripped.removesuffix(" ago").removeprefix("-"))
    if span:
        return now - _duration(span[1], span[2])
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        moment = _parse_freely(stripped, now)
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def _hour(clock: re.Match[str]) -> int | None:
    """From 0 to 23; None where it is no time of a day, or a number alone."""
    hour, minute, half = int(clock["hour"]), clock["minute"], clock["half"]
    if int(minute or 0) > 59 or (minute is None and half is None):
        return None
    if half is None:
        return hour if hour < 24 else None
    return hour % 12 + 12 * (half[0].lower() == "p") if 1 <= hour <= 12 else None


def _parse_freely(text: str, now: datetime) -> datetime:
    import dateparser  # costs half a second: only for what the rules above cannot read

    moment = dateparser.parse(
        text,
        languages=["en"],
        settings={
            "RELATIVE_BASE": now.replace(tzinfo=None),
            "PREFER_DATES_FROM": "past",
            "RETURN_AS_TIMEZONE_AWARE": False,
        },
    )
    if moment is None:
        raise ScopeError(
            f"cannot read the time {text!r}; write for example 2026-11-12T01:30Z, 01:30, 3 am, "
            f"'2 hours ago' or 'yesterday 22:00'"
        )
    return moment


def _last_time_of_day(hour: int, minute: int, now: datetime) -> datetime:
    """The latest moment with this clock time that is not after ``now``."""
    moment = datetime.combine(now.date(), time(hour, minute), now.tzinfo)
    return moment if moment <= now else moment - timedelta(days=1)


def _duration(amount: str | None, unit: str) -> timedelta:
    said = " ".join((amount or "1").lower().split())
    number = _NUMBERS[said] if said in _NUMBERS else float(said)
    return number * _UNITS[unit[0].lower()]


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.date(), time(), now.tzinfo)


_Reader = Callable[[re.Match[str], datetime, datetime], tuple[datetime, datetime]]
"""Match, the latest moment that can be meant, now → from when to when."""
_Patterns = tuple[tuple[re.Pattern[str], _Reader], ...]


class _Phrase(NamedTuple):
    match: re.Match[str]
    read: _Reader


def _phrases(text: str) -> tuple[_Phrase | None, _Phrase | None]:
    """The first day and the first moment that the text names; spans are of its squeezed form."""
    text = _squeezed(text)
    day = _first(_DAYS, text)
    # "yesterday 22:00" is a time; "22:00" alone can be anything.
    return day, _first((*_MOMENTS, *(_BARE if day else ())), text)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _first(patterns: _Patterns, text: str) -> _Phrase | None:
    for pattern, read in patterns:
        match = pattern.search(text)
        if match is not None:
            return _Phrase(match, read)
    return None


def _day(read: Callable[[re.Match[str], datetime], tuple[datetime, datetime]]) -> _Reader:
    """A day as a reader; "since" it means from its begin to now."""

    def reader(match: re.Match[str], _: datetime, now: datetime) -> tuple[datetime, datetime]:
        start, end = read(match, now)
        return start, now if match["since"] else end

    return reader


def _last_night(_: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    today = _midnight(now)
    return today - timedelta(hours=6), min(now, today + timedelta(hours=8))


def _yesterday(_: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    today = _midnight(now)
    return today - timedelta(days=1), today


_PARTS_OF_DAY = {"morning": (4, 12), "afternoon": (12, 18), "evening": (17, 24), "night": (18, 32)}
"""First and last hour; a night ends at eight the next morning."""


def _yesterdays(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    start, end = (timedelta(hours=hour) for hour in _PARTS_OF_DAY[match["part"].lower()])
    yesterday = _midnight(now) - timedelta(days=1)
    return yesterday + start, yesterday + end


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _weekday(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    """The last such day before today, all of it."""
    today = _midnight(now)
    ago = (today.weekday() - _WEEKDAYS.index(match["weekday"].lower()) - 1) % 7 + 1
    return today - timedelta(days=ago), today - timedelta(days=ago - 1)


def _tonight(_: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    today = _midnight(now)
    return (today - timedelta(hours=6) if now.hour < 12 else today + timedelta(hours=17)), now


def _this_morning(_: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    today = _midnight(now)
    return today + timedelta(hours=4), min(now, today + timedelta(hours=12))


def _today(_: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    return _midnight(now), now


def _date(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    start = _midnight(parse_time(match["date"], now))
    return start, start + timedelta(days=1)


def _last_span(match: re.Match[str], _: datetime, now: datetime) -> tuple[datetime, datetime]:
    return now - _duration(match["amount"], match["unit"]), now


def _ago(match: re.Match[str], _: datetime, now: datetime) -> tuple[datetime, datetime]:
    moment = now - _duration(match["amount"], match["unit"])
    if match["unit"][0].lower() in "dw":
        return _midnight(moment), _midnight(moment) + timedelta(days=1)
    return _about(moment)


def _between(match: re.Match[str], latest: datetime, _: datetime) -> tuple[datetime, datetime]:
    end = parse_time(match["until"], latest)
    since = match["since"]
    hour = _BEFORE_NOON.fullmatch(since)
    if hour and re.search(rf"{_HALF}$", match["until"], re.IGNORECASE):
        # "2 and 4 am", "1:30 and 3 pm", "11 and 1 am": the shorter of both.
        return max(parse_time(f"{since} {half}", end) for half in ("am", "pm")), end
    return parse_time(since, end), end


def _since(match: re.Match[str], latest: datetime, now: datetime) -> tuple[datetime, datetime]:
    return parse_time(match["since"], latest), now


def _around(match: re.Match[str], latest: datetime, _: datetime) -> tuple[datetime, datetime]:
    return _about(parse_time(match["at"], latest))


def _about(moment: datetime) -> tuple[datetime, datetime]:
    return moment - timedelta(hours=1), moment + timedelta(hours=1)


_NAMED_HOURS = {"midnight": 0, "noon": 12}
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_NUMBERS = {"half an": 0.5, "a": 1, "an": 1, "one": 1, "two": 2, "couple of": 2, "a couple of": 2}
_NUMBERS |= {"three": 3, "few": 3, "a few": 3, "four": 4, "five": 5, "six": 6, "eight": 8}
_NUMBERS |= {"ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30}

_AMOUNT = (
    "(?P<amount>"
    + "|".join(
        [
            r"\d+(?:\.\d+)?",
            *(n.replace(" ", r"\s") for n in sorted(_NUMBERS, key=len)[::-1]),
        ]
    )
    + ")"
)
_UNIT = r"(?P<unit>minutes?|mins?|hours?|hrs?|days?|weeks?|h|d|m)\b"
_AM_PM = r"am|pm|a\.m\.|p\.m\."
_HALF = rf"\s?(?:{_AM_PM})(?!\w)"
_TIME = (
    r"(?:(?:\d{4}-\d\d-\d\d[T ])?"
    rf"(?:\d{{1,2}}:\d\d(?::\d\d)?(?:{_HALF})?|\d{{1,2}}{_HALF})"
    r"(?:\s?(?:Z|UTC)\b|[+-]\d\d:\d\d)?|midnight\b|noon\b)"
)
_TO = r"(?:\band\b|\bto\b|\buntil\b|[-–])"
_CLOCK = re.compile(
    rf"(?P<hour>\d{{1,2}})(?::(?P<minute>\d\d))?\s?(?P<half>{_AM_PM})?\s?(?P<zone>Z|UTC)?",
    re.IGNORECASE,
)
_BEFORE_NOON = re.compile(r"(?:0?[1-9]|1[0-2])(?::\d\d)?")
_SPAN = re.compile(
    r"(\d+(?:\.\d+)?)\s*(m|min|mins|minutes?|h|hours?|d|days?|w|weeks?)", re.IGNORECASE
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_IN_WORDS = rf"(?:{_NTH}(?:\sof)?\s{_MONTH}|{_MONTH}\s{_NTH})(?:,?\s\d{{4}})?"


def _compiled(*patterns: tuple[str, _Reader]) -> _Patterns:
    return tuple((re.compile(pattern, re.IGNORECASE), read) for pattern, read in patterns)


_SINCE = r"\b(?P<since>since\s)?\b"
_DAYS = _compiled(
    *(
        (pattern, _day(read))
        for pattern, read in (
            (rf"{_SINCE}(?:last night|over ?night|during the night)\b", _last_night),
            (rf"{_SINCE}tonight\b", _tonight),
            (rf"{_SINCE}this morning\b", _this_morning),
            (rf"{_SINCE}yesterday (?P<part>morning|afternoon|evening|night)\b", _yesterdays),
            (rf"{_SINCE}yesterday\b", _yesterday),
            (rf"{_SINCE}today\b", _today),
            (
                rf"\b(?:(?P<since>since)|last|on|past)\s(?P<weekday>{'|'.join(_WEEKDAYS)})\b",
                _weekday,
            ),
            (
                rf"\b(?:(?P<since>since)|on)\s(?:the\s)?(?P<date>{_IN_WORDS})(?!\w)",
                _date,
            ),
            (
                r"(?<![\w-])(?:(?:(?P<since>since)|on)\s)?(?P<date>\d{4}-\d\d-\d\d)(?![\w:-])(?!\s\d\d?:)",
                _date,
            ),
        )
    )
)
_PERIODS = _compiled(
    (
        rf"(?:\b(?:between|from)\s)?\b(?P<since>{_TIME}|\d{{1,2}}(?=\s?{_TO}\s?\d{{1,2}}(?::\d\d)?{_HALF}))"
        rf"\s?{_TO}\s?(?P<until>{_TIME})",
        _between,
    ),
    (rf"\bsince\s(?P<since>{_TIME})", _since),
    (rf"\b(?:at\s)?\b(?:at|around|about|on)\s(?P<at>{_TIME})", _around),
    (
        rf"\b(?:in|over|during|for)?\s?(?:the\s)?\b(?:last|past)\s(?:{_AMOUNT}\s?)?{_UNIT}",
        _last_span,
    ),
)
_MOMENTS = (
    *_PERIODS,
    *_compiled(
        (rf"\b{_AMOUNT}\s?{_UNIT}\sago\b", _ago),
        (rf"(?:\bthe\s)?\b(?P<at>\d{{1,2}}(?::\d\d)?{_HALF})", _around),
    ),
)
_BARE = _compiled((rf"\b(?P<at>{_TIME})", _around))
