"""The seam to a language model: what is asked, what comes back, and what can go wrong.

Errors::

    LlmError
     ├── LlmUnavailable      no connection, an answer that is none, or 429/5xx after all retries
     ├── LlmTimeout          no answer in time
     ├── LlmRefused          it refuses what is asked (4xx); the message names the setting to change
     ├── LlmBudgetExceeded   the question has no tokens or seconds left
     ├── LlmUnparsable       it answered, and the answer is not what was asked for
     └── LocalModelError     a model of this machine can't be served

Their messages hold no key, no prompt and nothing that the server wrote: a server's error may
quote all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar, overload

from pydantic import BaseModel

from ingest.documents import Frozen

if TYPE_CHECKING:
    from service.llm.budget import Budget

T = TypeVar("T", bound=BaseModel)
Parsed = TypeVar("Parsed")

_MILLION = 1_000_000


class LlmError(Exception):
    """Root of what can go wrong with a language model; the message is for the reader."""


class LlmUnavailable(LlmError):
    """No connection, an answer that is none, or "later" (429, 5xx) after all retries."""


class LlmTimeout(LlmError):
    """No answer in time."""


class LlmRefused(LlmError):
    """The server refuses what is asked; the message names the setting to change."""


class LlmBudgetExceeded(LlmError):
    """The question has no tokens or no seconds left."""


class LlmUnparsable(LlmError):
    """The model answered, and the answer is not what was asked for."""


class LocalModelError(LlmError):
    """A model of this machine can't be served; the message says what to install or to pass."""


class Message(Frozen):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Usage(Frozen):
    """What a call took. Tokens are the server's count, or ``estimated`` where it gives none."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """Wall time of the call, its retries included."""
    cost: float | None = None
    """In the currency of the configured prices; None where there are none."""
    estimated: bool = False

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def tokens_per_second(self) -> float | None:
        """Written tokens over the whole time, reading the prompt included."""
        return self.completion_tokens / self.seconds if self.seconds else None


class Prices(Frozen):
    """What a million tokens cost, in whatever currency the reader thinks in."""

    prompt: float
    completion: float

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / _MILLION


class FinishReason(StrEnum):
    """Why the model stopped writing."""

    STOP = "stop"
    LENGTH = "length"
    """It ran into ``max_tokens``: the text ends in the middle."""
    FILTERED = "content_filter"
    OTHER = "other"


class OutputMode(StrEnum):
    """How a server is asked for an object of a given shape, the strictest first."""

    JSON_SCHEMA = "json_schema"
    """The server holds the model to the schema while it writes."""
    JSON_OBJECT = "json_object"
    """The server sees to it that it is JSON; the shape is in the prompt."""
    PROMPT = "prompt"
    """The model is asked nicely."""


class Repair(StrEnum):
    """What was done to an answer to read it."""

    REASONING = "reasoning before the answer was left out"
    SURROUNDINGS = "text around the JSON object was left out"
    CUT = "it ends in the middle; what was incomplete there was dropped"


class Completion(Frozen, Generic[Parsed]):
    """An answer. ``parsed`` is an object of the asked ``schema``, or None where there was none."""

    text: str
    """As the model wrote it; without its reasoning where no ``schema`` was asked for."""
    parsed: Parsed
    finish: FinishReason
    usage: Usage
    model: str
    mode: OutputMode | None = None
    """How the server was asked for the object; None where none was asked for."""
    repairs: tuple[Repair, ...] = ()


class TextStream(Protocol):
    """The answer while it is being written; iterate over it once."""

    def __aiter__(self) -> AsyncIterator[str]:
        """Pieces of text as they arrive, without reasoning.

        Raises: LlmUnavailable, LlmTimeout; then what came so far is not the whole answer.
        """
        ...

    @property
    def completion(self) -> Completion[None]:
        """The whole answer, after the last piece. Raises: RuntimeError, before it."""
        ...


class LanguageModel(Protocol):
    """A chat model. Safe to call concurrently from one event loop."""

    @property
    def name(self) -> str:
        """What the reader knows it by: the model's name at its server."""
        ...

    @overload
    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: type[T],
        max_tokens: int,
        purpose: str,
        budget: Budget,
    ) -> Completion[T]:
        """The answer as an object of ``schema``, cut or repaired if need be.

        ``max_tokens`` bounds what is written, reasoning included; a ``budget`` that holds less
        lowers it. ``purpose`` is a word for the report and for errors.

        Raises: LlmError.
        """
        ...

    @overload
    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: None = None,
        max_tokens: int,
        purpose: str,
        budget: Budget,
    ) -> Completion[None]:
        """The same without a schema: the answer is its text."""
        ...

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        purpose: str,
        budget: Budget,
    ) -> AbstractAsyncContextManager[TextStream]:
        """The answer's text while it is being written; leaving the block ends the writing.

        Raises: LlmError.
        """
        ...

    async def aclose(self) -> None: ...
