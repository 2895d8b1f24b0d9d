"""People's word on a cause: kept as feedback, and a confirmed cause becomes an incident record.

The feedback is what counts: who said what, one word a person. The record is written out of all of
it at each confirmation, so that two who confirm at once end up in one record; any other word only
changes the list of who stands by it, and so does every word once somebody has edited the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ingest.documents import EVERYONE, Document, Frozen
from ingest.index import Scope
from ingest.redaction import redact_text
from service.learning.errors import NoSuchCause, Refused
from service.learning.keeping import EDITED, ask_for_sync
from service.learning.pages import MAX_SENTENCE
from service.learning.records import (
    Readable,
    provenance,
    record,
    record_id,
    with_confirmations,
)
from service.reports.model import Cause, PassageCitation, Report
from service.retrieval import Retriever
from service.store import (
    Conflict,
    Database,
    FeedbackEntry,
    KnowledgeItem,
    StoredReport,
    Verdict,
)


class Taken(Frozen):
    """What was kept of somebody's word. ``record``: the cause's record, where there is one now."""

    entry: FeedbackEntry
    record: KnowledgeItem | None


async def confirm(
    database: Database,
    stored: StoredReport,
    rank: int,
    *,
    by: str,
    at: datetime,
    text: str | None = None,
    retriever: Retriever | None = None,
    url: str | None = None,
    redact_emails: bool = False,
) -> Taken:
    """Somebody stands by the report's cause number ``rank``, from 1: it becomes an incident record,
    or one more stands by it.

    ``text``: the cause in the person's own words. All else as ``take_feedback``, which this is
    for the verdict CONFIRM.
    """
    return await take_feedback(
        database,
        stored,
        Verdict.CONFIRM,
        component=cause_of(stored, rank).component,
        by=by,
        at=at,
        note=text,
        retriever=retriever,
        url=url,
        redact_emails=redact_emails,
    )


async def take_feedback(
    database: Database,
    stored: StoredReport,
    verdict: Verdict,
    *,
    component: str | None,
    by: str,
    at: datetime,
    note: str | None = None,
    retriever: Retriever | None = None,
    url: str | None = None,
    redact_emails: bool = False,
) -> Taken:
    """Keep what somebody says of an answer (``component`` None) or of one cause in a report.

    A person has one word on a cause: any other takes their confirmation back. A record that
    nobody stands by stays, as unconfirmed. Where nobody is known who may read all of the
    evidence, a confirmation makes no record and is a vote like any other.

    ``at``: the moment, UTC, since when it is known; ``retriever``: looks up which of the cited
    passages the record's readers may see, and without it none is quoted; ``url``: where the
    report can be read, if that is an address that can be opened from anywhere.

    Raises: NoSuchCause, Refused, StoreError, IndexFailure.
    """
    note = redact_text((note or "").strip(), emails=redact_emails) or None
    if note is not None and len(note) > MAX_SENTENCE:
        raise Refused("note", f"longer than {MAX_SENTENCE} characters")
    confirms = verdict is Verdict.CONFIRM
    entry = FeedbackEntry(
        report_id=stored.id, by=by, verdict=verdict, component=component, note=note, at=at
    )
    if component is None:
        if confirms or verdict is Verdict.REJECT:
            raise NoSuchCause("say which cause you mean: its component")
        await database.feedback.add(entry)
        return Taken(entry=entry, record=None)
    report, cause = _cause_named(stored, component)
    readable = await _readable(report, cause, stored.audience, retriever, at) if confirms else None
    await database.feedback.add(entry)

    def written(said: Sequence[FeedbackEntry], item: KnowledgeItem | None) -> Document | None:
        edited = item is not None and EDITED in item.provenance
        stands = any(entry.verdict is Verdict.CONFIRM for entry in said)
        if readable is None or edited or not stands:
            return with_confirmations(item.document, said, stored.id) if item is not None else None
        return record(
            stored.id, report, cause, said, readable, url=url, redact_emails=redact_emails
        )

    while True:
        item = await database.knowledge.of_document(record_id(stored.id, cause.component))
        entries = await database.feedback.of(stored.id)
        said = [entry for entry in entries if entry.component == cause.component]
        document = written(said, item)
        if document is None:
            return Taken(entry=entry, record=None)
        origin = provenance(said, stored.id)
        if item is not None:
            _, edited, by_whom = item.provenance.partition(EDITED)
            item = await database.knowledge.replace(
                item.id, document, provenance=f"{origin}{edited}{by_whom}"
            )
        else:
            try:
                item = await database.knowledge.add(document, provenance=origin, by=by)
            except Conflict:
                continue  # somebody else confirmed it just now: theirs is the one to update
        await ask_for_sync(database)
        return Taken(entry=entry, record=item)


def cause_of(stored: StoredReport, rank: int) -> Cause:
    """The report's cause number ``rank``, from 1. Raises: NoSuchCause."""
    causes = _report_in(stored).causes
    if not 1 <= rank <= len(causes):
        has = f"{len(causes)} causes" if causes else "no causes"
        raise NoSuchCause(f"report {stored.id} has {has}, so none with the number {rank}")
    return causes[rank - 1]


def _cause_named(stored: StoredReport, component: str) -> tuple[Report, Cause]:
    report = _report_in(stored)
    for cause in report.causes:
        if cause.component == component:
            return report, cause
    named = ", ".join(cause.component for cause in report.causes) or "none"
    raise NoSuchCause(f"report {stored.id} has no cause {component[:80]!r}; it has: {named}")


def _report_in(stored: StoredReport) -> Report:
    if not isinstance(stored.answer, Report):
        raise NoSuchCause(f"{stored.id} is no report of causes but an answer about {stored.kind}")
    return stored.answer


async def _readable(
    report: Report,
    cause: Cause,
    made_for: Sequence[str],
    retriever: Retriever | None,
    at: datetime,
) -> Readable | None:
    """Who may read the record: everyone, unless the cause's own evidence is for fewer.

    None where it can't be known, or where no label may read all of it.
    """
    passages = [one for one in report.citations if isinstance(one, PassageCitation)]
    numbers = {number for claim in cause.evidence for number in claim.citations}
    evidence = {one.document_id for one in passages if one.number in numbers}
    audience: tuple[str, ...] = (EVERYONE,)
    if evidence and set(made_for) != {EVERYONE}:
        if retriever is None:
            return None
        scope = Scope(audience=tuple(made_for), as_of=at)
        documents = await retriever.documents(sorted(evidence), scope=scope)
        labels = [set(chunks[0].audience) for chunks in documents.values()]
        restricted = [one for one in labels if EVERYONE not in one]
        if restricted:
            audience = tuple(sorted(set.intersection(*restricted)))
        if not audience or documents.keys() != evidence:
            return None
    alone = audience if len(audience) == 1 else ()
    return Readable(
        audience=audience,
        quotes=await _quotes(passages, audience, retriever, at),
        whole={*made_for} <= {EVERYONE, *alone},
    )


async def _quotes(
    passages: Sequence[PassageCitation],
    audience: Sequence[str],
    retriever: Retriever | None,
    at: datetime,
) -> frozenset[tuple[str, str]]:
    """Those that a reader with any one of these labels finds in the documents."""
    if retriever is None or not passages:
        return frozenset()
    found = []
    ids = sorted({one.document_id for one in passages})
    for label in audience:
        scope = Scope(audience=tuple(dict.fromkeys((label, EVERYONE))), as_of=at)
        documents = await retriever.documents(ids, scope=scope)
        found.append(
            {
                (one.document_id, one.quote)
                for one in passages
                if any(one.quote in chunk.text for chunk in documents.get(one.document_id, ()))
            }
        )
    return frozenset(set.intersection(*found))
