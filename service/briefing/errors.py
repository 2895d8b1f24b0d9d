"""What can go wrong with a briefing::

BriefingError            the root; the message says which setting, and what to do
 ├── NoSuchNight         the night asked for has not begun, or the zone is unknown
 ├── CannotDraw          a format needs a library that is not on this machine
 ├── NotDelivered        a mail server or Slack certainly did not take it: it can be tried again
 └── MaybeDelivered      the connection broke while it was handed over: it must not be
"""


class BriefingError(Exception):
    """Root of what can go wrong with a briefing."""


class NoSuchNight(BriefingError):
    """There is no such night, or not yet."""


class CannotDraw(BriefingError):
    """A format needs a library that is not on this machine."""


class NotDelivered(BriefingError):
    """A mail server or Slack certainly did not take the briefing."""


class MaybeDelivered(BriefingError):
    """Nobody knows whether the briefing arrived."""
