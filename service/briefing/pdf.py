"""Briefing → PDF: the HTML as a printer would have it. Needs the extra ``pdf``, and Pango."""

from __future__ import annotations

from service.briefing.errors import CannotDraw
from service.briefing.html import to_html
from service.briefing.model import Briefing

_HOW = (
    "install the extra `pdf` (pip install 'incident-why[pdf]') and Pango "
    "(Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0)"
)


def to_pdf(briefing: Briefing) -> bytes:
    """The whole briefing, A4. Nothing is fetched for it. Raises: CannotDraw."""
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:
        raise CannotDraw(f"a PDF needs WeasyPrint ({error}): {_HOW}") from error
    # The page holds text from anywhere; what it could name is not loaded.
    embedded_only = URLFetcher(allowed_protocols=["data"])
    pdf = HTML(string=to_html(briefing), url_fetcher=embedded_only).write_pdf()
    assert isinstance(pdf, bytes)  # noqa: S101 - None only where a target is given
    return pdf
