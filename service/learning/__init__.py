"""What people say becomes knowledge: what they add, and what they confirm, reject and vote on.

Nothing is trained. What was added and what was confirmed are documents that are found like any
other; votes are weights on the documents that spoke for a cause.
"""

from service.learning.confirming import Taken, cause_of, confirm, take_feedback
from service.learning.errors import LearningError, NoSuchCause, Refused
from service.learning.keeping import add_incident, add_page, ask_for_sync, delete, edit
from service.learning.pages import (
    NewIncident,
    NewPage,
    as_page,
    incident_document,
    page_document,
)
from service.learning.sources import added_sources
from service.learning.weights import FeedbackWeights, Vote, trust

__all__ = [
    "FeedbackWeights",
    "LearningError",
    "NewIncident",
    "NewPage",
    "NoSuchCause",
    "Refused",
    "Taken",
    "Vote",
    "add_incident",
    "add_page",
    "added_sources",
    "as_page",
    "ask_for_sync",
    "cause_of",
    "confirm",
    "delete",
    "edit",
    "incident_document",
    "page_document",
    "take_feedback",
    "trust",
]
