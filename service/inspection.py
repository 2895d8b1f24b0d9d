"""Questions about machines and training runs: ask the metrics and the documents, rank, verify.

The I/O around ``service.fleet`` and ``service.training``, which decide. Only metrics that these
can read are asked for. What fails or is late is a line in ``not_seen``, and the answer is made of
the rest: without metrics from what is written, without documents from the metrics.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from ingest.documents import EVERYONE, Chunk, Frozen, SourceKind
from ingest.index import Scope
from service.assembly import Parts, catalogs_of, open_parts, zone_of
from service.deadline import Deadline
from service.fleet import (
    FLEET_METRICS,
    ComponentKind,
    DraftRow,
    FleetPolicy,
    Seen,
    rank_fleet,
    sees_allocations,
)
from service.inspected import FleetOutcome, FleetReport, RunsReport, accepted_row, run_report
from service.metrics.catalog import CatalogCache
from service.metrics.observe import (
    Observation,
    ObservePolicy,
    asked_window,
    observe,
    step_for,
    unobserved,
)
from service.metrics.plan import Leads, plan_queries
from service.metrics.signals import SignalPolicy
from service.metrics.source import MetricsSource, Window
from service.reports.citations import GroundTruth, Verifier
from service.reports.draft import DraftClaim
from service.reports.model import MetricCitation, PassageCitation
from service.reports.recheck import sample_again
from service.retrieval import Retriever
from service.scope import Vocabulary, mentioned, scope_of
from service.settings import Settings
from service.tracks import Track, tracks_of
from service.training import RUN_METRICS, RunPolicy, findings_of, last_sign, runs_in


class InspectionPolicy(Frozen):
    """What is asked for, and how it is judged."""

    observe: ObservePolicy = ObservePolicy()
    signals: SignalPolicy = SignalPolicy()
    fleet: FleetPolicy = FleetPolicy()
    runs: RunPolicy = RunPolicy()


class _Look(NamedTuple):
    """What the metrics showed."""

    observation: Observation
    tracks: list[Track]


class Inspector:
    """Answers about machines and runs. ``retriever`` and ``metrics`` may be None: the answer says
    so. ``missing``: what the caller already knows to be absent, in words."""

    def __init__(
        self,
        *,
        retriever: Retriever | None,
        vocabulary: Vocabulary,
        metrics: MetricsSource | None,
        catalogs: CatalogCache,
        zone: tzinfo = UTC,
        deadline: timedelta = timedelta(seconds=20),
        audience: tuple[str, ...] = (EVERYONE,),
        policy: InspectionPolicy | None = None,
        missing: Sequence[str] = (),
    ) -> None:
        self._retriever = retriever
        self._vocabulary = vocabulary
        self._metrics = metrics
        self._catalogs = catalogs
        self._zone = zone
        self._deadline = deadline
        self._audience = audience
        self._policy = policy or InspectionPolicy()
        self._missing = tuple(missing)

    async def fleet(
        self, question: str, *, now: datetime, since: str | None = None, until: str | None = None
    ) -> FleetReport:
        """What needs maintenance, as far as the question asks for it: it may name clusters and
        nodes, or one of the two kinds.

        Raises: ScopeError.
        """
        deadline = Deadline(self._deadline, self._missing)
        scope = scope_of(
            question,
            now=now,
            zone=self._zone,
            since=since,
            until=until,
            vocabulary=self._vocabulary,
        )
        look = await self._look(scope.window, now, FLEET_METRICS, deadline)
        documents = await self._written(now, deadline)
        if look.observation.reached and not sees_allocations(look.tracks):
            deadline.missing.append(
                "zombie nodes: no metric and no label says who holds a machine, so held and idle "
                "can't be told from free"
            )
        drafts = rank_fleet(
            Seen(
                window=scope.window,
                tracks=tuple(look.tracks),
                signals=look.observation.signals,
                alerts=look.observation.alerts,
                documents=documents,
                services=self._vocabulary.services,
            ),
            policy=self._policy.fleet,
        )
        drafts = _asked_for(question, drafts)
        verifier = await self._verifier(
            [
                *(reason.claim for row in drafts for reason in row.reasons),
                *(row.next_check for row in drafts if row.next_check),
            ],
            look,
            names=[row.name for row in drafts],
            now=now,
            deadline=deadline,
        )
        rows = [row for draft in drafts if (row := accepted_row(draft, verifier)).reasons]
        rows.sort(key=lambda row: (-row.score, row.kind, row.name))
        well = [draft.name for draft in drafts if draft.name not in {row.name for row in rows}]
        outcome = FleetOutcome.ALL_WELL if drafts else FleetOutcome.NOTHING_SEEN
        if not look.observation.reached and not rows:
            outcome = FleetOutcome.NOTHING_SEEN
        return FleetReport(
            question=question,
            asked_at=now,
            window=scope.window,
            reason=scope.reason,
            outcome=FleetOutcome.NEEDS_WORK if rows else outcome,
            rows=tuple(row.model_copy(update={"rank": n}) for n, row in enumerate(rows, start=1)),
            well=tuple(well) if look.observation.reached else (),
            citations=verifier.citations,
            not_seen=tuple(dict.fromkeys(deadline.missing)),
            dropped_claims=len(verifier.dropped),
            policy=self._policy.fleet,
        )

    async def runs(
        self, question: str, *, now: datetime, since: str | None = None, until: str | None = None
    ) -> RunsReport:
        """How the training runs that the question names are doing; all, where it names none.

        Raises: ScopeError.
        """
        deadline = Deadline(self._deadline, self._missing)
        scope = scope_of(
            question,
            now=now,
            zone=self._zone,
            since=since,
            until=until,
            vocabulary=self._vocabulary,
        )
        look = await self._look(scope.window, now, RUN_METRICS, deadline)
        views = runs_in(look.tracks, look.observation.alerts)
        names = [view.name for view in views]
        asked = mentioned(question, names) or names
        views = [view for view in views if view.name in asked]
        if look.observation.reached and not views:
            deadline.missing.append(
                "training runs: no series has a label that names one (such as `run`)"
            )
        for view in views:
            if view.clusters and not view.machines:
                deadline.missing.append(
                    f"GPUs of {view.name}: no series of a node has its cluster, "
                    f"{', '.join(view.clusters)}"
                )
        policy = self._policy.runs
        found = {view.name: findings_of(view, scope.window, policy=policy) for view in views}
        silent = {view.name: last_sign(view, scope.window, policy=policy) for view in views}
        verifier = await self._verifier(
            [
                *(finding.claim for findings in found.values() for finding in findings),
                *filter(None, silent.values()),
            ],
            look,
            names=[name for view in views for name in (view.name, *view.clusters)],
            now=now,
            deadline=deadline,
        )
        reports = []
        for view in views:
            sign = silent[view.name]
            accepted = [
                (finding.weight, claim)
                for finding in found[view.name]
                for claim in verifier.accept([finding.claim])
            ]
            lost = verifier.accept([sign]) if sign is not None else ()
            reports.append(run_report(view, accepted, lost))
        return RunsReport(
            question=question,
            asked_at=now,
            window=scope.window,
            reason=scope.reason,
            runs=tuple(reports),
            visible=tuple(names),
            citations=verifier.citations,
            not_seen=tuple(dict.fromkeys(deadline.missing)),
            dropped_claims=len(verifier.dropped),
        )

    # -- what is asked -------------------------------------------------------------------------

    async def _look(
        self, window: Window, now: datetime, wanted: re.Pattern[str], deadline: Deadline
    ) -> _Look:
        """What the metrics whose names match show in a window."""
        metrics = self._metrics
        if metrics is None:
            look = _Look(unobserved(window, "metrics: no source is configured"), [])
        else:
            found = await deadline.bounded(
                self._observed(metrics, window, now, wanted), "the metrics"
            )
            look = found or _Look(unobserved(window, ""), [])
        deadline.missing.extend(line for line in look.observation.missing if line)
        if look.observation.reached and not look.tracks:
            deadline.missing.append(
                f"metrics: {look.observation.source} has none of machines or training runs "
                "in this window"
            )
        return look

    async def _observed(
        self, metrics: MetricsSource, window: Window, now: datetime, wanted: re.Pattern[str]
    ) -> _Look:
        policy = self._policy.observe
        asked = asked_window(window, policy)
        served = await self._catalogs.of(metrics, asked)
        catalog = served.catalog.model_copy(
            update={"names": tuple(name for name in served.catalog.names if wanted.search(name))}
        )
        scope = scope_of(
            "",
            now=now,
            since=window.start.isoformat(),
            until=window.end.isoformat(),
            vocabulary=Vocabulary(),
        )
        observation = await observe(
            metrics,
            scope,
            Leads(),
            served._replace(catalog=catalog),
            policy=policy,
            signal_policy=self._policy.signals,
        )
        planned = plan_queries(Leads(), catalog, step_for(window, policy), most=policy.queries)
        tracks = tracks_of(observation, planned.queries, lambda query: metrics.link(query, asked))
        return _Look(observation, tracks)

    async def _written(self, now: datetime, deadline: Deadline) -> dict[str, tuple[Chunk, ...]]:
        """All incident reports and runbooks that the reader may see."""
        if self._retriever is None:
            return {}
        scope = Scope(
            audience=self._audience,
            as_of=now,
            kinds=(SourceKind.INCIDENTS, SourceKind.RUNBOOKS),
        )
        chunks = await deadline.bounded(self._retriever.everything(scope=scope), "the documents")
        found: dict[str, list[Chunk]] = {}
        for chunk in sorted(chunks or (), key=lambda chunk: (chunk.document_id, chunk.ordinal)):
            found.setdefault(chunk.document_id, []).append(chunk)
        return {document: tuple(of_it) for document, of_it in found.items()}

    async def _verifier(
        self,
        claims: Iterable[DraftClaim],
        look: _Look,
        *,
        names: Sequence[str],
        now: datetime,
        deadline: Deadline,
    ) -> Verifier:
        """A verifier on what the sources say when they are asked again for what is cited."""
        cited = [citation for claim in claims for citation in claim.citations]
        samples = None
        series = [citation for citation in cited if isinstance(citation, MetricCitation)]
        if self._metrics is not None and series:
            samples = await deadline.bounded(
                sample_again(self._metrics, series),
                "the metrics (to check the citations)",
            )
        documents: dict[str, tuple[Chunk, ...]] | None = None
        passages = [c.document_id for c in cited if isinstance(c, PassageCitation)]
        if self._retriever is not None and passages:
            scope = Scope(audience=self._audience, as_of=now)
            documents = await deadline.bounded(
                self._retriever.documents(passages, scope=scope),
                "the documents (to check the citations)",
            )
        known = self._vocabulary
        return Verifier(
            GroundTruth(
                chunks={c.id: c for chunks in (documents or {}).values() for c in chunks},
                samples=samples or {},
                alerts=look.observation.alerts,
                changes=look.observation.changes,
            ),
            known.model_copy(update={"services": tuple(dict.fromkeys([*known.services, *names]))}),
        )


def _asked_for(question: str, rows: Sequence[DraftRow]) -> list[DraftRow]:
    """The components that the question names, with a named cluster's nodes; else those of the
    kind that it names; else all."""
    named = mentioned(question, dict.fromkeys(row.name for row in rows))
    if named:
        return [row for row in rows if row.name in named or row.cluster in named]
    clusters, nodes = (
        re.search(rf"\b(?:{words})s?\b", question, re.IGNORECASE) is not None
        for words in ("cluster", "node|machine|host|gpu|server")
    )
    if clusters == nodes:
        return list(rows)
    kind = ComponentKind.CLUSTER if clusters else ComponentKind.NODE
    return [row for row in rows if row.kind is kind]


@asynccontextmanager
async def open_inspector(settings: Settings, *, as_of: datetime) -> AsyncIterator[Inspector]:
    """An inspector on what is there: without an index or metrics it answers, and says so.

    Raises: SettingsError.
    """
    zone_of(settings)
    async with open_parts(settings, as_of=as_of) as parts:
        catalogs = catalogs_of(settings)
        yield inspector_on(settings, parts, catalogs=catalogs, audience=settings.audience)


def inspector_on(
    settings: Settings, parts: Parts, *, catalogs: CatalogCache, audience: tuple[str, ...]
) -> Inspector:
    """The inspector that answers from these parts. Raises: SettingsError for a wrong zone."""
    return Inspector(
        retriever=parts.retriever,
        vocabulary=parts.vocabulary,
        metrics=parts.metrics,
        catalogs=catalogs,
        zone=zone_of(settings),
        deadline=timedelta(seconds=settings.deadline),
        audience=audience,
        missing=parts.missing,
    )
