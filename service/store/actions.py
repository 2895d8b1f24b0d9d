"""Actions that a report proposes, what a person said to them, and what came of it.

An action goes one way, each step once and by whoever comes first (compare and set)::

    proposed ──► approved ──► executing ──► done | failed
        └► rejected   └► dry_run

``start`` is written down before anything is created elsewhere: an action whose process died stays
``executing``, for a person to look at, and is never executed a second time. Every step leaves a
row in the audit, which the database itself refuses to change or delete (a trigger).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pydantic import JsonValue
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ingest.documents import Frozen, UtcTime
from service.store.connections import Connections
from service.store.errors import Conflict, NotFound
from service.store.ids import new_id
from service.store.reports import require_report, visible_to
from service.store.tables import audit, proposals


class ActionState(StrEnum):
    """Where an action is."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    EXECUTING = "executing"
    DONE = "done"
    DRY_RUN = "dry_run"
    """Approved, and only written down."""
    FAILED = "failed"
    REJECTED = "rejected"


class Proposal(Frozen):
    """Something that a report proposes. ``kind``: e.g. ``jira_issue``; ``payload``: what would be
    created; ``result_url``: where a person opens what was."""

    id: str
    kind: str
    report_id: str
    payload: dict[str, JsonValue]
    state: ActionState
    proposed_by: str
    proposed_at: UtcTime
    decided_by: str | None
    decided_at: UtcTime | None
    result_url: str | None
    error: str | None


class AuditRow(Frozen):
    """Who did what to a proposal, and when."""

    proposal_id: str
    at: UtcTime
    who: str
    what: str
    detail: str | None


class Actions:
    """``db.actions``. ``by``: the name of the person (or key) who does it."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def propose(
        self, kind: str, report_id: str, payload: Mapping[str, JsonValue], *, by: str
    ) -> Proposal:
        """Keep a proposal. Raises: NotFound, where there is no such report; StoreError."""
        now = self._connections.now()
        proposal = Proposal(
            id=new_id("a", now),
            kind=kind,
            report_id=report_id,
            payload=dict(payload),
            state=ActionState.PROPOSED,
            proposed_by=by,
            proposed_at=now,
            decided_by=None,
            decided_at=None,
            result_url=None,
            error=None,
        )
        async with self._connections.write() as connection:
            await require_report(connection, report_id)
            await connection.execute(proposals.insert(), proposal.model_dump())
            await self._note(connection, proposal.id, by, ActionState.PROPOSED, kind)
        return proposal

    async def approve(self, proposal_id: str, *, by: str) -> Proposal:
        """A person's yes, which counts once. Raises: NotFound; Conflict; StoreError."""
        return await self._decide(proposal_id, ActionState.APPROVED, by, None)

    async def reject(self, proposal_id: str, *, by: str, reason: str | None = None) -> Proposal:
        """A person's no. Raises: NotFound; Conflict; StoreError."""
        return await self._decide(proposal_id, ActionState.REJECTED, by, reason)

    async def dry_run(self, proposal_id: str, *, by: str, detail: str) -> Proposal:
        """Approved and not executed: what would have happened is the audit's ``detail``.

        Raises: NotFound; Conflict; StoreError.
        """
        return await self._step(
            proposal_id, ActionState.APPROVED, ActionState.DRY_RUN, by, detail, {}
        )

    async def start(self, proposal_id: str, *, by: str) -> Proposal:
        """Execute it now: one caller ever gets past this.

        Raises: NotFound; Conflict; StoreError.
        """
        return await self._step(
            proposal_id, ActionState.APPROVED, ActionState.EXECUTING, by, None, {}
        )

    async def done(self, proposal_id: str, *, by: str, result_url: str | None) -> Proposal:
        """It was executed. Raises: NotFound; Conflict; StoreError."""
        values = {"result_url": result_url}
        return await self._step(
            proposal_id, ActionState.EXECUTING, ActionState.DONE, by, result_url, values
        )

    async def failed(self, proposal_id: str, *, by: str, error: str) -> Proposal:
        """It could not be executed. Raises: NotFound; Conflict; StoreError."""
        values = {"error": error}
        return await self._step(
            proposal_id, ActionState.EXECUTING, ActionState.FAILED, by, error, values
        )

    async def get(self, proposal_id: str) -> Proposal | None:
        """The proposal, for whoever asks."""
        async with self._connections.read() as connection:
            return await _find(connection, proposal_id)

    async def list(
        self,
        *,
        audience: Iterable[str] | None = None,
        state: ActionState | None = None,
        report_id: str | None = None,
    ) -> tuple[Proposal, ...]:
        """Proposals, newest first: of reports that readers with these labels may see (None: of
        all), in one state, of one report."""
        query = select(proposals).order_by(proposals.c.id.desc())
        if audience is not None:
            query = query.where(visible_to(audience, proposals.c.report_id))
        if state is not None:
            query = query.where(proposals.c.state == state)
        if report_id is not None:
            query = query.where(proposals.c.report_id == report_id)
        async with self._connections.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(Proposal.model_validate(row._asdict()) for row in rows)

    async def audit(self, proposal_id: str | None = None) -> tuple[AuditRow, ...]:
        """What was done to a proposal (None: to all of them), in order."""
        columns = [column for column in audit.c if column.name != "number"]
        query = select(*columns).order_by(audit.c.number)
        if proposal_id is not None:
            query = query.where(audit.c.proposal_id == proposal_id)
        async with self._connections.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(AuditRow.model_validate(row._asdict()) for row in rows)

    async def _decide(
        self, proposal_id: str, state: ActionState, by: str, detail: str | None
    ) -> Proposal:
        values = {"decided_by": by, "decided_at": self._connections.now()}
        return await self._step(proposal_id, ActionState.PROPOSED, state, by, detail, values)

    async def _step(
        self,
        proposal_id: str,
        before: ActionState,
        after: ActionState,
        by: str,
        detail: str | None,
        values: Mapping[str, object],
    ) -> Proposal:
        statement = (
            update(proposals)
            .where(proposals.c.id == proposal_id, proposals.c.state == before)
            .values(state=after, **values)
            .returning(proposals)
        )
        async with self._connections.write() as connection:
            row = (await connection.execute(statement)).one_or_none()
            if row is None:
                found = await _find(connection, proposal_id)
                if found is None:
                    raise NotFound(f"there is no proposal {proposal_id}")
                who = f" by {found.decided_by}" if found.decided_by else ""
                raise Conflict(f"proposal {proposal_id} is {found.state}{who}, and not {before}")
            await self._note(connection, proposal_id, by, after, detail)
        return Proposal.model_validate(row._asdict())

    async def _note(
        self,
        connection: AsyncConnection,
        proposal_id: str,
        who: str,
        what: str,
        detail: str | None,
    ) -> None:
        await connection.execute(
            audit.insert(),
            {
                "proposal_id": proposal_id,
                "at": self._connections.now(),
                "who": who,
                "what": what,
                "detail": detail,
            },
        )


async def _find(connection: AsyncConnection, proposal_id: str) -> Proposal | None:
    query = select(proposals).where(proposals.c.id == proposal_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Proposal.model_validate(row._asdict())
