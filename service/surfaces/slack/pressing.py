"""The job that does what a button says.

Whoever presses it must be able to read the answer that it stands under, by the labels that they
have now. What they get to see is shown to them alone, except for what is shared: a channel is
asked for anew, with the labels that both it and the sharer have, about the same window, and gets
that answer.
"""

from __future__ import annotations

from contextlib import suppress

from service.actions.desk import ActionDesk, outcome_of, payload_of
from service.actions.errors import ActionError
from service.actions.kinds import ActionKind
from service.actions.payloads import JiraIssue, PagerDutyIncident, Payload
from service.desk import Desk
from service.learning import LearningError
from service.readers import Reader
from service.reports.model import Cause, Report
from service.settings import Settings
from service.store import NotFound, StoredReport, Surface, Verdict
from service.store.jobs import Job
from service.surfaces.slack.access import Access
from service.surfaces.slack.answering import FAILED, GONE, OUTSIDE
from service.surfaces.slack.blocks import details, name_of
from service.surfaces.slack.buttons import Press, proposal_buttons
from service.surfaces.slack.errors import SlackFailure, SlackRefused
from service.surfaces.slack.mrkdwn import Message, bold, messages, sections, words
from service.surfaces.slack.publishing import NOT_DELIVERED, Publisher, said
from service.surfaces.slack.sealed import Seal
from service.surfaces.slack.tasks import Pressing
from service.workspace import Asked

_VERDICTS = {
    Press.UP: Verdict.UP,
    Press.DOWN: Verdict.DOWN,
    Press.CONFIRM: Verdict.CONFIRM,
    Press.REJECT: Verdict.REJECT,
}


class Presses:
    """Does what buttons say. ``actions``: None where nothing can be proposed."""

    def __init__(
        self,
        desk: Desk,
        access: Access,
        publisher: Publisher,
        seal: Seal,
        actions: ActionDesk | None,
    ) -> None:
        self._desk = desk
        self._access = access
        self._publisher = publisher
        self._api = publisher.api
        self._seal = seal
        self._actions = actions

    async def do(self, job: Job) -> None:
        """Do what one says. Raises: SlackFailure, StoreError; tried again, as ``Answering``."""
        pressing = Pressing.model_validate(job.payload)
        try:
            await self._do(job, pressing)
        except NotFound:
            await self._tell(pressing, said(GONE))
        except (ActionError, LearningError) as error:
            await self._tell(pressing, said(f"{error}."))
        except Exception:
            if job.attempts >= job.max_attempts:
                with suppress(SlackFailure):
                    await self._tell(pressing, said(FAILED))
            raise

    async def _do(self, job: Job, pressing: Pressing) -> None:
        reader = await self._access.reader(pressing.user)
        match pressing.press:
            case Press.APPROVE | Press.DECLINE:
                await self._decide(pressing, reader)
                return
            case Press.PROPOSE:
                await self._propose(pressing, reader)
                return
        stored = await self._desk.get(pressing.target, reader)
        match pressing.press:
            case Press.DETAILS:
                view = self._publisher.view(stored, None)
                for message in details(stored.answer, view):
                    await self._tell(pressing, message)
            case Press.SHARE:
                await self._share(job, pressing, reader, stored)
            case Press.UP | Press.DOWN | Press.CONFIRM | Press.REJECT:
                await self._note(pressing, reader, stored)

    async def _note(self, pressing: Pressing, reader: Reader, stored: StoredReport) -> None:
        cause = _cause(stored, pressing.rest)
        taken = await self._desk.say(
            stored.id,
            reader,
            _VERDICTS[pressing.press],
            component=cause.component if cause is not None else None,
        )
        about = name_of(cause) if cause is not None else "this answer"
        known = " It is kept as an incident from now on." if taken.record is not None else ""
        thanks = {
            Press.UP: "Noted: this answer helped.",
            Press.DOWN: "Noted: this answer did not help.",
            Press.CONFIRM: f"Noted: {about} was the cause.{known}",
            Press.REJECT: f"Noted: {about} was not the cause.",
        }
        await self._tell(pressing, said(thanks[pressing.press]))

    async def _share(
        self, job: Job, pressing: Pressing, reader: Reader, stored: StoredReport
    ) -> None:
        place = await self._access.place(pressing.rest)
        shown = place.shows(reader.audience)
        if not shown:
            await self._tell(pressing, said(OUTSIDE))
            return
        shared = await self._again(job, stored, Reader(name=reader.name, audience=shown))
        try:
            root = await self._publisher.publish(
                shared, place, once=f"slack:{job.id}", asker=pressing.user
            )
        except SlackRefused as error:
            if error.reason not in NOT_DELIVERED:
                raise
            await self._tell(pressing, said(OUTSIDE))
            return
        if root is not None:
            await self._tell(pressing, said("Shared, with what that channel may read."))

    async def _again(self, job: Job, stored: StoredReport, reader: Reader) -> StoredReport:
        """The same question for somebody else; asked once, as ``Answering`` does."""
        conversations = self._desk.database.conversations
        mine = f"job:{job.id}"
        if (known := await conversations.last(Surface.SLACK, mine)) is not None:
            return await self._desk.get(known, reader)
        answer = stored.answer
        window = answer.scope.window if isinstance(answer, Report) else answer.window
        asked = Asked(
            text=answer.question,
            since=window.start.isoformat(),
            until=window.end.isoformat(),
            as_of=answer.scope.as_of if isinstance(answer, Report) else None,
        )
        shared = await self._desk.ask(asked, reader, surface=Surface.SLACK)
        await conversations.put(Surface.SLACK, mine, shared.id)
        return shared

    async def _propose(self, pressing: Pressing, reader: Reader) -> None:
        if self._actions is None:
            return
        proposal = await self._actions.propose(ActionKind(pressing.rest), pressing.target, reader)
        payload = payload_of(proposal)
        what, content = _proposed(payload)
        lines = [bold(what), *(words(line) for line in content.splitlines())]
        buttons = proposal_buttons(proposal.id, what=what, dry_run=self._dry_run)
        blocks = [*sections(lines), buttons]
        for message in messages(what, blocks):
            await self._tell(pressing, message)

    async def _decide(self, pressing: Pressing, reader: Reader) -> None:
        if self._actions is None:
            return
        decide = self._actions.approve if pressing.press is Press.APPROVE else self._actions.reject
        await self._tell(pressing, said(outcome_of(await decide(pressing.target, reader))))

    @property
    def _dry_run(self) -> bool:
        return self._desk.workspace.settings.actions_dry_run

    async def _tell(self, pressing: Pressing, message: Message) -> None:
        """Show something to who pressed, where the button is; else in their direct messages."""
        url = self._seal.open(pressing.sealed) if pressing.sealed is not None else None
        if url is not None and pressing.thread is None:
            with suppress(SlackRefused):  # it was used too often, or is too old
                await self._api.respond(url, message, replace=False)
                return
        try:
            await self._api.whisper(
                pressing.channel, pressing.user, message, thread=pressing.thread
            )
        except SlackRefused:
            await self._api.post(await self._api.direct(pressing.user), message)


def proposals_of(settings: Settings) -> tuple[tuple[str, str], ...]:
    """What may be proposed from a report with these settings, and what its button says."""
    from service.actions.desk import configured

    labels = {
        ActionKind.JIRA_ISSUE: "Create Jira issue…",
        ActionKind.PAGERDUTY_INCIDENT: "Page somebody…",
    }
    kinds = configured(settings)
    return tuple((kind.value, label) for kind, label in labels.items() if kind in kinds)


def _proposed(payload: Payload) -> tuple[str, str]:
    match payload:
        case JiraIssue():
            what = f"A {payload.issue_type} in {payload.project}: {payload.summary}"
            return what, payload.description
        case PagerDutyIncident():
            what = f"A PagerDuty incident on {payload.service}: {payload.title}"
            return what, payload.details
    return f"A note on {payload.incident}", payload.content


def _cause(stored: StoredReport, rank: str) -> Cause | None:
    if not isinstance(stored.answer, Report):
        return None
    return next((cause for cause in stored.answer.causes if str(cause.rank) == rank), None)
