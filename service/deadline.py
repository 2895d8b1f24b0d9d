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
    """Counts from when it is made. ``missing`` is what the reader must be told, in words."""

    def __init__(self, total: timedelta, missing: Iterable[str] = ()) -> None:
        self.missing = list(missing)
        self.timings: list[PhaseTiming] = []
        self._seconds = total.total_seconds()
        self._end = time.monotonic() + self._seconds

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

    async def bounded(self, awaitable: Awaitable[T], what: str) -> T | None:
        """The result, or None and a sentence in ``missing`` if it fails or is late."""
        try:
            async with asyncio.timeout(max(_LEAST, self._end - time.monotonic())):
                return await awaitable
        except TimeoutError:
            self.missing.append(f"{what}: no answer within the deadline of {self._seconds:g} s")
        except (IndexFailure, EncoderError, MetricsError) as error:
            self.missing.append(f"{what}: {error}")
        return None
