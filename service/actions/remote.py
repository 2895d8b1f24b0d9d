"""What calls of Jira and PagerDuty share: a thread, a deadline, bounded waiting, careful words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ingest.redaction import without_known
from service.actions.errors import RemoteUnclear
from service.reports.untrusted import clean

T = TypeVar("T")

CALL_SECONDS = 10
"""For one HTTP call."""
DEADLINE_SECONDS = 30.0
"""For all calls and waits of one step together."""
ATTEMPTS = 3
_LONGEST_WAIT_SECONDS = 5.0
_LONGEST_REASON = 300
_READ_OF_A_REASON = 3_000


async def in_thread(product: str, call: Callable[[], T]) -> T:
    """The result of a blocking call. Raises: what it raises; RemoteUnclear after the deadline.

    The thread itself can't be stopped: its calls have timeouts of their own.
    """
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await asyncio.to_thread(call)
    except TimeoutError:
        raise RemoteUnclear(f"{product} did not answer within {DEADLINE_SECONDS:g} s") from None


def waiting(retry_after: str | None, attempt: int) -> float:
    """Seconds before the next attempt: what the service asks for, in bounds, else 1, 2, …"""
    asked = float(retry_after) if retry_after and retry_after.isdecimal() else float(attempt)
    return min(asked, _LONGEST_WAIT_SECONDS)


def said(reason: object, *secrets: str) -> str:
    """What the service says, as the end of a sentence: one short line without these secrets, or
    nothing."""
    text = without_known(str(reason or "")[:_READ_OF_A_REASON], secrets)
    words = " ".join(clean(text).split())
    return f": {words[:_LONGEST_REASON]}" if words else ""
