"""One question from start to end: retrieval and metrics, causes, words, verification.

Retrieval and metrics steer each other once: the panels that retrieval finds are what the metrics
are asked first, and what the metrics show (alerts, changed components) is what the knowledge is
searched for. Every phase has a share of the deadline; a phase that fails or is late leaves a
sentence in ``not_seen`` and the report is written from the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ingest.documents import (
    AlertRuleFacts,
    Chunk,
    Frozen,
    PanelFacts,
    RunbookFacts,
    SourceKind,
)
from ingest.index import Scope
from service.causes.disturbances import (
    Disturbance,
    DisturbancePolicy,
    asked_about,
    find_disturbances,
    in_words,
)
from service.causes.knowledge import KnownCause, known_causes
from service.causes.ranking import RankedCause, RankingPolicy, rank_causes
from service.causes.topology import Calls
from service.causes.unmeasured import rank_from_knowledge
from service.deadline import Deadline
from service.events import (
    Event,
    OnEvent,
    ScopeRead,
    causes_ranked,
    passages_found,
    signals_seen,
)
from service.library import Library
from service.linked_runbooks import RunbookReference, references, references_of_fired
from service.metrics.alert_rules import rule_query
from service.metrics.catalog import CatalogCache, Served
from service.metrics.labels import component_of
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
from service.metrics.source import MetricsSource
from service.metrics.usage import Usage, UsageCache, rule_of
from service.reports.charts import thinned
from service.reports.citations import GroundTruth, Verifier, series_key
from service.reports.cite import passage_citation
from service.reports.compose import compose
from service.reports.draft import Draft, Findings, ReportWriter
from service.reports.extractive import ExtractiveWriter
from service.reports.model import Chart, MetricCitation, PassageCitation, Report
from service.reports.phrases import name_of
from service.reports.recheck import sample_again, whole_series
from service.retrieval import Passage, Retriever
from service.scope import QuestionScope, Vocabulary, mentioned
from service.time_phrases import without_times

_OF_A_CATALOG = 0.5
_OF_METRICS = 0.8
_OF_QUERIES = 0.6
"""Shares of the time that is left: what is written still wants to be looked up afterwards, and a
metrics source that stops answering in the middle has answered something."""


class InvestigationPolicy(Frozen):
    """Every number that an investigation and what it calls decide by."""

    passages: int = 12
    panels: int = 20
    rules: int = 6
    incidents: int = 6
    runbooks: int = 6
    related: int = 5
    linked: int = 2
    """Of these, pages that the rules of the asked alerts link."""
    charts: int = 3
    relevant: float = 0.35
    """Cosine below which a passage is not about the question (when nothing else speaks for it).
    The search's relevance is fitted to alerts: of incidents that are asked by what was felt it
    refuses too many (docs/benchmarks.md)."""
    observe: ObservePolicy = ObservePolicy()
    signals: SignalPolicy = SignalPolicy()
    disturbances: DisturbancePolicy = DisturbancePolicy()
    ranking: RankingPolicy = RankingPolicy()


@dataclass(frozen=True, slots=True)
class Means:
    """What questions are answered with."""

    retriever: Retriever | None
    vocabulary: Vocabulary
    metrics: MetricsSource | None
    writer: ReportWriter
    deadline: timedelta
    """For everything but the writer …"""
    writing: timedelta
    """… who has so long."""
    policy: InvestigationPolicy
    calls: Calls
    """Pairs of caller and callee, where somebody knows them."""
    catalogs: CatalogCache
    usages: UsageCache
    trust: Mapping[str, float]
    """Weights of documents that feedback made lighter, by id."""
    missing: tuple[str, ...]
    """What is known to be absent, in words."""


class Investigation:
    """The state of one question: its clock, what is missing, what was found."""

    def __init__(
        self,
        question: str,
        scope: QuestionScope,
        reader: Scope,
        *,
        means: Means,
        on_event: OnEvent | None,
        began: float | None = None,
    ) -> None:
        """``began``: when the question came, on ``time.monotonic``; else now."""
        self._question = question
        self._topic = without_times(question)
        """What is searched for: words for a moment are in pages about other moments."""
        self._scope = scope
        self._reader = reader
        self._means = means
        self._policy = means.policy
        self._vocabulary = means.vocabulary
        self._on_event = on_event
        self._deadline = Deadline(means.deadline, means.missing, began)
        self._library = Library(means.retriever, reader, self._deadline, means.usages)
        self._usage = Usage()
        """Filled when the metrics are looked at."""

    async def report(self) -> Report:
        """Look at everything once, and report. Call it once."""
        self._tell(ScopeRead(scope=self._scope))
        with self._deadline.phase("retrieval"):
            passages = await self._library.search(self._topic, limit=self._policy.passages)
            panels = await self._library.search(
                self._topic, limit=self._policy.panels, kinds=(SourceKind.DASHBOARDS,)
            )
            rules = await self._library.search(
                self._topic, limit=self._policy.rules, kinds=(SourceKind.ALERTS,)
            )
        self._tell(passages_found(passages))
        with self._deadline.phase("metrics"):
            observation = await self._observe(panels, rules)
        self._tell(signals_seen(observation))
        with self._deadline.phase("causes"):
            disturbances = find_disturbances(observation, policy=self._policy.disturbances)
            disturbance = asked_about(disturbances, self._scope, policy=self._policy.disturbances)
            asked = await self._linked_by_the_asked(rules, observation)
            fired = await self._library.linked_runbooks(
                references_of_fired(disturbance.alerts if disturbance else (), self._usage)
            )
            known, extra = await self._knowledge(disturbance, observation, [*asked, *fired])
            ranked = self._rank(disturbance, observation, known, panels)
            findings = await self._findings(
                observation, disturbance, disturbances, ranked, [*passages, *extra]
            )
        self._tell(causes_ranked(ranked))
        with self._deadline.phase("writing"):
            draft = await self._write(findings)
        with self._deadline.phase("verification"):
            linked = [passage_citation(page, 0, len(page.text)) for page in asked]
            linked = linked[: self._policy.linked]
            related = self._related(passages, {citation.document_id for citation in linked})
            verifier = Verifier(
                await self._ground_truth(draft, [*linked, *related], observation),
                findings.vocabulary,
            )
            report = compose(draft, linked, related, findings, verifier, self._deadline.missing)
        with self._deadline.phase("charts"):
            charts = await self._charts(report, findings)
        return report.model_copy(
            update={"charts": charts, "timings": tuple(self._deadline.timings)}
        )

    async def _observe(self, panels: Sequence[Passage], rules: Sequence[Passage]) -> Observation:
        window = self._scope.window
        observation: Observation | None = None
        metrics = self._means.metrics
        if metrics is None:
            observation = unobserved(window, "metrics: no source is configured")
        else:
            asked = asked_window(window, self._policy.observe)
            served = await self._deadline.bounded(
                self._means.catalogs.of(metrics, asked), "metrics", _OF_A_CATALOG
            )
            if served is not None:
                observation = await self._deadline.bounded(
                    self._look(metrics, served, panels, rules), "the metrics", _OF_METRICS
                )
            observation = observation or unobserved(window, "")
        if observation.reached and not observation.samples:
            observation = unobserved(
                window, f"metrics: {observation.source} has no samples in this window"
            )
        self._deadline.missing.extend(item for item in observation.missing if item)
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
        catalog = await self._means.catalogs.with_components(metrics, catalog, scope.services)
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
        self._deadline.missing += skipped_in_words(item for one in found for item in one.skipped)
        watched = [
            rule_query(rule_of(passage.chunk, facts), scope=scope, step=step)
            for passage in rules
            if isinstance(facts := passage.chunk.facts, AlertRuleFacts)
        ]
        self._usage = await self._library.usage(catalog)
        return await observe(
            metrics,
            scope,
            Leads(
                panels=tuple(query for one in found for query in one.queries),
                rules=tuple(query for query in watched if query is not None),
                services=scope.services,
                usage=self._usage,
            ),
            served._replace(catalog=catalog),
            policy=self._policy.observe,
            signal_policy=self._policy.signals,
            seconds=self._deadline.left(_OF_QUERIES),
        )

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

    async def _linked_by_the_asked(
        self, rules: Sequence[Passage], observation: Observation
    ) -> list[Chunk]:
        """What is linked by the rules of the alerts that the question names."""
        asked = [
            rule_of(passage.chunk, facts)
            for passage in rules
            if isinstance(facts := passage.chunk.facts, AlertRuleFacts)
            and mentioned(self._question, [facts.alert])
        ]
        labels = {alert.name: alert.labels for alert in observation.alerts}
        return await self._library.linked_runbooks(references(asked, labels))

    def _references_for(
        self, cause: RankedCause, observation: Observation
    ) -> list[RunbookReference]:
        """The links of the alerts that fired on the cause's component."""
        own = (
            alert
            for alert in observation.alerts
            if alert.name in cause.alerts and component_of(alert.labels) == cause.component
        )
        return references_of_fired(own, self._usage)

    async def _knowledge(
        self,
        disturbance: Disturbance | None,
        observation: Observation,
        linked: Sequence[Chunk],
    ) -> tuple[list[KnownCause], list[Passage]]:
        """What is known about such a disturbance: similar incidents, and runbooks of alerts."""
        if disturbance is None and observation.reached:
            return [], []
        text = (
            self._topic
            if disturbance is None
            else in_words(disturbance, observation, policy=self._policy.disturbances)
        )
        incidents = await self._library.search(
            text, limit=self._policy.incidents, kinds=(SourceKind.INCIDENTS,)
        )
        runbooks = await self._library.search(
            text, limit=self._policy.runbooks, kinds=(SourceKind.RUNBOOKS,)
        )
        if disturbance is None:
            # Nothing but the words speaks for these: only close ones count.
            incidents, runbooks = (
                [passage for passage in found if self._is_about_it(passage)]
                for found in (incidents, runbooks)
            )
        # After what was searched for: a link says which page is for an alert, not which of the
        # causes that it lists is this one.
        behind = [
            Passage(rank=len(runbooks) + 1, chunk=page, score=0.0, dense=None, sparse=None)
            for page in linked
            if isinstance(page.facts, RunbookFacts)
        ]
        found = [*incidents, *runbooks, *behind]
        return known_causes(found, self._vocabulary.services, self._means.trust), found

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
                calls=self._means.calls,
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
        runbooks = {
            cause.component: await self._library.runbooks_for(
                cause, self._references_for(cause, observation)
            )
            for cause in ranked
        }
        quotable = [
            *(known.document_id for cause in ranked for known in cause.known),
            *(page.document_id for found in runbooks.values() for page in found),
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
            documents=await self._library.documents(quotable),
            runbooks=runbooks,
        )

    async def _write(self, findings: Findings) -> Draft:
        """The writer's draft; the extractive one where that comes too late.

        Its time is its own: what it takes is not missing for the checks after it.
        """
        allowed = self._means.writing.total_seconds()
        draft: Draft | None = None
        with self._deadline.paused():
            try:
                async with asyncio.timeout(allowed):
                    draft = await self._means.writer.write(findings)
            except TimeoutError:
                self._deadline.missing.append(
                    f"the report's writer: no answer within {allowed:g} s"
                )
        if draft is None:
            draft = await ExtractiveWriter().write(findings)
        self._deadline.missing.extend(draft.notes)
        return draft

    def _is_about_it(self, passage: Passage) -> bool:
        return passage.dense is not None and passage.dense.score >= self._policy.relevant

    def _related(
        self, passages: Sequence[Passage], linked: Collection[str]
    ) -> list[PassageCitation]:
        """What else is written about the question; panels open at the asked time.

        ``linked``: documents that are shown before these.
        """
        found = [
            passage_citation(p.chunk, 0, len(p.chunk.text))
            for p in passages
            if self._is_about_it(p) and p.chunk.document_id not in linked
        ][: self._policy.related - len(linked)]
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
        documents = await self._library.documents(
            [c.document_id for c in cited if isinstance(c, PassageCitation)]
        )
        series = [c for c in cited if isinstance(c, MetricCitation)]
        samples = None
        if self._means.metrics is not None and series:
            samples = await self._deadline.bounded(
                sample_again(self._means.metrics, series),
                "the metrics (to check the citations)",
            )
        return GroundTruth(
            chunks={chunk.id: chunk for chunks in documents.values() for chunk in chunks},
            samples=samples or {},
            alerts=observation.alerts,
            changes=observation.changes,
        )

    async def _charts(self, report: Report, findings: Findings) -> tuple[Chart, ...]:
        """The strongest signal of each of the first causes, and of what was asked about."""
        metrics = self._means.metrics
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
            points = await self._deadline.bounded(
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

    def _tell(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)
