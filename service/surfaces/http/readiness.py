"""Whether questions can be answered now, and what from."""

from __future__ import annotations

import asyncio
from time import monotonic

import structlog

from ingest.documents import Frozen
from service.workspace import Dependency, Workspace

NEEDED = frozenset({"index", "database"})
"""Without the metrics a report is still written, from the documents, and says so."""
_FRESH_SECONDS = 2.0
"""For how long a look at the dependencies is good: asking is free for everybody, they are not."""

_log = structlog.get_logger(__name__)


class DependencyState(Frozen):
    """One dependency. What is wrong with it is in the log, which not everybody may read."""

    name: str
    ok: bool
    needed: bool


class Readiness(Frozen):
    """Whether questions can be answered, and what they are answered from."""

    ready: bool
    dependencies: tuple[DependencyState, ...]


class Watch:
    """Looks at the dependencies, at most every few seconds."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._looking = asyncio.Lock()
        self._seen: tuple[Dependency, ...] = ()
        self._at = -_FRESH_SECONDS

    async def look(self) -> Readiness:
        """The state now, or seconds ago."""
        async with self._looking:
            if monotonic() - self._at > _FRESH_SECONDS:
                self._seen = await self._workspace.health()
                self._at = monotonic()
                for dependency in self._seen:
                    if not dependency.ok:
                        _log.warning(
                            "dependency is missing", name=dependency.name, why=dependency.detail
                        )
        states = tuple(
            DependencyState(name=one.name, ok=one.ok, needed=one.name in NEEDED)
            for one in self._seen
        )
        return Readiness(
            ready=all(state.ok for state in states if state.needed), dependencies=states
        )
