"""One request to the server: what its failures mean, and trying again until a deadline.

Messages say what kind of failure it was, never what the server wrote: that may quote the prompt
or the key.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

import httpx2
import openai
import stamina

from service.llm.base import LlmTimeout, LlmUnavailable
from service.llm.budget import Budget
from service.llm.dialect import Refusal

R = TypeVar("R")

ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 10.0
JITTER_SECONDS = 0.25

_LATER = (408, 425, 429)
_NOT_IMPLEMENTED = 501


class RefusedError(Exception):
    """The server says no, and would say no again."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


class _LaterError(Exception):
    """The same request may work later; ``after`` that many seconds, if the server says."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Clock:
    """How long a call may take: ``timeout`` seconds, or less if its question has less left."""

    def __init__(self, timeout: float, budget: Budget) -> None:
        left = budget.seconds_left
        self._seconds = min(timeout, left)
        self._why = "WHY_LLM_TIMEOUT" if timeout <= left else "all that the question had left"
        self._ends = time.monotonic() + self._seconds

    def __str__(self) -> str:
        return f"{self._seconds:.3g} s ({self._why})"

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._ends - time.monotonic())


async def retried(attempt: Callable[[], Awaitable[R]], clock: Clock, who: str) -> R:
    """What an attempt gives, in time; ``who`` begins the errors.

    Raises: LlmUnavailable, LlmTimeout, RefusedError.
    """
    later: _LaterError | None = None
    seconds = clock.seconds_left
    try:
        async with asyncio.timeout(seconds):
            async for retry in stamina.retry_context(
                on=partial(_backoff, clock),
                attempts=ATTEMPTS,
                timeout=seconds,
                wait_initial=FIRST_WAIT_SECONDS,
                wait_max=LONGEST_WAIT_SECONDS,
                wait_jitter=JITTER_SECONDS,
            ):
                with retry:
                    try:
                        return await attempt()
                    except _LaterError as error:
                        later = error
                        raise
    except TimeoutError:
        if later is None:
            raise LlmTimeout(f"{who} did not answer within {clock}") from None
    except _LaterError as error:
        later = error
    raise LlmUnavailable(f"{who} is not available: {later}") from None


@contextmanager
def understood(*, structured: bool) -> Iterator[None]:
    """Turns the client's errors into ours; ``structured``: a form of the answer was asked for.

    Raises: RefusedError, LlmUnavailable, and what ``retried`` tries again.
    """
    # `from None` everywhere: the client's errors carry the request and the server's words.
    try:
        yield
    except openai.APIStatusError as error:
        status = error.status_code
        refusal = Refusal.of(status, error.body)
        told = structured and refusal.about_output
        later = status in _LATER or (status >= 500 and status != _NOT_IMPLEMENTED and not told)
        if later and not refusal.no_credit:
            raise _LaterError(f"HTTP {status}", retry_after(error.response.headers)) from None
        raise RefusedError(refusal) from None
    except openai.APIConnectionError as error:
        cause = type(error.__cause__ or error).__name__
        raise _LaterError(f"no connection ({cause})") from None
    except httpx2.HTTPError as error:
        # The client leaves these as they are while a body is read.
        raise _LaterError(f"the answer broke off ({type(error).__name__})") from None
    except openai.OpenAIError as error:
        raise LlmUnavailable(f"the answer could not be read ({type(error).__name__})") from None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, in any of the three ways that are in use."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _backoff(clock: Clock, error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds if the server says so."""
    if not isinstance(error, _LaterError):
        return False
    if error.after is None:
        return True
    return error.after if error.after < clock.seconds_left else False
