"""The documents of one question: as its reader may see them, and within its deadline."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from ingest.documents import Chunk, RunbookFacts, SourceKind
from ingest.index import Scope
from service.causes.ranking import RankedCause
from service.deadline import Deadline
from service.linked_runbooks import (
    RunbookReference,
    linked_passage,
    page_ids,
    rule_with_link,
)
from service.metrics.catalog import Catalog
from service.metrics.usage import Usage, UsageCache
from service.retrieval import Passage, Retriever
from service.scope import mentioned

T = TypeVar("T")

_RUNBOOKS = 3
"""Runbooks that are looked at for what to do about a cause."""
_SAID = 200
"""Characters of a rule that its page is searched for: its name and its summary."""
_SHARE = 0.5
"""Of the time that is left, what one look at the documents may take: the metrics need theirs."""


class Library:
    """Where ``retriever`` is None there is nothing in it; the caller's report says why.

    After a look that failed or came too late there is nothing more in it either: each of the
    dozen that a question takes would wait as long for an index that is gone.
    """

    def __init__(
        self, retriever: Retriever | None, reader: Scope, deadline: Deadline, usages: UsageCache
    ) -> None:
        self._retriever = retriever
        self._reader = reader
        self._deadline = deadline
        self._usages = usages
        self._followed: dict[RunbookReference, Chunk | None] = {}

    async def search(
        self,
        text: str,
        *,
        limit: int,
        kinds: tuple[SourceKind, ...] = (),
        documents: tuple[str, ...] = (),
    ) -> list[Passage]:
        """The best passages of these kinds, or only of these documents, best first."""
        if self._retriever is None:
            return []
        scope = self._reader.model_copy(update={"kinds": kinds, "documents": documents})
        return await self._looked(self._retriever.search(text, scope=scope, limit=limit)) or []

    async def documents(self, ids: Sequence[str]) -> Mapping[str, tuple[Chunk, ...]]:
        """All chunks of these documents, in order."""
        if self._retriever is None or not ids:
            return {}
        return await self._looked(self._retriever.documents(ids, scope=self._reader)) or {}

    async def usage(self, catalog: Catalog) -> Usage:
        """Which panels and rules use which metric."""
        retriever, reader = self._retriever, self._reader
        if retriever is None:
            return Usage()
        everything = Scope(
            audience=reader.audience, kinds=(SourceKind.DASHBOARDS, SourceKind.ALERTS)
        )
        usage = await self._looked(
            self._usages.of(
                reader.audience, catalog.names, lambda: retriever.everything(scope=everything)
            )
        )
        return (usage or Usage()).visible(reader.as_of, reader.excluded_documents)

    async def _looked(self, look: Coroutine[Any, Any, T]) -> T | None:
        found = await self._deadline.bounded(look, "the documents", _SHARE)
        if found is None:
            self._retriever = None
        return found

    async def linked_runbooks(self, references: Sequence[RunbookReference]) -> list[Chunk]:
        """The pages that alerts' rules link, once each; the rule where its page is elsewhere.

        A page is shown by the section that the link names, else by what is said there about the
        alert. A link is followed once in a question.
        """
        new = [reference for reference in references if reference not in self._followed]
        if new:
            self._followed.update(await self._follow(new))
        found: dict[str, Chunk] = {}
        for reference in references:
            if (page := self._followed.get(reference)) is not None:
                found.setdefault(page.document_id, page)
        return list(found.values())

    async def _follow(
        self, references: Sequence[RunbookReference]
    ) -> dict[RunbookReference, Chunk | None]:
        if self._retriever is None:
            return {}
        sources = await self._looked(self._retriever.sources()) or []
        ids = {reference: page_ids(reference, sources) for reference in references}
        documents = await self.documents(
            [*chain.from_iterable(ids.values()), *(one.rule_id for one in references)]
        )
        found: dict[RunbookReference, Chunk | None] = {}
        for reference in references:
            rule = documents.get(reference.rule_id, ())
            page = next((documents[one] for one in ids[reference] if one in documents), ())
            if not page:
                found[reference] = rule_with_link(reference, rule)
                continue
            said = " ".join(chunk.text for chunk in rule)[:_SAID]
            nearest: Sequence[Passage] = ()
            if said and len(page) > 1:
                nearest = await self.search(said, limit=1, documents=(page[0].document_id,))
            found[reference] = linked_passage(
                reference, page, nearest[0].chunk if nearest else None
            )
        return found

    async def runbooks_for(
        self, cause: RankedCause, references: Sequence[RunbookReference]
    ) -> list[Chunk]:
        """What to do about it: undo the change, or follow what its alerts' rules link, or look
        after the component's metrics."""
        linked = await self.linked_runbooks(references)
        if cause.changes:
            text = f"roll back: {cause.changes[0].text}"
        else:
            metrics = [f"{s.title} {s.metric}" for s in cause.signals[:2]]
            known = [known.sentence for known in cause.known[:1]]
            text = f"{cause.component}: {', '.join([*cause.alerts, *(metrics or known)])}"
        found = await self.search(text, limit=_RUNBOOKS, kinds=(SourceKind.RUNBOOKS,))
        if cause.changes:
            return [*(passage.chunk for passage in found), *linked]
        documents = await self.documents([p.chunk.document_id for p in found])
        about = [p for p in found if _is_about(documents.get(p.chunk.document_id, ()), cause)]
        about.sort(key=lambda passage: not _is_for(passage.chunk, cause.alerts))
        return [*linked, *(passage.chunk for passage in about)]


def _is_for(chunk: Chunk, alerts: Sequence[str]) -> bool:
    return isinstance(chunk.facts, RunbookFacts) and bool({*alerts} & {*chunk.facts.alerts})


def _is_about(chunks: Sequence[Chunk], cause: RankedCause) -> bool:
    """Whether a runbook names the component or one of the metrics that changed."""
    names = [cause.component, *(signal.metric for signal in cause.signals)]
    return any(
        cause.component in chunk.services or mentioned(chunk.text, names) for chunk in chunks
    )
