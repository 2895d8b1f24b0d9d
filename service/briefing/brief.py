"""One night from the sources to a verified briefing.

Looks at the whole night's metrics once, reads what people wrote in it, groups both into incidents,
asks the engine for a report on each of the gravest, and puts all of it into sentences. Every
sentence, those of the reports included, is then checked by the same ``Verifier`` against sources
that are asked again, in one register of citations. What could not be seen is said, and a night
that could not be seen is never called a quiet one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import date, datetime

from ingest.documents import SourceKind
from service.assembly import Parts, catalogs_of, engine_on, llm_of, open_parts
from service.briefing.assemble import NightAsked, Sight, assembled, with_comparison
from service.briefing.draft import DraftIncident, draft_incident, seen_besides
from service.briefing.look import BriefingPolicy, Look, titled
from service.briefing.model import Briefing
from service.briefing.night import Trouble, is_incident, troubles_of
from service.briefing.plain import LocalClock
from service.briefing.risks import draft_risks
from service.briefing.sentences import Scene
from service.briefing.window import night_of, zone_named
from service.inspection import inspector_on
from service.llm.models import Models
from service.metrics.catalog import CatalogCache
from service.metrics.observe import Observation
from service.metrics.usage import UsageCache
from service.reports.citations import Verifier
from service.reports.model import PassageCitation, PhaseTiming
from service.scope import Vocabulary
from service.settings import Settings


class Briefer:
    """Makes briefings of what one audience may read; see ``briefer_on`` and ``open_briefer``."""

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        *,
        models: Models | None,
        catalogs: CatalogCache,
        usages: UsageCache,
        audience: tuple[str, ...],
        policy: BriefingPolicy | None = None,
    ) -> None:
        self._parts = parts
        self._catalogs = catalogs
        self._usages = usages
        self._audience = audience
        self._calls = settings.topology
        self._policy = policy or BriefingPolicy()
        self._engine = engine_on(settings, parts, models=models, catalogs=catalogs, usages=usages)
        self._inspector = inspector_on(settings, parts, catalogs=catalogs, audience=audience)

    async def brief(
        self,
        day: date,
        zone: str,
        *,
        now: datetime,
        before: Briefing | None = None,
        with_reports: bool = True,
    ) -> Briefing:
        """The briefing of the morning of ``day``, compared with an earlier one where there is.

        ``zone``: IANA name of the readers' zone; ``with_reports``: whether the engine is asked
        for causes, which takes most of the time. Raises: NoSuchNight.
        """
        local = zone_named(zone)
        policy = self._policy
        window = night_of(day, local, now)
        clock = _Phases()
        look = Look(
            engine=self._engine,
            inspector=self._inspector,
            parts=self._parts,
            catalogs=self._catalogs,
            usages=self._usages,
            audience=self._audience,
            window=window,
            now=now,
            policy=policy,
        )
        with clock.phase("look"):
            observation, written = await asyncio.gather(look.observed(), look.written())
        vocabulary = _with_seen(self._parts.vocabulary, observation)

        def grouped(observation: Observation) -> list[Trouble]:
            return troubles_of(
                observation,
                written.threads,
                written.records,
                vocabulary=vocabulary,
                calls=self._calls,
                policy=policy.night,
            )

        with clock.phase("reports"):
            reports, fleet = await asyncio.gather(
                look.reports(_told(grouped(observation), policy), ask=with_reports), look.fleet()
            )
        # Once more with the names that panels have for what moved; the groups stay the same.
        observation = titled(observation, reports)
        troubles = grouped(observation)
        told = _told(troubles, policy)
        others = [trouble for trouble in troubles if trouble not in told]
        scene = Scene(
            observation=observation,
            vocabulary=vocabulary,
            clock=LocalClock(local),
            policy=policy.night,
        )
        incidents = [
            draft_incident(trouble, report, written.recent, scene, local)
            for trouble, report in zip(told, reports, strict=True)
        ][: policy.incidents]
        besides = [seen_besides(trouble, scene) for trouble in others][: policy.besides]
        with clock.phase("verification"):
            follow_ups = await look.documents(_precedents(incidents))
            risks = draft_risks(incidents, troubles, fleet, follow_ups, scene, local)
            cited = [
                *(c for one in incidents for claim in one.claims() for c in claim.citations),
                *(c for claim in besides for c in claim.citations),
                *(c for risk in risks for c in risk.claim.citations),
                *(before.citations if before is not None else ()),
            ]
            windows = [window, *(report.scope.window for report in reports if report)]
            if before is not None:
                windows.append(before.window)
            truth = await look.ground_truth(cited, windows)
            verifier = Verifier(truth, vocabulary, local)
            sight = Sight(
                reached=observation.reached,
                blind_spots=tuple(dict.fromkeys(look.blind_spots)),
                notes=tuple(dict.fromkeys(look.notes)),
                untold=max(0, len(told) - policy.incidents),
            )
            night = NightAsked(
                date=day, zone=zone, window=window, asked_at=now, audience=self._audience
            )
            briefing = assembled(night, incidents, besides, risks, sight, verifier, vocabulary)
            briefing = with_comparison(briefing, before, verifier)
        return briefing.model_copy(update={"timings": tuple(clock.timings)})


@asynccontextmanager
async def open_briefer(
    settings: Settings, *, as_of: datetime, audience: tuple[str, ...]
) -> AsyncIterator[Briefer]:
    """A briefer on what is there: without an index or metrics it briefs, and says so.

    Raises: SettingsError.
    """
    reading = settings.model_copy(update={"audience": audience})
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(open_parts(reading, as_of=as_of))
        models = llm_of(settings)
        if models is not None:
            stack.push_async_callback(models.aclose)
        yield Briefer(
            reading,
            parts,
            models=models,
            catalogs=catalogs_of(settings),
            usages=UsageCache(),
            audience=audience,
        )


def _told(troubles: list[Trouble], policy: BriefingPolicy) -> list[Trouble]:
    return [trouble for trouble in troubles if is_incident(trouble, policy.night)]


class _Phases:
    """How long each phase took."""

    def __init__(self) -> None:
        self.timings: list[PhaseTiming] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        elapsed = (time.perf_counter() - start) * 1000
        self.timings.append(PhaseTiming(phase=name, milliseconds=round(elapsed, 1)))


def _with_seen(vocabulary: Vocabulary, observation: Observation) -> Vocabulary:
    """With names that only the metrics know, such as nodes."""
    return Vocabulary(
        services=tuple(dict.fromkeys([*vocabulary.services, *observation.components])),
        regions=tuple(dict.fromkeys([*vocabulary.regions, *observation.regions])),
        customers=vocabulary.customers,
    )


def _precedents(incidents: list[DraftIncident]) -> list[str]:
    """Incident reports that the first cause of an incident, or its recurrence, rests on."""
    claims = [
        claim
        for incident in incidents
        for claim in (
            *(incident.suspects[0].evidence if incident.suspects else ()),
            *((incident.recurrence.claim,) if incident.recurrence is not None else ()),
        )
    ]
    return list(
        dict.fromkeys(
            citation.document_id
            for claim in claims
            for citation in claim.citations
            if isinstance(citation, PassageCitation) and citation.kind is SourceKind.INCIDENTS
        )
    )
