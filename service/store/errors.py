"""What can go wrong with what Why keeps, as one tree::

    StoreError
     ├── StoreUnavailable   the database can't be opened or reached, is locked, or its disk is full
     ├── StoreTooNew        a newer version of Why wrote it
     ├── NotFound           there is no such thing, or it isn't for this reader
     ├── Conflict           it is there already, or no longer in the state that this step needs
     ├── LeaseLost          a job ran past its lease, and is somebody else's now
     └── BadCursor          a cursor that no page gave

Messages name the database without its password, and never a statement's values.
"""

from __future__ import annotations


class StoreError(Exception):
    """Root of what can go wrong with the database; the message is for the reader."""


class StoreUnavailable(StoreError):
    """The database can't be opened or reached; the message names it and the setting."""


class StoreTooNew(StoreError):
    """The database belongs to a newer version of Why, and this one would damage it."""


class NotFound(StoreError):
    """There is no such thing, or it isn't for this reader: both look the same."""


class Conflict(StoreError):
    """It is there already, or no longer in the state that this step needs."""


class LeaseLost(StoreError):
    """The job's lease ran out, and it is somebody else's (or nobody's) now."""


class BadCursor(StoreError):
    """The cursor is none that a page gave."""
