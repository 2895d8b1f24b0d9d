"""Asking on behalf of somebody: answer, keep what was answered, go on from it.

The one way in for every surface that serves people. What was answered is kept with the labels
that it was made for, and is given only to who may read all of them. An answer that can't be kept
(the disk is full, the database is locked or gone) is given all the same, and says so.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from service.events import OnEvent
from service.learning import Taken, take_feedback
from service.pages import page_of
from service.queries.answer import QueryAnswer
from service.readers import Reader
from service.reports.model import Report
from service.store import Database, NotFound, StoredReport, StoreError, Surface, Verdict
from service.telling import told
from service.workspace import Answer, Asked, Workspace

_KEEPING_SECONDS = 5.0
"""What keeping an answer may take: whoever asked waits for it. SQLite's driver can't be stopped
while it waits for a lock, for at most ten seconds."""

_LOG = logging.getLogger(__name__)


class Desk:
    """Answers and keeps. ``workspace`` answers, ``database`` keeps; neither is closed here."""

    def __init__(self, workspace: Workspace, database: Database) -> None:
        self.workspace = workspace
        self.database = database

    async def ask(
        self,
        asked: Asked,
        reader: Reader,
        *,
        surface: Surface,
        after: str | None = None,
        on_event: OnEvent | None = None,
    ) -> StoredReport:
        """The answer, kept if that can be. ``after``: id of the answer that it goes on from.

        ``on_event`` is told what is looked at, and then the answer's verified sentences.
        Raises: ScopeError; NotFound, where ``reader`` may not read ``after``, and StoreError,
        where that can't be looked up.
        """
        before = (await self.get(after, reader)).answer if after is not None else None
        answer = await self.workspace.answer(
            asked,
            reader.audience,
            before=before if isinstance(before, Report) else None,
            on_event=on_event,
        )
        stored = await self._kept(answer, reader, surface, after)
        if on_event is not None:
            for event in told(answer):
                on_event(event)
        return stored

    async def _kept(
        self, answer: Answer, reader: Reader, surface: Surface, after: str | None
    ) -> StoredReport:
        reports = self.database.reports
        try:
            async with asyncio.timeout(_KEEPING_SECONDS):
                return await reports.add(
                    answer,
                    surface=surface,
                    asked_by=reader.name,
                    audience=reader.audience,
                    after=after,
                )
        except TimeoutError:
            why = f"the database {self.database.place} did not answer in {_KEEPING_SECONDS:g} s"
        except StoreError as error:
            why = str(error)
        _LOG.warning("an answer was not kept: %s", why)
        return reports.unkept(
            _noted(answer, "this answer is not kept, so its address leads nowhere: see the log"),
            surface=surface,
            asked_by=reader.name,
            audience=reader.audience,
            after=after,
        )

    async def get(self, report_id: str, reader: Reader) -> StoredReport:
        """A kept answer. Raises: NotFound, also where the reader may not read it; StoreError."""
        stored = await self.database.reports.get(report_id)
        if stored is None or not reader.may_read(stored.audience):
            raise NotFound(f"there is no report {report_id!r} that you may read")
        return stored

    async def say(
        self,
        report_id: str,
        reader: Reader,
        verdict: Verdict,
        *,
        component: str | None = None,
        note: str | None = None,
    ) -> Taken:
        """Keep what the reader says of an answer, or of the cause ``component`` of a report; a
        confirmed cause becomes an incident record.

        Raises: NotFound, NoSuchCause, Refused, StoreError; for a confirmation IndexFailure and
        EncoderError, since it has to be looked up who may read what the record says.
        """
        stored = await self.get(report_id, reader)
        settings = self.workspace.settings
        async with AsyncExitStack() as stack:
            retriever = None
            if verdict is Verdict.CONFIRM:
                knowledge = await stack.enter_async_context(self.workspace.knowledge())
                retriever = knowledge.retriever
            return await take_feedback(
                self.database,
                stored,
                verdict,
                component=component,
                by=reader.name,
                at=self.workspace.moment(),
                note=note,
                retriever=retriever,
                url=page_of(settings, stored.id),
                redact_emails=settings.redact_emails,
            )


def _noted(answer: Answer, line: str) -> Answer:
    """The answer with one more thing that is missing."""
    if isinstance(answer, QueryAnswer):
        return answer.model_copy(update={"missing": (*answer.missing, line)})
    return answer.model_copy(update={"not_seen": (*answer.not_seen, line)})
