"""What every tool replies: data that fits a published schema, the same as text, and a bound.

A client shows its model the data, or the text where it reads no data, so both say the same. Both
together stay within ``MOST`` characters: what doesn't fit is left out from the end, and the reply
says how much that is and where the rest can be had. Text of documents is cleaned of links, images
and invisible characters, since whoever reads it here may act on it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from typing import Self, TypeVar

from pydantic import Field

from ingest.documents import Frozen
from service.reports.markdown import plain
from service.reports.untrusted import clean

MOST = 25_000
"""Characters of one reply, data and text together."""
_LONGEST = 2_000
"""Characters of one text in it."""


class Reply(Frozen, ABC):
    """A tool's reply."""

    note: str | None = Field(default=None, description="What was left out of this reply.")

    @property
    @abstractmethod
    def items(self) -> int:
        """How many there are of what can be left out."""

    @abstractmethod
    def shortened(self, items: int) -> Self:
        """The first so many of them."""

    @abstractmethod
    def as_text(self) -> str:
        """The same as Markdown."""


R = TypeVar("R", bound=Reply)


def fitting(reply: R, rest: str, most: int = MOST) -> R:
    """The reply, with its text at most so long. ``rest`` says where what is cut can be had."""
    total = reply.items
    if _size(reply) <= most:
        return reply

    def cut(items: int) -> R:
        note = f"Left out for length: {total - items} of {total} items. {rest}"
        return reply.shortened(items).model_copy(update={"note": note})

    # The first number of items that is too many, less one.
    return cut(max(0, bisect_right(range(total), most, key=lambda items: _size(cut(items))) - 1))


def _size(reply: Reply) -> int:
    return len(reply.as_text()) + len(reply.model_dump_json())


def short(text: str, most: int = _LONGEST) -> str:
    """Cleaned text on one line, at most so long."""
    return _cut(" ".join(clean(text).split()), most)


def short_lines(text: str) -> str:
    """Cleaned text in its lines, at most as long as any."""
    return _cut(clean(text).strip(), _LONGEST)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def clock(moment: datetime) -> str:
    """A moment as people write it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def unseen(lines: Iterable[str], dropped: int) -> tuple[str, ...]:
    """What could not be seen, and how many sentences did not check out."""
    wrong = f"{dropped} sentence(s) were removed: their citations did not check out"
    return (*map(short, lines), *((wrong,) if dropped else ()))


def tail(not_seen: Iterable[str], note: str | None) -> list[str]:
    """The lines at the end of a text: what could not be seen, and what was left out."""
    unseen = [f"- {plain(line)}" for line in not_seen]
    lines = ["", "## Could not be seen", *unseen] if unseen else []
    return [*lines, "", note] if note else lines
