"""``GET /v1/briefings/{date}``: what happened in the night before that morning."""

from __future__ import annotations

import asyncio
import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from service.briefing.html import to_html
from service.briefing.markdown import to_markdown
from service.briefing.model import Briefing
from service.briefing.mornings import Mornings
from service.briefing.window import zone_named
from service.surfaces.http import examples
from service.surfaces.http.ask import unless_gone
from service.surfaces.http.auth import Asking
from service.surfaces.http.negotiation import preferred
from service.surfaces.http.reports import drawing
from service.surfaces.http.serving import Server
from service.surfaces.http.times import FIRST_DAY, LAST_DAY

router = APIRouter(prefix="/v1/briefings", tags=["briefings"])

_FRESH = datetime.timedelta(minutes=10)
"""For how long a briefing is good whose morning still lasts."""
_TYPES = ("application/json", "text/markdown", "text/html")
# A page for a mail client: its style is in it, and it loads nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


@router.get(
    "/{date}",
    response_model=Briefing,
    summary="Read a morning's briefing",
    responses={200: examples.BRIEFING},
)
async def get_briefing(
    request: Request,
    date: Annotated[
        Literal["today"] | Annotated[datetime.date, Field(ge=FIRST_DAY, le=LAST_DAY)],
        Path(description="Of the morning; `today` is the day that it is in the readers' zone."),
    ],
    caller: Asking,
    serving: Server,
    timezone: Annotated[
        str | None,
        Query(max_length=60, description="IANA name of the readers' zone; default: the settings'."),
    ] = None,
) -> Response:
    """As JSON, Markdown or HTML, by `Accept`. Made of what this key may read, and kept: made when
    it is first asked for, and again while its night and morning last."""
    media_type = preferred(request, _TYPES)
    zone = timezone or serving.settings.timezone
    if date == "today":
        date = serving.workspace.moment().astimezone(zone_named(zone)).date()
    mornings = Mornings(serving.database, serving.workspace.briefer)
    made = mornings.current(
        date, zone, caller.reader.audience, now=serving.workspace.moment(), fresh=_FRESH
    )
    briefing = await unless_gone(request, made)
    headers = {"Vary": "Accept"}
    if media_type == "text/markdown":
        return Response(to_markdown(briefing), media_type=media_type, headers=headers)
    if media_type == "text/html":
        headers["Content-Security-Policy"] = _POLICY
        html = await asyncio.to_thread(_page, briefing)
        return Response(html, media_type=media_type, headers=headers)
    return Response(briefing.model_dump_json(), media_type=media_type, headers=headers)


def _page(briefing: Briefing) -> str:
    with drawing:
        return to_html(briefing)
