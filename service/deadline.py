"""The time of one question: what each phase took, and what didn't come in time.

What fails or is late leaves a sentence for the reader, and the report is written from the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from ingest.encoders.base import EncoderError
from ingest.index import IndexFailure
from service.metrics.source import MetricsError
from service.reports.model import PhaseTiming

T = TypeVar("T")

_LEAST = 0.05
"""Seconds that a dependency gets even when the time is up: what is at hand still comes."""


class Deadline:
    """``missing`` is what the reader must be told, in words. ``began``: the moment of
    ``time.monotonic`` from which it counts, else now."""

    def __init__(
        self, total: timedelta, missing: Iterable[str] = (), began: float | None = None
    ) -> None:
        self.missing = list(missing)
        self.timings: list[PhaseTiming] = []
        self._seconds = total.total_seconds()
        self._end = (time.monotonic() if began is None else began) + self._seconds

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What happens inside is this phase of the report."""
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = (time.perf_counter() - start) * 1000
            self.timings.append(PhaseTiming(phase=name, milliseconds=round(elapsed, 1)))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside has a limit of its own and is not counted."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._end += time.monotonic() - began

    def left(self, share: float = 1.0) -> float:
        """Seconds: this share of what is left."""
        return max(_LEAST, share * (self._end - time.monotonic()))

    async def bounded(self, awaitable: Awaitable[T], what: str, share: float = 1.0) -> T | None:
        """The result, or None and a sentence in ``missing`` if it fails or is late.

        ``share``: of the time that is left, where something must stay for what comes after.
        """
        seconds = self.left(share)
        try:
            async with asyncio.timeout(seconds):
                return await awaitable
        except TimeoutError:
            self.missing.append(
                f"{what}: no answer within {seconds:.2g} s (the question's deadline is "
                f"{self._seconds:g} s)"
            )
        except (IndexFailure, EncoderError, MetricsError) as error:
            self.missing.append(f"{what}: {error}")
        return None
