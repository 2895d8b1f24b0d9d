"""Plain words for someone who does not know the metrics, and clock times where that person is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from service.metrics.kinds import MetricKind, kind_of_series
from service.metrics.labels import component_of
from service.metrics.signals import Signal
from service.reports.citations import moments_of
from service.reports.draft import DraftClaim
from service.reports.model import Citation, Claim

_SUFFIX = re.compile(r"_(?:total|count|seconds|bytes|ratio|celsius)$")
_QUANTILE = re.compile(r"(?<![a-z0-9])p\d\d+(?!\d)")
_LITERAL = re.compile(r"(`[^`]*`|“[^“”]*”)")
_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\d(?: \d\d:\d\d)?\b|\b\d\d:\d\d\b")


class LocalClock:
    """Writes moments as clock times of one zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def __call__(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%H:%M}"


def localised(claim: Claim, citations: Sequence[Citation], zone: tzinfo) -> DraftClaim:
    """A report's sentence, to be checked again, with its UTC times in ``zone``.

    Only what is the time of something cited is rewritten; quotations and code stay as they are.
    """
    cited = [citation for citation in citations if citation.number in claim.citations]
    there: dict[str, str] = {}
    for moment in (moment for citation in cited for moment in moments_of(citation)):
        local = moment.astimezone(zone)
        for layout in ("%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M"):
            there.setdefault(moment.strftime(layout), local.strftime(layout))
    text = "".join(
        part
        if part.startswith(("`", "“"))
        else _MOMENT.sub(lambda match: there.get(match[0], match[0]), part)
        for part in _LITERAL.split(claim.text)
    )
    return DraftClaim(text=text, citations=tuple(cited))


def listed(names: Sequence[str], most: int = 3) -> str:
    """ "a, b and c", "a, b, c and others"."""
    if len(names) < 2:
        return "".join(names)
    shown = [*names[:most], "others"] if len(names) > most + 1 else [*names]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def sentence(text: str) -> str:
    """Begun with a capital, but for a name such as gpu-eu-07, which has to stay as it is."""
    first = text.split(" ", 1)[0]
    return text if re.search(r"\d", first) else text[:1].upper() + text[1:]


def measured(signal: Signal) -> str:
    """What a signal measures: words for its kind, else its panel's title, else words for what
    its name speaks of, else the name."""
    match kind_of_series(signal.metric, signal.labels):
        case MetricKind.LATENCY:
            quantile = _QUANTILE.search(signal.metric)
            return f"response time ({quantile[0]})" if quantile else "response time"
        case MetricKind.ERRORS if any(name in signal.labels for name in ("code", "status")):
            return "failing requests"
    if signal.title != signal.metric:
        return signal.title
    for pattern, noun, _ in _RESOURCES:
        if re.search(pattern, signal.metric.lower()):
            return noun
    return " ".join(re.split(r"[_:]+", _SUFFIX.sub("", signal.metric))).strip()


def whose(signal: Signal) -> str:
    """What a signal measures, and of what."""
    component = component_of(signal.labels)
    return f"{measured(signal)} of {component}" if component else measured(signal)


def trouble_of(signals: Iterable[Signal]) -> str:
    """What these signals together mean for whoever uses it: "were slow or failing"."""
    kinds = {kind_of_series(signal.metric, signal.labels) for signal in signals}
    words = [
        word
        for kind, word in (
            (MetricKind.AVAILABILITY, "unavailable"),
            (MetricKind.LATENCY, "slow"),
            (MetricKind.CLIENT_LATENCY, "slow"),
            (MetricKind.ERRORS, "failing"),
        )
        if kind in kinds
    ]
    return " or ".join(dict.fromkeys(words))


def strain_of(signal: Signal) -> str | None:
    """What a resource signal means in plain words, where its name tells."""
    name = signal.metric.lower()
    return next((words for pattern, _, words in _RESOURCES if re.search(pattern, name)), None)


_RESOURCES = (
    (r"temp(?![a-z])|temperature|thermal", "temperature", "too hot"),
    (r"mem(?![b-np-z])|heap|(?<![a-z])rss|working_set|swap", "memory in use", "short of memory"),
    (r"cpu|(?<![a-z])load", "processor load", "short of processor time"),
    (r"rejected_connections", "refused connections", "refusing connections"),
    (r"connect|clients?(?![a-z])", "connections", "running out of connections"),
    (r"fds?(?![a-z])|file_?desc", "open files", "running out of open files"),
    (r"filesystem|disk|inode|volume", "disk space in use", "short of disk space"),
    (r"queue|lag|backlog|pending", "backlog", "falling behind"),
)
"""Of a metric's name: what it speaks of as a noun, and what is wrong when it is unusual."""
