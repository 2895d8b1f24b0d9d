"""API keys: who calls, what they may do, and what they may read.

A key reads ``why_<id>_<secret>``. The secret is 256 random bits, so that one fast hash is enough:
slow ones (bcrypt, Argon2) make guessing passwords dear, and nobody guesses 256 bits. The key is
found by its id and the hash compared in constant time, so that no lookup depends on the secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import or_, select, update

from ingest.documents import Frozen, UtcTime
from service.store.connections import Connections
from service.store.errors import Conflict, NotFound, StoreError
from service.store.ids import new_id
from service.store.tables import api_keys

_PREFIX = "why"
_SECRET_BYTES = 32
_USE_SEEN_EVERY = timedelta(minutes=1)
"""``last_used`` is this exact: not every request is worth a write …"""
_NOTING_SECONDS = 1.0
"""… and none waits longer for it."""


class Scope(StrEnum):
    """What a key is good for. ``admin`` includes the others."""

    ASK = "ask"
    INGEST = "ingest"
    ADMIN = "admin"


class ApiKey(Frozen):
    """A key without its secret. ``rate_per_minute``: None for the settings' rate."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    audience: tuple[str, ...]
    rate_per_minute: int | None
    created_at: UtcTime
    last_used: UtcTime | None
    revoked_at: UtcTime | None

    def may(self, scope: Scope) -> bool:
        """Whether it is good for this."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class CreatedKey(NamedTuple):
    """A new key, and the only time that it can be read in clear."""

    key: ApiKey
    clear: str


class Keys:
    """``db.keys``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._noting: set[asyncio.Future[None]] = set()

    async def create(
        self,
        name: str,
        *,
        scopes: Iterable[Scope],
        audience: Iterable[str],
        rate_per_minute: int | None = None,
    ) -> CreatedKey:
        """A new key. Raises: Conflict, where a key in use has this name; StoreError."""
        now = self._connections.now()
        key = ApiKey(
            id=new_id(_PREFIX, now).partition("_")[2],
            name=name,
            scopes=tuple(sorted(set(scopes))),
            audience=tuple(sorted(set(audience))),
            rate_per_minute=rate_per_minute,
            created_at=now,
            last_used=None,
            revoked_at=None,
        )
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        statement = (
            self._connections.insert(api_keys)
            .values(**key.model_dump(), digest=_digest(secret))
            .on_conflict_do_nothing(
                index_elements=["name"], index_where=api_keys.c.revoked_at.is_(None)
            )
            .returning(api_keys.c.id)
        )
        async with self._connections.write() as connection:
            if (await connection.execute(statement)).first() is None:
                raise Conflict(f"there is a key named {name!r} already; revoke it, or name another")
        return CreatedKey(key, f"{_PREFIX}_{key.id}_{secret}")

    async def check(self, clear: str) -> ApiKey | None:
        """The key in use that this is; None for anything else.

        That it was used is written down where the database can be written to at the moment: a
        full disk or a lock keeps nobody out. Raises: StoreError.
        """
        prefix, _, rest = clear.partition("_")
        key_id, _, secret = rest.partition("_")
        now = self._connections.now()
        async with self._connections.read() as connection:
            row = (
                await connection.execute(
                    select(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
                )
            ).one_or_none()
        expected = _NO_DIGEST if row is None else row.digest
        if not hmac.compare_digest(_digest(secret), expected) or row is None or prefix != _PREFIX:
            return None
        key = ApiKey.model_validate({c: v for c, v in row._asdict().items() if c != "digest"})
        if key.last_used is None or now - key.last_used >= _USE_SEEN_EVERY:
            # Not cancelled when it takes longer: SQLite's driver waits for its lock to the end.
            noting = asyncio.ensure_future(self._note_use(key_id, now))
            self._noting.add(noting)
            noting.add_done_callback(self._noting.discard)
            await asyncio.wait({noting}, timeout=_NOTING_SECONDS)
        return key

    async def _note_use(self, key_id: str, now: datetime) -> None:
        with suppress(StoreError):
            async with self._connections.write() as connection:
                await connection.execute(
                    update(api_keys).where(api_keys.c.id == key_id).values(last_used=now)
                )

    async def revoke(self, key: str) -> ApiKey:
        """End a key in use, given by its id or name. Raises: NotFound; StoreError."""
        statement = (
            update(api_keys)
            .where(
                or_(api_keys.c.id == key, api_keys.c.name == key), api_keys.c.revoked_at.is_(None)
            )
            .values(revoked_at=self._connections.now())
            .returning(*_COLUMNS)
        )
        async with self._connections.write() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound(f"there is no key {key!r} in use")
        return ApiKey.model_validate(row._asdict())

    async def list(self) -> tuple[ApiKey, ...]:
        """All keys, the revoked ones too, oldest first."""
        async with self._connections.read() as connection:
            rows = (await connection.execute(select(*_COLUMNS).order_by(api_keys.c.id))).all()
        return tuple(ApiKey.model_validate(row._asdict()) for row in rows)


_COLUMNS = [column for column in api_keys.c if column.name != "digest"]


def _digest(secret: str) -> str:
    return hashlib.blake2b(secret.encode("utf-8", "replace"), digest_size=32).hexdigest()


_NO_DIGEST = _digest("")
