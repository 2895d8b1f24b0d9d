"""No regular expression of ours takes more than linear time, whatever it is put to.

Documents, questions, metrics' labels and models' answers all meet regular expressions, and Python's
engine backtracks. Texts that repeat one small piece are what makes a pattern backtrack (Davis et
al. 2018, "The Impact of Regular Expression Denial of Service in Practice"); the pieces are taken
from what each pattern itself repeats, and from what markup is made of. What takes suspiciously long
is timed at two lengths: four times the text takes a linear pattern four times as long, a quadratic
one sixteen times.
"""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from tests.security.patterns import Use, apply, pumps, uses

SHORT, SUSPICIOUS = 4_000, 0.0004
"""Characters, and seconds of CPU: a linear pattern looks at a character for 0.1 µs at most …"""
LENGTH, LONGER = 8_000, 32_000
"""… and what takes longer is timed at these lengths."""
TOO_LONG = 0.5
"""Seconds of CPU: 15 µs for each character is more than linear."""
GROWTH = 8.0
"""Between 4 and 16."""
PIECES = (
    *("a", "1", " ", "\n", "-", "*", "_", "(", "[", "{", "<", '"', "`", "|", ":", "=", ".", "\\"),
    *("a ", "a.", "a-", "1:", "1 ", "a=", "a@", "[a](", " \n", "://"),
)


class _Over(Exception):
    """The time is over."""


class Clock:
    """This process' own time, whatever else the machine does, and an end to it."""

    def __init__(self) -> None:
        self._running = False

    def alarm(self, signum: int, frame: FrameType | None) -> None:
        if self._running:  # else it comes too late to stop anything
            raise _Over

    def time(self, use: Use, text: str) -> float:
        """Seconds that the pattern takes, ``TOO_LONG`` at most."""
        try:
            self._running = True
            signal.setitimer(signal.ITIMER_VIRTUAL, TOO_LONG)
            began = time.thread_time()
            apply(use, text)
            took = time.thread_time() - began
            self._running = False
        except _Over:
            return TOO_LONG
        finally:
            self._running = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return took


@contextmanager
def clock() -> Iterator[Clock]:
    found = Clock()
    before = signal.signal(signal.SIGVTALRM, found.alarm)
    try:
        yield found
    finally:
        signal.signal(signal.SIGVTALRM, before)


def text_of(before: str, piece: str, length: int) -> str:
    """A piece many times, and an end that matches nothing."""
    return before + piece * max(1, (length - len(before)) // len(piece)) + "\0!"


def grows_faster(clock: Clock, use: Use, before: str, piece: str) -> bool:
    if clock.time(use, text_of(before, piece, SHORT)) < SUSPICIOUS:
        return False
    short, long = text_of(before, piece, LENGTH), text_of(before, piece, LONGER)
    once = TOO_LONG
    for _ in range(2):  # the least of several: what disturbs a measurement only adds to it
        once = min(once, clock.time(use, short))
        if clock.time(use, long) < min(GROWTH * once, TOO_LONG):
            return False
    return True


def slow_piece(clock: Clock, use: Use) -> str | None:
    """A text whose repetitions take more than linear time."""
    own = pumps(use.pattern)
    again = [("", text) for before, piece in own for text in (before + piece, f"{before} ")]
    for before, piece in dict.fromkeys([*(("", piece) for piece in PIECES), *own, *again]):
        if grows_faster(clock, use, before, piece):
            return before + piece
    return None


@pytest.mark.slow
def test_every_pattern_takes_linear_time() -> None:
    with clock() as running:
        slow = [
            (use.place, use.method, piece)
            for use in uses()
            if (piece := slow_piece(running, use)) is not None
        ]
    assert slow == []


@pytest.mark.parametrize(
    ("pattern", "linear"),
    [
        (r"\s*x$", False),
        (r"(?<!\s)\s*x$", True),
        (r"(a|b|ab)*c", False),
        (r"<!--.*?-->", False),  # only where what it begins with comes again and again
        (r"key: *\w* *;", False),  # only behind what it begins with
    ],
)
def test_a_pattern_that_backtracks_is_found(pattern: str, linear: bool) -> None:
    with clock() as running:
        piece = slow_piece(running, Use("here", re.compile(pattern), "search"))
    assert (piece is None) == linear
