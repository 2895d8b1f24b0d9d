"""Every setting of Why, in one typed model.

A setting comes from the environment (``WHY_<NAME>``; Qdrant's and OpenAI's have their usual
names, ``QDRANT_URL`` and ``OPENAI_API_KEY`` for example), else from the TOML file, else from its
default. Paths in the TOML file are relative to that file, paths in the environment to the working
directory.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ingest.documents import EVERYONE, KINDS_WITH_URL, SourceKind
from ingest.index.layout import Layout, Quantization

_LAYOUT = Layout()
"""Whose defaults are the settings'."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it, where it was set, and what to do."""


class _Shown(BaseModel):
    """Passwords in addresses are not in its ``repr``."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        from ingest.redaction import redact_text

        for name, value in super().__repr_args__():
            yield name, redact_text(value) if isinstance(value, str) else value


class SourceSettings(_Shown):
    """One ``[[sources]]`` table of the TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: SourceKind
    path: Path | None = None
    """Folder (or file, where the kind has one) to read."""
    url: str | None = None
    """Instead of ``path``, for dashboards and alerts: a Grafana, read with ``grafana_token``."""
    name: str = ""
    """Unique name; the first part of its documents' ids. Default: the kind."""
    base_url: str | None = None
    """Where a person opens these documents, e.g. the wiki's address; ids are appended."""
    audience: tuple[str, ...] = (EVERYONE,)
    """Who may read what comes from here."""

    def model_post_init(self, _: Any) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.kind.value)

    @model_validator(mode="after")
    def _has_one_place(self) -> SourceSettings:
        if (self.path is None) == (self.url is None):
            raise ValueError("give this source either a `path` or a `url`")
        if self.url is not None and self.kind not in KINDS_WITH_URL:
            kinds = ", ".join(sorted(KINDS_WITH_URL))
            raise ValueError(f"`url` is for {kinds}; give this source a `path`")
        return self


class Settings(_Shown, BaseSettings):
    """All settings. ``Settings()`` reads the environment only; see ``load_settings``."""

    model_config = SettingsConfigDict(
        env_prefix="WHY_", extra="forbid", frozen=True, populate_by_name=True
    )

    sources: tuple[SourceSettings, ...] = ()
    """What to ingest. In the environment: JSON."""

    index_dir: Path = Field(default_factory=lambda: platformdirs.user_data_path("why") / "index")
    """Folder of the embedded Qdrant index. Unused when QDRANT_URL is set."""
    cache_dir: Path = Field(default_factory=lambda: platformdirs.user_cache_path("why"))
    """Folder of what can be had again (the exported embedding model, catalogs of metrics)."""
    qdrant_url: str | None = Field(
        default=None, validation_alias=AliasChoices("qdrant_url", "QDRANT_URL")
    )
    """A Qdrant server or cluster to use instead of the embedded one."""
    qdrant_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("qdrant_api_key", "QDRANT_API_KEY")
    )
    """Key for QDRANT_URL."""
    qdrant_collection: str = "why"
    """Alias of the collection on the server; generations are named after it."""
    qdrant_timeout: float = Field(default=10.0, gt=0)
    """Seconds to wait for the server."""
    qdrant_ca_file: Path | None = None
    """Certificates (PEM) of the authority that signed the server's, where it is a private one."""
    qdrant_shards: int | None = Field(default=None, ge=1)
    """Parts of a new collection, which can lie on different nodes. Default: the server's."""
    qdrant_replicas: int | None = Field(default=None, ge=1)
    """Copies of each part. Default: the server's."""
    qdrant_write_consistency: int | None = Field(default=None, ge=1)
    """Copies that have to confirm a write. Default: the server's."""
    index_hnsw_m: int = Field(default=_LAYOUT.hnsw_m, ge=4, le=128)
    """Links of a node in the graph of vectors. What ``index_`` says holds for the next index that
    is made, except for ``index_search_ef`` and ``index_oversampling``."""
    index_ef_construct: int = Field(default=_LAYOUT.ef_construct, ge=4)
    """Candidates kept while the graph is built."""
    index_search_ef: int = Field(default=_LAYOUT.search_ef, ge=1)
    """Candidates kept while it is searched: more find more and take longer."""
    index_exact_up_to: int = Field(default=_LAYOUT.exact_up_to, ge=1)
    """Chunks up to which all vectors are compared instead of using the graph."""
    index_quantization: Quantization = _LAYOUT.quantization
    """Smaller copies of the vectors, searched first: ``none``, ``int8`` or ``binary``."""
    index_oversampling: float = Field(default=_LAYOUT.oversampling, ge=1)
    """With them, how many times the wanted candidates are compared in full."""
    index_vectors_on_disk: bool = _LAYOUT.vectors_on_disk
    """Read full vectors from the disk when asked for, instead of keeping them in memory."""
    index_payload_on_disk: bool = _LAYOUT.payload_on_disk
    """The same for texts and the rest of a chunk."""

    embedding_model: str = "packaged"
    """``packaged`` (all-MiniLM-L6-v2, carried by the installation) or any sentence-transformers
    model, by name or path; with ``embedding_url``: the model's name at the endpoint."""
    embedding_url: str | None = None
    """An OpenAI-compatible endpoint for embeddings, e.g. http://localhost:8080/v1."""
    embedding_api_key: SecretStr | None = None
    """Key for ``embedding_url``."""
    reranker: str = ""
    """Empty for none; ``packaged`` (the extra ``rerank``), or a folder with a cross-encoder's
    model.onnx and tokenizer.json."""
    ray_address: str = ""
    """The Ray cluster that runs `why ingest --workers`: ``host:6379``, or ``auto`` on one of its
    machines. Empty: Ray is started on this machine."""
    redact_emails: bool = False
    """Also replace e-mail addresses before anything is stored."""

    grafana_url: str | None = None
    """A Grafana with a Prometheus data source. Wins over ``prometheus_url``."""
    grafana_token: SecretStr | None = None
    """A service account's token for it, with the role Viewer; also for sources with a ``url``."""
    grafana_datasource: str | None = None
    """Uid or name of the Prometheus data source, if it isn't Grafana's default."""
    prometheus_url: str | None = None
    """A Prometheus (or anything with its HTTP API). Wins over ``metrics_file``."""
    prometheus_token: SecretStr | None = None
    """Bearer token for ``prometheus_url``."""
    alertmanager_url: str | None = None
    """An Alertmanager whose active alerts are seen beside those of the metrics."""
    metrics_file: Path | None = None
    """Metrics as OpenMetrics text, read by the embedded source when there is no Prometheus."""
    annotations_file: Path | None = None
    """Deployments and other annotations as JSON, in the shape of Grafana's annotations API."""
    catalog_ttl: float = Field(default=600.0, ge=0)
    """Seconds for which the list of metrics, their types and label values is taken as known."""

    llm_url: str | None = None
    """Where an OpenAI-compatible API begins, e.g. http://localhost:8080/v1."""
    llm_api_key: SecretStr | None = None
    """Key for ``llm_url``."""
    llm_model: str | None = None
    """The model that words the report, by its name there. Without one no model is asked."""
    llm_small_model: str | None = None
    """A faster model of the same endpoint, for queries and routing. Default: ``llm_model``."""
    llm_timeout: float = Field(default=60.0, gt=0)
    """Seconds that one call of a model may take, its retries included."""
    llm_max_tokens_per_question: int = Field(default=20_000, gt=0)
    """Tokens that all calls of one question may take together, read and written."""
    llm_price_prompt: float | None = Field(default=None, ge=0)
    """What a million tokens to read cost, for the report."""
    llm_price_completion: float | None = Field(default=None, ge=0)
    """What a million written tokens cost."""
    openai_base_url: str | None = Field(
        default=None, validation_alias=AliasChoices("openai_base_url", "OPENAI_BASE_URL")
    )
    """Used where there is an ``llm_model`` and no ``llm_url``."""
    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("openai_api_key", "OPENAI_API_KEY")
    )
    """Goes with ``openai_base_url``, and never to an ``llm_url``."""

    topology: tuple[tuple[str, str], ...] = ()
    """Who calls whom: pairs of caller and callee. What the metrics' labels say (service graphs,
    service meshes) is used besides."""

    database_file: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("why") / "why.db"
    )
    """SQLite file with reports, feedback, jobs and added knowledge. Unused with a database_url."""
    database_url: SecretStr | None = None
    """A PostgreSQL to keep them in, for several servers: postgresql://user:password@host/name."""
    public_url: str | None = None
    """Where people open this service, e.g. https://why.example.com: for links to reports."""
    host: str = "127.0.0.1"
    """Address that `why serve` listens on."""
    port: int = Field(default=8484, ge=0, le=65535)
    """Port that `why serve` listens on; 0 takes a free one."""
    open_access: bool = False
    """Serve without API keys; only on a loopback address, with the audience of this file."""
    requests_per_minute: int = Field(default=60, gt=0)
    """Requests of one API key, where the key has no rate of its own."""
    sync_minutes: float = Field(default=0.0, ge=0)
    """How often `why serve` brings the index up to date; 0 for never by itself."""
    job_workers: int = Field(default=2, gt=0)
    """Jobs (questions from Slack and webhooks, briefings, syncs) that one server runs at a time."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Of what `why serve` writes to stderr, as JSON lines."""

    grafana_webhook_secret: SecretStr | None = None
    """The HMAC secret of Grafana's webhook contact point."""
    webhook_reports: bool = False
    """Whether a group of firing alerts that a webhook brings is asked about."""
    webhook_reports_per_hour: int = Field(default=6, gt=0)
    """Reports that webhooks may cause, at most."""

    slack_bot_token: SecretStr | None = None
    """Bot token (xoxb-…) of the Slack app; docs/slack.md has its manifest."""
    slack_signing_secret: SecretStr | None = None
    """Signing secret of the Slack app: for HTTP mode."""
    slack_app_token: SecretStr | None = None
    """App-level token (xapp-…): with it `why serve` uses Socket Mode."""
    slack_api_url: str = "https://slack.com/api/"
    """Where Slack's Web API is; another one for GovSlack."""
    slack_audiences: dict[str, tuple[str, ...]] = {}
    """Slack user id, or user group id, to the labels of what they may read besides everyone's."""
    slack_services: dict[str, str] = {}
    """Slack channel's name to the service that `/why` alone means there."""
    slack_alert_channel: str | None = None
    """Id of the channel that gets the reports that webhooks cause."""

    briefing_schedule: str | None = None
    """When `why serve` sends the morning briefing: a cron expression in ``timezone``."""
    briefing_channel: str | None = None
    """Id of the Slack channel that gets it."""
    briefing_emails: tuple[str, ...] = ()
    """Addresses that get it."""
    briefing_audience: tuple[str, ...] = (EVERYONE,)
    """Labels of what the sent briefing may contain."""
    smtp_host: str | None = None
    """The mail server that briefings are sent through."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    """Its port."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection to it is encrypted."""
    smtp_user: str | None = None
    """User name there."""
    smtp_password: SecretStr | None = None
    """Password there."""
    smtp_from: str = "why@localhost"
    """Sender of the mails."""

    actions_dry_run: bool = True
    """Approved actions are only written down, and nothing is created, until this is false."""
    jira_url: str | None = None
    """Jira, e.g. https://example.atlassian.net, for issues proposed from reports."""
    jira_user: str | None = None
    """E-mail address that belongs to ``jira_token`` (Jira Cloud); none for a Data Center token."""
    jira_token: SecretStr | None = None
    """API token for it."""
    jira_project: str | None = None
    """Key of the project that issues go into."""
    jira_issue_type: str = "Task"
    """Type of the issues."""
    pagerduty_url: str = "https://api.pagerduty.com"
    """Where PagerDuty's REST API is; another one for the EU."""
    pagerduty_token: SecretStr | None = None
    """API token of PagerDuty, for incidents and notes proposed from reports."""
    pagerduty_from: str | None = None
    """E-mail address of the PagerDuty user that they are made as."""
    pagerduty_service: str | None = None
    """Id of the PagerDuty service that incidents go to."""

    audience: tuple[str, ...] = (EVERYONE,)
    """Whose eyes the command line has: labels such as ``everyone`` or ``slack:sec-response``."""
    timezone: str = "UTC"
    """IANA name of the zone in which "last night" is meant. Reports are in UTC."""
    as_of: Literal["now"] | str = "now"
    """The moment at which questions are asked, ISO 8601; nothing written later is seen."""
    deadline: float = Field(default=20.0, gt=0)
    """Seconds after which a report is written from what is there."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


_PATHS = (
    "index_dir",
    "cache_dir",
    "database_file",
    "metrics_file",
    "annotations_file",
    "qdrant_ca_file",
)


def load_settings(config: Path | None = None) -> Settings:
    """The settings from the environment and, if given, a TOML file.

    Raises: SettingsError, naming file and setting.
    """
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{config}: cannot read it ({error.strerror})") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{config}: not a TOML file: {error}") from error
        _resolve_paths(values, config.parent)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error, config)) from error
    names = [source.name for source in settings.sources]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"two sources are named {name!r}; give each of them its own `name` in "
                f"{config or 'WHY_SOURCES'}"
            )
    return settings


def _resolve_paths(values: dict[str, Any], root: Path) -> None:
    tables = [values, *(s for s in values.get("sources", ()) if isinstance(s, dict))]
    for table in tables:
        for key in (*_PATHS, "path"):
            if isinstance(table.get(key), str):
                table[key] = str(root / Path(table[key]).expanduser())


def _explain(error: ValidationError, config: Path | None) -> str:
    # Never the input itself: it may be a key.
    lines = [
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    ]
    origin = f"{config} or the environment" if config else "the environment (WHY_…)"
    return f"wrong settings in {origin}:\n  " + "\n  ".join(lines)
