"""A briefing as it is laid out: what every format shows, in order. ``layout`` makes it."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from ingest.documents import Frozen, UtcTime
from service.reports.model import Chart


class Tone(StrEnum):
    """How something looks: bad, to watch, good, or not known."""

    BAD = "bad"
    WATCH = "watch"
    GOOD = "good"
    UNKNOWN = "unknown"


class Line(Frozen):
    """A sentence with its citations, and what it is."""

    text: str
    citations: tuple[int, ...] = ()
    label: str | None = None
    url: str | None = None


class Badge(Frozen):
    """A word or two that is seen before anything is read."""

    text: str
    tone: Tone


class Block(Frozen):
    """A titled list. ``is_timeline``: of what happened when."""

    title: str
    lines: tuple[Line, ...]
    is_timeline: bool = False


class Drawn(Frozen):
    """A chart with the stretch of it in which the incident was."""

    chart: Chart
    started: UtcTime
    ended: UtcTime | None


class Card(Frozen):
    """One incident."""

    number: int
    title: str
    tone: Tone
    badges: tuple[Badge, ...]
    what: Line
    facts: tuple[Line, ...]
    """Labels and their values."""
    blocks: tuple[Block, ...]
    charts: tuple[Drawn, ...]


class Source(Frozen):
    """A citation as a reader sees it."""

    number: int
    kind: str
    text: str
    url: str | None


class Page(Frozen):
    """A whole briefing."""

    title: str
    subtitle: str
    tone: Tone
    verdict: str
    badges: tuple[Badge, ...]
    headline: Line
    lead: tuple[Line, ...]
    cards: tuple[Card, ...]
    sections: tuple[Block, ...]
    sources: tuple[Source, ...]
    footer: str


def opened(url: str | None) -> str | None:
    """The address, if it is one that a browser opens as a page and nothing else."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None
