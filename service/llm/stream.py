"""The answer of an OpenAI-compatible server while it is being written."""

from __future__ import annotations

import asyncio
from typing import Self

import openai
from openai.types.chat import ChatCompletionChunk

from service.llm.attempts import Clock
from service.llm.base import Completion, FinishReason, LlmTimeout, LlmUnavailable, Usage
from service.llm.budget import Reservation
from service.llm.structured import ReasoningFilter
from service.llm.wire import Piece, read_chunk


class OpenAiStream:
    """A TextStream over the events of one answer. ``who`` begins the errors."""

    def __init__(
        self,
        chunks: openai.AsyncStream[ChatCompletionChunk],
        held: Reservation,
        clock: Clock,
        *,
        model: str,
        who: str,
    ) -> None:
        self._chunks = chunks
        self._held = held
        self._clock = clock
        self._model = model
        self._who = who
        self._filter = ReasoningFilter()
        self._shown: list[str] = []
        self._written: list[str] = []
        self._finish: FinishReason | None = None
        self._prompt_tokens: int | None = None
        self._completion_tokens: int | None = None
        self._ended = False
        self._completion: Completion[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._ended:
            piece = await self._next_piece()
            if piece is None:
                self._ended = True
                shown = self._filter.end()
            else:
                self._take(piece)
                shown = self._filter.feed(piece.text)
            if shown:
                self._shown.append(shown)
                return shown
        if not self._written:
            raise LlmUnavailable(f"{self._who}: the answer is no stream of a chat completion")
        if self._finish is None:
            raise LlmUnavailable(f"{self._who} broke off in the middle of its answer")
        self._completion = Completion(
            text="".join(self._shown),
            parsed=None,
            finish=self._finish,
            usage=self.settle(),
            model=self._model,
        )
        raise StopAsyncIteration

    @property
    def completion(self) -> Completion[None]:
        if self._completion is None:
            raise RuntimeError("the answer is not complete; iterate to its end first")
        return self._completion

    def settle(self) -> Usage:
        """What was read and written so far, once and for all."""
        return self._held.usage or self._held.settle(
            "".join(self._written),
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
        )

    def _take(self, piece: Piece) -> None:
        self._written.append(piece.reasoning + piece.text)
        self._finish = piece.finish or self._finish
        self._prompt_tokens = piece.prompt_tokens or self._prompt_tokens
        self._completion_tokens = piece.completion_tokens or self._completion_tokens

    async def _next_piece(self) -> Piece | None:
        try:
            async with asyncio.timeout(self._clock.seconds_left):
                chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise LlmTimeout(
                f"{self._who} did not complete its answer within {self._clock}"
            ) from None
        except (openai.OpenAIError, ValueError) as error:
            # `from None`: the cause holds what the server wrote.
            raise LlmUnavailable(
                f"{self._who} broke off in the middle of its answer ({type(error).__name__})"
            ) from None
        # The client checks nothing: an event that is a number comes as a number.
        is_chunk = isinstance(chunk, ChatCompletionChunk)
        piece = read_chunk(chunk.to_dict(warnings=False)) if is_chunk else None
        if piece is None:
            raise LlmUnavailable(f"{self._who} sent an event that is no part of an answer")
        return piece
