"""What the metrics show, as tools reply it: changes in them, and the values of a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import Field

from ingest.documents import Frozen, UtcTime
from service.events import SeenSignal, SignalsSeen
from service.queries.answer import QueryAnswer
from service.queries.drawing import label_text
from service.reports.markdown import plain
from service.reports.model import MetricCitation, Report
from service.reports.numbers import format_value
from service.surfaces.mcp.reply import Reply, clock, short, tail, unseen

_POINTS = 24
_SAMPLES = 8
_LINES = 20
"""Series of a chart, and signals, alerts and changes each."""


class ReadSample(Frozen):
    """A value at a moment."""

    at: UtcTime
    value: float


class ReadSeries(Frozen):
    """Samples of one series of a query."""

    title: str
    query: str
    labels: dict[str, str]
    unit: str | None
    samples: tuple[ReadSample, ...]
    url: str | None


class ReadAlert(Frozen):
    """An alert that fired; it still does where ``ended`` is null."""

    name: str
    labels: dict[str, str]
    started: UtcTime
    ended: UtcTime | None


class ReadChange(Frozen):
    """A deployment or annotation."""

    at: UtcTime
    text: str
    tags: tuple[str, ...]
    url: str | None


class SignalsReply(Reply):
    """What the metrics show. ``reached`` is false where nobody could ask them."""

    reached: bool
    start: UtcTime
    end: UtcTime
    signals: tuple[SeenSignal, ...]
    series: tuple[ReadSeries, ...]
    alerts: tuple[ReadAlert, ...]
    changes: tuple[ReadChange, ...]
    not_seen: tuple[str, ...]

    @property
    def items(self) -> int:
        return len(self.series) + len(self.signals)

    def shortened(self, items: int) -> Self:
        signals = self.signals[:items]
        series = self.series[: items - len(signals)]
        return self.model_copy(update={"signals": signals, "series": series})

    def as_text(self) -> str:
        lines = [f"{clock(self.start)} – {clock(self.end)}"]
        if not self.reached:
            lines.append("The metrics could not be asked: this says nothing about what happened.")
        elif not (self.signals or self.alerts or self.changes):
            lines.append("Nothing left its baseline, no alert fired, nothing was changed.")
        for title, rows in (
            ("Left their baseline", map(_signal_line, self.signals)),
            ("Samples", map(_series_line, self.series)),
            ("Alerts", map(_alert_line, self.alerts)),
            ("Changes", (f"{clock(one.at)} {one.text}" for one in self.changes)),
        ):
            written = [f"- {plain(row)}" for row in rows]
            lines += ["", f"## {title}", *written] if written else []
        return "\n".join([*lines, *tail(self.not_seen, self.note)])


class PromqlReply(Reply):
    """The query that a question asks for, where it comes from, and what it says now."""

    question: str
    query: str | None
    reason: str | None = Field(description="Why there is no query, or no sample.")
    title: str | None
    unit: str | None
    origin: str | None = Field(description="panel, rule, metric or model.")
    document: str | None
    assumed: tuple[str, ...]
    unmet: tuple[str, ...] = Field(description="What of the question it does not answer.")
    start: UtcTime
    end: UtcTime
    series: tuple[ReadSeries, ...]
    series_found: int
    url: str | None = Field(description="Where a person sees it drawn.")
    not_seen: tuple[str, ...]

    @property
    def items(self) -> int:
        return len(self.series)

    def shortened(self, items: int) -> Self:
        return self.model_copy(update={"series": self.series[:items]})

    def as_text(self) -> str:
        lines = [f"{clock(self.start)} – {clock(self.end)}", *chart_lines(self)]
        return "\n".join([*lines, *tail(self.not_seen, self.note)])


def signals_reply(report: Report, seen: SignalsSeen | None) -> SignalsReply:
    """The metric evidence of a report. ``seen``: what the engine told of the metrics meanwhile."""
    cited = report.citations
    window = report.scope.window
    return SignalsReply(
        reached=seen is not None and seen.reached,
        start=window.start,
        end=window.end,
        signals=seen.signals[:_LINES] if seen else (),
        series=tuple(
            ReadSeries(
                title=short(one.title),
                query=one.query,
                labels=one.labels,
                unit=one.unit,
                samples=tuple(
                    ReadSample(at=sample.at, value=sample.value)
                    for sample in one.samples[:_SAMPLES]
                ),
                url=one.url,
            )
            for one in cited
            if isinstance(one, MetricCitation)
        )[:_LINES],
        alerts=tuple(
            ReadAlert(name=one.name, labels=one.labels, started=one.started, ended=one.ended)
            for one in (seen.alerts[:_LINES] if seen else ())
        ),
        changes=tuple(
            ReadChange(at=one.at, text=short(one.text), tags=one.tags, url=one.url)
            for one in (seen.changes[:_LINES] if seen else ())
        ),
        not_seen=unseen(report.not_seen, report.dropped_claims),
    )


def promql_reply(answer: QueryAnswer) -> PromqlReply:
    """A query with its values, thinned out."""
    return PromqlReply(
        question=short(answer.question),
        query=answer.query,
        reason=answer.reason,
        title=short(answer.title) if answer.title else None,
        unit=answer.unit,
        origin=answer.origin,
        document=short(answer.document) if answer.document else None,
        assumed=answer.assumed,
        unmet=answer.unmet,
        start=answer.window.start,
        end=answer.window.end,
        series=tuple(
            ReadSeries(
                title=short(label_text(one)),
                query=answer.query or "",
                labels=one.labels,
                unit=answer.unit,
                samples=tuple(
                    ReadSample(at=point.at, value=point.value)
                    for point in one.points[:: max(1, -(-len(one.points) // _POINTS))]
                ),
                url=answer.link,
            )
            for one in answer.series[:_LINES]
        ),
        series_found=answer.series_found,
        url=answer.link,
        not_seen=answer.missing,
    )


def chart_lines(reply: PromqlReply) -> Iterator[str]:
    """A query and its values, line by line."""
    if reply.query is None:
        yield f"No query: {reply.reason}."
        return
    yield f"{reply.title}: `{reply.query}`"
    if reply.document:
        yield f"From the {reply.origin} “{reply.document}”"
    if reply.reason is not None:
        yield f"No samples: {reply.reason}."
    for one in reply.series:
        highest = max(one.samples, key=lambda sample: sample.value)
        last = one.samples[-1]
        yield (
            f"{one.title}: last {format_value(last.value, one.unit)} at {last.at:%H:%M}, highest "
            f"{format_value(highest.value, one.unit)} at {highest.at:%H:%M}"
        )
    yield from (f"Assumed: {line}" for line in reply.assumed)
    yield from (f"Not answered: {line}" for line in reply.unmet)
    if reply.url:
        yield f"Drawn: {reply.url}"


def _signal_line(signal: SeenSignal) -> str:
    return f"{clock(signal.started)} {signal.title}, strength {signal.strength:+.0f}"


def _series_line(series: ReadSeries) -> str:
    values = (f"{one.at:%H:%M} {format_value(one.value, series.unit)}" for one in series.samples)
    return f"`{series.query}`: {', '.join(values)}"


def _alert_line(alert: ReadAlert) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()))
    until = clock(alert.ended) if alert.ended else "still firing"
    return f"{alert.name} {clock(alert.started)} – {until} ({labels})"
