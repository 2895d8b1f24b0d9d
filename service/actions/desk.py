"""From a report to something in Jira or PagerDuty, with a person's yes in between.

Every surface proposes, approves and rejects here. A proposal shows in full what would be created;
approving it creates exactly that, once: the database lets one caller past each step, and what is
created carries the proposal's id, so that it can be found again where an answer was lost. By
default nothing is created at all (``actions_dry_run``). Who may not read a report can neither
propose from it nor see or decide its proposals.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import JsonValue, SecretStr, TypeAdapter

from ingest.documents import EVERYONE
from ingest.redaction import redact_text
from service.actions.errors import (
    NotConfigured,
    NothingToPropose,
    NotWaiting,
    RemoteError,
    RemoteRefused,
    RemoteUnclear,
)
from service.actions.kinds import ActionKind, Urgency
from service.actions.payloads import (
    JiraIssue,
    PagerDutyIncident,
    PagerDutyNote,
    Payload,
    jira_issue,
    pagerduty_incident,
    pagerduty_note,
)
from service.pages import page_of
from service.readers import Reader
from service.reports.model import Report
from service.settings import Settings
from service.store.actions import ActionState, Proposal
from service.store.errors import Conflict, NotFound

if TYPE_CHECKING:
    from service.actions.jira_issues import JiraIssues
    from service.actions.pagerduty_incidents import PagerDutyIncidents
    from service.store.database import Database

_PAYLOAD: TypeAdapter[Payload] = TypeAdapter(Payload)
_IN_HAND = timedelta(minutes=5)
"""An execution that began longer ago has ended, its thread too, and can be found if it was done."""
_STANDING = (ActionState.PROPOSED, ActionState.APPROVED, ActionState.EXECUTING, ActionState.DONE)
_NEEDED = {
    ActionKind.JIRA_ISSUE: ("jira_url", "jira_token", "jira_project"),
    ActionKind.PAGERDUTY_INCIDENT: ("pagerduty_token", "pagerduty_from", "pagerduty_service"),
    ActionKind.PAGERDUTY_NOTE: ("pagerduty_token", "pagerduty_from"),
}


def configured(settings: Settings) -> tuple[ActionKind, ...]:
    """What can be proposed with these settings."""
    return tuple(kind for kind in ActionKind if not _missing(settings, kind))


def payload_of(proposal: Proposal) -> Payload:
    """What a proposal would create."""
    return _PAYLOAD.validate_python(proposal.payload)


def outcome_of(proposal: Proposal) -> str:
    """Where a proposal is, in one sentence for a person."""
    who = proposal.decided_by or "somebody"
    match proposal.state:
        case ActionState.PROPOSED:
            return (
                f"Proposed by {proposal.proposed_by}; nothing happens until somebody approves it."
            )
        case ActionState.REJECTED:
            return f"Rejected by {who}."
        case ActionState.DRY_RUN:
            return (
                f"Approved by {who} as a dry run: this was only written down, nothing was created. "
                "Set actions_dry_run to false to create things."
            )
        case ActionState.DONE:
            return f"Approved by {who} and created: {proposal.result_url}"
        case ActionState.FAILED:
            return f"Approved by {who}, and nothing was created: {proposal.error}"
        case ActionState.APPROVED:
            return f"Approved by {who}, and not begun; approve it again to go on."
        case ActionState.EXECUTING:
            return (
                f"Approved by {who}, and there was no clear answer: it may have been created. "
                "Approve it again in some minutes: then it is looked for, and never created twice."
            )


def caution_of(audience: Iterable[str]) -> str | None:
    """What to think of before a report that was made for these labels goes elsewhere."""
    labels = sorted(set(audience) - {EVERYONE})
    if not labels:
        return None
    return (
        f"Careful: this may hold what only {', '.join(labels)} may read, and whoever sees it there "
        "will read it."
    )


class ActionDesk:
    """Proposals and their way. The database is not closed here."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    async def propose(
        self,
        kind: ActionKind,
        report_id: str,
        reader: Reader,
        *,
        incident: str | None = None,
        urgency: Urgency | None = None,
    ) -> Proposal:
        """A proposal from a stored report, or the one that there is already.

        ``incident``: for a note, the PagerDuty incident's id. Raises: NotConfigured,
        NothingToPropose; NotFound, also where the reader may not read the report; StoreError.
        """
        self._require(kind)
        stored = await self._database.reports.get(report_id)
        if stored is None or not reader.may_read(stored.audience):
            raise NotFound(f"there is no report {report_id!r} that you may read")
        if not isinstance(stored.answer, Report):
            raise NothingToPropose(f"{report_id} is a {stored.kind}; ask why something happened")
        payload = self._payload(kind, stored.id, stored.answer, incident, urgency)
        for earlier in await self._database.actions.list(report_id=report_id):
            if earlier.state in _STANDING and _same(payload_of(earlier), payload):
                return earlier
        values: dict[str, JsonValue] = payload.model_dump(mode="json")
        return await self._database.actions.propose(kind.value, report_id, values, by=reader.name)

    async def list(self, reader: Reader) -> tuple[Proposal, ...]:
        """The proposals that a reader may see, newest first. Raises: StoreError."""
        return await self._database.actions.list(audience=reader.audience)

    async def get(self, proposal_id: str, reader: Reader) -> Proposal:
        """A proposal. Raises: NotFound, also where the reader may not see it; StoreError."""
        proposal = await self._database.actions.get(proposal_id)
        stored = await self._database.reports.get(proposal.report_id) if proposal else None
        if proposal is None or stored is None or not reader.may_read(stored.audience):
            raise NotFound(f"there is no proposal {proposal_id!r} that you may see")
        return proposal

    async def caution(self, proposal: Proposal) -> str | None:
        """What to think of before it is approved. Raises: StoreError."""
        stored = await self._database.reports.get(proposal.report_id)
        return caution_of(stored.audience) if stored else None

    async def reject(self, proposal_id: str, by: Reader, reason: str | None = None) -> Proposal:
        """A person's no. Raises: NotFound, NotWaiting, StoreError."""
        await self.get(proposal_id, by)
        try:
            return await self._database.actions.reject(
                proposal_id, by=by.name, reason=reason and redact_text(reason)
            )
        except Conflict as error:
            raise NotWaiting(str(error)) from error

    async def approve(self, proposal_id: str, by: Reader) -> Proposal:
        """A person's yes, carried out: what became of it is in the proposal that is returned.

        ``outcome_of`` says it in words. One whose execution was cut off is looked for, and never
        created again. Raises: NotConfigured, NotFound, NotWaiting, StoreError.
        """
        proposal = await self.get(proposal_id, by)
        payload = payload_of(proposal)
        actions = self._database.actions
        try:
            if proposal.state is ActionState.EXECUTING:
                return await self._look_for(proposal, payload, by)
            if not self._settings.actions_dry_run:
                self._require(payload.kind)
            if proposal.state is not ActionState.APPROVED:
                await actions.approve(proposal_id, by=by.name)
            if self._settings.actions_dry_run:
                return await actions.dry_run(proposal_id, by=by.name, detail=_would(payload))
            started = await actions.start(proposal_id, by=by.name)
            try:
                created = await self._create(payload, proposal_id)
            except RemoteRefused as error:
                return await actions.failed(proposal_id, by=by.name, error=str(error))
            except RemoteUnclear:
                return started
            return await actions.done(proposal_id, by=by.name, result_url=created)
        except Conflict as error:
            raise NotWaiting(str(error)) from error

    def _payload(
        self,
        kind: ActionKind,
        report_id: str,
        report: Report,
        incident: str | None,
        urgency: Urgency | None,
    ) -> Payload:
        settings = self._settings
        link = page_of(settings, report_id)
        match kind:
            case ActionKind.JIRA_ISSUE:
                project = settings.jira_project or ""
                return jira_issue(report, link, project, settings.jira_issue_type)
            case ActionKind.PAGERDUTY_INCIDENT:
                service = settings.pagerduty_service or ""
                return pagerduty_incident(report, link, service, urgency)
            case ActionKind.PAGERDUTY_NOTE:
                try:
                    return pagerduty_note(report, link, incident or "")
                except ValueError as error:
                    raise NothingToPropose(str(error)) from error

    async def _look_for(self, proposal: Proposal, payload: Payload, by: Reader) -> Proposal:
        """What became of an execution that was cut off. Raises: NotWaiting, Conflict."""
        rows = await self._database.actions.audit(proposal.id)
        began = max(row.at for row in rows if row.what == ActionState.EXECUTING)
        if datetime.now(UTC) - began < _IN_HAND:
            raise NotWaiting(f"proposal {proposal.id} is being carried out right now")
        self._require(payload.kind)
        try:
            found = await self._find(payload, proposal.id)
        except RemoteError:
            return proposal
        if found is not None:
            return await self._database.actions.done(proposal.id, by=by.name, result_url=found)
        gone = "it was cut off before anything was created; propose it again"
        return await self._database.actions.failed(proposal.id, by=by.name, error=gone)

    # What these two return is where a person opens what is there.

    async def _create(self, payload: Payload, proposal_id: str) -> str:
        match payload:
            case JiraIssue():
                return await self._jira().create(payload, proposal_id)
            case PagerDutyIncident():
                return await self._pagerduty().create(payload, proposal_id)
            case PagerDutyNote():
                return await self._pagerduty().annotate(payload, proposal_id)

    async def _find(self, payload: Payload, proposal_id: str) -> str | None:
        match payload:
            case JiraIssue():
                return await self._jira().find(payload, proposal_id)
            case PagerDutyIncident():
                return await self._pagerduty().find(payload, proposal_id)
            case PagerDutyNote():
                return await self._pagerduty().find_note(payload, proposal_id)

    def _jira(self) -> JiraIssues:
        from service.actions.jira_issues import JiraIssues

        settings = self._settings
        return JiraIssues(settings.jira_url or "", settings.jira_user, _clear(settings.jira_token))

    def _pagerduty(self) -> PagerDutyIncidents:
        from service.actions.pagerduty_incidents import PagerDutyIncidents

        settings = self._settings
        return PagerDutyIncidents(
            settings.pagerduty_url, _clear(settings.pagerduty_token), settings.pagerduty_from or ""
        )

    def _require(self, kind: ActionKind) -> None:
        missing = _missing(self._settings, kind)
        if missing:
            raise NotConfigured(f"{kind} needs the settings {', '.join(missing)}")


def _missing(settings: Settings, kind: ActionKind) -> tuple[str, ...]:
    return tuple(name for name in _NEEDED[kind] if not getattr(settings, name))


def _clear(token: SecretStr | None) -> str:
    return token.get_secret_value() if token else ""


def _same(one: Payload, other: Payload) -> bool:
    """Whether they create the same kind of thing in the same place."""
    match one, other:
        case (PagerDutyNote(), PagerDutyNote()):
            return one.incident == other.incident
        case _:
            return one.kind is other.kind


def _would(payload: Payload) -> str:
    match payload:
        case JiraIssue():
            return f"would create a {payload.issue_type} in {payload.project}: {payload.summary}"
        case PagerDutyIncident():
            return f"would open an incident on {payload.service}: {payload.title}"
        case PagerDutyNote():
            return f"would write a note on {payload.incident}: {payload.content.splitlines()[0]}"
