"""Everything that reads what others wrote, as functions of bytes: for hypothesis and for atheris.

A target returns, whatever it is given, or it fails: an exception that its module does not promise
comes through, and so does the AssertionError of what must hold. ``TARGETS`` has them by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import tempfile
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import httpx
from pydantic import ValidationError

from ingest.chunking import ChunkingPolicy, chunk_document
from ingest.documents import Document, Problem, ProblemLevel, SourceKind
from ingest.redaction import redact_document
from ingest.sources import open_source
from service.llm.base import LlmUnparsable
from service.llm.structured import read_object, without_reasoning
from service.metrics.events import read_annotations
from service.metrics.grafana_api import GrafanaApi
from service.metrics.grafana_models import DataSource
from service.metrics.openmetrics import read_openmetrics
from service.metrics.panels import in_one_line, selection_of
from service.metrics.prometheus import PrometheusSource
from service.metrics.promql_eval import evaluate
from service.metrics.promql_text import parse_promql
from service.metrics.source import MetricsError, Window
from service.queries.checks import CheckPolicy, Known, objections
from service.reports.language import WrittenReport
from service.reports.untrusted import clean
from service.scope import Vocabulary, scope_of
from service.surfaces.http.alert_groups import SentGroup, asked_about
from service.time_phrases import ScopeError
from tests.encoders import HashingEncoder

Target = Callable[[bytes], None]

NOW = datetime(2026, 11, 12, 8, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(hours=1), end=NOW)
STEP = timedelta(minutes=1)
_POLICY = ChunkingPolicy()
_count_tokens = HashingEncoder().count_tokens


def ingested(kind: SourceKind, path: Path) -> tuple[list[Document], list[Problem]]:
    """What a source yields, all of it redacted and cut into chunks, which must fit its text."""
    found = list(open_source(kind, name=kind.value, path=path).read())
    documents = [item for item in found if isinstance(item, Document)]
    problems = [item for item in found if isinstance(item, Problem)]
    assert len({document.id for document in documents}) == len(documents)
    for document in documents:
        clear, _ = redact_document(document)
        clear.model_dump_json().encode("utf-8")  # no lone surrogates
        assert "\0" not in clear.text
        for chunk in chunk_document(clear, policy=_POLICY, count_tokens=_count_tokens):
            assert chunk.text == clear.text[chunk.start : chunk.end]
    for problem in problems:
        assert problem.path
        assert problem.reason
        assert "\n" not in problem.reason
        assert problem.line is None or problem.line >= 1
        # An unread file keeps what was read of it before: nothing of it is deleted.
        assert problem.level is ProblemLevel.NOTICE or problem.affects is not None
    return documents, problems


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="why-fuzz-"))


def _file(kind: SourceKind, name: str, data: bytes) -> None:
    path = _folder() / name
    path.write_bytes(data)
    ingested(kind, path)


def slack_zip(data: bytes) -> None:
    """A zip file as it comes."""
    _file(SourceKind.SLACK, "export.zip", data)


def slack_day(data: bytes) -> None:
    """One day of messages in an export that is otherwise good."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("channels.json", '[{"id": "C1", "name": "ops"}]')
        archive.writestr("users.json", '[{"id": "U1", "real_name": "Mira"}]')
        archive.writestr("ops/2026-06-18.json", data)
    path = _folder() / "day.zip"
    path.write_bytes(packed.getvalue())
    ingested(SourceKind.SLACK, path)


def openmetrics(data: bytes) -> None:
    """A file of metrics. Decoded as the source decodes it."""
    with contextlib.suppress(ValueError):
        read_openmetrics(data.decode("utf-8"))


def annotations(data: bytes) -> None:
    """A file of Grafana's annotations."""
    path = _folder() / "annotations.json"
    path.write_bytes(data)
    with contextlib.suppress(MetricsError):
        read_annotations(path)


def promql(data: bytes) -> None:
    """A query of a panel, a rule or a model."""
    text = data.decode("utf-8", "replace")
    objections(text, Known(), CheckPolicy())
    selection_of(text)
    with contextlib.suppress(MetricsError):
        evaluate(text, [], WINDOW, STEP)
    try:
        tree = parse_promql(text)
    except ValueError:
        return
    assert "\n" not in in_one_line(tree)


def times(data: bytes) -> None:
    """A question, and the times of its options."""
    question, _, rest = data.decode("utf-8", "replace").partition("\n")
    since, _, until = rest.partition("\n")
    for given in ({}, {"since": since or None, "until": until or None}):
        with contextlib.suppress(ScopeError):
            scope = scope_of(
                question, now=NOW, vocabulary=Vocabulary(services=("checkout",)), **given
            )
            assert scope.window.start < scope.window.end <= NOW


def model_answer(data: bytes) -> None:
    """What a language model writes where an object was asked for."""
    text = data.decode("utf-8", "replace")
    without_reasoning(text)
    with contextlib.suppress(LlmUnparsable):
        read_object(text, WrittenReport)


def retrieved_text(data: bytes) -> None:
    """What is made harmless before a model reads it is harmless: cleaning again changes nothing."""
    text = clean(data.decode("utf-8", "replace"))
    assert not {*text} & {*"\u200b\u200d\u202e\u2066\ufeff\0\x1b"}


def webhook(data: bytes) -> None:
    """A notification of Alertmanager or Grafana."""
    try:
        group = SentGroup.model_validate_json(data)
    except ValidationError:
        return
    asked = asked_about(group)
    assert asked is None or len(asked.question) < 2000


async def _all(calls: Sequence[Callable[[], Awaitable[object]]]) -> None:
    for call in calls:
        with contextlib.suppress(MetricsError):
            await call()


def _answering(data: bytes) -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(200, content=data))


def prometheus_answer(data: bytes) -> None:
    """Whatever stands at Prometheus' address answers this to everything."""
    source = PrometheusSource("http://p.test", transport=_answering(data))
    asyncio.run(
        _all(
            [
                lambda: source.query_range("up", WINDOW, STEP),
                lambda: source.label_values("job", WINDOW),
                source.metadata,
                lambda: source.alerts(WINDOW),
            ]
        )
    )


def grafana_answer(data: bytes) -> None:
    """Whatever stands at Grafana's address answers this to everything."""
    api = GrafanaApi(
        "http://g.test", token=None, timeout=5, max_bytes=10_000_000, transport=_answering(data)
    )
    asyncio.run(
        _all(
            [
                api.health,
                api.settings,
                api.data_sources,
                api.search,
                api.managed_rules,
                lambda: api.dashboard("uid"),
                lambda: api.annotations(WINDOW, kind="annotation"),
                lambda: api.query(DataSource(uid="u"), {"A": "up"}, WINDOW, STEP),
            ]
        )
    )


TARGETS: Mapping[str, Target] = {
    "slack-zip": slack_zip,
    "slack-day": slack_day,
    "runbook-markdown": partial(_file, SourceKind.RUNBOOKS, "page.md"),
    "runbook-html": partial(_file, SourceKind.RUNBOOKS, "page.html"),
    "runbook-asciidoc": partial(_file, SourceKind.RUNBOOKS, "page.adoc"),
    "runbook-rst": partial(_file, SourceKind.RUNBOOKS, "page.rst"),
    "incident": partial(_file, SourceKind.INCIDENTS, "INC-1.md"),
    "glossary": partial(_file, SourceKind.GLOSSARY, "terms.md"),
    "dashboard-json": partial(_file, SourceKind.DASHBOARDS, "board.json"),
    "dashboard-yaml": partial(_file, SourceKind.DASHBOARDS, "board.yaml"),
    "alert-rules": partial(_file, SourceKind.ALERTS, "rules.yaml"),
    "openmetrics": openmetrics,
    "annotations": annotations,
    "promql": promql,
    "times": times,
    "model-answer": model_answer,
    "retrieved-text": retrieved_text,
    "webhook": webhook,
    "prometheus-answer": prometheus_answer,
    "grafana-answer": grafana_answer,
}
