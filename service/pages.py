"""Where people open what is kept: addresses of the web page, where ``public_url`` is set."""

from __future__ import annotations

from urllib.parse import quote

from service.settings import Settings


def page_of(settings: Settings, report_id: str) -> str | None:
    """The page of a kept answer."""
    if not settings.public_url:
        return None
    return f"{settings.public_url.rstrip('/')}/#/reports/{quote(report_id, safe='')}"
