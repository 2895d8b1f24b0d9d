"""What can go wrong between a report and an issue or incident, as one tree::

    ActionError
     ├── NotConfigured      a setting is missing; the message names it
     ├── NothingToPropose   this answer can't become such a thing
     ├── NotWaiting         somebody decided already, or it is being carried out right now
     └── RemoteError        Jira or PagerDuty
          ├── RemoteRefused    it said no: nothing was created
          └── RemoteUnclear    no clear answer: it may have been created

Messages hold no token and no text that could hold one.
"""

from __future__ import annotations


class ActionError(Exception):
    """Root of what can go wrong with proposals; the message is for the reader."""


class NotConfigured(ActionError):
    """A setting is missing; the message names it."""


class NothingToPropose(ActionError):
    """This answer can't become such a thing."""


class NotWaiting(ActionError):
    """The proposal was decided already, or is being carried out right now."""


class RemoteError(ActionError):
    """Jira or PagerDuty did not do it."""


class RemoteRefused(RemoteError):
    """The service understood and said no: nothing was created."""


class RemoteUnclear(RemoteError):
    """There was no clear answer: the service may have created it."""
