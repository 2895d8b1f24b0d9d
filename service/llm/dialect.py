"""What a server understands of the chat completions API, and what its refusals mean.

"OpenAI-compatible" is a family of dialects. Every server is first asked the best way; where it
refuses a part, the next plainer way is tried. Seen in the wild: servers without ``json_schema``
(older vLLM and NIM, many gateways) or without ``json_object`` (LM Studio); OpenAI's reasoning
models, which want ``max_completion_tokens`` and no ``temperature``; servers that don't know
``stream_options``. The order starts with ``max_tokens``, since servers that don't know the newer
name ignore it, and then nothing would bound the answer.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from ingest.documents import Frozen
from service.llm.base import OutputMode

_UNKNOWN_FIELD_STATUSES = (400, 415, 422, 501)
_TOO_LONG = re.compile(
    r"context.?(?:length|size|window)|maximum context|exceed_context|prompt is too long"
)
_NO_SUCH_MODEL = re.compile(r"model.?not.?found|model.{0,80}(?:does not|doesn't) exist")
_NO_CREDIT = re.compile(r"insufficient.?(?:quota|balance|credit)")
_ABOUT_OUTPUT = re.compile(
    r"response.?format|json.?schema|json.?object|json.?mode|structured.?output|grammar|guided"
)


class Dialect(Frozen):
    """How one server is spoken to."""

    mode: OutputMode = OutputMode.JSON_SCHEMA
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    stream_usage: bool = True

    @property
    def plainer_mode(self) -> OutputMode | None:
        """The next way to ask for an object; None where there is none."""
        modes = list(OutputMode)
        place = modes.index(self.mode) + 1
        return modes[place] if place < len(modes) else None


class Refusal(Frozen):
    """An answer that says no. ``body`` may quote prompt and key: it is for matching only."""

    status: int
    body: str

    @classmethod
    def of(cls, status: int, body: object) -> Refusal:
        """From the decoded body, or its text where it is no JSON."""
        return cls(status=status, body=json.dumps(body, default=str).lower())

    @property
    def too_long(self) -> bool:
        """The request doesn't fit the model's context."""
        return self.status == 413 or self._says(_TOO_LONG)

    @property
    def no_such_model(self) -> bool:
        return self._says(_NO_SUCH_MODEL)

    @property
    def no_credit(self) -> bool:
        """The account can't pay: OpenAI sends that as 429, and no waiting helps."""
        return self.status == 402 or (self.status == 429 and self._says(_NO_CREDIT))

    @property
    def about_output(self) -> bool:
        """It is the wanted form of the answer that is refused."""
        return self._says(_ABOUT_OUTPUT)

    @property
    def about_a_field(self) -> bool:
        """It may be a field of the request that is refused, rather than the request."""
        return (
            self.status in _UNKNOWN_FIELD_STATUSES and not self.too_long and not self.no_such_model
        )

    def _says(self, pattern: re.Pattern[str]) -> bool:
        return pattern.search(self.body) is not None


def plainer(
    dialect: Dialect, refusal: Refusal, *, structured: bool, streaming: bool
) -> Dialect | None:
    """The dialect to try after a refusal; None where no other wording can help.

    A refusal that doesn't say which field it is about is taken to be about the rarest one.
    """
    next_mode = dialect.plainer_mode if structured else None
    if refusal.status >= 500 and refusal.about_output and next_mode:
        return dialect.model_copy(update={"mode": next_mode})
    if not refusal.about_a_field:
        return None
    if "max_completion_tokens" in refusal.body and dialect.limit == "max_tokens":
        return dialect.model_copy(update={"limit": "max_completion_tokens"})
    if "temperature" in refusal.body and dialect.temperature:
        return dialect.model_copy(update={"temperature": False})
    if streaming and dialect.stream_usage:
        return dialect.model_copy(update={"stream_usage": False})
    return dialect.model_copy(update={"mode": next_mode}) if next_mode else None


def explained(refusal: Refusal, *, model: str, model_setting: str) -> str:
    """What to do about a refusal, in words that quote nothing of it."""
    status = refusal.status
    if refusal.too_long:
        return (
            "the request is longer than the model's context: serve it with a longer one, or "
            "lower WHY_LLM_MAX_TOKENS_PER_QUESTION"
        )
    if refusal.no_credit:
        return f"the account has no credit (HTTP {status}): use another WHY_LLM_API_KEY"
    if status in (401, 403):
        return f"it refused the key (HTTP {status}): set WHY_LLM_API_KEY"
    if status == 404 or refusal.no_such_model:
        return (
            f"it has no model {model!r}, or no such API at this address (HTTP {status}): set "
            f"{model_setting} to a model that it serves, and WHY_LLM_URL to where its API "
            "begins, usually ending in /v1"
        )
    return (
        f"it refused the request (HTTP {status}): is {model_setting} a chat model, and "
        "WHY_LLM_URL an OpenAI-compatible API?"
    )
