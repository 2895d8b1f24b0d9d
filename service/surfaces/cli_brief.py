"""``why brief``: the morning briefing, in the form that it is wanted in."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.surfaces.options import AsOf, Config, settings_at

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from datetime import date

    from service.briefing.brief import Briefer
    from service.briefing.model import Briefing
    from service.settings import Settings


class BriefFormat(StrEnum):
    """What a briefing is printed as."""

    MD = "md"
    HTML = "html"
    SLACK = "slack"
    EMAIL = "email"
    PDF = "pdf"
    JSON = "json"


def brief(
    day: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            help="The morning: the night began the evening before. Default: today.",
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="IANA zone of the readers. Default: the settings'.")
    ] = None,
    form: Annotated[
        BriefFormat, typer.Option("--format", help="What to print it as.")
    ] = BriefFormat.MD,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it into this file instead.")
    ] = None,
    config: Config = None,
    as_of: AsOf = None,
) -> None:
    """Tell the night for someone who has two minutes before eight, each sentence cited."""
    from service.briefing.window import zone_named

    settings, moment = settings_at(config, as_of)
    zone = timezone or settings.timezone
    morning = day.date() if day is not None else moment.astimezone(zone_named(zone)).date()
    briefing = asyncio.run(_made(settings, morning, zone, moment))
    content = _in_format(briefing, form, settings)
    if output is not None:
        output.write_bytes(content)
    elif form is BriefFormat.PDF and sys.stdout.isatty():
        raise typer.BadParameter("a PDF is not for a terminal: add --output FILE")
    else:
        sys.stdout.buffer.write(content)


async def _made(settings: Settings, morning: date, zone: str, now: datetime) -> Briefing:
    """The briefing, compared with the one kept before it, and kept.

    Without a database it is made all the same, and compared with nothing.
    """
    from service.briefing.brief import open_briefer
    from service.briefing.mornings import Mornings
    from service.store import Database, StoreError

    def briefers(
        audience: tuple[str, ...], moment: datetime
    ) -> AbstractAsyncContextManager[Briefer]:
        return open_briefer(settings, as_of=moment, audience=audience)

    try:
        database = await Database.open(settings)
    except StoreError as error:
        typer.echo(f"why: not kept, and compared with nothing: {error}", err=True)
        async with briefers(settings.audience, now) as briefer:
            return await briefer.brief(morning, zone, now=now)
    async with database:
        mornings = Mornings(database, briefers)
        return await mornings.brief(morning, zone, settings.audience, now=now)


def _in_format(briefing: Briefing, form: BriefFormat, settings: Settings) -> bytes:
    match form:
        case BriefFormat.MD:
            from service.briefing.markdown import to_markdown

            return to_markdown(briefing).encode()
        case BriefFormat.HTML:
            from service.briefing.html import to_html

            return to_html(briefing).encode()
        case BriefFormat.SLACK:
            from service.surfaces.slack.briefing import briefing_messages
            from service.surfaces.slack.mrkdwn import hosts_of

            posts = briefing_messages(briefing, hosts_of(settings))
            shown = [{"text": post.text, "blocks": [*post.blocks]} for post in posts]
            return (json.dumps(shown, ensure_ascii=False, indent=2) + "\n").encode()
        case BriefFormat.EMAIL:
            from service.briefing.mail import to_mail

            to = settings.briefing_emails[0] if settings.briefing_emails else settings.smtp_from
            return to_mail(briefing, sender=settings.smtp_from, recipient=to).as_bytes()
        case BriefFormat.PDF:
            from service.briefing.pdf import to_pdf

            return to_pdf(briefing)
        case BriefFormat.JSON:
            return (briefing.model_dump_json(indent=2) + "\n").encode()
