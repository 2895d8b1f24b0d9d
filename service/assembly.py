"""Settings → the parts: index, encoder, metrics, engine.

The one place that decides which implementation stands behind a Protocol. Imports are local, so
that a command pays only for what it uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.documents import Source
from ingest.encoders import open_encoder
from ingest.encoders.base import Encoder, EncoderError
from ingest.encoders.remembering import RememberingEncoder
from ingest.index import (
    Cluster,
    Index,
    IndexFailure,
    IndexStore,
    IndexUnavailable,
    Layout,
    Scope,
    open_store,
)
from service.engine import Engine
from service.llm.base import Prices
from service.llm.models import Models
from service.metrics.catalog import CatalogCache
from service.metrics.source import MetricsSource
from service.metrics.usage import UsageCache
from service.reports.draft import ReportWriter
from service.retrieval import Retriever
from service.retrieval.rerank import Reranker, open_reranker
from service.scope import Vocabulary
from service.settings import Settings, SettingsError

_OPENAI = "https://api.openai.com/v1"
_LEAST_OPENING = 1.0
"""Seconds that opening the index may take, however short the deadline."""
_AROUND_A_MODEL = 5.0
"""Seconds that a writer has besides its model's: to write without one when that fails."""


def store_of(settings: Settings) -> IndexStore:
    """The store of index generations: embedded, or a server when QDRANT_URL is set."""
    key = settings.qdrant_api_key
    return open_store(
        directory=settings.index_dir,
        url=settings.qdrant_url,
        api_key=key.get_secret_value() if key else None,
        collection=settings.qdrant_collection,
        timeout=settings.qdrant_timeout,
        ca_file=settings.qdrant_ca_file,
        layout=Layout(
            hnsw_m=settings.index_hnsw_m,
            ef_construct=settings.index_ef_construct,
            search_ef=settings.index_search_ef,
            exact_up_to=settings.index_exact_up_to,
            quantization=settings.index_quantization,
            oversampling=settings.index_oversampling,
            vectors_on_disk=settings.index_vectors_on_disk,
            payload_on_disk=settings.index_payload_on_disk,
        ),
        cluster=Cluster(
            shards=settings.qdrant_shards,
            replicas=settings.qdrant_replicas,
            write_consistency=settings.qdrant_write_consistency,
        ),
    )


def encoder_of(settings: Settings) -> Encoder:
    """The dense encoder. Raises: EncoderError."""
    return RememberingEncoder(encoder_opener(settings)())


def encoder_opener(settings: Settings) -> Callable[[], Encoder]:
    """What opens it, in another process, too: it can be pickled. Raises on call: EncoderError."""
    key = settings.embedding_api_key
    return partial(
        open_encoder,
        settings.embedding_model,
        endpoint_url=settings.embedding_url,
        endpoint_key=key.get_secret_value() if key else None,
        cache_dir=settings.cache_dir,
    )


def reranker_of(settings: Settings) -> Reranker | None:
    """What reads the first documents again, if anything does. Raises: EncoderError."""
    return open_reranker(settings.reranker) if settings.reranker else None


def sources_of(settings: Settings) -> list[Source]:
    """The configured sources, in order. Raises: SettingsError where there is none."""
    from ingest.sources import open_source

    if not settings.sources:
        raise SettingsError(
            "no sources are configured: write [[sources]] tables with `kind` and `path` into a "
            "TOML file and pass it with --config (data/why.toml is an example)"
        )
    token = settings.grafana_token
    return [
        open_source(
            source.kind,
            name=source.name,
            path=source.path,
            url=source.url,
            token=token.get_secret_value() if token else None,
            base_url=source.base_url,
            audience=source.audience,
        )
        for source in settings.sources
    ]


def metrics_of(settings: Settings) -> MetricsSource | None:
    """Grafana if configured, else Prometheus, else the metrics file, else None.

    Raises: SettingsError for an address or token that can't work.
    """
    try:
        source = _metrics_of(settings)
        if source is None or settings.alertmanager_url is None:
            return source
        from service.metrics.alertmanager import WithAlertmanager

        return WithAlertmanager(source, settings.alertmanager_url)
    except ValueError as error:
        raise SettingsError(f"where the metrics are: {error}") from error


def _metrics_of(settings: Settings) -> MetricsSource | None:
    if settings.grafana_url is not None:
        from service.metrics.grafana import GrafanaSource

        grafana_token = settings.grafana_token
        return GrafanaSource(
            settings.grafana_url,
            grafana_token.get_secret_value() if grafana_token else None,
            settings.grafana_datasource,
        )
    if settings.prometheus_url is not None:
        from service.metrics.prometheus import PrometheusSource

        token = settings.prometheus_token
        return PrometheusSource(
            settings.prometheus_url,
            token=token.get_secret_value() if token else None,
            annotations_path=settings.annotations_file,
        )
    if settings.metrics_file is not None:
        from service.metrics.openmetrics import OpenMetricsSource

        return OpenMetricsSource(settings.metrics_file, annotations_path=settings.annotations_file)
    return None


def catalogs_of(settings: Settings) -> CatalogCache:
    """Catalogs of the metrics source: on disk where it is a server, which may be far away."""
    is_server = settings.grafana_url is not None or settings.prometheus_url is not None
    return CatalogCache(
        ttl=timedelta(seconds=settings.catalog_ttl),
        directory=settings.cache_dir / "catalogs" if is_server else None,
        key=settings.grafana_datasource or "",
    )


def llm_of(settings: Settings) -> Models | None:
    """The language models for reports and for small tasks; None where none is configured.

    Raises: SettingsError for settings that can't work together.
    """
    if settings.llm_model is None:
        if settings.llm_url or settings.llm_small_model:
            raise SettingsError("llm_model: name the model to ask for (WHY_LLM_MODEL)")
        return None
    from service.llm.openai_compatible import OpenAiCompatible

    url, key = _llm_endpoint(settings)
    prices = _llm_prices(settings)

    def model(name: str, setting: str) -> OpenAiCompatible:
        return OpenAiCompatible(
            url,
            name,
            key=key,
            timeout=settings.llm_timeout,
            prices=prices,
            model_setting=setting,
        )

    try:
        report = small = model(settings.llm_model, "WHY_LLM_MODEL")
        if settings.llm_small_model and settings.llm_small_model != settings.llm_model:
            small = model(settings.llm_small_model, "WHY_LLM_SMALL_MODEL")
    except ValueError as error:
        raise SettingsError(f"where the language model is: {error}") from error
    return Models(report, small, settings.llm_max_tokens_per_question)


def writer_of(settings: Settings, models: Models | None) -> ReportWriter:
    """The writer with a model if there is one, and the extractive one behind it."""
    from service.reports.extractive import ExtractiveWriter

    if models is None:
        return ExtractiveWriter()
    from service.reports.language import LanguageWriter

    return LanguageWriter(
        models.report,
        otherwise=ExtractiveWriter(),
        budget=lambda: models.budget(settings.llm_timeout),
    )


def _llm_endpoint(settings: Settings) -> tuple[str, str | None]:
    """Address and key. OpenAI's own key never goes to an address that was set for Why."""
    if settings.llm_url is not None:
        url, key = settings.llm_url, settings.llm_api_key
    else:
        url = settings.openai_base_url or _OPENAI
        key = settings.llm_api_key or settings.openai_api_key
        if key is None and url == _OPENAI:
            raise SettingsError(
                f"llm_model is {settings.llm_model}, and nothing says where it is: set "
                "WHY_LLM_URL, or OPENAI_API_KEY for a model of OpenAI's"
            )
    return url, key.get_secret_value() if key else None


def _llm_prices(settings: Settings) -> Prices | None:
    prompt, completion = settings.llm_price_prompt, settings.llm_price_completion
    if prompt is None and completion is None:
        return None
    if prompt is None or completion is None:
        raise SettingsError("set both of llm_price_prompt and llm_price_completion, or neither")
    return Prices(prompt=prompt, completion=completion)


def moment_of(settings: Settings) -> datetime:
    """The moment at which questions are asked, UTC. Raises: SettingsError."""
    if settings.as_of == "now":
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(settings.as_of)
    except ValueError as error:
        raise SettingsError(f"as_of: {error}; write for example 2026-11-12T07:30:00Z") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def zone_of(settings: Settings) -> ZoneInfo:
    """The reader's time zone. Raises: SettingsError."""
    try:
        return ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"timezone: {settings.timezone!r} is no IANA zone; write for example Europe/Berlin"
        ) from error


async def vocabulary_of(index: Index, scope: Scope) -> Vocabulary:
    """The names that the visible documents use."""
    services, regions, customers = [
        tuple(sorted(await index.values(field, scope)))
        for field in ("services", "regions", "customers")
    ]
    return Vocabulary(services=services, regions=regions, customers=customers)


@dataclass(frozen=True)
class Knowledge:
    """What is open of the documents: the current generation and what searches it."""

    index: Index
    encoder: Encoder
    retriever: Retriever


def ensure_made_with(encoder: Encoder, index: Index) -> None:
    """Raises: EncoderError, where the index was built with another encoder."""
    if encoder.name != index.spec.dense_model:
        raise EncoderError(
            f"the index was built with {index.spec.dense_model}, the settings ask for "
            f"{encoder.name}: run `why ingest`, or set WHY_EMBEDDING_MODEL back"
        )


@asynccontextmanager
async def open_knowledge(settings: Settings) -> AsyncIterator[Knowledge]:
    """The current generation, for reading. Raises: IndexFailure, EncoderError."""
    async with AsyncExitStack() as stack:
        store = store_of(settings)
        stack.push_async_callback(store.aclose)
        index = await store.open_current()
        stack.push_async_callback(index.aclose)
        encoder = encoder_of(settings)
        ensure_made_with(encoder, index)
        yield Knowledge(index, encoder, Retriever(index, encoder, reranker=reranker_of(settings)))


@dataclass(frozen=True)
class Parts:
    """What is there to answer from; ``missing`` says in words what is not."""

    retriever: Retriever | None
    vocabulary: Vocabulary
    metrics: MetricsSource | None
    missing: tuple[str, ...]


@asynccontextmanager
async def opening(settings: Settings) -> AsyncIterator[None]:
    """Bounds the opening of the index to half of a question's deadline: the rest is for the
    metrics, where a server is too slow. Raises: IndexUnavailable, where it takes longer."""
    seconds = max(_LEAST_OPENING, settings.deadline / 2)
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise IndexUnavailable(f"the index could not be opened within {seconds:g} s") from None


@asynccontextmanager
async def open_parts(
    settings: Settings, *, as_of: datetime, knowledge: Knowledge | None = None
) -> AsyncIterator[Parts]:
    """Documents and metrics, as far as they are there.

    ``knowledge`` is opened, and closed again, where the caller has none open.

    Raises: SettingsError.
    """
    missing: list[str] = []
    async with AsyncExitStack() as stack:
        vocabulary = Vocabulary()
        try:
            async with opening(settings):
                if knowledge is None:
                    knowledge = await stack.enter_async_context(open_knowledge(settings))
                scope = Scope(audience=settings.audience, as_of=as_of)
                vocabulary = await vocabulary_of(knowledge.index, scope)
        except (IndexFailure, EncoderError) as error:
            knowledge = None
            missing.append(f"the documents: {error}")
        metrics = metrics_of(settings)
        if metrics is not None:
            stack.push_async_callback(metrics.aclose)
        yield Parts(knowledge.retriever if knowledge else None, vocabulary, metrics, tuple(missing))


@asynccontextmanager
async def open_engine(
    settings: Settings, *, as_of: datetime, knowledge: Knowledge | None = None
) -> AsyncIterator[Engine]:
    """An engine on what is there: without an index or metrics it answers, and says so.

    ``knowledge`` is opened, and closed again, where the caller has none open.

    Raises: SettingsError.
    """
    zone_of(settings)
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(
            open_parts(settings, as_of=as_of, knowledge=knowledge)
        )
        models = llm_of(settings)
        if models is not None:
            stack.push_async_callback(models.aclose)
        yield engine_on(settings, parts, models=models, catalogs=catalogs_of(settings))


def engine_on(
    settings: Settings,
    parts: Parts,
    *,
    models: Models | None,
    catalogs: CatalogCache,
    usages: UsageCache | None = None,
    trust: Mapping[str, float] | None = None,
) -> Engine:
    """The engine that answers from these parts. Raises: SettingsError for a wrong zone."""
    return Engine(
        retriever=parts.retriever,
        vocabulary=parts.vocabulary,
        metrics=parts.metrics,
        writer=writer_of(settings, models),
        zone=zone_of(settings),
        deadline=timedelta(seconds=settings.deadline),
        writing=timedelta(seconds=settings.llm_timeout + _AROUND_A_MODEL),
        calls=settings.topology,
        models=models,
        catalogs=catalogs,
        usages=usages,
        trust=trust,
        missing=parts.missing,
    )
