"""What can go wrong with Slack, as one tree::

    SlackFailure
     ├── SlackUnreached     there was no connection: nothing was done
     ├── SlackUnavailable   no answer, or one that is none: it may have been done
     ├── NotForThem         an answer was about to be posted where it may not be read
     └── SlackRefused       Slack said no; ``reason`` is its word for why, ``method`` what was asked

Messages name the method and Slack's reason, never an address, a token or what was sent.
"""

from __future__ import annotations


class SlackFailure(Exception):
    """Root of what can go wrong with Slack; the message is for the reader."""


class SlackUnreached(SlackFailure):
    """There was no connection to Slack: nothing was done."""


class SlackUnavailable(SlackFailure):
    """Slack did not answer, or with something that is no answer of its API: it may have done it."""


class NotForThem(SlackFailure):
    """An answer may not be read by everybody who reads the channel that it was meant for."""


class SlackRefused(SlackFailure):
    """Slack refused a call."""

    def __init__(self, method: str, reason: str, needed: str | None = None) -> None:
        what = f": the app lacks the scope {needed}" if needed else ""
        super().__init__(f"Slack refused {method}: {reason}{what}")
        self.method = method
        self.reason = reason
