"""Any server with OpenAI's chat completions API: OpenAI, NIM, vLLM, llama.cpp, Ollama, gateways.

The ``openai`` client speaks; what to do about an answer is decided here and in ``dialect``. A
call has one deadline, retries included. What means "later" (429, 5xx, no connection) is tried
again, at the pace the server asks for in ``Retry-After``. What a server doesn't understand is
asked more plainly, and that is remembered. Keys and prompts appear in no error and no log, and
what looks like a secret neither in what is asked nor in what is answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar, overload

import httpx
import openai
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from ingest.redaction import redact_text
from service.llm.attempts import Clock, RefusedError, retried, understood
from service.llm.base import (
    Completion,
    FinishReason,
    LlmRefused,
    LlmUnavailable,
    LlmUnparsable,
    Message,
    OutputMode,
    Prices,
    TextStream,
    Usage,
)
from service.llm.budget import Budget, Reservation
from service.llm.dialect import Dialect, Refusal, explained, plainer
from service.llm.stream import OpenAiStream
from service.llm.structured import read_object, without_reasoning
from service.llm.tokens import estimate_prompt_tokens
from service.llm.wire import Piece, asked_messages, read_answer, request_body
from service.metrics.http_calls import clean_address

T = TypeVar("T", bound=BaseModel)

MOST_BYTES = 8_000_000
"""Of one answer; far more than any sane ``max_tokens``."""

_NO_KEY = "none"  # the client insists on one, and servers without keys ignore it


def _redacted(messages: Sequence[Message]) -> list[Message]:
    return [Message(role=one.role, content=redact_text(one.content)) for one in messages]


class _Wish(NamedTuple):
    """One call, whatever the dialect."""

    messages: Sequence[Message]
    schema: type[BaseModel] | None
    max_tokens: int
    purpose: str
    budget: Budget
    clock: Clock


class OpenAiCompatible:
    """Asks ``model`` at ``url``, which ends where the API begins: ``/v1`` is added to a bare host.

    ``timeout``: seconds for one call, its retries included. ``model_setting`` is named where
    the model is what should be changed. Belongs to the event loop in which it is first used.

    Raises: ValueError for an address or key that can't work.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        timeout: float = 60.0,
        prices: Prices | None = None,
        model_setting: str = "WHY_LLM_MODEL",
    ) -> None:
        address = clean_address("language model's", url)
        if httpx.URL(url).userinfo:
            raise ValueError("a user name or password in the address: use WHY_LLM_API_KEY")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ValueError("the key has characters that no HTTP header may carry")
        if address.path == "/":
            address = address.copy_with(path="/v1")
        self.address = str(address).rstrip("/")
        self._model = model
        self._timeout = timeout
        self._prices = prices
        self._model_setting = model_setting
        self._dialect = Dialect()
        self._proven: set[OutputMode] = set()
        self._client = openai.AsyncOpenAI(
            base_url=self.address,
            api_key=key or _NO_KEY,
            max_retries=0,
            # One deadline for all phases and attempts together: Clock.
            timeout=None,
            # Its default would send the prompt on to whatever host a 307 names.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=None),
        )
        # The client takes these from OpenAI's own variables, and this may be another server.
        self._client.organization = None
        self._client.project = None

    @property
    def name(self) -> str:
        return self._model

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
        clock = Clock(self._timeout, budget)
        wish = _Wish(_redacted(messages), schema, max_tokens, purpose, budget, clock)
        outcome: Completion[Any] | Dialect = self._dialect
        while isinstance(outcome, Dialect):
            outcome = await self._complete_in(outcome, wish)
        return outcome

    @asynccontextmanager
    async def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        purpose: str,
        budget: Budget,
    ) -> AsyncIterator[TextStream]:
        """See LanguageModel."""
        clock = Clock(self._timeout, budget)
        wish = _Wish(_redacted(messages), None, max_tokens, purpose, budget, clock)
        with self._reserved(wish, wish.messages) as held:
            chunks = await self._open_stream(wish, held)
            stream = OpenAiStream(chunks, held, clock, model=self._model, who=self._who(wish))
            try:
                yield stream
            finally:
                await chunks.close()
                stream.settle()

    async def aclose(self) -> None:
        await self._client.close()

    async def _complete_in(self, dialect: Dialect, wish: _Wish) -> Completion[Any] | Dialect:
        """The answer, or the dialect to ask in next."""
        messages = asked_messages(wish.messages, wish.schema, dialect.mode)
        with self._reserved(wish, messages) as held:
            body = request_body(
                self._model,
                messages,
                schema=wish.schema,
                max_tokens=held.answer_tokens,
                dialect=dialect,
            )
            try:
                answer = await retried(partial(self._ask, body), wish.clock, self._who(wish))
            except RefusedError as refused:
                return self._plainer(dialect, refused.refusal, wish, streaming=False)
            usage = held.settle(
                answer.reasoning + answer.text,
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
            )
        if wish.schema is not None:
            return self._read_object(dialect, wish, wish.schema, answer, usage)
        self._dialect = dialect
        return Completion(
            text=without_reasoning(answer.text),
            parsed=None,
            finish=answer.finish or FinishReason.STOP,
            usage=usage,
            model=self._model,
        )

    def _read_object(
        self, dialect: Dialect, wish: _Wish, schema: type[BaseModel], answer: Piece, usage: Usage
    ) -> Completion[Any] | Dialect:
        finish = answer.finish or FinishReason.STOP
        if answer.declined or finish is FinishReason.FILTERED:
            raise LlmUnparsable(f"{self._who(wish)} declined to answer")
        try:
            parsed, repairs = read_object(answer.text, schema)
        except LlmUnparsable as error:
            cut = finish is FinishReason.LENGTH
            held_to_json = cut and answer.text.lstrip().startswith("{")
            # Servers that don't know `response_format` may ignore it without a word.
            if dialect.plainer_mode and dialect.mode not in self._proven and not held_to_json:
                return dialect.model_copy(update={"mode": dialect.plainer_mode})
            how = f" was cut off after {usage.completion_tokens:,} tokens and" if cut else ""
            raise LlmUnparsable(
                f"{self._who(wish)}: what it wrote{how} is of no use: {error}"
            ) from None
        self._dialect = dialect
        self._proven.add(dialect.mode)
        return Completion(
            text=answer.text,
            parsed=parsed,
            finish=finish,
            usage=usage,
            model=self._model,
            mode=dialect.mode,
            repairs=repairs,
        )

    async def _open_stream(
        self, wish: _Wish, held: Reservation
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        dialect = self._dialect
        while True:
            body = request_body(
                self._model,
                wish.messages,
                schema=None,
                max_tokens=held.answer_tokens,
                dialect=dialect,
            )
            if dialect.stream_usage:
                body["stream_options"] = {"include_usage": True}
            try:
                chunks = await retried(partial(self._ask_stream, body), wish.clock, self._who(wish))
            except RefusedError as refused:
                dialect = self._plainer(dialect, refused.refusal, wish, streaming=True)
                continue
            self._dialect = dialect
            return chunks

    async def _ask(self, body: dict[str, Any]) -> Piece:
        content = bytearray()
        with understood(structured="response_format" in body):
            chat = self._client.chat.completions.with_streaming_response
            async with chat.create(**body) as response:
                async for part in response.iter_bytes():
                    content += part
                    if len(content) > MOST_BYTES:
                        break
        answer = read_answer(bytes(content))
        if answer is None:
            raise LlmUnavailable(
                f"{self._model} at {self.address}: the answer is no chat completion; set "
                "WHY_LLM_URL to where an OpenAI-compatible API begins, usually ending in /v1"
            )
        return answer.model_copy(update={"text": redact_text(answer.text)})

    async def _ask_stream(self, body: dict[str, Any]) -> openai.AsyncStream[ChatCompletionChunk]:
        with understood(structured=False):
            chunks: openai.AsyncStream[ChatCompletionChunk]
            chunks = await self._client.chat.completions.create(**body, stream=True)
            return chunks

    def _who(self, wish: _Wish) -> str:
        return f"{wish.purpose}: {self._model} at {self.address}"

    def _reserved(
        self, wish: _Wish, messages: Sequence[Message]
    ) -> AbstractContextManager[Reservation]:
        return wish.budget.reserve(
            model=self._model,
            purpose=wish.purpose,
            prompt_tokens=estimate_prompt_tokens(messages),
            answer_tokens=wish.max_tokens,
            prices=self._prices,
        )

    def _plainer(
        self, dialect: Dialect, refusal: Refusal, wish: _Wish, *, streaming: bool
    ) -> Dialect:
        """The dialect to ask in next. Raises: LlmRefused, where no other can help."""
        structured = wish.schema is not None
        next_one = plainer(dialect, refusal, structured=structured, streaming=streaming)
        if next_one is None:
            reason = explained(refusal, model=self._model, model_setting=self._model_setting)
            raise LlmRefused(f"{self._who(wish)}: {reason}") from None
        return next_one
