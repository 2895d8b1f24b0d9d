"""The two models of a question: a large one for the report, a small one for what comes before."""

from __future__ import annotations

from dataclasses import dataclass

from service.llm.base import LanguageModel
from service.llm.budget import Budget


@dataclass(frozen=True)
class Models:
    """``report`` words reports; ``small`` routes and writes queries, and may be the same one."""

    report: LanguageModel
    small: LanguageModel
    tokens_per_question: int

    def budget(self, seconds: float) -> Budget:
        """What one question may use that has so many seconds for its models."""
        return Budget(tokens=self.tokens_per_question, seconds=seconds)

    async def aclose(self) -> None:
        await self.report.aclose()
        if self.small is not self.report:
            await self.small.aclose()
