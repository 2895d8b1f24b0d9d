"""Parts of sentences: what a signal is called, how a value, a time, a step is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from service.metrics.labels import component_of, region_of
from service.metrics.panels import selection_of
from service.metrics.signals import Sample, Signal
from service.metrics.source import Window
from service.reports.cite import unit_in_words
from service.reports.numbers import format_value
from service.scope import mentioned


class Clock:
    """Writes times: with the date where a window is longer than a day."""

    def __init__(self, window: Window) -> None:
        self._layout = "%Y-%m-%d %H:%M" if window.duration > timedelta(hours=24) else "%H:%M"

    def __call__(self, moment: datetime) -> str:
        return moment.strftime(self._layout)


def name_of(signal: Signal) -> str:
    """What changed, and whose it is: "`redis_connected_clients` (session-cache, eu-west)"."""
    component, region = component_of(signal.labels), region_of(signal.labels)
    title = title_of(signal)
    if component and mentioned(title, [component]):
        component = None
    where = ", ".join(part for part in (component, region) if part)
    return f"{title} ({where})" if where else title


def title_of(signal: Signal) -> str:
    """A panel's title as it is, a metric's name as code; with the status code it is about."""
    code = signal.labels.get("code")
    text = f"`{signal.title}`" if re.fullmatch(r"[\w:]+", signal.title) else signal.title
    return f"{text} {code}" if code and code not in text else text


def value_of(signal: Signal, sample: Sample) -> str:
    """A sample's value with the signal's unit."""
    return format_value(sample.value, unit_in_words(signal))


def flat(text: str) -> str:
    """In one line."""
    return " ".join(text.split())


_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


def readable(passage: str) -> str:
    """The prose of a Markdown passage in one line: no headings, no addresses of links."""
    prose = " ".join(line for line in passage.splitlines() if not line.startswith("#"))
    return _BOLD.sub(r"\1", _LINK.sub(r"\1", flat(prose)))


FOLLOWING = re.compile(r"\s*(?:```\w*\n\s*)?(?:(?:[-*+]|\d+\.)\s+)?(?P<line>[^\n]+)")
"""The line after a lead-in: in a code fence, in a list, or plain."""


def worded(step: str) -> str:
    """A step to read in quotation marks, one to paste as code."""
    words = flat(step)
    return f"`{words}`" if selection_of(words) is not None else f"“{words}”"


def capital(text: str) -> str:
    """With a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def sentences(text: str) -> Iterable[str]:
    """Sentences of prose, verbatim; list markers are not part of them."""
    for line in text.splitlines():
        body = re.sub(r"^\s*(?:[-*+]|\d+\.)\s+", "", line).strip()
        if body and not body.startswith(("#", "|", "```")):
            yield from re.findall(r"[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*[.!?]?(?=\s|$)", body)
