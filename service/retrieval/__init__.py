"""Question → Passages: hybrid search over the index, ranked by document.

``Retriever`` searches; ``RetrievalPolicy`` has every number that it decides by.
"""

from service.retrieval.passages import (
    NOTHING_ANSWERS,
    Passage,
    RetrievalPolicy,
    seems_answered,
)
from service.retrieval.retriever import Retriever

__all__ = ["NOTHING_ANSWERS", "Passage", "RetrievalPolicy", "Retriever", "seems_answered"]
