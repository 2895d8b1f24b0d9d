"""Question → scope: which time window, which services, regions and customers.

Time phrases are read by rule, in the reader's zone; everything that leaves here is UTC. A phrase
in the question and the options ``--since``/``--until`` mean the same thing and the options win.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta, tzinfo

from ingest.documents import Frozen, UtcTime
from service.metrics.source import Window

DEFAULT_SPAN = timedelta(hours=24)
_FIRST_YEAR = 1971
"""Before it nothing was measured; and baselines before a window must be in the calendar, too."""
_SEPARATORS = re.compile(r"[-_\s]+")


class ScopeError(Exception):
    """A time that cannot be read or a window that makes no sense; the message says which."""


class Vocabulary(Frozen):
    """The names that the indexed documents and the metrics use."""

    services: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()


class QuestionScope(Frozen):
    """What a question is about. ``reason`` says where the window came from, in words."""

    window: Window
    reason: str
    as_of: UtcTime
    services: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()


def scope_of(
    question: str,
    *,
    now: datetime,
    zone: tzinfo = UTC,
    since: str | None = None,
    until: str | None = None,
    vocabulary: Vocabulary,
) -> QuestionScope:
    """The scope of a question asked at ``now`` by someone in ``zone``.

    Raises: ScopeError.
    """
    local_now = now.astimezone(zone)
    try:
        window, reason = _window(question, local_now, since, until)
    except OverflowError:
        raise ScopeError("that time is further away than a calendar reaches") from None
    if window.start >= now:
        raise ScopeError(f"the window starts at {window.start:%Y-%m-%d %H:%M %Z}, still to come")
    if window.end > now:
        window = Window(start=window.start, end=now)
    return QuestionScope(
        window=window,
        reason=reason,
        as_of=now,
        services=mentioned(question, vocabulary.services),
        regions=mentioned(question, vocabulary.regions),
        customers=mentioned(question, vocabulary.customers),
    )


def mentioned(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names that occur in the text as words, in the order of the names.

    ``session-cache`` is also found as "session cache" and "Session-Cache".
    """
    squeezed = _SEPARATORS.sub("", text).casefold()
    found = []
    for name in names:
        words = [word for word in _SEPARATORS.split(name) if word]
        # Names come by the thousand, and a pattern takes longer to compile than to search for.
        if not words or "".join(words).casefold() not in squeezed:
            continue
        pattern = r"[-_\s]?".join(re.escape(word) for word in words)
        if re.search(rf"(?<![\w-]){pattern}(?![\w-])", text, re.IGNORECASE):
            found.append(name)
    return tuple(found)


def _window(
    question: str, now: datetime, since: str | None, until: str | None
) -> tuple[Window, str]:
    if since is not None or until is not None:
        named = _named_period(since, now) if since is not None else None
        start = named[0] if named else (parse_time(since, now) if since is not None else None)
        end = parse_time(until, now) if until is not None else (named[1] if named else now)
        if start is None:
            start = end - DEFAULT_SPAN
        given = [f"since {since}"] * (since is not None) + [f"until {until}"] * (until is not None)
        return _checked(start, end), " ".join(given)
    for phrase, read in _PHRASES:
        match = phrase.search(question)
        if match is None:
            continue
        start, end = read(match, now)
        return _checked(start, end), match[0].strip()
    return _checked(now - DEFAULT_SPAN, now), "no time in the question: the last 24 hours"


def _checked(start: datetime, end: datetime) -> Window:
    if end <= start:
        raise ScopeError(
            f"the window ends ({end:%Y-%m-%d %H:%M %Z}) before it starts ({start:%Y-%m-%d %H:%M})"
        )
    if start.year < _FIRST_YEAR:
        raise ScopeError(f"the window starts in the year {start.year}: there were no metrics then")
    return Window(start=start, end=end)


def parse_time(text: str, now: datetime) -> datetime:
    """A moment as people write it, in the zone of ``now`` unless it names its own.

    Raises: ScopeError.
    """
    stripped = text.strip()
    if stripped.lower() == "now":
        return now
    clock = _CLOCK.fullmatch(stripped)
    if clock and int(clock[1]) < 24 and int(clock[2]) < 60:
        here = now.astimezone(UTC) if clock[3] else now
        return _last_time_of_day(int(clock[1]), int(clock[2]), here)
    span = _SPAN.fullmatch(stripped.removesuffix(" ago").removeprefix("-"))
    if span:
        return now - _duration(span[1], span[2])
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        moment = _parse_freely(stripped, now)
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


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
            f"cannot read the time {text!r}; write for example 2026-11-12T01:30Z, 01:30, "
            f"'2 hours ago' or 'yesterday 22:00'"
        )
    return moment


def _last_time_of_day(hour: int, minute: int, now: datetime) -> datetime:
    """The latest moment with this clock time that is not after ``now``."""
    moment = datetime.combine(now.date(), time(hour, minute), now.tzinfo)
    return moment if moment <= now else moment - timedelta(days=1)


def _duration(amount: str, unit: str) -> timedelta:
    number = float(amount or 1)
    return {
        "m": timedelta(minutes=number),
        "h": timedelta(hours=number),
        "d": timedelta(days=number),
        "w": timedelta(weeks=number),
    }[unit[0].lower()]


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.date(), time(), now.tzinfo)


def has_time(text: str) -> bool:
    """Whether the text says when."""
    return any(phrase.search(text) for phrase, _ in _PHRASES)


def _named_period(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """A phrase such as "last night" as the whole of the text."""
    for phrase, read in _PHRASES:
        match = phrase.fullmatch(text.strip())
        if match:
            return read(match, now)
    return None


_Reader = Callable[[re.Match[str], datetime], tuple[datetime, datetime]]


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


def _last_span(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    return now - _duration(match["amount"], match["unit"]), now


def _between(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    end = parse_time(match["until"], now)
    return parse_time(match["since"], end), end


def _since(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    return parse_time(match["since"], now), now


def _since_part(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    midnight = _midnight(now)
    match match["part"].lower():
        case "yesterday":
            return midnight - timedelta(days=1), now
        case "noon":
            return _last_time_of_day(12, 0, now), now
    return midnight, now


def _around(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    middle = parse_time(match["at"], now)
    return middle - timedelta(hours=1), middle + timedelta(hours=1)


def _on_day(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    start = datetime.fromisoformat(match["day"]).replace(tzinfo=now.tzinfo)
    return start, start + timedelta(days=1)


_TIME = r"(?:\d{4}-\d\d-\d\d[T ])?\d{1,2}:\d\d(?::\d\d)?(?:\s?(?:Z|UTC)|[+-]\d\d:\d\d)?"
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)\s*(Z|UTC)?", re.IGNORECASE)
_SPAN = re.compile(
    r"(\d+(?:\.\d+)?)\s*(m|min|mins|minutes?|h|hours?|d|days?|w|weeks?)", re.IGNORECASE
)
_PHRASES: tuple[tuple[re.Pattern[str], _Reader], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), read)
    for pattern, read in (
        (
            rf"\b(?:between|from)\s+(?P<since>{_TIME})\s+(?:and|to|until)\s+(?P<until>{_TIME})",
            _between,
        ),
        (rf"\bsince\s+(?P<since>{_TIME})", _since),
        (
            r"\bsince\s+(?P<part>midnight|noon|yesterday)\b(?!\s+\w*(?:ing|noon|night)\b)",
            _since_part,
        ),
        (rf"\b(?:at|around|about)\s+(?P<at>{_TIME})", _around),
        (
            r"\b(?:in|over|during|for)?\s*(?:the\s+)?(?:last|past)\s+(?:(?P<amount>\d+)\s*)?"
            r"(?P<unit>minutes?|mins?|hours?|days?|weeks?|h|d|m)\b",
            _last_span,
        ),
        (r"\b(?:last night|over ?night|during the night)\b", _last_night),
        (r"\btonight\b", _tonight),
        (r"\bthis morning\b", _this_morning),
        (r"\byesterday (?P<part>morning|afternoon|evening|night)\b", _yesterdays),
        (r"\byesterday\b", _yesterday),
        (r"\btoday\b", _today),
        (rf"\b(?:last|on|past)\s+(?P<weekday>{'|'.join(_WEEKDAYS)})\b", _weekday),
        (r"\bon\s+(?P<day>\d{4}-\d\d-\d\d)\b", _on_day),
    )
)
