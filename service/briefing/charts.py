"""An incident's charts, in the reader's clock, as images that do on light and on dark paper."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING

from service.briefing.page import Drawn
from service.reports.charts import png_of, svg_of
from service.reports.numbers import format_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = "#7b8494"
"""Of axes and text: a grey that is legible on white and on near black."""
_LINE = "#e8590c"


def as_svg(drawn: Drawn, zone: tzinfo) -> str:
    """A standalone SVG image with a transparent background."""
    return svg_of(_figure(drawn, zone))


def as_png(drawn: Drawn, zone: tzinfo) -> bytes:
    """A PNG image with a transparent background, for mail clients."""
    return png_of(_figure(drawn, zone))


def _figure(drawn: Drawn, zone: tzinfo) -> Figure:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    chart = drawn.chart
    figure = Figure(figsize=(6.4, 1.7), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.set_facecolor("none")
    moments = date2num([point.at for point in chart.points])  # type: ignore[no-untyped-call]
    until = min(drawn.ended or chart.points[-1].at, chart.points[-1].at)
    axes.axvspan(
        date2num(drawn.started),  # type: ignore[no-untyped-call]
        date2num(until),  # type: ignore[no-untyped-call]
        color=_LINE,
        alpha=0.12,
        linewidth=0,
    )
    axes.plot(moments, [point.value for point in chart.points], color=_LINE, linewidth=1.4)
    axes.xaxis_date(tz=zone)
    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    dates = ConciseDateFormatter(locator, tz=zone, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(dates)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: format_value(float(f"{value:.3g}"), chart.unit))
    )
    axes.set_ylim(bottom=min(0.0, min(point.value for point in chart.points)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.grid(axis="y", color=_INK, alpha=0.2)
    return figure
