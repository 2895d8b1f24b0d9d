"""One question's way to its query: what was found, what the metrics have, what was refused.

Every query is parsed, held against what the metrics have and bounded before it is asked; the best
one that gives samples is the answer, the others are told with what speaks against them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

from ingest.documents import SourceKind
from ingest.encoders.base import EncoderError
from ingest.index import IndexFailure, Scope
from service.llm.base import LanguageModel, LlmError
from service.llm.budget import Budget
from service.metrics.catalog import Catalog
from service.metrics.source import MetricsError, MetricsSource, RangeResult
from service.queries.adapt import STATE_LABELS, WHERE_LABELS, Adapted, adapt, labels_meant
from service.queries.answer import Considered, QueryAnswer
from service.queries.candidates import Candidate, Origin
from service.queries.checks import Known, needed_labels, objections
from service.queries.expressions import grouping_in, parse
from service.queries.gathering import covered, gathered, metric_words
from service.queries.language import choose
from service.queries.policy import QueryPolicy, step_of
from service.queries.ranking import rarity_of, scored
from service.queries.wording import highest, kept_to, unit_of_values, unsaid_by
from service.queries.words import wish_of, words
from service.retrieval import Passage, Retriever
from service.scope import QuestionScope
from service.time_phrases import without_times


class QuerySearch:
    """One question: what was found, what the metrics have, what was refused."""

    def __init__(
        self,
        question: str,
        scope: QuestionScope,
        retriever: Retriever | None,
        reader: Scope,
        metrics: MetricsSource | None,
        catalog: Catalog | None,
        policy: QueryPolicy,
    ) -> None:
        self._question = question
        self._scope = scope
        self._retriever = retriever
        self._reader = reader
        self._metrics = metrics
        self._catalog = catalog
        self._policy = policy
        self._step = step_of(scope.window, policy)
        self._wish = wish_of(question)
        self._named = (*scope.services, *scope.regions, *scope.customers)
        self._known: dict[str, dict[str, tuple[str, ...]]] = {}
        self._missing: list[str] = list(catalog.missing) if catalog else []
        self._considered: dict[str, Considered] = {}
        self._results: dict[str, RangeResult] = {}

    async def answer(self, model: LanguageModel | None, budget: Budget | None) -> QueryAnswer:
        """The query and its chart. Call it once."""
        policy = self._policy
        passages = await self._passages()
        ranked = gathered(
            self._wish,
            passages,
            scope=self._scope,
            catalog=self._catalog,
            step=self._step,
            policy=policy,
        )
        names = metric_words([one for _, one in ranked], self._catalog)
        rarity = rarity_of(names.values())
        usable = await self._usable([one for _, one in ranked], rarity)
        nearest = self._nearest(names, rarity)
        if model is not None and budget is not None:
            usable = await self._with_model(usable, nearest, model, budget)
        answer = await self._first_with_samples(usable)
        return answer.model_copy(
            update={
                "considered": self._told(answer.query),
                "nearest": () if answer.query else nearest[: policy.nearest],
                "missing": tuple(dict.fromkeys(self._missing)),
                "calls": budget.calls if budget is not None else (),
            }
        )

    # -- what could answer ---------------------------------------------------------------------

    async def _passages(self) -> list[Passage]:
        if self._retriever is None:
            self._missing.append("the documents: there is no index")
            return []
        topic = without_times(self._question)
        found: list[Passage] = []
        for kind, limit in (
            (SourceKind.DASHBOARDS, self._policy.panels),
            (SourceKind.ALERTS, self._policy.rules),
        ):
            scope = self._reader.model_copy(update={"kinds": (kind,)})
            try:
                found += await self._retriever.search(topic, scope=scope, limit=limit)
            except (IndexFailure, EncoderError) as error:
                self._missing.append(f"the documents: {error}")
        return found

    async def _usable(
        self, candidates: Sequence[Candidate], rarity: Mapping[str, float]
    ) -> list[Adapted]:
        """The best that may be asked, adapted, best first; what may not is kept with its reason."""
        policy = self._policy
        given = words(" ".join((*self._named, *self._wish.by)))
        # A word in common is enough to be looked at: labels may say the others.
        first = list(
            {
                one.query: one
                for one in candidates
                if covered(one, self._wish, given, rarity) > 0.0
            }.values()
        )
        names = self._names()
        good: list[Candidate] = []
        for one in first:
            # Metrics that don't exist are the usual reason, and cost no question to find.
            if wrong := objections(one.query, Known(names=names), policy.checks):
                self._consider(one, "; ".join(wrong))
            elif len(good) < policy.looked_at:
                good.append(one)
        await self._look_up(good)
        known = Known(names=names, labels=self._known)
        label_names = self._label_names(first)
        made: dict[str, Adapted] = {}
        for candidate in good:
            fitted = adapt(
                candidate, self._wish, named=self._named, known=known, label_names=label_names
            )
            made.setdefault(fitted.candidate.query, fitted)
        adapted: list[Adapted] = []
        for fitted in made.values():
            if wrong := objections(fitted.candidate.query, known, policy.checks):
                self._consider(fitted.candidate, "; ".join(wrong))
            elif covered(fitted.candidate, self._wish, given, rarity) >= policy.least_cover:
                adapted.append(fitted)
        places = {fitted.candidate.query: fitted for fitted in adapted}
        again = scored([fitted.candidate for fitted in adapted], self._wish, rarity, policy.weights)
        order = sorted(
            again,
            key=lambda item: -(item[0] - policy.unmet * len(places[item[1].query].unmet)),
        )
        return [places[one.query] for _, one in order]

    def _names(self) -> frozenset[str] | None:
        return None if self._catalog is None else frozenset(self._catalog.names)

    def _label_names(self, candidates: Sequence[Candidate]) -> list[str]:
        """Labels that are used somewhere: by the metrics, as far as known, and what was found."""
        used = dict.fromkeys(self._catalog.labels if self._catalog else ())
        for one in candidates:
            grouping = grouping_in(one.query)
            used.update(dict.fromkeys(sorted(grouping.labels) if grouping else ()))
            used.update(dict.fromkeys(label for _, label in needed_labels(parse(one.query))))
        return list(used)

    async def _look_up(self, candidates: Sequence[Candidate]) -> None:
        """The values of the labels that matter here, of the metrics that are read."""
        if self._metrics is None:
            return
        by = [
            label
            for word in self._wish.by
            for label in labels_meant(word, self._label_names(candidates))
        ]
        first = dict.fromkeys(metric for one in candidates for metric in one.metrics)
        telling = set(list(first)[: self._policy.telling])
        wanted: dict[tuple[str, str], None] = {}
        for one in candidates:
            wanted.update(dict.fromkeys(needed_labels(parse(one.query))))
            for metric in one.metrics:
                wanted.update(dict.fromkeys((metric, label) for label in by))
                if self._named:
                    wanted.update(dict.fromkeys((metric, label) for label in self._where()))
                if metric in telling:
                    wanted.update(dict.fromkeys((metric, label) for label in STATE_LABELS))
                if self._wish.quantile is not None:
                    wanted[metric, "quantile"] = None
        gate = asyncio.Semaphore(self._policy.concurrency)
        metrics = self._metrics

        async def read(metric: str, label: str) -> None:
            if label in self._known.get(metric, {}):
                return
            async with gate:
                try:
                    values = await metrics.label_values(
                        label, self._scope.window, f"{{__name__={json.dumps(metric)}}}"
                    )
                except MetricsError as error:
                    self._missing.append(f"the labels of {metric}: {error}")
                    return
            self._known.setdefault(metric, {})[label] = tuple(values)

        try:
            async with asyncio.timeout(self._policy.deadline.total_seconds()):
                await asyncio.gather(*(read(metric, label) for metric, label in wanted))
        except TimeoutError:
            self._missing.append("the labels of metrics: no answer within the deadline")

    def _where(self) -> list[str]:
        """The labels that can hold what the question names, as far as the catalog knows."""
        known = self._catalog.labels if self._catalog else {}
        return [
            label
            for label in WHERE_LABELS
            if label not in known or any(name in known[label] for name in self._named)
        ]

    def _nearest(
        self, names: Mapping[str, frozenset[str]], rarity: Mapping[str, float]
    ) -> tuple[str, ...]:
        """Metrics whose names share most with the question."""
        shared = {
            name: sum(rarity.get(word, 1.0) for word in own & self._wish.subject)
            - 0.05 * len(own - self._wish.subject)
            for name, own in names.items()
            if own & self._wish.subject
        }
        return tuple(sorted(shared, key=lambda name: (-shared[name], name)))[:40]

    # -- what is chosen ------------------------------------------------------------------------

    async def _with_model(
        self,
        usable: Sequence[Adapted],
        nearest: Sequence[str],
        model: LanguageModel,
        budget: Budget,
    ) -> list[Adapted]:
        """With the model's choice in the first place, if it has one that may be asked."""

        async def check(candidate: Candidate) -> str | None:
            try:
                parse(candidate.query)
            except ValueError as error:
                return f"it is not PromQL: {error}"
            await self._look_up([candidate])
            known = Known(names=self._names(), labels=self._known)
            wrong = objections(candidate.query, known, self._policy.checks)
            return "; ".join(wrong) or await self._asked(candidate)

        try:
            chosen = await choose(
                self._question,
                [one.candidate for one in usable],
                nearest,
                self._catalog,
                model=model,
                budget=budget,
                check=check,
            )
        except LlmError as error:
            self._missing.append(f"the language model {model.name}: {error}")
            return list(usable)
        for query, wrong in chosen.refused:
            self._consider(
                Candidate(query=query, metrics=(), title=model.name, origin=Origin.MODEL), wrong
            )
        if chosen.candidate is None:
            return list(usable)
        best = next(
            (one for one in usable if one.candidate.query == chosen.candidate.query),
            Adapted(candidate=chosen.candidate),
        )
        return [best, *(one for one in usable if one is not best)]

    async def _asked(self, candidate: Candidate) -> str | None:
        """Asks the query over the window; what went wrong, in words. No samples is no error."""
        if self._metrics is None or candidate.query in self._results:
            return None
        try:
            async with asyncio.timeout(self._policy.deadline.total_seconds()):
                self._results[candidate.query] = await self._metrics.query_range(
                    candidate.query, self._scope.window, self._step
                )
        except TimeoutError:
            return f"no answer within {self._policy.deadline.total_seconds():g} s"
        except MetricsError as error:
            return str(error)
        return None

    async def _first_with_samples(self, usable: Sequence[Adapted]) -> QueryAnswer:
        empty: Adapted | None = None
        asked = 0
        for one in usable:
            if asked >= self._policy.attempts:
                self._consider(one.candidate)
                continue
            asked += 1
            if wrong := await self._asked(one.candidate):
                self._consider(one.candidate, wrong)
                continue
            result = self._results.get(one.candidate.query)
            if result is None or result.series:
                for other in usable[usable.index(one) + 1 :]:
                    self._consider(other.candidate)
                return self._answered(one, result)
            self._consider(one.candidate, "it has no samples in this window")
            empty = empty or one
        if empty is not None:
            answer = self._answered(empty, self._results[empty.candidate.query])
            return answer.model_copy(update={"reason": "it has no samples in this window"})
        return self._base().model_copy(
            update={"reason": self._why_none(), "asked": self._metrics is not None}
        )

    def _why_none(self) -> str:
        refused = [one for one in self._considered.values() if one.refused]
        if refused:
            return f"none of the queries that were found may be asked: {refused[0].refused}"
        return "nothing that was found, in documents or metrics, is about this question"

    def _base(self) -> QueryAnswer:
        return QueryAnswer(
            question=self._question,
            query=None,
            window=self._scope.window,
            window_reason=self._scope.reason,
            step=self._step,
        )

    def _answered(self, chosen: Adapted, result: RangeResult | None) -> QueryAnswer:
        candidate = chosen.candidate
        series = result.series if result is not None else ()
        if result is not None and result.truncated:
            self._missing.append(result.truncated)
        if result is not None:
            self._missing.extend(result.warnings)
        link = self._metrics.link(candidate.query, self._scope.window) if self._metrics else None
        return self._base().model_copy(
            update={
                "query": candidate.query,
                "title": candidate.title,
                "unit": unit_of_values(candidate),
                "origin": candidate.origin,
                "document_id": candidate.document_id,
                "document": candidate.document,
                "url": candidate.url,
                "assumed": (*candidate.changes, *kept_to(candidate, self._named)),
                "unmet": (
                    *chosen.unmet,
                    *unsaid_by(candidate, self._question, self._wish, self._named),
                ),
                "series": highest(series, self._policy.series),
                "series_found": len(series),
                "asked": result is not None,
                "link": link,
            }
        )

    def _told(self, chosen: str | None) -> tuple[Considered, ...]:
        """What else there was: what could have been asked first, then what was refused (of a
        model's queries first)."""
        others = [one for one in self._considered.values() if one.query != chosen]
        refused = sorted(
            (one for one in others if one.refused), key=lambda one: one.origin is not Origin.MODEL
        )[: self._policy.considered // 2]
        usable = [one for one in others if not one.refused]
        return (*usable[: self._policy.considered - len(refused)], *refused)

    def _consider(self, candidate: Candidate, refused: str | None = None) -> None:
        self._considered.setdefault(
            candidate.query,
            Considered(
                query=candidate.query,
                title=candidate.title,
                origin=candidate.origin,
                document_id=candidate.document_id,
                url=candidate.url,
                refused=refused,
            ),
        )
