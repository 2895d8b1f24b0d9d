"""What a language model did for an evaluation's questions, and what that took."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.documents import Frozen
from service.llm.models import Models
from service.queries.answer import QueryAnswer
from service.queries.candidates import Origin


class ModelUse(Frozen):
    """What the language model did for the questions, and what it took.

    ``changed``: answers that are another query than without it; ``written``: those that it wrote
    itself; ``refused``: queries of its own that the checks did not let through; ``failed``:
    questions that it gave no usable answer to. ``seconds``: of its calls.
    """

    model: str
    asked: int
    changed: int
    written: int
    refused: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


def use_of(
    models: Models, answers: Sequence[QueryAnswer], without: Sequence[str | None]
) -> ModelUse:
    """What the small model did for these answers; ``without``: the queries found without it."""
    calls = [call.usage for answer in answers for call in answer.calls]
    of_model = f"the language model {models.small.name}:"
    return ModelUse(
        model=models.small.name,
        asked=len(answers),
        changed=sum(one.query != other for one, other in zip(answers, without, strict=True)),
        written=sum(one.origin is Origin.MODEL for one in answers),
        refused=sum(
            other.origin is Origin.MODEL and other.refused is not None
            for one in answers
            for other in one.considered
        ),
        failed=sum(any(line.startswith(of_model) for line in one.missing) for one in answers),
        prompt_tokens=sum(usage.prompt_tokens for usage in calls),
        completion_tokens=sum(usage.completion_tokens for usage in calls),
        seconds=sum(usage.seconds for usage in calls),
    )
