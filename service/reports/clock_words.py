"""Times as people write them in sentences: "1:40 pm", "12 November", "on Tuesday", "at noon".

What is shown is UTC, so a time in another zone is another time.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from datetime import datetime

_MONTHS = [name.lower() for name in calendar.month_name[1:]]
_DAYS = [name.lower() for name in calendar.day_name]
_MONTH = "|".join(rf"{month[:3].title()}(?:{month[3:]})?" for month in _MONTHS)
ANY_MONTH = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<month>{_MONTH})|"
    rf"(?P<month2>{_MONTH}) (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?)\b(?:,? (?P<year>\d{{4}})\b)?",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(rf"\b(?:{'|'.join(_DAYS)})\b", re.IGNORECASE)
_HALF_DAY = re.compile(r"\b(\d{1,2})(?::(\d\d))?\s?([ap])\.?m\b\.?", re.IGNORECASE)
_NAMED_TIMES = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}
_ZONE = re.compile(r"\d:\d\d\s?(?!UTC\b|GMT\b)([A-Z]{2,4}T|local)\b|\d:\d\d[+-]\d\d:?\d\d")
_PARTS = {
    "morning": range(4, 12),
    "afternoon": range(12, 18),
    "evening": range(17, 24),
    "night": (*range(18, 24), *range(8)),
}
_PART = re.compile(r"\b(morning|afternoon|evening|night)s?\b", re.IGNORECASE)
_RELATIVE = re.compile(
    r"\b(?:yesterday|today|tomorrow|ago|(?:last|this|next) (?:week|month|year|hour))\b",
    re.IGNORECASE,
)


def clock_in_24_hours(text: str) -> str:
    """ "1:40 pm" is "13:40", "noon" is "12:00"."""

    def clock(match: re.Match[str]) -> str:
        hour = int(match[1]) % 12 + (12 if match[3].lower() == "p" else 0)
        return f"{hour:02}:{match[2] or '00'}"

    for word, time in _NAMED_TIMES.items():
        text = re.sub(rf"\b{word}\b", time, text, flags=re.IGNORECASE)
    return _HALF_DAY.sub(clock, text)


def wrong_day(text: str, moments: Sequence[datetime], words: str) -> str | None:
    """The day, part of a day or zone that is not that of what is cited, in words.

    ``words``: what is cited says so itself.
    """
    if found := _ZONE.search(text):
        return f"{found[0]}: times are in UTC"
    for date in ANY_MONTH.finditer(text):
        day = int(date["day"] or date["day2"])
        month = 1 + next(
            number
            for number, name in enumerate(_MONTHS)
            if name.startswith((date["month"] or date["month2"]).lower()[:3])
        )
        if date[0] not in words and not any(
            (moment.day, moment.month) == (day, month)
            and (date["year"] is None or int(date["year"]) == moment.year)
            for moment in moments
        ):
            return f"{date[0]} is not a day of what is cited"
    for weekday in _WEEKDAY.findall(text):
        shown = {_DAYS[moment.weekday()] for moment in moments}
        if weekday.lower() not in shown and weekday.lower() not in words.lower():
            return f"{weekday} is not a day of what is cited"
    for part in _PART.findall(text):
        hours = _PARTS[part.lower()]
        if part.lower() not in words.lower() and not any(m.hour in hours for m in moments):
            return f"{part} is not a time of what is cited"
    for relative in _RELATIVE.findall(text):
        if relative.lower() not in words.lower():
            return f"{relative}: say the time as it is cited"
    return None
