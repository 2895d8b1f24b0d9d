"""One question from start to end: scope, retrieval and metrics, causes, words, verification.

Retrieval and metrics steer each other once: the panels that retrieval finds are what the metrics
are asked first, and what the metrics show (alerts, changed components) is what the knowledge is
searched for. Every phase has a share of the deadline; a phase that fails or is late leaves a
sentence in ``not_seen`` and the report is written from the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar

from ingest.documents import (
    EVERYONE,
    AlertRuleFacts,
    Chunk,
    Frozen,
    PanelFacts,
    RunbookFacts,
    SourceKind,
)
from ingest.encoders.base import EncoderError
from ingest.index import IndexFailure, Scope
from service.causes.disturbances import (
    Disturbance,
    DisturbancePolicy,
    asked_about,
    find_disturbances,
    in_words,
)
from service.causes.knowledge import KnownCause, known_causes
from service.causes.ranking import RankedCause, RankingPolicy, rank_causes, rank_from_knowledge
from service.causes.topology import Calls
from service.events import (
    Candidate,
    CausesRanked,
    Event,
    FoundPassage,
    OnEvent,
    PassagesFound,
    ScopeRead,
    SeenSignal,
    SignalsSeen,
)
from service.intent import Intent, intent_by_rule, intent_of
from service.llm.models import Models
from service.metrics.alert_rules import rule_query
from service.metrics.catalog import Catalog, CatalogCache, Served
from service.metrics.labels import component_of, region_of
from service.metrics.links import at_time
from service.metrics.observe import (
    Observation,
    ObservePolicy,
    asked_window,
    observe,
    step_for,
    unobserved,
)
from service.metrics.panels import panel_queries, skipped_in_words
from service.metrics.plan import Leads
from service.metrics.signals import SignalPolicy
from service.metrics.source import MetricsError, MetricsSource
from service.metrics.usage import Usage, UsageCache, rule_of
from service.reports.charts import thinned
from service.reports.citations import GroundTruth, Verifier, series_key
from service.reports.cite import passage_citation
from service.reports.draft import Draft, DraftClaim, Findings, ReportWriter
from service.reports.extractive import ExtractiveWriter
from service.reports.model import (
    Cause,
    Chart,
    Citation,
    Claim,
    Impact,
    MetricCitation,
    ModelCall,
    Outcome,
    PassageCitation,
    PhaseTiming,
    Report,
)
from service.reports.phrases import name_of
from service.reports.recheck import sample_again, whole_series
from service.retrieval import Passage, Retriever
from service.scope import QuestionScope, Vocabulary, mentioned, scope_of

T = TypeVar("T")

_ROUTING_SECONDS = 5.0
"""That a model may think about what a question wants."""
_TOLD = 20
"""Signals, alerts and changes that whoever watches is told while the report is made."""


class EnginePolicy(Frozen):
    """Every number that the engine and what it calls decide by."""

    passages: int = 12
    panels: int = 20
    rules: int = 6
    incidents: int = 6
    runbooks: int = 6
    related: int = 5
    charts: int = 3
    relevant: float = 0.35
    """Cosine below which a passage is not about the question (when nothing else speaks for it)."""
    observe: ObservePolicy = ObservePolicy()
    signals: SignalPolicy = SignalPolicy()
    disturbances: DisturbancePolicy = DisturbancePolicy()
    ranking: RankingPolicy = RankingPolicy()


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
        policy: EnginePolicy | None = None,
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
        self._retriever = retriever
        self._vocabulary = vocabulary
        self._metrics = metrics
        self._writer = writer
        self._zone = zone
        self._deadline = deadline
        self._writing = writing
        self._policy = policy or EnginePolicy()
        self._calls = calls
        self._models = models
        self._catalogs = catalogs or CatalogCache()
        self._usages = usages or UsageCache()
        self._trust = trust or {}
        self._missing = tuple(missing)

    @property
    def vocabulary(self) -> Vocabulary:
        """The names that a question may use."""
        return self._vocabulary

    def write_with(self, writer: ReportWriter) -> None:
        """From now on, this writer writes."""
        self._writer = writer

    def tamper_with(self, change: Callable[[MetricsSource], MetricsSource]) -> None:
        """From now on, the metrics are what ``change`` makes of them: for evaluations."""
        if self._metrics is not None:
            self._metrics = change(self._metrics)

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
    ) -> Report:
        """The report on a question asked at ``now``, without the ``excluded`` documents.

        ``intent``: what the question wants, where the caller knows; ``on_event`` is told what is
        looked at on the way.

        Raises: ScopeError, where the time in the question cannot be read.
        """
        scope = scope_of(
            question,
            now=now,
            zone=self._zone,
            since=since,
            until=until,
            vocabulary=self._vocabulary,
        )
        reader = Scope(audience=audience, as_of=scope.as_of, excluded_documents=excluded)
        report = await _Investigation(
            question, scope, reader, engine=self, policy=self._policy, on_event=on_event
        ).report()
        return report.model_copy(
            update={"intent": intent or intent_by_rule(question) or Intent.WHY}
        )


class _Investigation:
    """The state of one question: its clock, what is missing, what was found."""

    def __init__(
        self,
        question: str,
        scope: QuestionScope,
        reader: Scope,
        *,
        engine: Engine,
        policy: EnginePolicy,
        on_event: OnEvent | None,
    ) -> None:
        self._on_event = on_event
        self._question = question
        self._scope = scope
        self._reader = reader
        self._engine = engine
        self._policy = policy
        self._vocabulary = engine._vocabulary
        self._missing = list(engine._missing)
        self._timings: list[PhaseTiming] = []
        self._end = time.monotonic() + engine._deadline.total_seconds()

    async def report(self) -> Report:
        self._tell(ScopeRead(scope=self._scope))
        with self._phase("retrieval"):
            passages = await self._search(self._question, limit=self._policy.passages)
            panels = await self._search(
                self._question, limit=self._policy.panels, kinds=(SourceKind.DASHBOARDS,)
            )
            rules = await self._search(
                self._question, limit=self._policy.rules, kinds=(SourceKind.ALERTS,)
            )
        self._tell(_found(passages))
        with self._phase("metrics"):
            observation = await self._observe(panels, rules)
        self._tell(_seen(observation))
        with self._phase("causes"):
            disturbances = find_disturbances(observation, policy=self._policy.disturbances)
            disturbance = asked_about(disturbances, self._scope, policy=self._policy.disturbances)
            known, extra = await self._knowledge(disturbance, observation, passages)
            ranked = self._rank(disturbance, observation, known, panels)
            findings = await self._findings(
                observation, disturbance, disturbances, ranked, [*passages, *extra]
            )
        self._tell(_candidates(ranked))
        with self._phase("writing"):
            draft = await self._write(findings)
        with self._phase("verification"):
            related = self._related(passages)
            verifier = Verifier(
                await self._ground_truth(draft, related, observation), findings.vocabulary
            )
            report = self._assemble(draft, related, findings, verifier)
        with self._phase("charts"):
            charts = await self._charts(report, findings)
        return report.model_copy(update={"charts": charts, "timings": tuple(self._timings)})

    # -- phases --------------------------------------------------------------------------------

    async def _search(
        self, text: str, *, limit: int, kinds: tuple[SourceKind, ...] = ()
    ) -> list[Passage]:
        if self._engine._retriever is None:
            return []
        scope = self._reader.model_copy(update={"kinds": kinds})
        found = await self._bounded(
            self._engine._retriever.search(text, scope=scope, limit=limit), "the documents"
        )
        return found or []

    async def _observe(self, panels: Sequence[Passage], rules: Sequence[Passage]) -> Observation:
        window = self._scope.window
        observation: Observation | None = None
        metrics = self._engine._metrics
        if metrics is None:
            observation = unobserved(window, "metrics: no source is configured")
        else:
            asked = asked_window(window, self._policy.observe)
            served = await self._bounded(self._engine._catalogs.of(metrics, asked), "metrics")
            if served is not None:
                observation = await self._bounded(
                    self._look(metrics, served, panels, rules), "the metrics"
                )
            observation = observation or unobserved(window, "")
        if observation.reached and not observation.samples:
            observation = unobserved(
                window, f"metrics: {observation.source} has no samples in this window"
            )
        self._missing.extend(item for item in observation.missing if item)
        self._learn(observation)
        return observation

    async def _look(
        self,
        metrics: MetricsSource,
        served: Served,
        panels: Sequence[Passage],
        rules: Sequence[Passage],
    ) -> Observation:
        """Ask the metrics, what was found in the documents first. Raises: MetricsError."""
        catalog = served.catalog
        # Nodes and clusters, too: names that only the metrics know.
        components = mentioned(self._question, catalog.components)
        regions = mentioned(self._question, catalog.regions)
        scope = self._scope.model_copy(
            update={
                "services": tuple(dict.fromkeys([*self._scope.services, *components])),
                "regions": tuple(dict.fromkeys([*self._scope.regions, *regions])),
            }
        )
        catalog = await self._engine._catalogs.with_components(metrics, catalog, scope.services)
        step = step_for(scope.window, self._policy.observe)
        found = [
            panel_queries(
                facts,
                document_id=passage.chunk.document_id,
                url=passage.chunk.url,
                scope=scope,
                labels=catalog.labels,
                step=step,
            )
            for passage in panels
            if isinstance(facts := passage.chunk.facts, PanelFacts)
        ]
        self._missing += skipped_in_words(item for one in found for item in one.skipped)
        watched = [
            rule_query(rule_of(passage.chunk, facts), scope=scope, step=step)
            for passage in rules
            if isinstance(facts := passage.chunk.facts, AlertRuleFacts)
        ]
        return await observe(
            metrics,
            scope,
            Leads(
                panels=tuple(query for one in found for query in one.queries),
                rules=tuple(query for query in watched if query is not None),
                services=scope.services,
                usage=await self._usage(catalog),
            ),
            served._replace(catalog=catalog),
            policy=self._policy.observe,
            signal_policy=self._policy.signals,
        )

    async def _usage(self, catalog: Catalog) -> Usage:
        """Which panels and rules, of those that the reader may see, use which metric."""
        retriever, reader = self._engine._retriever, self._reader
        if retriever is None:
            return Usage()
        everything = Scope(
            audience=reader.audience, kinds=(SourceKind.DASHBOARDS, SourceKind.ALERTS)
        )
        usage = await self._bounded(
            self._engine._usages.of(
                reader.audience,
                catalog.names,
                lambda: retriever.everything(scope=everything),
            ),
            "the documents",
        )
        return (usage or Usage()).visible(self._scope.as_of, reader.excluded_documents)

    def _learn(self, observation: Observation) -> None:
        """Names that only the metrics know (nodes, clusters) are names in a question, too."""
        known = self._vocabulary
        self._vocabulary = Vocabulary(
            services=tuple(dict.fromkeys([*known.services, *observation.components])),
            regions=tuple(dict.fromkeys([*known.regions, *observation.regions])),
            customers=known.customers,
        )
        self._scope = self._scope.model_copy(
            update={
                "services": mentioned(self._question, self._vocabulary.services),
                "regions": mentioned(self._question, self._vocabulary.regions),
            }
        )

    async def _knowledge(
        self,
        disturbance: Disturbance | None,
        observation: Observation,
        passages: Sequence[Passage],
    ) -> tuple[list[KnownCause], list[Passage]]:
        """What is known about such a disturbance: similar incidents, and runbooks of alerts."""
        if disturbance is None and observation.reached:
            return [], []
        text = (
            self._question
            if disturbance is None
            else in_words(disturbance, observation, policy=self._policy.disturbances)
        )
        incidents = await self._search(
            text, limit=self._policy.incidents, kinds=(SourceKind.INCIDENTS,)
        )
        runbooks = await self._search(
            text, limit=self._policy.runbooks, kinds=(SourceKind.RUNBOOKS,)
        )
        if disturbance is None:
            # Nothing but the words speaks for these: only close ones count.
            relevant = self._policy.relevant
            incidents, runbooks = (
                [p for p in found if p.dense is not None and p.dense.score >= relevant]
                for found in (incidents, runbooks)
            )
        found = [*incidents, *runbooks]
        return known_causes(found, self._vocabulary.services, self._engine._trust), found

    def _rank(
        self,
        disturbance: Disturbance | None,
        observation: Observation,
        known: Sequence[KnownCause],
        panels: Sequence[Passage],
    ) -> list[RankedCause]:
        if disturbance is not None:
            services = self._vocabulary.services
            return rank_causes(
                disturbance,
                observation,
                known,
                self._scope,
                services,
                calls=self._engine._calls,
                drawn=[
                    (service, mentioned("\n".join((facts.panel, *facts.queries)), services))
                    for panel in panels
                    if isinstance(facts := panel.chunk.facts, PanelFacts)
                    for service in mentioned(facts.dashboard, services)
                ],
                policy=self._policy.ranking,
                disturbances=self._policy.disturbances,
            )
        if observation.reached:
            return []
        return rank_from_knowledge(known, self._scope, policy=self._policy.ranking)

    async def _findings(
        self,
        observation: Observation,
        disturbance: Disturbance | None,
        disturbances: Sequence[Disturbance],
        ranked: Sequence[RankedCause],
        passages: Sequence[Passage],
    ) -> Findings:
        runbooks = {cause.component: await self._runbooks_for(cause) for cause in ranked}
        quotable = [
            *(known.document_id for cause in ranked for known in cause.known),
            *(p.chunk.document_id for found in runbooks.values() for p in found),
            *(p.chunk.document_id for p in passages),
        ]
        return Findings(
            question=self._question,
            scope=self._scope,
            vocabulary=self._vocabulary,
            observation=observation,
            disturbance=disturbance,
            others=tuple(d for d in disturbances if d is not disturbance and disturbance),
            causes=tuple(ranked),
            passages=tuple(passages),
            documents=await self._documents(quotable),
            runbooks=runbooks,
        )

    async def _runbooks_for(self, cause: RankedCause) -> list[Passage]:
        """What to do about it: undo the change, or look after the component's metrics."""
        if cause.changes:
            text = f"roll back: {cause.changes[0].text}"
        else:
            metrics = [f"{s.title} {s.metric}" for s in cause.signals[:2]]
            known = [known.sentence for known in cause.known[:1]]
            text = f"{cause.component}: {', '.join([*cause.alerts, *(metrics or known)])}"
        found = await self._search(text, limit=3, kinds=(SourceKind.RUNBOOKS,))
        if cause.changes:
            return found
        documents = await self._documents([p.chunk.document_id for p in found])
        about = [p for p in found if _is_about(documents.get(p.chunk.document_id, ()), cause)]
        return sorted(about, key=lambda p: not _is_for(p.chunk, cause.alerts))

    async def _documents(self, ids: Sequence[str]) -> dict[str, tuple[Chunk, ...]]:
        if self._engine._retriever is None or not ids:
            return {}
        return (
            await self._bounded(
                self._engine._retriever.documents(ids, scope=self._reader), "the documents"
            )
            or {}
        )

    async def _write(self, findings: Findings) -> Draft:
        """The writer's draft; the extractive one where that comes too late.

        Its time is its own: what it takes is not missing for the checks after it.
        """
        allowed = self._engine._writing.total_seconds()
        began = time.monotonic()
        try:
            async with asyncio.timeout(allowed):
                draft: Draft | None = await self._engine._writer.write(findings)
        except TimeoutError:
            draft = None
            self._missing.append(f"the report's writer: no answer within {allowed:g} s")
        self._end += time.monotonic() - began
        if draft is None:
            draft = await ExtractiveWriter().write(findings)
        self._missing.extend(draft.notes)
        return draft

    def _related(self, passages: Sequence[Passage]) -> list[PassageCitation]:
        """What is written about the question; panels open at the asked time."""
        found = [
            passage_citation(p.chunk, 0, len(p.chunk.text))
            for p in passages
            if p.dense is not None and p.dense.score >= self._policy.relevant
        ][: self._policy.related]
        return [
            c.model_copy(update={"url": at_time(c.url, self._scope.window)})
            if c.url is not None and c.kind is SourceKind.DASHBOARDS
            else c
            for c in found
        ]

    async def _ground_truth(
        self, draft: Draft, related: Sequence[PassageCitation], observation: Observation
    ) -> GroundTruth:
        """Ask the sources again for everything that is cited."""
        cited = [*related, *(citation for claim in draft.claims() for citation in claim.citations)]
        documents = await self._documents(
            [c.document_id for c in cited if isinstance(c, PassageCitation)]
        )
        series = [c for c in cited if isinstance(c, MetricCitation)]
        samples = None
        if self._engine._metrics is not None and series:
            samples = await self._bounded(
                sample_again(self._engine._metrics, series),
                "the metrics (to check the citations)",
            )
        return GroundTruth(
            chunks={chunk.id: chunk for chunks in documents.values() for chunk in chunks},
            samples=samples or {},
            alerts=observation.alerts,
            changes=observation.changes,
        )

    def _assemble(
        self,
        draft: Draft,
        related: Sequence[PassageCitation],
        findings: Findings,
        verifier: Verifier,
    ) -> Report:
        summary = verifier.accept(draft.summary)
        causes: list[Cause] = []
        for item in draft.causes:
            evidence = verifier.accept(item.evidence)
            if not evidence:
                continue  # a cause that nothing supports is no cause
            check = verifier.accept([item.next_check]) if item.next_check else ()
            causes.append(
                Cause(
                    rank=len(causes) + 1,
                    component=item.ranked.component,
                    region=item.ranked.region,
                    score=item.ranked.score,
                    parts=item.ranked.parts,
                    confidence=item.ranked.confidence,
                    kinds=item.ranked.kinds,
                    accounted=item.ranked.accounted,
                    evidence=evidence,
                    against=verifier.accept(item.against),
                    next_check=check[0] if check else None,
                    runbook=item.runbook,
                )
            )
        impact = self._impact(verifier.accept(draft.impact), findings.disturbance)
        timeline = verifier.accept(draft.timeline)
        also_seen = verifier.accept(draft.also_seen)
        shown: list[PassageCitation] = []
        if not causes:
            for citation in related:
                accepted = verifier.accept(
                    [DraftClaim(text=f"“{citation.quote}”", citations=(citation,))]
                )
                numbers = accepted[0].citations if accepted else ()
                shown.extend(
                    c
                    for c in verifier.citations
                    if c.number in numbers and isinstance(c, PassageCitation)
                )
        if causes:
            outcome = Outcome.CAUSES
        elif findings.disturbance is None and findings.observation.reached:
            outcome = Outcome.NO_INCIDENT_VISIBLE
        else:
            outcome = Outcome.NO_CAUSE_SUPPORTED
        citations: tuple[Citation, ...] = verifier.citations
        return Report(
            question=self._question,
            asked_at=self._scope.as_of,
            scope=self._scope,
            outcome=outcome,
            summary=summary,
            causes=tuple(causes),
            impact=impact,
            timeline=timeline,
            also_seen=also_seen,
            not_seen=tuple(dict.fromkeys(self._missing)),
            related=tuple(shown),
            citations=citations,
            dropped_claims=len(verifier.dropped) + len(draft.refused),
            writer=draft.writer,
            calls=tuple(
                ModelCall(
                    model=call.model,
                    purpose=call.purpose,
                    prompt_tokens=call.usage.prompt_tokens,
                    completion_tokens=call.usage.completion_tokens,
                    seconds=round(call.usage.seconds, 3),
                    cost=call.usage.cost,
                    estimated=call.usage.estimated,
                )
                for call in draft.calls
            ),
            charts=(),
            timings=(),
        )

    async def _charts(self, report: Report, findings: Findings) -> tuple[Chart, ...]:
        """The strongest signal of each of the first causes, and of what was asked about."""
        metrics = self._engine._metrics
        strongest = [cause.signals[0] for cause in findings.causes if cause.signals]
        asked = [
            signal
            for signal in (findings.disturbance.symptoms if findings.disturbance else ())
            if component_of(signal.labels) in self._scope.services
        ]
        asked.sort(key=lambda signal: -abs(signal.strength))
        drawn = [*asked[:1], *strongest][: self._policy.charts]
        cited = {
            series_key(citation.query, citation.labels): citation
            for citation in report.citations
            if isinstance(citation, MetricCitation)
        }
        charts: list[Chart] = []
        for signal in drawn:
            citation = cited.get(series_key(signal.query, signal.labels))
            if metrics is None or citation is None:
                continue
            points = await self._bounded(
                whole_series(metrics, citation, self._scope.window), "the metrics (for a chart)"
            )
            if points and len(points) > 1:
                charts.append(
                    Chart(
                        citation=citation.number,
                        title=name_of(signal),
                        unit=citation.unit,
                        points=thinned(points),
                    )
                )
        return tuple(charts)

    def _impact(self, claims: tuple[Claim, ...], disturbance: Disturbance | None) -> Impact:
        """The names that the accepted sentences show, and no others."""
        text = "\n".join(claim.text for claim in claims)
        return Impact(
            services=mentioned(text, disturbance.components if disturbance else ()),
            regions=mentioned(text, self._vocabulary.regions),
            customers=mentioned(text, self._vocabulary.customers),
            claims=claims,
        )

    def _tell(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    # -- time ----------------------------------------------------------------------------------

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = (time.perf_counter() - start) * 1000
            self._timings.append(PhaseTiming(phase=name, milliseconds=round(elapsed, 1)))

    async def _bounded(self, awaitable: Awaitable[T], what: str) -> T | None:
        """The result, or None and a sentence in ``missing`` if it fails or is late."""
        try:
            async with asyncio.timeout(max(0.05, self._end - time.monotonic())):
                return await awaitable
        except TimeoutError:
            seconds = self._engine._deadline.total_seconds()
            self._missing.append(f"{what}: no answer within the deadline of {seconds:g} s")
        except (IndexFailure, EncoderError, MetricsError) as error:
            self._missing.append(f"{what}: {error}")
        return None


def _found(passages: Sequence[Passage]) -> PassagesFound:
    return PassagesFound(
        passages=tuple(
            FoundPassage(
                document_id=passage.chunk.document_id,
                kind=passage.chunk.kind,
                title=passage.chunk.title,
                url=passage.chunk.url,
                score=passage.score,
            )
            for passage in passages
        )
    )


def _seen(observation: Observation) -> SignalsSeen:
    strongest = sorted(observation.signals, key=lambda signal: -abs(signal.strength))
    return SignalsSeen(
        reached=observation.reached,
        signals=tuple(
            SeenSignal(
                title=name_of(signal),
                component=component_of(signal.labels),
                region=region_of(signal.labels),
                started=signal.onset,
                strength=signal.strength,
                url=signal.url,
            )
            for signal in strongest[:_TOLD]
        ),
        alerts=observation.alerts[:_TOLD],
        changes=observation.changes[:_TOLD],
    )


def _candidates(ranked: Sequence[RankedCause]) -> CausesRanked:
    return CausesRanked(
        causes=tuple(
            Candidate(
                component=cause.component,
                region=cause.region,
                score=cause.score,
                confidence=cause.confidence,
            )
            for cause in ranked
        )
    )


def _is_for(chunk: Chunk, alerts: Sequence[str]) -> bool:
    return isinstance(chunk.facts, RunbookFacts) and bool({*alerts} & {*chunk.facts.alerts})


def _is_about(chunks: Sequence[Chunk], cause: RankedCause) -> bool:
    """Whether a runbook names the component or one of the metrics that changed."""
    names = [cause.component, *(signal.metric for signal in cause.signals)]
    return any(
        cause.component in chunk.services or mentioned(chunk.text, names) for chunk in chunks
    )
