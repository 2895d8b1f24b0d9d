"""What Why keeps: reports, feedback, added knowledge, jobs, and who may do what.

``Database.open(settings)`` opens it. Nothing that answers a question needs it, and what reads no
database should not load it: it brings SQLAlchemy along.
"""

from service.store.actions import Actions, ActionState, AuditRow, Proposal
from service.store.briefings import StoredBriefing
from service.store.database import Database
from service.store.deliveries import Delivery, DeliveryState
from service.store.errors import (
    BadCursor,
    Conflict,
    LeaseLost,
    NotFound,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
)
from service.store.feedback import FeedbackEntry, Verdict
from service.store.idempotency import Beginning, Begun, KeptAnswer
from service.store.jobs import Job, Jobs, JobState
from service.store.keys import ApiKey, CreatedKey, Scope
from service.store.knowledge import KnowledgeItem, UnreadableItem
from service.store.reports import (
    Answer,
    AnswerKind,
    ReportHead,
    ReportPage,
    StoredReport,
    Surface,
    kind_of,
)

__all__ = [
    "ActionState",
    "Actions",
    "Answer",
    "AnswerKind",
    "ApiKey",
    "AuditRow",
    "BadCursor",
    "Beginning",
    "Begun",
    "Conflict",
    "CreatedKey",
    "Database",
    "Delivery",
    "DeliveryState",
    "FeedbackEntry",
    "Job",
    "JobState",
    "Jobs",
    "KeptAnswer",
    "KnowledgeItem",
    "LeaseLost",
    "NotFound",
    "Proposal",
    "ReportHead",
    "ReportPage",
    "Scope",
    "StoreError",
    "StoreTooNew",
    "StoreUnavailable",
    "StoredBriefing",
    "StoredReport",
    "Surface",
    "UnreadableItem",
    "Verdict",
    "kind_of",
]
