"""The tables, as the newest migration leaves them (a test compares the two).

What is asked for is a column; what is only read back is JSON. An audience is kept twice: as the
value in its row, and as one row per label beside it, which is what both databases can filter by
inside a query.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from service.store.columns import Json, Key, Moment, Words

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

reports = Table(
    "reports",
    metadata,
    Column("id", Words, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("question", Words, nullable=False),
    Column("surface", Words, nullable=False),
    Column("asked_by", Words, nullable=False),
    Column("audience", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("after", Words, ForeignKey("reports.id")),
    Column("answer", Json, nullable=False),
)

report_labels = Table(
    "report_labels",
    metadata,
    Column("report_id", Words, ForeignKey("reports.id", ondelete="CASCADE"), primary_key=True),
    Column("label", Key, primary_key=True),
)

feedback = Table(
    "feedback",
    metadata,
    Column("report_id", Words, ForeignKey("reports.id", ondelete="CASCADE"), primary_key=True),
    Column("by", Key, primary_key=True),
    # "" where it is about the whole report: NULLs would never be equal to each other.
    Column("component", Key, primary_key=True),
    Column("verdict", Words, nullable=False),
    Column("note", Words),
    Column("at", Moment, nullable=False),
)

knowledge = Table(
    "knowledge",
    metadata,
    Column("id", Words, primary_key=True),
    Column("document_id", Key, nullable=False),
    Column("document", Json, nullable=False),
    Column("provenance", Words, nullable=False),
    Column("created_by", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("document_id"),
)

knowledge_labels = Table(
    "knowledge_labels",
    metadata,
    Column("item_id", Words, ForeignKey("knowledge.id", ondelete="CASCADE"), primary_key=True),
    Column("label", Key, primary_key=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Words, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("payload", Json, nullable=False),
    Column("key", Key),
    Column("state", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("run_at", Moment, nullable=False),
    Column("worker", Words),
    Column("lease_until", Moment),
    Column("last_error", Words),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    UniqueConstraint("key"),
    Index("ix_jobs_state_run_at", "state", "run_at"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("surface", Words, primary_key=True),
    Column("key", Key, primary_key=True),
    Column("report_id", Words, ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
    Column("updated_at", Moment, nullable=False),
)

briefings = Table(
    "briefings",
    metadata,
    Column("day", Date, primary_key=True),
    Column("zone", Words, primary_key=True),
    # The labels as JSON text in order: here only the very same audience is asked for.
    Column("audience", Key, primary_key=True),
    Column("body", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("what", Key, primary_key=True),
    Column("target", Key, primary_key=True),
    Column("state", Words, nullable=False),
    Column("error", Words),
    Column("begun_at", Moment, nullable=False),
    Column("settled_at", Moment),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Key, nullable=False),
    Column("digest", Words, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("audience", Json, nullable=False),
    Column("rate_per_minute", Integer),
    Column("created_at", Moment, nullable=False),
    Column("last_used", Moment),
    Column("revoked_at", Moment),
    Index(
        "ix_api_keys_live_name",
        "name",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", Words, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("report_id", Words, ForeignKey("reports.id"), nullable=False),
    Column("payload", Json, nullable=False),
    Column("state", Words, nullable=False),
    Column("proposed_by", Words, nullable=False),
    Column("proposed_at", Moment, nullable=False),
    Column("decided_by", Words),
    Column("decided_at", Moment),
    Column("result_url", Words),
    Column("error", Words),
)

audit = Table(
    "audit",
    metadata,
    # Counts upwards: rows of the same millisecond must keep their order.
    Column("number", Integer, primary_key=True),
    Column("proposal_id", Words, ForeignKey("proposals.id"), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("who", Words, nullable=False),
    Column("what", Words, nullable=False),
    Column("detail", Words),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("caller", Key, primary_key=True),
    Column("key", Key, primary_key=True),
    Column("request_hash", Words, nullable=False),
    Column("begun_at", Moment, nullable=False, index=True),
    # NULL while the first request is still being answered.
    Column("status", Integer),
    Column("body", Words),
    Column("media_type", Words),
)

limit_hits = Table(
    "limit_hits",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", Key, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_limit_hits_name_at", "name", "at"),
)
