"""A company of four services with the same bad night twice, its own index and its own database.

Each night checkout becomes slow while two services below it leave their past at the same moment.
Metrics alone blame ``pricing``, whose figures moved further; the fault is ``ledger``'s.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.documents import SourceKind
from service.readers import Reader
from service.settings import Settings, SourceSettings
from service.store import Database, StoredReport, Surface
from service.workspace import Asked, Workspace, open_workspace

FIRST = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)
"""The morning after the first night."""
NEXT = FIRST + timedelta(days=3)
"""The morning after the second: no night is usual yet."""
QUESTION = "Why was checkout slow last night?"
ALICE = Reader(name="alice")

_RUNBOOK = """---
services: [checkout, pricing, ledger, search]
---
# CheckoutLatencyHigh

Shoppers wait. Look at the services below checkout, and at their deploys.
"""
_PRICING = """---
title: Checkout slow because pricing was out of workers
published: 2026-03-02T10:00:00Z
started: 2026-03-01T02:00:00Z
services: [checkout]
component: pricing
cause: Pricing ran out of workers, so the latency of checkout grew with every request.
confirmed: true
---
# Checkout slow

## Impact

Checkout was slow and shoppers left.
"""


_LEDGER = """---
title: Invoices late because ledger held its locks
published: 2026-02-03T10:00:00Z
started: 2026-02-02T02:00:00Z
services: [billing, checkout]
component: ledger
cause: A report over the whole year held the locks of ledger, and nobody could book.
confirmed: true
---
# Invoices late

## Impact

Invoices were late, and checkout was slow for some.
"""


def settings_in(folder: Path, *, metrics: bool = True, ledger: bool = False) -> Settings:
    """The company's settings, with everything in ``folder``.

    ``ledger``: whether there is a report on an older incident of ledger's.
    """
    pages = folder / "pages"
    reports = folder / "reports"
    written = [
        (pages, "checkout-latency-high.md", _RUNBOOK),
        (reports, "pricing-workers.md", _PRICING),
    ]
    if ledger:
        written.append((reports, "ledger-locks.md", _LEDGER))
    for place, name, text in written:
        place.mkdir(exist_ok=True)
        (place / name).write_text(text)
    return Settings(
        sources=(
            SourceSettings(kind=SourceKind.RUNBOOKS, path=pages),
            SourceSettings(kind=SourceKind.INCIDENTS, path=reports),
        ),
        index_dir=folder / "index",
        database_file=folder / "why.db",
        cache_dir=folder / "cache",
        metrics_file=_metrics(folder) if metrics else None,
        as_of=FIRST.isoformat(),
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Workspace, Database]]:
    """Workspace and database, after a first sync."""
    async with (
        await Database.open(settings) as database,
        open_workspace(settings, database=database) as workspace,
    ):
        await workspace.sync()
        yield workspace, database


async def asked(
    workspace: Workspace,
    database: Database,
    reader: Reader = ALICE,
    *,
    at: datetime = FIRST,
    question: str = QUESTION,
) -> StoredReport:
    """The answer to the question, kept as a surface keeps it."""
    answer = await workspace.report(Asked(text=question, as_of=at), reader.audience)
    return await database.reports.add(
        answer,
        surface=Surface.CLI,
        asked_by=reader.name,
        audience=reader.audience,
    )


_GAUGES = (
    # name, service, calm value, worst value, minutes after 02:00 at which it leaves its past
    ("http_request_duration_p99_seconds", "checkout", 0.3, 2.5, 10),
    ("pricing_worker_queue_length", "pricing", 20.0, 500.0, 0),
    ("ledger_lock_queue_length", "ledger", 20.0, 400.0, 0),
    ("http_request_duration_p99_seconds", "search", 0.2, 0.2, 0),
)


def _metrics(folder: Path) -> Path:
    """A sample every other minute of two nights, bad from 02:00 until 03:00."""
    lines: list[str] = []
    for name in dict.fromkeys(gauge[0] for gauge in _GAUGES):
        lines.append(f"# TYPE {name} gauge")
        for metric, service, calm, worst, lag in _GAUGES:
            if metric != name:
                continue
            for morning in (FIRST, NEXT):
                trouble = morning.replace(hour=2, minute=0) + timedelta(minutes=lag)
                for minute in range(0, 14 * 60, 2):
                    at = morning - timedelta(hours=14) + timedelta(minutes=minute)
                    bad = trouble <= at < morning.replace(hour=3, minute=0)
                    value = (worst if bad else calm) * (1 + 0.02 * math.sin(minute * 1.7))
                    labels = f'service="{service}",region="eu-west"'
                    lines.append(f"{name}{{{labels}}} {value:.4f} {int(at.timestamp())}")
    file = folder / "metrics.om"
    file.write_text("\n".join([*lines, "# EOF"]) + "\n")
    return file
