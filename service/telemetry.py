"""What a running server tells about itself: log lines, figures for Prometheus, and traces.

**Logs** are JSON lines on stderr, one event a line, with the id of the request or the job that it
belongs to. They say what happened and never what was asked: questions, answers and documents are
logged at no level, and what looks like a key, a token or a password is taken out of every value,
exceptions included.

**Metrics** count answers where all surfaces meet, at the desk. They have a registry of their own,
so that nothing of a library shows up among them.

**Traces** go where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says, with the extra ``otel``.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import structlog
from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from pydantic import SecretStr

from ingest.redaction import without_known
from service.desk import Desk
from service.events import OnEvent
from service.inspected import FleetOutcome, FleetReport, RunsReport
from service.queries.answer import QueryAnswer
from service.readers import Reader
from service.reports.model import Outcome, Report
from service.settings import Settings
from service.store import Database, StoredReport, Surface
from service.workspace import Answer, Asked, Workspace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_OWN_KEY = re.compile(r"\bwhy_[0-9a-z]{20,32}_[\w-]{20,}")
_PASSWORD = re.compile(r"^[\w+.-]+://[^/@:]*:([^/@]+)@")
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)

_log = structlog.get_logger(__name__)

# -- logs ------------------------------------------------------------------------------------------


def configure_logging(settings: Settings, stream: Any = None) -> None:
    """Send every log line of this process, structlog's and logging's, to stderr as JSON.

    ``stream``: something else to write to.
    """
    known = tuple(secrets_of(settings))

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {name: _clean(value, known) for name, value in event.items()}

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # As text: structured tracebacks would show the values of variables.
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    # What libraries tell at lower levels has prompts, statements and payloads in it.
    root.setLevel(max(level, logging.WARNING))
    for ours in ("ingest", "service", "uvicorn"):
        logging.getLogger(ours).setLevel(level)


def secrets_of(settings: Settings) -> Iterator[str]:
    """The values of all secret settings, and passwords in addresses, so that they can be looked
    for."""
    values = [getattr(settings, name) for name in type(settings).model_fields]
    for value in (*values, *(source.url for source in settings.sources)):
        clear = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(value, SecretStr) and clear:
            yield clear
        if isinstance(clear, str) and (found := _PASSWORD.search(clear)):
            yield from {found[1], unquote(found[1])}


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """``text`` without the ``known`` secrets and without what looks like one."""
    return without_known(_OWN_KEY.sub("[redacted:why-key]", text), known)


def _clean(value: Any, known: Iterable[str]) -> Any:
    if isinstance(value, str):
        return without_secrets(value, known)
    if isinstance(value, bool | int | float | None):
        return value
    return without_secrets(str(value), known)


# -- metrics ---------------------------------------------------------------------------------------


class Metrics:
    """The figures of one server process. ``registry`` has them for Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.questions = Counter(
            "why_questions",
            "Questions answered, by surface, kind of answer and outcome.",
            ("surface", "kind", "outcome"),
            registry=self.registry,
        )
        self.failures = Counter(
            "why_questions_failed",
            "Questions that got no answer, by surface and error.",
            ("surface", "error"),
            registry=self.registry,
        )
        self.question_seconds = Histogram(
            "why_question_seconds",
            "Seconds from question to kept answer.",
            ("kind",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.phase_seconds = Histogram(
            "why_phase_seconds",
            "Seconds that each phase of a report took.",
            ("phase",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "why_llm_tokens",
            "Tokens of language models, by model and direction (prompt, completion).",
            ("model", "direction"),
            registry=self.registry,
        )
        self.abstentions = Counter(
            "why_abstentions",
            "Answers that name no cause (no query, no machine) because nothing supports one.",
            ("kind",),
            registry=self.registry,
        )
        self.dropped_claims = Counter(
            "why_dropped_claims",
            "Sentences left out because a citation did not check out.",
            registry=self.registry,
        )
        self.index_age = Gauge(
            "why_index_age_seconds",
            "Seconds since a server last brought the index up to date; NaN where none did.",
            registry=self.registry,
        )
        self.jobs = Gauge(
            "why_jobs", "Background jobs, by state.", ("state",), registry=self.registry
        )
        self.requests = Counter(
            "why_http_requests",
            "HTTP requests, by method, route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "why_http_request_seconds",
            "Seconds until the response was sent, by route.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def answered(self, stored: StoredReport, seconds: float) -> None:
        """Count an answer."""
        answer = stored.answer
        self.questions.labels(stored.surface.value, stored.kind.value, outcome_of(answer)).inc()
        self.question_seconds.labels(stored.kind.value).observe(seconds)
        if abstains(answer):
            self.abstentions.labels(stored.kind.value).inc()
        if not isinstance(answer, QueryAnswer):
            self.dropped_claims.inc(answer.dropped_claims)
        if isinstance(answer, Report):
            for timing in answer.timings:
                self.phase_seconds.labels(timing.phase).observe(timing.milliseconds / 1000)
        for model, prompt, completion in _tokens(answer):
            self.tokens.labels(model, "prompt").inc(prompt)
            self.tokens.labels(model, "completion").inc(completion)


def outcome_of(answer: Answer) -> str:
    """What came out, in a word of a small set."""
    match answer:
        case Report() | FleetReport():
            return answer.outcome.value
        case QueryAnswer():
            return "chart" if answer.series else "no_samples" if answer.query else "no_query"
        case RunsReport():
            return "runs" if answer.runs else "nothing_seen"


def abstains(answer: Answer) -> bool:
    """Whether it says that it can't say: healthy is an answer, and this is not."""
    return outcome_of(answer) in (
        Outcome.NO_CAUSE_SUPPORTED.value,
        FleetOutcome.NOTHING_SEEN.value,
        "no_query",
    )


def _tokens(answer: Answer) -> Iterator[tuple[str, int, int]]:
    if isinstance(answer, Report):
        for call in answer.calls:
            yield call.model, call.prompt_tokens, call.completion_tokens
    elif isinstance(answer, QueryAnswer):
        for spent in answer.calls:
            yield spent.model, spent.usage.prompt_tokens, spent.usage.completion_tokens


class ObservedDesk(Desk):
    """A desk whose answers are counted, timed, traced and logged."""

    def __init__(self, workspace: Workspace, database: Database, metrics: Metrics) -> None:
        super().__init__(workspace, database)
        self._metrics = metrics

    async def ask(
        self,
        asked: Asked,
        reader: Reader,
        *,
        surface: Surface,
        after: str | None = None,
        on_event: OnEvent | None = None,
    ) -> StoredReport:
        """As ``Desk.ask``."""
        began = perf_counter()
        with _span("ask") as span:
            try:
                stored = await super().ask(
                    asked, reader, surface=surface, after=after, on_event=on_event
                )
            except Exception as error:
                self._metrics.failures.labels(surface.value, type(error).__name__).inc()
                raise
            seconds = perf_counter() - began
            outcome = outcome_of(stored.answer)
            span.set_attribute("why.surface", surface.value)
            span.set_attribute("why.kind", stored.kind.value)
            span.set_attribute("why.outcome", outcome)
            if isinstance(stored.answer, Report):
                for timing in stored.answer.timings:
                    span.set_attribute(f"why.phase.{timing.phase}.ms", timing.milliseconds)
        self._metrics.answered(stored, seconds)
        _log.info(
            "answered",
            report=stored.id,
            kind=stored.kind.value,
            outcome=outcome,
            surface=surface.value,
            by=reader.name,
            seconds=round(seconds, 3),
        )
        return stored


# -- traces ----------------------------------------------------------------------------------------


def tracing() -> TracerProvider | None:
    """Where spans go, by the usual environment variables; None where none is asked for.

    To be shut down by the caller. https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    """
    if not (
        os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning(
            "no traces are sent: OTEL_EXPORTER_OTLP_ENDPOINT is set and the extra is missing; "
            "pip install 'incident-why[otel]'"
        )
        return None
    name = os.environ.get("OTEL_SERVICE_NAME", "why")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


@contextmanager
def _span(name: str) -> Iterator[trace.Span]:
    # Looked up each time: the provider is set after this module is imported.
    with trace.get_tracer("why").start_as_current_span(name, record_exception=False) as span:
        yield span
