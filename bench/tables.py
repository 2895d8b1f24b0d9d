"""Tables as Markdown, as they are pasted into docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is words, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percentiles(seconds: Sequence[float], *ranks: float) -> list[float]:
    """These percentiles, in milliseconds."""
    found: list[float] = np.percentile(np.array(seconds) * 1000, ranks).tolist()
    return found
