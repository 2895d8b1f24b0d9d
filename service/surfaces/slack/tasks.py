"""What Slack asked for, as it waits in the queue.

The listener only writes one of these down and says yes: everything else is done by a job, so that
the answer to Slack is quick, a restart loses nothing, and what Slack sends again is not done
again. Nothing here is a secret in clear: a ``response_url`` is sealed.
"""

from __future__ import annotations

from ingest.documents import Frozen
from ingest.redaction import Redacted
from service.surfaces.slack.buttons import Press

ASK = "slack.ask"
PRESS = "slack.press"


class Ask(Frozen):
    """A question. ``command``: by ``/why``, whose answer begins for the asker alone.

    ``thread``: where it is answered, None to begin one. ``message``: the message that asked.
    ``after``: id of the report that it goes on from, where that is known. ``sealed``: the
    ``response_url``.
    """

    text: Redacted
    user: str
    channel: str
    command: bool = False
    thread: str | None = None
    message: str | None = None
    after: str | None = None
    sealed: str | None = None


class Pressing(Frozen):
    """A button that somebody pressed, or the form behind it. ``target``: the id of a report or a
    proposal; ``rest``: what else the button knew. ``thread``: of the message with the button, None
    where only ``user`` sees that message."""

    press: Press
    target: str
    rest: str = ""
    user: str
    channel: str
    thread: str | None = None
    sealed: str | None = None


class FormData(Frozen):
    """What a form was opened from; it comes back with what was filled in."""

    report_id: str
    channel: str
    thread: str | None = None
