"""Briefing → HTML that a mail client shows and a printer prints: one file, nothing loaded.

Every value is escaped by the template; addresses are only http and https (``page.opened``).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ingest.documents import Frozen
from service.briefing.charts import as_svg
from service.briefing.layout import page_of
from service.briefing.model import Briefing
from service.briefing.page import Drawn, Page

if TYPE_CHECKING:
    from markupsafe import Markup


class Image(Frozen):
    """A chart's place in the page. ``src``: a data: or cid: address."""

    src: str
    title: str
    alt: str
    citation: int


def to_html(briefing: Briefing) -> str:
    """The whole briefing as one HTML file, its charts in it."""
    zone = ZoneInfo(briefing.zone)

    def embedded(drawn: Drawn) -> str:
        image = base64.b64encode(as_svg(drawn, zone).encode()).decode()
        return f"data:image/svg+xml;base64,{image}"

    page = page_of(briefing)
    return rendered(page, images_of(page, embedded))


def images_of(page: Page, place: Callable[[Drawn], str]) -> dict[int, list[Image]]:
    """The charts of each card by its number; ``place`` says where a chart's image is."""
    return {
        card.number: [
            Image(
                src=place(drawn),
                title=drawn.chart.title.replace("`", ""),
                alt=f"Chart: {drawn.chart.title.replace('`', '')} over the night",
                citation=drawn.chart.citation,
            )
            for drawn in card.charts
        ]
        for card in page.cards
    }


def rendered(page: Page, images: Mapping[int, Sequence[Image]]) -> str:
    """A page as HTML, its style in a style element."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    package = files("service.briefing")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["prose"] = _with_code
    template = environment.from_string((package / "briefing.html.j2").read_text("utf-8"))
    css = Markup((package / "briefing.css").read_text("utf-8"))  # noqa: S704 - our own file
    return template.render(page=page, images=images, css=css)


def _with_code(text: str) -> Markup:
    """Escaped text, what stands between backticks as code."""
    from markupsafe import Markup

    pieces = re.split(r"`([^`]+)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else piece
        for place, piece in enumerate(pieces)
    )
