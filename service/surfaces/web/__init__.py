"""The page that people ask on: static files, and headers that let nothing else in.

The page holds no data: it asks the API like any other client, with the reader's key. So it is
served to anybody, and what it may do is bounded by its Content-Security-Policy: scripts and styles
of its own, requests to its own server, no framing, and no text that becomes markup (Trusted Types,
https://www.w3.org/TR/trusted-types/). uPlot sets styles from script, which that policy allows.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",  # asked again each time, and answered 304 where nothing changed
}


def add_page(app: Starlette) -> None:
    """Serve the page at ``/``, its files under ``/assets``, and its permalinks.

    ``/reports/{id}`` and ``/briefings/{date}`` are for links in mails and tickets: they lead to
    the page, whose own addresses stand behind a ``#`` and so never reach a server's log.
    """
    app.add_route("/", _page, methods=["GET"], include_in_schema=False)
    app.add_route("/reports/{id}", _to_report, methods=["GET"], include_in_schema=False)
    app.add_route("/briefings/{id}", _to_briefing, methods=["GET"], include_in_schema=False)
    app.mount("/assets", _files, name="assets")


class _Files(StaticFiles):
    """The page's files, with its headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


_files = _Files(directory=Path(__file__).parent / "assets")


async def _page(request: Request) -> Response:
    return await _files.get_response("index.html", request.scope)


async def _to_report(request: Request) -> Response:
    return _to(request, "reports")


async def _to_briefing(request: Request) -> Response:
    return _to(request, "briefing")


def _to(request: Request, view: str) -> Response:
    return RedirectResponse(f"/#/{view}/{quote(request.path_params['id'], safe='')}")
