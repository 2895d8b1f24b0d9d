"""What a metrics source has: names, types and units of metrics, and the values of its labels.

Kept for a while, in memory and on disk, so that not every question crawls Grafana. A catalog holds
what the source says, and the name that a reader knows it by: no token, no password.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from ingest.documents import Frozen, UtcTime
from service.metrics.labels import COMPONENT_LABELS, REGION_LABELS
from service.metrics.source import MetricMetadata, MetricsError, MetricsSource, Window

TTL = timedelta(minutes=10)
MOST_NAMES = 20_000
"""Names of metrics that are kept."""
MOST_VALUES = 5_000
"""Values of a label that are kept."""
LONGEST_HELP = 200
CONCURRENCY = 8

_NAME = "__name__"
_PARTS = ("_total", "_created", "_bucket", "_gcount", "_gsum", "_count", "_sum", "_info")
"""What OpenMetrics appends to the name of a family."""
_UNITS = {
    "seconds": "s",
    "milliseconds": "ms",
    "bytes": "bytes",
    "ratio": "percentunit",
    "percent": "percent",
    "celsius": "celsius",
}
"""Units of OpenMetrics as Grafana names them."""


class Reading(StrEnum):
    """How a metric is looked at: its values, their rate, or not by itself."""

    VALUE = "value"
    RATE = "rate"
    NONE = "none"


class Catalog(Frozen):
    """What one metrics source has in ``window``, as it said at ``fetched_at``.

    ``labels``: the values of the labels that name components and regions. ``of_component``: the
    names of the metrics of those components that were asked about. ``missing`` says in words
    what could not be had.
    """

    source: str
    window: Window
    fetched_at: UtcTime
    names: tuple[str, ...]
    metadata: dict[str, MetricMetadata] = Field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    of_component: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def covers(self, window: Window) -> bool:
        return self.window.start <= window.start and window.end <= self.window.end

    @cached_property
    def components(self) -> tuple[str, ...]:
        """Everything that a label names as a component, sorted."""
        return self._values(COMPONENT_LABELS)

    @cached_property
    def regions(self) -> tuple[str, ...]:
        return self._values(REGION_LABELS)

    def reading(self, name: str) -> Reading:
        """How to look at a metric: by what is stated about it, else by its name.

        The buckets and the sum of a histogram or summary say nothing by themselves; its count is
        the rate of what it measures.
        """
        stated = self.metadata.get(name, MetricMetadata()).type
        match stated:
            case "counter":
                return Reading.RATE
            case "gauge" | "summary" | "info" | "stateset":
                return Reading.VALUE
            case "histogram" | "gaugehistogram":
                return Reading.NONE  # a native one: no number, but a distribution
        family, part = _family(name)
        match self.metadata.get(family, MetricMetadata()).type, part:
            case "histogram" | "summary", "_count":
                return Reading.RATE
            case "histogram" | "summary" | "gaugehistogram", "_bucket" | "_sum" | "_gsum":
                return Reading.NONE
            case _, "_bucket" | "_created":
                return Reading.NONE
            case _, "_total":
                return Reading.RATE
            case _, "_count" if self._has(f"{family}_bucket", f"{family}_sum"):
                return Reading.RATE
            case _, "_sum" if self._has(f"{family}_count"):
                return Reading.NONE
        return Reading.VALUE

    def unit(self, name: str) -> str | None:
        """The unit of a metric's values as Grafana names it, where one is stated."""
        stated = self.metadata.get(name) or self.metadata.get(_family(name)[0])
        return None if stated is None else _UNITS.get(stated.unit)

    def _values(self, labels: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({value for label in labels for value in self.labels.get(label, ())}))

    def _has(self, *names: str) -> bool:
        return any(name in self._all_names for name in names)

    @cached_property
    def _all_names(self) -> frozenset[str]:
        return frozenset(self.names)


def _family(name: str) -> tuple[str, str]:
    """The name of a metric's family, and what is appended to it."""
    part = next((part for part in _PARTS if name.endswith(part)), "")
    return name.removesuffix(part), part


async def fetch_catalog(source: MetricsSource, window: Window, now: datetime) -> Catalog:
    """Asks the source. Without names there is no catalog, what else fails is ``missing``.

    Raises: MetricsError.
    """
    names = await source.label_values(_NAME, window)
    missing: list[str] = []
    if len(names) > MOST_NAMES:
        missing.append(f"only the first {MOST_NAMES:,} of {len(names):,} metrics were considered")
    gate = asyncio.Semaphore(CONCURRENCY)
    labels: dict[str, tuple[str, ...]] = {}
    failures: dict[str, MetricsError] = {}

    async def read(label: str) -> None:
        async with gate:
            try:
                labels[label] = tuple((await source.label_values(label, window))[:MOST_VALUES])
            except MetricsError as error:
                failures[label] = error

    async def stated() -> dict[str, MetricMetadata]:
        try:
            return await source.metadata()
        except MetricsError as error:
            missing.append(f"types and units of metrics: {error}")
            return {}

    reading = asyncio.gather(*(read(label) for label in (*COMPONENT_LABELS, *REGION_LABELS)))
    metadata, _ = await asyncio.gather(stated(), reading)
    if failures:
        missing.append(f"values of {', '.join(sorted(failures))}: {next(iter(failures.values()))}")
    return Catalog(
        source=source.name,
        window=window,
        fetched_at=now,
        names=tuple(names[:MOST_NAMES]),
        metadata={
            name: one.model_copy(update={"help": one.help[:LONGEST_HELP]})
            for name, one in metadata.items()
        },
        labels=labels,
        missing=tuple(missing),
    )


class Served(NamedTuple):
    """A catalog as a question gets it. ``asked``: the source answered just now. ``stale``: what
    to tell a reader, if it is older than it should be."""

    catalog: Catalog
    asked: bool
    stale: str | None


class CatalogCache:
    """Catalogs of metrics sources, none asked for again before it is older than ``ttl``.

    In memory, and in files of ``directory`` if that is given, one for each source's name and
    ``key`` (what else tells one source from another). A file that can't be read is as good as
    none. ``clock`` tells the time.
    """

    def __init__(
        self,
        *,
        ttl: timedelta = TTL,
        directory: Path | None = None,
        key: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ttl = ttl
        self._directory = directory
        self._key = key
        self._clock = clock
        self._known: dict[str, Catalog] = {}
        self._asking = asyncio.Lock()

    async def of(self, source: MetricsSource, window: Window) -> Served:
        """The source's catalog for a window: a known one, a new one, or an old one if there is
        no new one to be had.

        Raises: MetricsError.
        """
        async with self._asking:
            now = self._clock()
            known = self._known.get(source.name) or await self._read(source.name)
            if known is not None:
                self._known[source.name] = known
                if known.covers(window) and now - known.fetched_at <= self._ttl:
                    return Served(known, asked=False, stale=None)
            try:
                fetched = await fetch_catalog(source, _whole_days(window), now)
            except MetricsError as error:
                if known is None:
                    raise
                age = _in_words(now - known.fetched_at)
                return Served(
                    known, asked=False, stale=f"the list of metrics is {age} old: {error}"
                )
            await self._keep(fetched)
            return Served(fetched, asked=True, stale=None)

    async def with_components(
        self, source: MetricsSource, catalog: Catalog, components: Sequence[str]
    ) -> Catalog:
        """The catalog with the names of these components' metrics, as far as they can be had:
        they only say what to look at first."""
        async with self._asking:
            catalog = self._known.get(source.name, catalog)
            unknown = [one for one in components if one not in catalog.of_component]
            if not unknown:
                return catalog
            try:
                found = await asyncio.gather(*(_names_of(source, catalog, one) for one in unknown))
            except MetricsError:
                return catalog
            of_component = catalog.of_component | dict(zip(unknown, found, strict=True))
            catalog = catalog.model_copy(update={"of_component": of_component})
            await self._keep(catalog)
            return catalog

    async def _keep(self, catalog: Catalog) -> None:
        self._known[catalog.source] = catalog
        if self._directory is not None:
            # Without a file the next process asks again: slower, and nothing else.
            with contextlib.suppress(OSError):
                await asyncio.to_thread(_write, self._file(catalog.source), catalog)

    async def _read(self, name: str) -> Catalog | None:
        if self._directory is None:
            return None
        try:
            text = await asyncio.to_thread(self._file(name).read_text, "utf-8")
            catalog = Catalog.model_validate_json(text)
        except (OSError, ValueError):
            return None
        return catalog if catalog.source == name else None

    def _file(self, name: str) -> Path:
        place = hashlib.blake2b(f"{name}\n{self._key}".encode(), digest_size=12).hexdigest()
        return Path(self._directory or "") / f"{place}.json"


async def _names_of(source: MetricsSource, catalog: Catalog, component: str) -> tuple[str, ...]:
    labels = [label for label in COMPONENT_LABELS if component in catalog.labels.get(label, ())]
    value = json.dumps(component, ensure_ascii=False)
    names = [
        await source.label_values(_NAME, catalog.window, f"{{{label}={value}}}") for label in labels
    ]
    return tuple(sorted({name for found in names for name in found}))


def _whole_days(window: Window) -> Window:
    """The days (UTC) that a window touches: the next question is about the same ones."""
    day = timedelta(days=1)
    start, end = (
        moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for moment in (window.start, window.end)
    )
    return Window(start=start, end=end + day)


def _write(file: Path, catalog: Catalog) -> None:
    """Atomically, and for its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    prepared = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(catalog.model_dump_json())
        prepared.replace(file)
    finally:
        prepared.unlink(missing_ok=True)


def _in_words(age: timedelta) -> str:
    minutes = round(age.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
