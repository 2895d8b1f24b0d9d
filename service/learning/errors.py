"""What can go wrong with what people add and say, as one tree::

LearningError
 ├── Refused        what was given can't be kept; ``field`` says which part of it
 └── NoSuchCause    the answer has no such cause to confirm or to reject
"""

from __future__ import annotations


class LearningError(Exception):
    """Root; the message is for the reader."""


class Refused(LearningError):
    """What was given can't be kept. ``field``: the part that is wrong; ``reason``: why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class NoSuchCause(LearningError):
    """The answer has no such cause."""
