"""A dashboard for a question: find what it shows, build it, and save it where that is allowed.

The I/O around ``service.dashboards``. Where a report finds causes, its evidence is drawn; else the
panels that the house's dashboards have for the question. Saved is only on request, into a folder
of its own, and nothing that is there is ever replaced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, tzinfo
from typing import Any

from ingest.documents import EVERYONE, Frozen, PanelFacts, SourceKind
from ingest.encoders.base import EncoderError
from ingest.index import IndexFailure, Scope
from service.assembly import (
    catalogs_of,
    metrics_of,
    open_engine,
    open_knowledge,
    vocabulary_of,
    zone_of,
)
from service.dashboards import DashboardPlan, build, plan_from_panels, plan_from_report
from service.engine import Engine
from service.metrics.catalog import CatalogCache
from service.metrics.grafana import GrafanaSource
from service.metrics.grafana_api import AccessDenied, AlreadyThere, GrafanaApi
from service.metrics.grafana_models import Folder
from service.metrics.links import dashboard_link
from service.metrics.observe import ObservePolicy, asked_window, step_for
from service.metrics.panels import WrittenQuery, panel_queries, skipped_in_words
from service.metrics.source import MetricsError, MetricsSource, Window
from service.reports.model import Outcome
from service.retrieval import Passage, Retriever
from service.scope import QuestionScope, Vocabulary, mentioned, scope_of
from service.settings import Settings
from service.time_phrases import without_times

FOLDER_UID = "why"
FOLDER_TITLE = "Why"
_PANELS = 12
"""Panels that are looked for."""
_RELEVANT = 0.35
"""Cosine below which a panel is not about the question."""
_SAVED_BY = "Made by Why"


class DashboardOrder(Frozen):
    """What came of it. ``dashboard`` is Grafana's JSON, None where there was nothing to draw.

    ``url``: where it is saved; ``not_saved``: why it is not, in words, where that was asked for.
    """

    question: str
    title: str = ""
    based_on: str = ""
    panels: int = 0
    url: str | None = None
    not_saved: str | None = None
    not_seen: tuple[str, ...] = ()
    dashboard: dict[str, Any] | None = None


class NotSavedError(Exception):
    """A dashboard could not be saved; the message says why and what to do."""


class DashboardMaker:
    """Makes dashboards. ``retriever`` and ``metrics`` may be None: then there is less to draw."""

    def __init__(
        self,
        *,
        engine: Engine,
        retriever: Retriever | None,
        vocabulary: Vocabulary,
        metrics: MetricsSource | None,
        catalogs: CatalogCache,
        zone: tzinfo = UTC,
        audience: tuple[str, ...] = (EVERYONE,),
    ) -> None:
        self._engine = engine
        self._retriever = retriever
        self._vocabulary = vocabulary
        self._metrics = metrics
        self._catalogs = catalogs
        self._zone = zone
        self._audience = audience

    async def make(
        self,
        question: str,
        *,
        now: datetime,
        since: str | None = None,
        until: str | None = None,
        save: bool = False,
    ) -> DashboardOrder:
        """A dashboard for a question asked at ``now``.

        Raises: ScopeError.
        """
        report = await self._engine.ask(
            question, now=now, since=since, until=until, audience=self._audience
        )
        missing = [*report.not_seen]
        plan = plan_from_report(report) if report.outcome is Outcome.CAUSES else None
        if plan is None:
            scope = scope_of(
                question,
                now=now,
                zone=self._zone,
                since=since,
                until=until,
                vocabulary=self._vocabulary,
            )
            plan = plan_from_panels(
                question, scope.window, await self._panels(scope, question, missing)
            )
        not_seen = tuple(dict.fromkeys(missing))
        if plan is None:
            return DashboardOrder(question=question, not_seen=not_seen)
        model, url, reason = build(plan), None, None
        if save:
            try:
                model, url = await self._saved(plan)
            except NotSavedError as error:
                reason = str(error)
        return DashboardOrder(
            question=question,
            title=plan.title,
            based_on=plan.based_on,
            panels=plan.panels,
            url=url,
            not_saved=reason,
            not_seen=not_seen,
            dashboard=model,
        )

    async def _panels(
        self, scope: QuestionScope, question: str, missing: list[str]
    ) -> list[tuple[str, WrittenQuery]]:
        """What the panels ask that were found for the question, with their dashboards' names."""
        if self._retriever is None:
            return []
        reader = Scope(audience=self._audience, as_of=scope.as_of, kinds=(SourceKind.DASHBOARDS,))
        try:
            found = await self._retriever.search(
                without_times(question), scope=reader, limit=_PANELS
            )
        except (IndexFailure, EncoderError) as error:
            missing.append(f"the documents: {error}")
            return []
        labels = await self._labels(scope.window, missing)
        names = {name for values in labels.values() for name in values}
        scope = scope.model_copy(
            update={"services": (*scope.services, *mentioned(question, sorted(names)))}
        )
        step = step_for(scope.window, ObservePolicy())
        written: list[tuple[str, WrittenQuery]] = []
        for passage in found:
            facts = passage.chunk.facts
            if not isinstance(facts, PanelFacts) or not _is_about(passage):
                continue
            queries = panel_queries(
                facts,
                document_id=passage.chunk.document_id,
                url=passage.chunk.url,
                scope=scope,
                labels=labels,
                step=step,
            )
            missing += skipped_in_words(queries.skipped)
            written += [(facts.dashboard, query) for query in queries.queries]
        return written

    async def _labels(self, window: Window, missing: list[str]) -> dict[str, Sequence[str]]:
        """The values of labels, as far as the metrics tell them."""
        if self._metrics is None:
            return {}
        try:
            asked = asked_window(window, ObservePolicy())
            return {**(await self._catalogs.of(self._metrics, asked)).catalog.labels}
        except MetricsError as error:
            missing.append(f"the metrics: {error}")
            return {}

    async def _saved(self, plan: DashboardPlan) -> tuple[dict[str, Any], str]:
        """The dashboard as it was saved, and where. Raises: NotSavedError."""
        source = self._metrics
        if not isinstance(source, GrafanaSource):
            raise NotSavedError("no Grafana is configured: set WHY_GRAFANA_URL")
        try:
            place = await source.place()
            model = build(plan, data_source=place.source.uid)
            uid = str(model["uid"])
            folder = await _own_folder(source.api)
            try:
                await source.api.create_dashboard(model, folder.uid, _SAVED_BY)
            except AlreadyThere:
                # Its uid is made of its content, so the one that is there is the one wanted; its
                # absence means that something else stands in the way.
                await source.api.dashboard(uid)
        except AccessDenied as error:
            raise NotSavedError(
                f"{error}. To save, the token's service account needs the role Editor, or the "
                "permissions folders:read, folders:create and dashboards:create"
            ) from error
        except MetricsError as error:
            raise NotSavedError(str(error)) from error
        return model, dashboard_link(place.public_url, uid, plan.window)


def _is_about(passage: Passage) -> bool:
    return passage.dense is not None and passage.dense.score >= _RELEVANT


async def _own_folder(api: GrafanaApi) -> Folder:
    """The folder for what is made here; made itself where there is none."""
    known = await _known_folder(api)
    if known is not None:
        return known
    try:
        return await api.create_folder(FOLDER_UID, FOLDER_TITLE)
    except AlreadyThere:  # by somebody else just now, or by an attempt whose answer was lost
        known = await _known_folder(api)
        if known is None:
            raise
        return known


async def _known_folder(api: GrafanaApi) -> Folder | None:
    folders = await api.folders()
    return next((one for one in folders if one.uid == FOLDER_UID), None)


@asynccontextmanager
async def open_maker(settings: Settings, *, as_of: datetime) -> AsyncIterator[DashboardMaker]:
    """A maker on what is there: without an index there are no panels to find.

    Raises: SettingsError.
    """
    zone = zone_of(settings)
    async with AsyncExitStack() as stack:
        vocabulary, knowledge = Vocabulary(), None
        with suppress(IndexFailure, EncoderError):  # the engine tries again, and says what it is
            knowledge = await stack.enter_async_context(open_knowledge(settings))
            scope = Scope(audience=settings.audience, as_of=as_of)
            vocabulary = await vocabulary_of(knowledge.index, scope)
        metrics = metrics_of(settings)
        if metrics is not None:
            stack.push_async_callback(metrics.aclose)
        engine = await stack.enter_async_context(
            open_engine(settings, as_of=as_of, knowledge=knowledge)
        )
        yield DashboardMaker(
            engine=engine,
            retriever=knowledge.retriever if knowledge else None,
            vocabulary=vocabulary,
            metrics=metrics,
            catalogs=catalogs_of(settings),
            zone=zone,
            audience=settings.audience,
        )
