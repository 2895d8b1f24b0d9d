"""What a server keeps open between questions, and every kind of question that can be asked of it.

The index is opened anew for each question, which costs a look at which generation is published:
so a question sees what a sync has just switched to, in this process or in another one. One handle
stays open meanwhile, because the embedded engine takes a moment to load. Everything that depends
on who asks (the names that a question may use, what may be read) is made for each question.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from ingest.chunking import ChunkingPolicy
from ingest.crew import Crew
from ingest.documents import Frozen, SourceKind, UtcTime
from ingest.encoders.base import Encoder, EncoderError
from ingest.index import Index, IndexFailure, IndexStore, Scope
from ingest.redaction import Redacted
from ingest.sync import sync
from ingest.sync_report import Progress, SyncReport
from service.assembly import (
    Knowledge,
    Parts,
    catalogs_of,
    encoder_of,
    engine_on,
    ensure_made_with,
    llm_of,
    metrics_of,
    moment_of,
    opening,
    reranker_of,
    sources_of,
    store_of,
    vocabulary_of,
    zone_of,
)
from service.engine import Engine
from service.events import OnEvent
from service.follow_up import FollowUp, follow_up
from service.inspected import FleetReport, RunsReport
from service.inspection import Inspector, inspector_on
from service.intent import Intent, intent_by_rule
from service.learning import FeedbackWeights, added_sources
from service.llm.models import Models
from service.metrics.catalog import CatalogCache
from service.metrics.source import MetricsError, MetricsSource
from service.metrics.usage import UsageCache
from service.promql import chart_of
from service.queries.answer import QueryAnswer
from service.reports.model import Report
from service.retrieval import Passage, Retriever
from service.scope import Vocabulary
from service.settings import Settings
from service.store import Database, StoreError

if TYPE_CHECKING:
    from service.briefing.brief import Briefer

Answer = Report | QueryAnswer | FleetReport | RunsReport

_TRUST = timedelta(seconds=2)
"""How long a question waits for what people said of earlier ones."""
_HEALTH = timedelta(seconds=3)
"""How long a dependency may take to say that it is there."""


class Asked(Frozen):
    """A question, without secrets that were pasted into it. ``since`` and ``until`` as people
    write times; ``as_of``: the moment at which it is asked, else that of the settings; without
    the ``excluded`` documents."""

    text: Redacted
    since: str | None = None
    until: str | None = None
    as_of: UtcTime | None = None
    excluded: tuple[str, ...] = ()


class Dependency(Frozen):
    """Something that answers are made from, and whether it is there now."""

    name: str
    ok: bool
    detail: str


class IndexState(Frozen):
    """What a reader can find in the index: chunks, by kind and by source."""

    chunks: int
    kinds: dict[str, int]
    sources: dict[str, int]
    model: str
    """The encoder that it was made with."""


class Workspace:
    """Answers questions of any kind, until it is closed. Safe for many questions at once.

    Use ``open_workspace``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: IndexStore,
        metrics: MetricsSource | None,
        models: Models | None,
        catalogs: CatalogCache,
        database: Database | None,
    ) -> None:
        self.settings = settings
        self._database = database
        self._weights = FeedbackWeights(database) if database is not None else None
        self._store = store
        self._metrics = metrics
        self._models = models
        self._catalogs = catalogs
        self._usages = UsageCache()
        self._encoder: Encoder | None = None
        self._loading = asyncio.Lock()
        self._held: Index | None = None
        self._syncing = asyncio.Lock()

    def moment(self) -> datetime:
        """The moment at which questions are asked, UTC. Raises: SettingsError."""
        return moment_of(self.settings)

    # -- questions -----------------------------------------------------------------------------

    async def answer(
        self,
        asked: Asked,
        audience: tuple[str, ...],
        *,
        before: Report | None = None,
        on_event: OnEvent | None = None,
    ) -> Answer:
        """The answer to any question, of the kind that it asks for.

        ``before``: the report that it goes on from. Raises: ScopeError.
        """
        if before is None:
            match intent_by_rule(asked.text):
                case Intent.SHOW:
                    return await self.chart(asked, audience)
                case Intent.FLEET:
                    return await self.fleet(asked, audience)
                case Intent.RUN:
                    return await self.runs(asked, audience)
        return await self.report(asked, audience, before=before, on_event=on_event)

    async def report(
        self,
        asked: Asked,
        audience: tuple[str, ...],
        *,
        before: Report | None = None,
        on_event: OnEvent | None = None,
    ) -> Report:
        """The report on a question. Raises: ScopeError."""
        began = monotonic()
        moment = asked.as_of or self.moment()
        async with self.engine(audience, moment) as engine:
            whole = FollowUp(question=asked.text, since=asked.since, until=asked.until)
            if before is not None and asked.since is None and asked.until is None:
                whole = follow_up(asked.text, before, engine.vocabulary)
            return await engine.ask(
                whole.question,
                now=moment,
                since=whole.since,
                until=whole.until,
                audience=audience,
                excluded=asked.excluded,
                intent=await engine.intent_of(asked.text),
                on_event=on_event,
                began=began,
            )

    async def chart(self, asked: Asked, audience: tuple[str, ...]) -> QueryAnswer:
        """The query that a question asks for, and its chart. Raises: ScopeError."""
        moment = asked.as_of or self.moment()
        models = self._models
        async with self._parts(audience, moment) as parts:
            return await chart_of(
                asked.text,
                now=moment,
                zone=zone_of(self.settings),
                since=asked.since,
                until=asked.until,
                vocabulary=parts.vocabulary,
                retriever=parts.retriever,
                reader=Scope(audience=audience, as_of=moment, excluded_documents=asked.excluded),
                metrics=self._metrics,
                catalogs=self._catalogs,
                model=models.small if models else None,
                budget=models.budget(self.settings.llm_timeout) if models else None,
                missing=parts.missing,
            )

    async def fleet(self, asked: Asked, audience: tuple[str, ...]) -> FleetReport:
        """Which machines need maintenance. Raises: ScopeError."""
        moment = asked.as_of or self.moment()
        async with self.inspector(audience, moment) as inspector:
            return await inspector.fleet(
                asked.text, now=moment, since=asked.since, until=asked.until
            )

    async def runs(self, asked: Asked, audience: tuple[str, ...]) -> RunsReport:
        """How training runs are doing. Raises: ScopeError."""
        moment = asked.as_of or self.moment()
        async with self.inspector(audience, moment) as inspector:
            return await inspector.runs(
                asked.text, now=moment, since=asked.since, until=asked.until
            )

    async def search(
        self,
        text: str,
        audience: tuple[str, ...],
        *,
        as_of: datetime | None = None,
        kinds: tuple[SourceKind, ...] = (),
        limit: int = 5,
    ) -> list[Passage]:
        """Passages, best first. Raises: IndexFailure, EncoderError."""
        scope = Scope(audience=audience, as_of=as_of or self.moment(), kinds=kinds)
        async with self.knowledge() as knowledge:
            return await knowledge.retriever.search(text, scope=scope, limit=limit)

    # -- what is behind them -------------------------------------------------------------------

    @asynccontextmanager
    async def knowledge(self) -> AsyncIterator[Knowledge]:
        """The generation that is published now. Raises: IndexFailure, EncoderError."""
        index = await self._store.open_current()
        try:
            encoder = await self._loaded()
            ensure_made_with(encoder, index)
            await self._hold(index)
            reranker = await asyncio.to_thread(reranker_of, self.settings)
            yield Knowledge(index, encoder, Retriever(index, encoder, reranker=reranker))
        finally:
            await index.aclose()

    @asynccontextmanager
    async def engine(self, audience: tuple[str, ...], moment: datetime) -> AsyncIterator[Engine]:
        """An engine for what this audience may read at this moment."""
        trust, missing = await self._trust()
        async with self._parts(audience, moment) as parts:
            yield engine_on(
                self.settings,
                replace(parts, missing=(*parts.missing, *missing)),
                models=self._models,
                catalogs=self._catalogs,
                usages=self._usages,
                trust=trust,
            )

    @asynccontextmanager
    async def inspector(
        self, audience: tuple[str, ...], moment: datetime
    ) -> AsyncIterator[Inspector]:
        """An inspector of machines and runs for what this audience may read at this moment."""
        async with self._parts(audience, moment) as parts:
            yield inspector_on(self.settings, parts, catalogs=self._catalogs, audience=audience)

    @asynccontextmanager
    async def briefer(self, audience: tuple[str, ...], moment: datetime) -> AsyncIterator[Briefer]:
        """A maker of briefings of what this audience may read at this moment."""
        from service.briefing.brief import Briefer

        reading = self.settings.model_copy(update={"audience": audience})
        async with self._parts(audience, moment) as parts:
            yield Briefer(
                reading,
                parts,
                models=self._models,
                catalogs=self._catalogs,
                usages=self._usages,
                audience=audience,
            )

    async def sync(
        self,
        *,
        dry_run: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        crew: Crew | None = None,
    ) -> SyncReport:
        """Bring the index up to date with the configured sources and what was added by hand.

        ``crew`` reads and embeds instead of this process.

        Questions are answered meanwhile. One after another, where several ask for it.
        Raises: SettingsError, IndexFailure, EncoderError, StoreError.
        """
        async with self._syncing:
            added = await added_sources(self._database) if self._database is not None else []
            report = await sync(
                [*sources_of(self.settings), *added],
                self._store,
                encoder=await self._loaded(),
                policy=ChunkingPolicy(),
                redact_emails=self.settings.redact_emails,
                dry_run=dry_run,
                on_progress=on_progress,
                crew=crew,
            )
        self._usages = UsageCache()  # other panels and rules may be there now
        return report

    async def health(self) -> tuple[Dependency, ...]:
        """Whether index, metrics and database are there now; never raises."""
        checks: list[tuple[str, Callable[[], Awaitable[str]]]] = [("index", self._index_health)]
        metrics = self._metrics
        if metrics is not None:
            checks.append(("metrics", lambda: _metrics_health(metrics)))
        database = self._database
        if database is not None:
            checks.append(("database", lambda: _database_health(database)))
        return tuple(await asyncio.gather(*(_checked(name, check) for name, check in checks)))

    async def index_state(self, audience: tuple[str, ...]) -> IndexState:
        """What this audience can find in the index. Raises: IndexFailure, EncoderError."""
        scope = Scope(audience=audience, as_of=self.moment())
        async with self.knowledge() as knowledge:
            index = knowledge.index
            kinds = await index.values("kind", scope)
            return IndexState(
                chunks=sum(kinds.values()),
                kinds=kinds,
                sources=await index.values("source", scope),
                model=index.spec.dense_model,
            )

    async def aclose(self) -> None:
        """Let the index go; what was handed in is closed by whoever opened it."""
        held, self._held = self._held, None
        if held is not None:
            await held.aclose()

    async def _trust(self) -> tuple[Mapping[str, float], tuple[str, ...]]:
        """What feedback left of documents' weights, and in words what could not be read of it."""
        if self._weights is None:
            return {}, ()
        try:
            async with asyncio.timeout(_TRUST.total_seconds()):
                return await self._weights.now(), ()
        except TimeoutError:
            why = f"the database did not answer within {_TRUST.total_seconds():g} s"
        except StoreError as error:
            why = str(error)
        return {}, (f"what people said of earlier causes: {why}",)

    @asynccontextmanager
    async def _parts(self, audience: tuple[str, ...], moment: datetime) -> AsyncIterator[Parts]:
        """Documents and metrics, as far as they are there."""
        async with AsyncExitStack() as stack:
            try:
                async with opening(self.settings):
                    knowledge = await stack.enter_async_context(self.knowledge())
                    vocabulary = await vocabulary_of(
                        knowledge.index, Scope(audience=audience, as_of=moment)
                    )
                parts = Parts(knowledge.retriever, vocabulary, self._metrics, ())
            except (IndexFailure, EncoderError) as error:
                missing = (f"the documents: {error}",)
                parts = Parts(None, Vocabulary(), self._metrics, missing)
            yield parts

    async def _loaded(self) -> Encoder:
        """The encoder, loaded once. Raises: EncoderError."""
        async with self._loading:
            if self._encoder is None:
                self._encoder = await asyncio.to_thread(encoder_of, self.settings)
            return self._encoder

    async def _hold(self, index: Index) -> None:
        """Keep this generation open until another one is published."""
        async with self._loading:
            held = self._held
            if held is not None and held.name == index.name:
                return
            self._held = await self._store.open_current()
        if held is not None:
            await held.aclose()

    async def _index_health(self) -> str:
        async with self.knowledge() as knowledge:
            return f"{await knowledge.index.count()} chunks"


async def _metrics_health(metrics: MetricsSource) -> str:
    await metrics.metadata()
    return metrics.name


async def _database_health(database: Database) -> str:
    await database.ping()
    return database.place


async def _checked(name: str, check: Callable[[], Awaitable[str]]) -> Dependency:
    try:
        async with asyncio.timeout(_HEALTH.total_seconds()):
            return Dependency(name=name, ok=True, detail=await check())
    except TimeoutError:
        detail = f"no answer within {_HEALTH.total_seconds():g} s"
    except (IndexFailure, EncoderError, MetricsError, StoreError) as error:
        detail = str(error)
    return Dependency(name=name, ok=False, detail=detail)


@asynccontextmanager
async def open_workspace(
    settings: Settings, *, database: Database | None = None
) -> AsyncIterator[Workspace]:
    """A workspace on what the settings name: what is missing is said in the answers.

    ``database``: where knowledge that was added by hand is kept; without one it is not seen by
    ``sync``. It is not closed here. Raises: SettingsError, IndexUnavailable.
    """
    zone_of(settings)
    async with AsyncExitStack() as stack:
        metrics = metrics_of(settings)
        if metrics is not None:
            stack.push_async_callback(metrics.aclose)
        models = llm_of(settings)
        if models is not None:
            stack.push_async_callback(models.aclose)
        store = store_of(settings)
        stack.push_async_callback(store.aclose)
        workspace = Workspace(
            settings,
            store=store,
            metrics=metrics,
            models=models,
            catalogs=catalogs_of(settings),
            database=database,
        )
        stack.push_async_callback(workspace.aclose)
        yield workspace
