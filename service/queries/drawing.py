"""An answer as text and as an image: chart, query, where it comes from, what was assumed."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from service.queries.answer import ChartSeries, QueryAnswer
from service.queries.candidates import Origin
from service.reports.charts import as_text, png_of, svg_of
from service.reports.model import Chart
from service.reports.numbers import format_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = 3
"""Series that get a text chart of their own; a terminal can't tell more lines apart."""
_COLORS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#b45309", "#0e7490")
_ORIGINS = {
    Origin.PANEL: "panel",
    Origin.RULE: "alert rule",
    Origin.METRIC: "the metric's name and metadata; nobody drew it yet",
    Origin.MODEL: "a language model; checked against what the metrics have",
}


def as_markdown(answer: QueryAnswer) -> str:
    """The answer for a terminal or a ticket."""
    window = (
        f"{answer.window.start:%Y-%m-%d %H:%M} – {answer.window.end:%Y-%m-%d %H:%M} UTC "
        f"({answer.window_reason}), a sample every {answer.step.total_seconds():g} s"
    )
    if answer.query is None:
        lines = ["# No chart", "", f"*{window}*", "", f"{answer.reason}."]
        if answer.nearest:
            lines += ["", f"Nearest metrics: {', '.join(f'`{name}`' for name in answer.nearest)}"]
    else:
        lines = [f"# {answer.title}", "", f"*{window}*", ""]
        lines += _charts(answer)
        lines += [f"```promql\n{answer.query}\n```", "", _source(answer)]
        if answer.link:
            lines.append(f"See it live: {answer.link}")
    for title, items in (
        ("Assumed", answer.assumed),
        ("Not answered", answer.unmet),
        ("Could not be seen", answer.missing),
    ):
        if items:
            lines += ["", f"{title}:", *(f"- {item}" for item in items)]
    if answer.considered:
        lines += ["", "Also considered:"]
        for one in answer.considered:
            why = f": {one.refused}" if one.refused else ""
            lines.append(f"- {one.title} ({one.origin}) `{one.query}`{why}")
    return "\n".join(lines)


def label_text(series: ChartSeries) -> str:
    """What tells a series from the others."""
    inner = ", ".join(f"{name}={value}" for name, value in sorted(series.labels.items()))
    return inner or "all together"


def draw_svg(answer: QueryAnswer) -> str:
    """All series of the answer in one standalone SVG image; times are UTC."""
    return svg_of(_figure(answer))


def draw_png(answer: QueryAnswer) -> bytes:
    """All series of the answer in one PNG image; times are UTC."""
    return png_of(_figure(answer))


def _figure(answer: QueryAnswer) -> Figure:
    from matplotlib.dates import ConciseDateFormatter, date2num
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    for number, series in enumerate(answer.series):
        axes.plot(
            date2num([point.at for point in series.points]),  # type: ignore[no-untyped-call]
            [point.value for point in series.points],
            color=_COLORS[number % len(_COLORS)],
            linestyle=("-", "--", ":")[number // len(_COLORS) % 3],
            linewidth=1.3,
            label=_plain(label_text(series)),
        )
    axes.xaxis_date(tz=UTC)
    dates = ConciseDateFormatter(axes.xaxis.get_major_locator(), tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(dates)
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: format_value(float(f"{value:.3g}"), answer.unit))
    )
    lowest = min((point.value for one in answer.series for point in one.points), default=0.0)
    axes.set_ylim(bottom=min(0.0, lowest))
    axes.set_title(_plain(answer.title or ""), loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    if len(answer.series) > 1:
        axes.legend(fontsize=7, frameon=False)
    return figure


def _plain(text: str) -> str:
    """Not as mathematics, and without what makes a label vanish from a legend."""
    return text.replace("$", r"\$").lstrip("_")


def _charts(answer: QueryAnswer) -> list[str]:
    if answer.reason is not None or not answer.series:
        said = answer.reason or ("it has no samples" if answer.asked else "it was not asked")
        return [f"No chart: {said}.", ""]
    lines: list[str] = []
    for number, series in enumerate(answer.series[:_DRAWN], start=1):
        highest = max(series.points, key=lambda point: point.value)
        last = series.points[-1]
        lines.append(
            f"{label_text(series)}: now {format_value(last.value, answer.unit)}, highest "
            f"{format_value(highest.value, answer.unit)} at {highest.at:%H:%M}"
        )
        if len(series.points) > 1:
            chart = Chart(
                citation=number, title=answer.title or "", unit=answer.unit, points=series.points
            )
            lines += ["", "```text", as_text(chart), "```", ""]
    rest = answer.series_found - min(len(answer.series), _DRAWN)
    if rest > 0:
        lines += [f"{rest} more series; these are the highest of {answer.series_found}.", ""]
    return lines


def _source(answer: QueryAnswer) -> str:
    if answer.origin is None:
        return ""
    if answer.document is None:
        return f"From: {_ORIGINS[answer.origin]}"
    link = f" {answer.url}" if answer.url else f" ({answer.document_id})"
    return f"From: {_ORIGINS[answer.origin]} “{answer.document}”{link}"
