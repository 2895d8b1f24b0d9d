"""What a question asks of a query: its subject, and how it is to be counted, cut and grouped.

Subject words are compared as stems, with a few spellings of the trade taken as one ("utilisation"
and "usage", "tx" and "transmitted"): metrics are named by one person and asked for by another.
"""

from __future__ import annotations

import re
from enum import StrEnum

from ingest.documents import Frozen
from service.time_phrases import without_times

_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SAME = (
    "usage use utilisation utilization util consumption consumed",
    "receive received rx inbound incoming ingress",
    "transmit transmitted tx sent send outbound outgoing egress",
    "fail failed failing failure failures error errors errored",
    "memory mem ram",
    "duration latency latencies durations elapsed",
    "percent percentage ratio share fraction",
    "available avail",
    "filesystem fs",
    "disk disks",
    "byte bytes bandwidth throughput",
    "request requests req reqs calls",
    "drop dropped drops",
    "restart restarts restarted",
    "connection connections conn conns",
    "temperature temp",
    "process processes processed",
    "io iops",
    "write writes written",
    "node nodes machine machines host hosts",
    "job jobs",
    "max maximum peak highest",
    "average avg mean",
)
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "chart",
        "charts",
        "current",
        "currently",
        "did",
        "do",
        "does",
        "draw",
        "each",
        "for",
        "from",
        "give",
        "graph",
        "graphs",
        "had",
        "has",
        "have",
        "how",
        "i",
        "in",
        "is",
        "it",
        "its",
        "last",
        "many",
        "me",
        "much",
        "my",
        "now",
        "of",
        "on",
        "or",
        "our",
        "over",
        "per",
        "plot",
        "please",
        "see",
        "show",
        "since",
        "that",
        "the",
        "their",
        "there",
        "these",
        "this",
        "to",
        "until",
        "us",
        "used",
        "versus",
        "vs",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "with",
        "you",
        "your",
        "by",
        "across",
        "between",
    ]
)
_ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("s", ""))


def _stem(word: str) -> str:
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    return word.removesuffix("e") if len(word) > 4 else word


_ONE = {_stem(word): _stem(group.split()[0]) for group in _SAME for word in group.split()}


def words(text: str) -> frozenset[str]:
    """The subject words of a text, each as one stem; names in snake_case and CamelCase in parts."""
    pieces = (piece.lower() for piece in _PIECE.findall(text))
    stems = (_stem(piece) for piece in pieces if piece not in _STOP)
    return frozenset(_ONE.get(stem, stem) for stem in stems)


class Count(StrEnum):
    """How a question wants series to be put together."""

    SUM = "sum"
    AVERAGE = "avg"
    MOST = "max"
    LEAST = "min"


class Wish(Frozen):
    """What a question asks for. ``subject``: stems of what is to be seen.

    ``by``: the words that say what to group by, as they were written. ``quantile``: 0..1.
    ``top``: of a "top 5". ``per``: seconds that a rate is counted over ("per minute"), or None.
    ``rate``: whether a rate was asked for.
    """

    subject: frozenset[str]
    by: tuple[str, ...] = ()
    quantile: float | None = None
    top: int | None = None
    per: int | None = None
    rate: bool = False
    count: Count | None = None


_SPANS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86400}
_PER = re.compile(rf"\b(?:per|an?|each|every)\s+({'|'.join(_SPANS)})\b", re.I)
_PERCENTILE = re.compile(r"\bp(\d{2,3}(?:\.\d+)?)\b|\b(\d{1,2}(?:\.\d+)?)(?:st|nd|rd|th)?[\s-]*"
                         r"(?:percentile|quantile|pctl)\b", re.I)  # fmt: skip
_QUANTILE = re.compile(r"\b(0?\.\d+)[\s-]*quantile\b", re.I)
_MEDIAN = re.compile(r"\bmedian\b", re.I)
_TOP = re.compile(r"\btop[\s-]*(\d{1,3})\b", re.I)
_RATE = re.compile(r"\brates?\b|\bper second\b|/s(?:ec)?\b", re.I)
_COUNTS = (
    (Count.AVERAGE, re.compile(r"\b(?:average|avg|mean)\b", re.I)),
    (Count.MOST, re.compile(r"\b(?:max(?:imum)?|highest|peak|worst)\b", re.I)),
    (Count.LEAST, re.compile(r"\b(?:min(?:imum)?|lowest)\b", re.I)),
    (Count.SUM, re.compile(r"\b(?:sum|total)\b", re.I)),
)
_LABEL = r"[A-Za-z][\w-]*"
_BY = re.compile(
    rf"\b(?:by|per|for (?:each|every)|in each|of each|across)\s+(?:the\s+|each\s+)?"
    rf"(?P<labels>{_LABEL}(?:\s*(?:,|/|&|\band\b)\s*(?:by\s+|per\s+)?{_LABEL})*)",
    re.I,
)
_BETWEEN = re.compile(r"(?<!\s)\s*(?:,|/|&|\band\b)\s*(?:by\s+|per\s+)?", re.I)


def wish_of(question: str) -> Wish:
    """What a question asks for, whenever that is."""
    text = without_times(question)
    top = _TOP.search(text)
    per = _PER.search(text)
    subject = _PER.sub(" ", _TOP.sub(" ", text))
    quantile = _quantile_in(subject)
    subject = _PERCENTILE.sub(" ", _QUANTILE.sub(" ", subject))
    by = [
        label
        for found in _BY.finditer(subject)
        for label in _BETWEEN.split(found["labels"])
        if label.lower() not in _STOP
    ]
    return Wish(
        subject=words(subject),
        by=tuple(dict.fromkeys(by)),
        quantile=quantile,
        top=int(top[1]) if top else None,
        per=_SPANS[per[1].lower()] if per else None,
        rate=per is not None or _RATE.search(text) is not None,
        count=next((count for count, found in _COUNTS if found.search(subject)), None),
    )


def _quantile_in(text: str) -> float | None:
    if found := _QUANTILE.search(text):
        return float(found[1])
    if found := _PERCENTILE.search(text):
        digits = found[1] or found[2]
        # p999 is 99.9 %
        percent = (
            float(digits)
            if "." in digits or len(digits) < 3
            else float(f"{digits[:2]}.{digits[2:]}")
        )
        return round(percent / 100, 6) if digits != "100" else 1.0
    return 0.5 if _MEDIAN.search(text) else None
