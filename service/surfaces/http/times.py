"""Moments that somebody sends: near enough to today that windows around them can be reckoned."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import Field

from ingest.documents import UtcTime

FIRST_DAY, LAST_DAY = date(1971, 1, 1), date(2200, 1, 1)

Moment = Annotated[
    UtcTime,
    Field(
        ge=datetime.combine(FIRST_DAY, datetime.min.time(), UTC),
        le=datetime.combine(LAST_DAY, datetime.min.time(), UTC),
    ),
]
