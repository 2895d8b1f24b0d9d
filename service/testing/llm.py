"""A language model to test against: it says what a script says, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self, TypeVar, overload

from pydantic import BaseModel

from service.llm.base import (
    Completion,
    FinishReason,
    LlmError,
    Message,
    OutputMode,
    TextStream,
)
from service.llm.budget import Budget
from service.llm.structured import read_object, without_reasoning
from service.llm.tokens import estimate_prompt_tokens, estimate_tokens

T = TypeVar("T", bound=BaseModel)

Line = str | BaseModel | LlmError
"""What a scripted model says: a text, an object (as JSON), or an error that is raised."""

PIECE_CHARACTERS = 7
"""Of one piece of a stream; words and tags arrive in several."""


class Asked(NamedTuple):
    """One call of a ScriptedModel."""

    messages: tuple[Message, ...]
    schema: type[BaseModel] | None
    max_tokens: int
    purpose: str


class ScriptedModel:
    """Says its lines in order, or what a function of the messages gives.

    Lines go through the same reading, budget and token limit as a real model's text: one that is
    longer than ``max_tokens`` is cut, JSON that doesn't fit the schema is an LlmUnparsable.
    ``asked`` keeps every call.
    """

    def __init__(
        self, lines: Iterable[Line] | Callable[[Sequence[Message]], Line], *, name: str = "scripted"
    ) -> None:
        self.asked: list[Asked] = []
        self._name = name
        self._say = lines if callable(lines) else _in_turn(lines)

    @property
    def name(self) -> str:
        return self._name

    @overload
    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: type[T],
        max_tokens: int,
        purpose: str,
        budget: Budget,
    ) -> Completion[T]: ...

    @overload
    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: None = None,
        max_tokens: int,
        purpose: str,
        budget: Budget,
    ) -> Completion[None]: ...

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: type[BaseModel] | None = None,
        max_tokens: int,
        purpose: str,
        budget: Budget,
    ) -> Completion[Any]:
        """See LanguageModel."""
        completion = self._complete(messages, schema, max_tokens, purpose, budget)
        if schema is None:
            return _shown(completion)
        parsed, repairs = read_object(completion.text, schema)
        update = {"parsed": parsed, "repairs": repairs, "mode": OutputMode.JSON_SCHEMA}
        return completion.model_copy(update=update)

    @asynccontextmanager
    async def stream(
        self, messages: Sequence[Message], *, max_tokens: int, purpose: str, budget: Budget
    ) -> AsyncIterator[TextStream]:
        """See LanguageModel."""
        completion = _shown(self._complete(messages, None, max_tokens, purpose, budget))
        yield _ScriptedStream(in_pieces(completion.text), completion)

    async def aclose(self) -> None:
        pass

    def _complete(
        self,
        messages: Sequence[Message],
        schema: type[BaseModel] | None,
        max_tokens: int,
        purpose: str,
        budget: Budget,
    ) -> Completion[None]:
        with budget.reserve(
            model=self._name,
            purpose=purpose,
            prompt_tokens=estimate_prompt_tokens(messages),
            answer_tokens=max_tokens,
        ) as held:
            self.asked.append(Asked(tuple(messages), schema, max_tokens, purpose))
            line = self._say(messages)
            if isinstance(line, LlmError):
                raise line
            whole = line.model_dump_json() if isinstance(line, BaseModel) else line
            text = _within(whole, held.answer_tokens)
            usage = held.settle(text)
        return Completion(
            text=text,
            parsed=None,
            finish=FinishReason.STOP if text == whole else FinishReason.LENGTH,
            usage=usage,
            model=self._name,
        )


class _ScriptedStream:
    def __init__(self, pieces: Iterable[str], completion: Completion[None]) -> None:
        self._pieces = iter(pieces)
        self._whole = completion
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        for piece in self._pieces:
            return piece
        self._ended = True
        raise StopAsyncIteration

    @property
    def completion(self) -> Completion[None]:
        if not self._ended:
            raise RuntimeError("the answer is not complete; iterate to its end first")
        return self._whole


def _shown(completion: Completion[None]) -> Completion[None]:
    return completion.model_copy(update={"text": without_reasoning(completion.text)})


def _in_turn(lines: Iterable[Line]) -> Callable[[Sequence[Message]], Line]:
    left = iter(lines)

    def say(_: Sequence[Message]) -> Line:
        try:
            return next(left)
        except StopIteration:
            raise AssertionError("the model was asked more often than it has lines") from None

    return say


def _within(text: str, tokens: int) -> str:
    """As much of ``text`` as ``tokens`` hold."""
    if estimate_tokens(text) <= tokens:
        return text
    shortest, longest = 0, len(text)
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if estimate_tokens(text[:middle]) <= tokens:
            shortest = middle
        else:
            longest = middle
    return text[:shortest]


def in_pieces(text: str) -> list[str]:
    """A text as it arrives in a stream."""
    return [text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS)]
