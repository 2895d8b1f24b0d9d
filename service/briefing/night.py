"""Alerts, signals, Slack threads and incident records of a night → troubles: what belongs together.

One incident, not forty alerts: what suffers in one region at one time is one trouble, and so is
what comes back a little later in the same series or by the same alert. Two that have nothing to do
with each other stay two: services that no call connects, where calls are known, and machines, whose
alerts name a node, beside services. What people wrote is joined to the trouble that it names at its
time, and stands for itself where there is none. Pure and deterministic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from ingest.documents import Frozen, UtcTime
from service.briefing.written import Record, Thread
from service.causes.disturbances import Disturbance, DisturbancePolicy, find_disturbances
from service.causes.topology import Calls, calls_in_labels
from service.fleet import node_of
from service.metrics.labels import component_of, region_of
from service.metrics.observe import Observation
from service.metrics.signals import Signal
from service.metrics.source import Alert
from service.scope import Vocabulary, mentioned


class NightPolicy(Frozen):
    """What belongs together, and what is worth telling."""

    disturbances: DisturbancePolicy = DisturbancePolicy()
    again: timedelta = timedelta(hours=3)
    """The same alert or series that comes back within this is the same trouble."""
    before: timedelta = timedelta(minutes=45)
    """How long before a trouble people may have written about it …"""
    after: timedelta = timedelta(hours=4)
    """… and how long after it."""
    least: float = 1.0
    """Weight (as a disturbance's) from which signals without an alert are an incident …"""
    least_seen: float = 0.36
    """… and from which they are mentioned at all."""


class Trouble(Frozen):
    """What went wrong together, from whichever side it was seen."""

    region: str | None
    started: UtcTime
    ended: UtcTime | None
    """None while it lasts, or where nothing tells."""
    alerts: tuple[Alert, ...] = ()
    symptoms: tuple[Signal, ...] = ()
    threads: tuple[Thread, ...] = ()
    records: tuple[Record, ...] = ()
    named: tuple[str, ...] = ()
    """Services that what people wrote is about."""

    @property
    def is_measured(self) -> bool:
        """Whether the metrics or the alerts know of it."""
        return bool(self.alerts or self.symptoms)

    @property
    def weight(self) -> float:
        """How grave it is, to sort by: pages, what people wrote, then how much moved."""
        urgent = sum(1.0 for alert in self.alerts if alert.severity in _URGENT)
        told = 4.0 * len(self.records) + 2.0 * len(self.threads)
        return self._disturbance.weight + urgent + told

    @property
    def components(self) -> tuple[str, ...]:
        """What suffers: what alerts are about first, then by first symptom, then by name."""
        alerted = [component_of(alert.labels) for alert in self.alerts]
        names = [*filter(None, alerted), *self._disturbance.components, *self.named]
        return tuple(dict.fromkeys(names))

    @property
    def _disturbance(self) -> Disturbance:
        return Disturbance(
            region=self.region,
            started=self.started,
            ended=self.ended,
            alerts=self.alerts,
            symptoms=self.symptoms,
        )


_URGENT = ("critical", "page", "error", "emergency")
_TROUBLED = re.compile(
    r"\b(?:outage|incident|down|fail(?:s|ed|ing|ure)?|errors?|timeouts?|timing out|unavailable|"
    r"broken|degraded|slow|5xx|50[0234]|paged?|alert(?:s|ed)?|firing|rejected|crash\w*|stuck|"
    r"rolled? back|failover|sev[1-4])\b",
    re.IGNORECASE,
)
_WAR_ROOM = re.compile(r"incident|outage|war-?room|sev-?\d", re.IGNORECASE)


def troubles_of(
    observation: Observation,
    threads: Sequence[Thread],
    records: Sequence[Record],
    *,
    vocabulary: Vocabulary,
    calls: Calls = (),
    policy: NightPolicy,
) -> list[Trouble]:
    """The troubles of a night, the gravest first; ties by start and region.

    ``threads`` and ``records`` are those of the night. Signals too weak to mention are left out.
    """
    known = (*calls, *calls_in_labels(one.series.labels for one in observation.samples))
    found = [
        _measured(part)
        for disturbance in find_disturbances(observation, policy=policy.disturbances)
        for part in apart(disturbance, known)
    ]
    troubles = [
        trouble
        for trouble in _joined(found, policy)
        if trouble.alerts or trouble.weight >= policy.least_seen
    ]
    for record in records:
        _tell(troubles, _of_record(record), policy)
    known_as = [
        *(record.facts.incident_id or "" for record in records),
        *(alert.name for alert in observation.alerts),
    ]
    for thread in threads:
        told = _of_thread(thread, vocabulary, tuple(dict.fromkeys(known_as)))
        if told is not None:
            _tell(troubles, told, policy)
    return sorted(troubles, key=lambda t: (-t.weight, t.started, t.region or "", t.components))


def is_incident(trouble: Trouble, policy: NightPolicy) -> bool:
    """Whether it is told as an incident, and not only mentioned."""
    return not trouble.symptoms or bool(
        trouble.alerts or trouble.threads or trouble.records or trouble.weight >= policy.least
    )


def returning(trouble: Trouble, observation: Observation, policy: NightPolicy) -> list[Signal]:
    """Series that moved during the trouble, became normal, and have left their past again."""
    if trouble.ended is None or not trouble.is_measured:
        return []
    earliest = trouble.started - policy.disturbances.lead
    before = {
        _series(signal)
        for signal in observation.signals
        if signal.bad and signal.ended is not None and earliest <= signal.onset <= trouble.ended
    }
    return [
        signal
        for signal in observation.signals
        if signal.bad
        and signal.ended is None
        and signal.onset > trouble.started
        and region_of(signal.labels) in (trouble.region, None)
        and _series(signal) in before
    ]


def apart(disturbance: Disturbance, calls: Calls) -> list[Disturbance]:
    """Its unrelated parts; itself where everything may hang together.

    Machines are apart from services. Services are apart where both are among the known calls and
    no chain of calls connects them; of a service that no call names, nobody can tell.
    """
    groups = _connected(calls)
    parts: dict[int | str, list[Alert | Signal]] = {}
    items: list[Alert | Signal] = [*disturbance.alerts, *disturbance.symptoms]
    for item in items:
        component = component_of(item.labels)
        machine = node_of(item.labels)
        if machine is not None and machine == component:
            key: int | str = item.labels.get("cluster", machine)
        else:
            key = groups.get(component or "", -1)
        parts.setdefault(key, []).append(item)
    services = [key for key in parts if isinstance(key, int)]
    if -1 in services and len(services) > 1:
        # What no call names goes with the service that suffers most.
        largest = max((key for key in services if key != -1), key=lambda key: len(parts[key]))
        parts[largest] += parts.pop(-1)
    if len(parts) < 2:
        return [disturbance]
    return [_part(disturbance.region, part) for part in parts.values()]


def _connected(calls: Calls) -> dict[str, int]:
    """Each service that a call names → the number of its group."""
    group: dict[str, int] = {}
    for number, (caller, callee) in enumerate(calls):
        ours, theirs = group.get(caller), group.get(callee)
        chosen = next((one for one in (ours, theirs) if one is not None), number)
        for name, old in tuple(group.items()):
            if old in (ours, theirs):
                group[name] = chosen
        group[caller] = group[callee] = chosen
    return group


def _part(region: str | None, items: Sequence[Alert | Signal]) -> Disturbance:
    ends = [item.ended for item in items]
    return Disturbance(
        region=region,
        started=min(_started(item) for item in items),
        ended=None if None in ends else max(end for end in ends if end is not None),
        alerts=tuple(item for item in items if isinstance(item, Alert)),
        symptoms=tuple(item for item in items if isinstance(item, Signal)),
    )


def _started(item: Alert | Signal) -> datetime:
    return item.started if isinstance(item, Alert) else item.onset


def _measured(disturbance: Disturbance) -> Trouble:
    return Trouble(
        region=disturbance.region,
        started=disturbance.started,
        ended=disturbance.ended,
        alerts=disturbance.alerts,
        symptoms=disturbance.symptoms,
    )


def _joined(troubles: Iterable[Trouble], policy: NightPolicy) -> list[Trouble]:
    """With what came back made one with what it was."""
    joined: list[Trouble] = []
    for trouble in sorted(troubles, key=lambda t: (t.started, t.region or "", t.components)):
        for place, earlier in enumerate(joined):
            near = earlier.ended is None or trouble.started - earlier.ended <= policy.again
            if near and earlier.region == trouble.region and _marks(earlier) & _marks(trouble):
                joined[place] = earlier.model_copy(
                    update={
                        "ended": _later(earlier.ended, trouble.ended),
                        "alerts": (*earlier.alerts, *trouble.alerts),
                        "symptoms": (*earlier.symptoms, *trouble.symptoms),
                    }
                )
                break
        else:
            joined.append(trouble)
    return joined


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


_Mark = tuple[str, tuple[tuple[str, str], ...]]


def _marks(trouble: Trouble) -> set[_Mark]:
    alerts = {(alert.name, tuple(sorted(alert.labels.items()))) for alert in trouble.alerts}
    return alerts | {_series(signal) for signal in trouble.symptoms}


def _series(signal: Signal) -> _Mark:
    return signal.metric, tuple(sorted(signal.labels.items()))


def _of_record(record: Record) -> Trouble:
    facts = record.facts
    began = record.began
    assert began is not None  # noqa: S101 - records of a night tell when they began
    component = [facts.component] if facts.component else []
    return Trouble(
        region=record.regions[0] if len(record.regions) == 1 else None,
        started=began,
        ended=facts.resolved,
        records=(record,),
        named=tuple(dict.fromkeys([*record.services, *component])),
    )


def _of_thread(thread: Thread, vocabulary: Vocabulary, known_as: Sequence[str]) -> Trouble | None:
    """What a conversation is about; None where it is not about trouble.

    In a channel for incidents everything is; elsewhere it must name an alert or an incident of
    this night, or a service and that something is wrong with it.
    """
    text = thread.text
    services = mentioned(text, vocabulary.services)
    is_trouble = services and _TROUBLED.search(text) is not None
    if not (is_trouble or mentioned(text, known_as) or _WAR_ROOM.search(thread.channel)):
        return None
    regions = mentioned(text, vocabulary.regions)
    return Trouble(
        region=regions[0] if len(regions) == 1 else None,
        started=thread.started,
        ended=None,
        threads=(thread,),
        named=services,
    )


def _tell(troubles: list[Trouble], told: Trouble, policy: NightPolicy) -> None:
    """Join what people wrote to the trouble that it speaks of (of several, the nearest in time),
    or let it stand for itself."""
    fits = [(_fit(trouble, told, policy), place) for place, trouble in enumerate(troubles)]
    fitting = [(fit, place) for fit, place in fits if fit > 0]
    names_nothing = not told.named and max(fitting, default=(0, 0))[0] == 1
    if not fitting or (names_nothing and len(fitting) > 1):
        troubles.append(told)
        return
    _, place = max(
        fitting,
        key=lambda item: (item[0], -abs(troubles[item[1]].started - told.started), -item[1]),
    )
    trouble = troubles[place]
    measured = trouble.is_measured
    troubles[place] = trouble.model_copy(
        update={
            "region": trouble.region or told.region,
            "started": trouble.started if measured else min(trouble.started, told.started),
            "ended": trouble.ended if measured else trouble.ended or told.ended,
            "threads": (*trouble.threads, *told.threads),
            "records": (*trouble.records, *told.records),
            "named": trouble.named
            if measured
            else tuple(dict.fromkeys([*trouble.named, *told.named])),
        }
    )


def _fit(trouble: Trouble, told: Trouble, policy: NightPolicy) -> int:
    """How well what was written fits a trouble; 0 where it is about something else."""
    end = trouble.ended or max(told.started, trouble.started)
    in_time = (
        told.started <= end + policy.after
        and (told.ended or told.started) >= trouble.started - policy.before
    )
    apart = None not in (trouble.region, told.region) and trouble.region != told.region
    if not in_time or apart:
        return 0
    text = "\n".join(_texts(told))
    alerts = mentioned(text, dict.fromkeys(alert.name for alert in trouble.alerts))
    ids = mentioned(text, [r.facts.incident_id for r in trouble.records if r.facts.incident_id])
    shared = set(told.named) & set(trouble.components)
    others = mentioned(text, set(trouble.components) - shared)
    named = 10 * len(ids) + 5 * len(alerts) + 2 * len(shared) + len(others)
    # In a channel for incidents, what names nothing is about the one that is going on.
    return named or int(not told.named)


def _texts(trouble: Trouble) -> Iterator[str]:
    for thread in trouble.threads:
        yield thread.text
    for record in trouble.records:
        yield record.text
