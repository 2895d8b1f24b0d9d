"""What comes back for a question that wants a chart."""

from __future__ import annotations

from datetime import timedelta

from ingest.documents import Frozen
from service.llm.budget import Call
from service.metrics.signals import Sample
from service.metrics.source import Window
from service.queries.candidates import Origin


class Considered(Frozen):
    """A query that was not chosen; ``refused`` says why it may not be asked, or had no samples."""

    query: str
    title: str
    origin: Origin
    document_id: str | None
    url: str | None
    refused: str | None = None


class ChartSeries(Frozen):
    """One line of the chart."""

    labels: dict[str, str]
    points: tuple[Sample, ...]


class QueryAnswer(Frozen):
    """The query, where it comes from and its chart; or, without a query, why there is none.

    ``document_id``, ``document`` and ``url``: the panel or rule that holds it. ``assumed``: what
    was changed or taken for granted, in words. ``unmet``: what of the question it doesn't answer.
    ``series`` are the highest of ``series_found``. ``link``: where a person sees it drawn.
    """

    question: str
    query: str | None
    title: str | None = None
    unit: str | None = None
    origin: Origin | None = None
    document_id: str | None = None
    document: str | None = None
    url: str | None = None
    assumed: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    window: Window
    window_reason: str
    step: timedelta
    series: tuple[ChartSeries, ...] = ()
    series_found: int = 0
    asked: bool = False
    """Whether the metrics were asked; else nobody knows whether there are samples."""
    link: str | None = None
    considered: tuple[Considered, ...] = ()
    reason: str | None = None
    """Why there is no query, or no sample."""
    nearest: tuple[str, ...] = ()
    """Names of metrics that come nearest, where there is no query."""
    missing: tuple[str, ...] = ()
    """What could not be seen, in words."""
    calls: tuple[Call, ...] = ()
