"""What one question may use: tokens and seconds, shared by all its calls.

A call reserves before it is sent, so that calls at the same time can't overdraw together, and
settles with what it really took. What was sent and not answered (a timeout) counts in full: the
server may well have worked on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.documents import Frozen
from service.llm.base import (
    LlmBudgetExceeded,
    LlmRefused,
    LlmUnavailable,
    Prices,
    Usage,
)
from service.llm.tokens import estimate_tokens

LEAST_ANSWER_TOKENS = 64
"""An answer that could be no longer than this is not worth its prompt."""


class Call(Frozen):
    """One call of a question, for its report."""

    model: str
    purpose: str
    usage: Usage


class Reservation:
    """Tokens held for one call. ``answer_tokens`` is what the answer may take, at most."""

    def __init__(self, prompt_tokens: int, answer_tokens: int, prices: Prices | None) -> None:
        self.prompt_tokens = prompt_tokens
        self.answer_tokens = answer_tokens
        self.usage: Usage | None = None
        self._prices = prices
        self._started = time.monotonic()

    def settle(
        self,
        written: str,
        *,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
    ) -> Usage:
        """Says what the call took: the server's counts, or estimates where it gives none."""
        # Some servers send zeros rather than nothing.
        counted = bool(prompt_tokens) and (bool(completion_tokens) or not written)
        return self._settle(
            prompt_tokens or self.prompt_tokens,
            completion_tokens or estimate_tokens(written),
            estimated=not counted,
        )

    def give_up(self) -> Usage:
        """Says that the call was sent and nobody knows what it took."""
        return self._settle(self.prompt_tokens, self.answer_tokens, estimated=True)

    def _settle(self, prompt_tokens: int, completion_tokens: int, *, estimated: bool) -> Usage:
        cost = self._prices.cost(prompt_tokens, completion_tokens) if self._prices else None
        self.usage = Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            seconds=time.monotonic() - self._started,
            cost=cost,
            estimated=estimated,
        )
        return self.usage


class Budget:
    """The hard cap of one question: ``tokens`` in all, ``seconds`` from now."""

    def __init__(self, *, tokens: int, seconds: float) -> None:
        self._tokens = tokens
        self._ends = time.monotonic() + seconds
        self._held = 0
        self._calls: list[Call] = []

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    @property
    def tokens_left(self) -> int:
        return max(0, self._tokens - self._held - sum(one.usage.tokens for one in self._calls))

    @property
    def calls(self) -> tuple[Call, ...]:
        """What was asked so far, in the order in which it was answered."""
        return tuple(self._calls)

    @property
    def spent(self) -> Usage:
        """The sum of all calls; its cost is None where one call's is not known."""
        usages = [one.usage for one in self._calls]
        costs = [one.cost for one in usages if one.cost is not None]
        return Usage(
            prompt_tokens=sum(one.prompt_tokens for one in usages),
            completion_tokens=sum(one.completion_tokens for one in usages),
            seconds=sum(one.seconds for one in usages),
            cost=sum(costs) if costs and len(costs) == len(usages) else None,
            estimated=any(one.estimated for one in usages),
        )

    @contextmanager
    def reserve(
        self,
        *,
        model: str,
        purpose: str,
        prompt_tokens: int,
        answer_tokens: int,
        prices: Prices | None = None,
    ) -> Iterator[Reservation]:
        """Holds tokens until the block ends; fewer for the answer than asked, if there are.

        Raises: LlmBudgetExceeded.
        """
        room = self.tokens_left - prompt_tokens
        if room < min(answer_tokens, LEAST_ANSWER_TOKENS):
            raise LlmBudgetExceeded(
                f"{purpose}: about {prompt_tokens:,} tokens to read leave no room for an answer in "
                f"the {self.tokens_left:,} that are left of this question's {self._tokens:,}; "
                "raise WHY_LLM_MAX_TOKENS_PER_QUESTION"
            )
        if not self.seconds_left:
            raise LlmBudgetExceeded(f"{purpose}: the question has no time left")
        held = Reservation(prompt_tokens, min(answer_tokens, room), prices)
        amount = held.prompt_tokens + held.answer_tokens
        self._held += amount
        try:
            yield held
        except (LlmRefused, LlmUnavailable):
            raise  # nothing was written
        except BaseException:
            if held.usage is None:
                held.give_up()
            raise
        finally:
            self._held -= amount
            if held.usage is not None:
                self._calls.append(Call(model=model, purpose=purpose, usage=held.usage))
