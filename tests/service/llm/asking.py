"""Questions to a language model, as the tests ask them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ingest.documents import Frozen
from service.llm.base import Completion, Message
from service.llm.budget import Budget
from service.llm.openai_compatible import OpenAiCompatible

R = TypeVar("R")

SECRET = "The private channel says swordfish."  # noqa: S105 - a prompt, not a password
MESSAGES = (
    Message(role="system", content="You are terse."),
    Message(role="user", content=SECRET),
)


class Verdict(Frozen):
    component: str
    certain: bool = False


def plenty() -> Budget:
    return Budget(tokens=100_000, seconds=30)


def asked(model: OpenAiCompatible, ask: Callable[[OpenAiCompatible], Awaitable[R]]) -> R:
    """What ``ask`` gives, in an event loop that ends with the model."""

    async def run() -> R:
        try:
            return await ask(model)
        finally:
            await model.aclose()

    return asyncio.run(run())


async def verdict(
    model: OpenAiCompatible, budget: Budget | None = None, max_tokens: int = 500
) -> Completion[Verdict]:
    return await model.complete(
        MESSAGES,
        schema=Verdict,
        max_tokens=max_tokens,
        purpose="report",
        budget=budget or plenty(),
    )


async def text(
    model: OpenAiCompatible, budget: Budget | None = None, max_tokens: int = 500
) -> Completion[None]:
    return await model.complete(
        MESSAGES, max_tokens=max_tokens, purpose="report", budget=budget or plenty()
    )


async def streamed(
    model: OpenAiCompatible, budget: Budget | None = None, max_tokens: int = 500
) -> tuple[list[str], Completion[None]]:
    pieces = []
    async with model.stream(
        MESSAGES, max_tokens=max_tokens, purpose="report", budget=budget or plenty()
    ) as stream:
        async for piece in stream:
            pieces.append(piece)
    return pieces, stream.completion
