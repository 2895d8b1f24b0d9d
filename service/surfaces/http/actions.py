"""``/v1/actions``: what a report proposes, and a person's yes or no to it.

Anybody who may ask may propose: nothing comes of it by itself. The yes needs the scope ``admin``,
so that a program that may ask can't say it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from ingest.documents import Frozen
from service.actions.desk import ActionDesk, configured, outcome_of
from service.actions.kinds import ActionKind, Urgency
from service.store import Proposal
from service.surfaces.http import examples
from service.surfaces.http.auth import Administering, Asking
from service.surfaces.http.idempotency import OnceOnly
from service.surfaces.http.serving import Server, Serving

router = APIRouter(prefix="/v1/actions", tags=["actions"])

ProposalId = Annotated[str, Path(min_length=1, max_length=100, examples=[examples.PROPOSAL_ID])]


class ProposeRequest(Frozen):
    """What to make of a report."""

    kind: ActionKind
    report_id: str = Field(min_length=1, max_length=100)
    incident: str | None = Field(default=None, min_length=1, max_length=100)
    """For a note: id of the PagerDuty incident that it is written on."""
    urgency: Urgency | None = None
    """Of a PagerDuty incident."""


class RejectRequest(Frozen):
    """A no, and why."""

    reason: str | None = Field(default=None, max_length=2000)


class ProposalView(Proposal):
    """A proposal. `payload`: all of what would be created; `outcome`: where it is, in words."""

    outcome: str


class ProposalList(Frozen):
    """Proposals, newest first. `kinds`: what can be proposed here; `dry_run`: an approved one is
    only written down."""

    kinds: tuple[ActionKind, ...]
    dry_run: bool
    items: tuple[ProposalView, ...]


@router.get("", summary="List proposals")
async def list_proposals(
    caller: Asking,
    serving: Server,
    report_id: Annotated[
        str | None, Query(max_length=100, description="Only those of this report.")
    ] = None,
) -> ProposalList:
    """Those of reports that this key may read."""
    found = await _desk(serving).list(caller.reader)
    return ProposalList(
        kinds=configured(serving.settings),
        dry_run=serving.settings.actions_dry_run,
        items=tuple(
            _view(proposal) for proposal in found if report_id in (None, proposal.report_id)
        ),
    )


@router.post(
    "",
    response_model=ProposalView,
    status_code=201,
    summary="Propose something",
)
async def create_proposal(
    body: Annotated[ProposeRequest, examples.PROPOSE],
    caller: Asking,
    serving: Server,
    once: OnceOnly,
) -> Response:
    """Pre-filled from a report, with its citations. Nothing is created before it is approved; the
    same proposal is made once."""

    async def work() -> ProposalView:
        proposal = await _desk(serving).propose(
            body.kind,
            body.report_id,
            caller.reader,
            incident=body.incident,
            urgency=body.urgency,
        )
        return _view(proposal)

    return await once(caller, 201, work)


@router.get("/{proposal_id}", summary="Read a proposal")
async def get_proposal(proposal_id: ProposalId, caller: Asking, serving: Server) -> ProposalView:
    """All of what would be created, and where it is."""
    return _view(await _desk(serving).get(proposal_id, caller.reader))


@router.post(
    "/{proposal_id}/approve",
    response_model=ProposalView,
    summary="Approve a proposal",
)
async def approve_proposal(
    proposal_id: ProposalId, caller: Administering, serving: Server, once: OnceOnly
) -> Response:
    """Creates it, once; with `actions_dry_run` it is only written down."""

    async def work() -> ProposalView:
        return _view(await _desk(serving).approve(proposal_id, caller.reader))

    return await once(caller, 200, work)


@router.post(
    "/{proposal_id}/reject",
    response_model=ProposalView,
    summary="Reject a proposal",
)
async def reject_proposal(
    proposal_id: ProposalId,
    body: Annotated[RejectRequest, examples.REJECT],
    caller: Administering,
    serving: Server,
    once: OnceOnly,
) -> Response:
    """It can't be approved any more."""

    async def work() -> ProposalView:
        rejected = await _desk(serving).reject(proposal_id, caller.reader, body.reason)
        return _view(rejected)

    return await once(caller, 200, work)


def _desk(serving: Serving) -> ActionDesk:
    return ActionDesk(serving.settings, serving.database)


def _view(proposal: Proposal) -> ProposalView:
    values = {name: getattr(proposal, name) for name in Proposal.model_fields}
    return ProposalView(**values, outcome=outcome_of(proposal))
