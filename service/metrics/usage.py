"""Which panels and alert rules use which metric, according to the indexed documents."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import Field

from ingest.documents import AlertRuleFacts, Chunk, Frozen, PanelFacts, SourceKind, UtcTime

_QUOTED = re.compile(r"""(["'`]).*?\1""", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_:][\w:]*")


TTL = timedelta(minutes=10)


class Use(Frozen):
    """A document that uses a metric: a panel, or an alert rule."""

    kind: SourceKind
    document_id: str
    title: str
    url: str | None
    written_at: UtcTime | None

    def visible(self, as_of: datetime | None, excluded: Collection[str]) -> bool:
        return self.document_id not in excluded and (
            self.written_at is None or as_of is None or self.written_at <= as_of
        )


class Rule(Frozen):
    """An alert rule: its expression, and where it is written.

    ``runbook``: the link to its runbook as written, ``""`` where it has none.
    """

    alert: str
    expression: str
    runbook: str = ""
    use: Use


class Usage(Frozen):
    """What panels and rules use, by metric, and the rules by the name of their alert."""

    metrics: dict[str, tuple[Use, ...]] = Field(default_factory=dict)
    rules: dict[str, tuple[Rule, ...]] = Field(default_factory=dict)

    def visible(self, as_of: datetime | None, excluded: Collection[str]) -> Usage:
        """What was written by then (None: ever) and isn't excluded."""
        metrics = {
            metric: tuple(use for use in uses if use.visible(as_of, excluded))
            for metric, uses in self.metrics.items()
        }
        rules = {
            alert: tuple(rule for rule in rules if rule.use.visible(as_of, excluded))
            for alert, rules in self.rules.items()
        }
        return Usage(
            metrics={metric: uses for metric, uses in metrics.items() if uses},
            rules={alert: found for alert, found in rules.items() if found},
        )


def usage_of(chunks: Iterable[Chunk], metrics: Collection[str]) -> Usage:
    """The uses of these metrics in chunks of dashboards and alert rules, each document once.

    A name in a query counts wherever it stands outside of quotes: that is what template variables
    leave of PromQL, and takes a hundredth of the time of parsing it.
    """
    known = frozenset(metrics)
    found: dict[str, list[Use]] = {}
    rules: dict[str, list[Rule]] = {}
    for chunk in {chunk.document_id: chunk for chunk in chunks}.values():
        match chunk.facts:
            case PanelFacts() as facts:
                queries = facts.queries
            case AlertRuleFacts() as facts:
                queries = (facts.expression,)
                rules.setdefault(facts.alert, []).append(rule_of(chunk, facts))
            case _:
                continue
        names = {name for query in queries for name in _NAME.findall(_QUOTED.sub("", query))}
        use = _use(chunk)
        for name in sorted(names & known):
            found.setdefault(name, []).append(use)
    return Usage(
        metrics={metric: tuple(uses) for metric, uses in sorted(found.items())},
        rules={alert: tuple(written) for alert, written in sorted(rules.items())},
    )


def rule_of(chunk: Chunk, facts: AlertRuleFacts) -> Rule:
    """The rule that a chunk of its document states."""
    return Rule(
        alert=facts.alert,
        expression=facts.expression,
        runbook=facts.runbook_url or "",
        use=_use(chunk),
    )


def _use(chunk: Chunk) -> Use:
    return Use(
        kind=chunk.kind,
        document_id=chunk.document_id,
        title=chunk.title,
        url=chunk.url,
        written_at=chunk.written_at,
    )


class UsageCache:
    """What each audience may know to be used, read again when it is older than ``ttl``.

    In memory only: titles and expressions that not everybody may see are in no file of ours but
    the index. ``clock`` tells the time.
    """

    def __init__(
        self, *, ttl: timedelta = TTL, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._ttl = ttl
        self._clock = clock
        self._known: dict[tuple[str, ...], tuple[datetime, tuple[str, ...], Usage]] = {}

    async def of(
        self,
        audience: tuple[str, ...],
        metrics: tuple[str, ...],
        read: Callable[[], Awaitable[Sequence[Chunk]]],
    ) -> Usage:
        """What is used of ``metrics``; ``read`` gives the dashboards' and rules' chunks that the
        audience may see, of any time. Raises: what ``read`` raises."""
        now = self._clock()
        known = self._known.get(audience)
        if known is None or known[1] != metrics or now - known[0] > self._ttl:
            known = (now, metrics, usage_of(await read(), metrics))
            self._known[audience] = known
        return known[2]
