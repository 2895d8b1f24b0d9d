"""The engine: what questions are answered with, and the way in for one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

from ingest.documents import EVERYONE
from ingest.index import Scope
from service.causes.topology import Calls
from service.events import OnEvent
from service.intent import Intent, intent_by_rule, intent_of
from service.investigation import Investigation, InvestigationPolicy, Means
from service.llm.models import Models
from service.metrics.catalog import CatalogCache
from service.metrics.source import MetricsSource
from service.metrics.usage import UsageCache
from service.reports.draft import ReportWriter
from service.reports.model import Report
from service.retrieval import Retriever
from service.scope import Vocabulary, scope_of

_ROUTING_SECONDS = 5.0
"""That a model may think about what a question wants."""


class Engine:
    """Answers questions. ``retriever`` and ``metrics`` may be None: then the report says so."""

    def __init__(
        self,
        *,
        retriever: Retriever | None,
        vocabulary: Vocabulary,
        metrics: MetricsSource | None,
        writer: ReportWriter,
        zone: tzinfo = UTC,
        deadline: timedelta = timedelta(seconds=20),
        writing: timedelta = timedelta(seconds=5),
        policy: InvestigationPolicy | None = None,
        calls: Calls = (),
        models: Models | None = None,
        catalogs: CatalogCache | None = None,
        usages: UsageCache | None = None,
        trust: Mapping[str, float] | None = None,
        missing: Sequence[str] = (),
    ) -> None:
        """``writing``: how long the writer may take, beside the deadline of everything else;
        ``calls``: pairs of caller and callee, where somebody knows them; ``models``: for what a
        question wants where no rule says; ``catalogs`` and ``usages``: where to keep what the
        metrics have and what the documents use of it, else for this engine alone; ``trust``:
        weights of documents that feedback made lighter, by id; ``missing``: what the caller
        already knows to be absent, in words."""
        self._means = Means(
            retriever=retriever,
            vocabulary=vocabulary,
            metrics=metrics,
            writer=writer,
            deadline=deadline,
            writing=writing,
            policy=policy or InvestigationPolicy(),
            calls=calls,
            catalogs=catalogs or CatalogCache(),
            usages=usages or UsageCache(),
            trust=trust or {},
            missing=tuple(missing),
        )
        self._zone = zone
        self._models = models

    @property
    def vocabulary(self) -> Vocabulary:
        """The names that a question may use."""
        return self._means.vocabulary

    def write_with(self, writer: ReportWriter) -> None:
        """From now on, this writer writes."""
        self._means = replace(self._means, writer=writer)

    def tamper_with(self, change: Callable[[MetricsSource], MetricsSource]) -> None:
        """From now on, the metrics are what ``change`` makes of them: for evaluations."""
        if self._means.metrics is not None:
            self._means = replace(self._means, metrics=change(self._means.metrics))

    async def intent_of(self, question: str) -> Intent:
        """What the question wants: by rule, else by the small model if there is one."""
        models = self._models
        if models is None:
            return await intent_of(question)
        budget = models.budget(_ROUTING_SECONDS)
        return await intent_of(question, model=models.small, budget=budget)

    async def ask(
        self,
        question: str,
        *,
        now: datetime,
        since: str | None = None,
        until: str | None = None,
        audience: tuple[str, ...] = (EVERYONE,),
        excluded: tuple[str, ...] = (),
        intent: Intent | None = None,
        on_event: OnEvent | None = None,
        began: float | None = None,
    ) -> Report:
        """The report on a question asked at ``now``, without the ``excluded`` documents.

        ``intent``: what the question wants, where the caller knows; ``on_event`` is told what is
        looked at on the way; ``began``: when the question came, on ``time.monotonic``, where
        something of its time has been used already.

        Raises: ScopeError, where the time in the question cannot be read.
        """
        scope = scope_of(
            question,
            now=now,
            zone=self._zone,
            since=since,
            until=until,
            vocabulary=self.vocabulary,
        )
        reader = Scope(audience=audience, as_of=scope.as_of, excluded_documents=excluded)
        report = await Investigation(
            question, scope, reader, means=self._means, on_event=on_event, began=began
        ).report()
        return report.model_copy(
            update={"intent": intent or intent_by_rule(question) or Intent.WHY}
        )
