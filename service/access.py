"""Who calls, what they may do, what they may read, and how often.

A key stands for a program or a person: its scopes say what it may do, its labels what it may read,
its name who that was. Without keys (``open_access``) everybody who reaches the port is the reader
of the settings' audience with every scope, which is why that needs a loopback address.

Rates are counted by each server process in its memory: a limit protects the process, and is not
worth a write to the database for every request.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from ingest.documents import Frozen
from service.readers import Reader
from service.settings import Settings, SettingsError
from service.store import Database, Scope

MINUTE = timedelta(minutes=1)
FAILURES_PER_MINUTE = 10
"""Wrong keys that one client address may show before it has to wait."""
_NAMES_KEPT = 10_000
"""Names that are counted at once; more are swept of what no longer counts."""


class Caller(Frozen):
    """Who makes a request. ``per_minute``: how many they may make."""

    reader: Reader
    scopes: tuple[Scope, ...]
    per_minute: int

    def may(self, scope: Scope) -> bool:
        """Whether they may do this."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


async def caller_of(clear: str, database: Database, settings: Settings) -> Caller | None:
    """The caller whose key this is; None for anything else. Raises: StoreError."""
    key = await database.keys.check(clear)
    if key is None:
        return None
    return Caller(
        reader=Reader(name=f"key:{key.name}", audience=key.audience),
        scopes=key.scopes,
        per_minute=key.rate_per_minute or settings.requests_per_minute,
    )


def open_caller(settings: Settings) -> Caller:
    """Whoever calls a server with open access."""
    return Caller(
        reader=Reader(name="open", audience=settings.audience),
        scopes=(Scope.ADMIN,),
        per_minute=settings.requests_per_minute,
    )


def ensure_may_be_open(settings: Settings) -> None:
    """Raises: SettingsError, where access is open and more than this machine could use it."""
    if settings.open_access and not is_loopback(settings.host):
        raise SettingsError(
            f"open_access is for a loopback address, and host is {settings.host!r}: anybody who "
            "reaches it could read everything. Set host to 127.0.0.1, or open_access to false and "
            "make keys with `why keys create`"
        )


def is_loopback(host: str) -> bool:
    """Whether this name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin_of(address: str) -> str:
    """What failures of a client are counted under: its address, or its network of IPv6 (/64),
    of which one client has all addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


class Standing(Frozen):
    """Where a name stands: ``remaining`` in the window, and the seconds until there is one more
    (0 where there is one)."""

    allowed: bool
    remaining: int
    wait: float


class Rate:
    """How often each name may do something in any ``per``: a sliding log in memory."""

    def __init__(self, per: timedelta = MINUTE) -> None:
        self._per = per
        self._taken: dict[str, deque[datetime]] = {}

    def take(self, name: str, most: int, now: datetime) -> Standing:
        """Once more, if it may; counted only then."""
        standing = self.look(name, most, now)
        if not standing.allowed:
            return standing
        self._taken.setdefault(name, deque()).append(now)
        if len(self._taken) > _NAMES_KEPT:
            self._sweep(now)
        return self.look(name, most, now).model_copy(update={"allowed": True})

    def look(self, name: str, most: int, now: datetime) -> Standing:
        """Where a name stands now."""
        taken = self._taken.get(name, deque())
        while taken and taken[0] <= now - self._per:
            taken.popleft()
        remaining = max(0, most - len(taken))
        if remaining:
            return Standing(allowed=True, remaining=remaining, wait=0.0)
        wait = (taken[-most] + self._per - now).total_seconds()
        return Standing(allowed=False, remaining=0, wait=wait)

    def _sweep(self, now: datetime) -> None:
        stale = [name for name, taken in self._taken.items() if taken[-1] <= now - self._per]
        for name in stale:
            del self._taken[name]
