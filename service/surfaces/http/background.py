"""What a server does without being asked over HTTP: its jobs, and bringing the index up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import time

import structlog

from ingest.documents import EVERYONE
from service.desk import Desk
from service.readers import Reader
from service.settings import Settings
from service.store import Database, Job, StoredReport, StoreError, Surface
from service.surfaces.http.alert_groups import GroupAsked
from service.workspace import Asked, Workspace

SYNC = "sync"
WEBHOOK_ASK = "webhook.ask"
_HOUR = timedelta(hours=1)

Show = Callable[[StoredReport, str], Awaitable[None]]
"""Tells people of a report; the second is what this telling is known by: it happens once."""

_log = structlog.get_logger(__name__)


async def run_sync(workspace: Workspace) -> None:
    """The job of kind ``sync``. Raises: SettingsError, IndexFailure, EncoderError, StoreError."""
    report = await workspace.sync()
    _log.info(
        "synced",
        published=report.published,
        embedded=report.chunks_embedded,
        deleted=report.chunks_deleted,
        problems=len(report.problems),
        seconds=round(report.seconds, 1),
    )
    for problem in report.problems:
        _log.warning("a document was not read", problem=str(problem))


async def ask_about_group(job: Job, desk: Desk, settings: Settings, show: Show) -> None:
    """The job of kind ``webhook.ask``. ``show`` tells people of what was found; where that fails,
    the job comes again, and asks no second time.

    Raises: ScopeError, StoreError, and what ``show`` raises.
    """
    asked = GroupAsked.model_validate(job.payload)
    database = desk.database
    everyone = Reader(name="webhook", audience=(EVERYONE,))
    earlier = await database.conversations.last(Surface.WEBHOOK, job.id)
    if earlier is not None:
        stored = await desk.get(earlier, everyone)
    else:
        most = settings.webhook_reports_per_hour
        if not await database.limits.allow("webhook reports", most, _HOUR):
            _log.warning("not asked about", group=asked.group, why=f"{most} reports in this hour")
            return
        begun = asked.since < desk.workspace.moment()
        since = f"{asked.since:%Y-%m-%dT%H:%M:%SZ}" if begun else None
        question = Asked(text=asked.question, since=since)
        stored = await desk.ask(question, everyone, surface=Surface.WEBHOOK)
        await database.conversations.put(Surface.WEBHOOK, job.id, stored.id)
    await show(stored, f"webhook {job.id}")


async def sync_every(minutes: float, database: Database) -> None:
    """Put a sync into the queue again and again, the first one at once; until cancelled.

    Servers that share the database agree on the spans of time, and sync once in each.
    """
    seconds = minutes * 60
    while True:
        span = int(time() // seconds)
        try:
            await database.jobs.enqueue(SYNC, {}, key=f"sync {minutes:g} {span}", max_attempts=3)
        except StoreError as error:
            _log.warning("no sync was queued", why=str(error))
        await asyncio.sleep((span + 1) * seconds - time())
