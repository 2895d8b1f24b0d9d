"""Question → scope: which time window, which services, regions and customers.

Time phrases are read by rule, in the reader's zone; everything that leaves here is UTC. A phrase
in the question and the options ``--since``/``--until`` mean the same thing and the options win.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from ingest.documents import Frozen, UtcTime
from service.metrics.source import Window
from service.time_phrases import ScopeError, named_period, parse_time, said_time

DEFAULT_SPAN = timedelta(hours=24)
_FIRST_YEAR = 1971
"""Before it nothing was measured; and baselines before a window must be in the calendar, too."""
_SEPARATORS = re.compile(r"[-_\s]+")


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
        named = named_period(since, now) if since is not None else None
        start = named[0] if named else (parse_time(since, now) if since is not None else None)
        end = parse_time(until, now) if until is not None else (named[1] if named else now)
        if start is None:
            start = end - DEFAULT_SPAN
        given = [f"since {since}"] * (since is not None) + [f"until {until}"] * (until is not None)
        return _checked(start, end), " ".join(given)
    said = said_time(question, now)
    if said is not None:
        return _checked(said.start, said.end), said.phrase
    return _checked(now - DEFAULT_SPAN, now), "no time in the question: the last 24 hours"


def _checked(start: datetime, end: datetime) -> Window:
    if end <= start:
        raise ScopeError(
            f"the window ends ({end:%Y-%m-%d %H:%M %Z}) before it starts ({start:%Y-%m-%d %H:%M})"
        )
    if start.year < _FIRST_YEAR:
        raise ScopeError(f"the window starts in the year {start.year}: there were no metrics then")
    return Window(start=start, end=end)
