"""Charts of the strongest signals: as text for a terminal or a ticket, as SVG for a page,
as PNG for a chat or a mail.

Drawn by plotext and matplotlib, which are imported only when something is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from service.metrics.signals import Sample
from service.reports.model import Chart
from service.reports.numbers import format_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 74, 9
"""Of a text chart, in characters: it fits a terminal of 80 columns."""
_POINTS = 144
_TICKS = 6
_DOTS = 150
"""Per inch, of a PNG."""


def thinned(samples: Sequence[Sample], points: int = _POINTS) -> tuple[Sample, ...]:
    """At most ``points`` samples: the first, the last, and of each stretch between them the one
    furthest from the median of all.

    A peak stays where it is and as high as it is.
    """
    if len(samples) <= points:
        return tuple(samples)
    values = np.array([sample.value for sample in samples])
    distances = np.abs(values - np.median(values))
    stretches = np.array_split(np.arange(1, len(samples) - 1), points - 2)
    kept = [int(part[np.argmax(distances[part])]) for part in stretches]
    return tuple(samples[index] for index in (0, *kept, len(samples) - 1))


def as_text(chart: Chart) -> str:
    """The chart in ``WIDTH`` × ``HEIGHT`` characters, without colour; times are UTC."""
    import plotext

    seconds = [point.at.timestamp() for point in chart.points]
    values = [point.value for point in chart.points]
    figure = plotext.figure
    figure.clear()
    figure.plot_size(WIDTH, HEIGHT)
    figure.draw(figure.signal(seconds, values, marker="braille").lines())
    ticks = np.linspace(seconds[0], seconds[-1], _TICKS).tolist()
    figure.ruler("x").ticks(ticks, [_clock(tick) for tick in ticks])
    levels = np.linspace(min(0.0, *values), max(values), 3).tolist()
    figure.ruler("y").ticks(levels, [format_value(level, chart.unit) for level in levels])
    text = str(plotext.uncolorize(str(figure.build())))
    return "\n".join(line.rstrip() for line in text.splitlines())


def as_svg(chart: Chart) -> str:
    """The chart as a standalone SVG image; times are UTC."""
    return svg_of(_figure(chart))


def as_png(chart: Chart) -> bytes:
    """The chart as a PNG image, for what shows no SVG; times are UTC."""
    return png_of(_figure(chart))


def _figure(chart: Chart) -> Figure:
    from matplotlib.dates import ConciseDateFormatter, date2num
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(8, 2.4), layout="constrained")
    axes = figure.subplots()
    moments = date2num([point.at for point in chart.points])  # type: ignore[no-untyped-call]
    axes.plot(moments, [point.value for point in chart.points], color="#c2410c", linewidth=1.4)
    axes.xaxis_date(tz=UTC)
    dates = ConciseDateFormatter(axes.xaxis.get_major_locator(), tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(dates)
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: format_value(float(f"{value:.3g}"), chart.unit))
    )
    axes.set_ylim(bottom=min(0.0, min(point.value for point in chart.points)))
    title = chart.title.replace("`", "")
    axes.set_title(f"{title} [{chart.citation}]", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    return figure


def svg_of(figure: Figure) -> str:
    """The figure as a standalone SVG image."""
    from matplotlib import rc_context

    image = io.StringIO()
    # Without a date and with a fixed salt, so that the same chart is the same file.
    with rc_context({"svg.hashsalt": "why"}):
        figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG image."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=_DOTS, metadata={"Software": None})
    return image.getvalue()


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M}"
