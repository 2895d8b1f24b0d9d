"""Column types that hold the same on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime

from pydantic import JsonValue
from sqlalchemy import JSON, DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

_KEY_LENGTH = 200
"""Characters of up to four bytes; up to three keys share an index."""


class Moment(TypeDecorator[datetime]):
    """A moment; UTC in, UTC out. SQLite keeps it as text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text, ids too: any of it may have come from outside.

    PostgreSQL keeps no NUL and neither of them half of a surrogate pair; both become a mark
    instead of an error, since neither is worth losing a question over.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class Key(TypeDecorator[str]):
    """Text that is looked up by, in an index.

    PostgreSQL's indexes hold 2,700 bytes a row, and an Alertmanager's group key can be longer: the
    end of a long one becomes its hash, which is as unique.
    """

    impl = Words
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or len(value) <= _KEY_LENGTH:
            return value
        digest = hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=16).hexdigest()
        return f"{value[: _KEY_LENGTH - len(digest)]}{digest}"


class Json(TypeDecorator[JsonValue]):
    """JSON that both databases keep and that reads back as the same value.

    JSON has no NaN and no infinity, PostgreSQL refuses Python's spelling of them, and Prometheus
    knows them: they become strings, which pydantic reads as floats again.
    """

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: JsonValue, dialect: Dialect) -> JsonValue:
        return _finite(value)


def _finite(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
