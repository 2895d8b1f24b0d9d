"""No regular expression of ours takes more than linear time, whatever it is put to.

Documents, questions, metrics' labels and models' answers all meet regular expressions, and Python's
engine backtracks. Texts that repeat one small piece are what makes a pattern backtrack (Davis et
al. 2018, "The Impact of Regular Expression Denial of Service in Practice"); pieces are taken from
the pattern itself and from what markup is made of.
"""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from tests.security.patterns import Use, apply, uses

SHORT, SUSPICIOUS = 3_000, 0.012
"""Characters, and seconds of CPU: what takes longer is looked at again …"""
LONG, TOO_LONG = 20_000, 0.5
"""… at this length, where a quadratic pattern takes forty times as long."""
PIECES = (
    *("a", "1", " ", "\n", "-", "*", "_", "(", "[", "{", "<", '"', "`", "|", ":", "=", ".", "\\"),
    *("a ", "a.", "a-", "1:", "1 ", "a=", "a@", "[a](", " \n", "://"),
)


class _Over(Exception):
    """The time is over."""


def stop(signum: int, frame: FrameType | None) -> None:
    raise _Over


@contextmanager
def virtual_alarm() -> Iterator[None]:
    """Alarms by this process' own time: other processes on the machine don't matter."""
    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def takes_longer(use: Use, text: str, seconds: float) -> bool:
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        apply(use, text)
    except _Over:
        return True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return False


def of_length(piece: str, length: int) -> str:
    """A piece many times, and an end that matches nothing."""
    return piece * (length // len(piece)) + "\0!"


def slow_piece(use: Use) -> str | None:
    """A piece whose repetitions take more than linear time."""
    own = re.findall(r"[A-Za-z_]{2,}|[^\w\s\\]", use.pattern.pattern)
    for piece in dict.fromkeys([*PIECES, *own[:16]]):
        if takes_longer(use, of_length(piece, SHORT), SUSPICIOUS) and takes_longer(
            use, of_length(piece, LONG), TOO_LONG
        ):
            return piece
    return None


@pytest.mark.slow
def test_every_pattern_takes_linear_time() -> None:
    with virtual_alarm():
        slow = [(use.place, use.method, piece) for use in uses() if (piece := slow_piece(use))]
    assert slow == []


def test_a_pattern_that_backtracks_is_found() -> None:
    with virtual_alarm():
        assert slow_piece(Use("here", re.compile(r"\s*x$"), "search")) is not None
        assert slow_piece(Use("here", re.compile(r"(?<!\s)\s*x$"), "search")) is None
