"""How often "something is wrong" is said where nothing is: ``python -m bench.quiet``.

Through the product's own path (``observe``, ``find_disturbances``, ``asked_about`` and the whole
``Engine``, without documents), on two kinds of quiet windows:

* nights of the sample company in which nothing happens, each with another seed, asked about as
  "last night" (18:00 to 08:00). Their noise is made up and calmer than life.
* the hour-long windows of PetShop's fault-free day (41 AWS services under low traffic, a sample
  every five minutes). It is one day: the 26 cases of ``petshop_low`` all carry the same one
  before their onset, shifted in time, so more cases would be more copies and not more evidence.

nezha_ob is not used for this: its past holds other faults.

An alarm rate alone is no figure, since silence has the best one, so what is found of real and of
made-up faults by the same path stands beside it: a fault counts as seen where a disturbance lasts
into the time after its onset. The samples of PetShop end ten minutes after it, those of Nezha
four, so this is what can be said that early.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from bench.make_night import families_of, openmetrics
from bench.night_events import END
from bench.night_samples import Family, Night, Sampled
from bench.shared_data import add_data_option
from service.causes.disturbances import DisturbancePolicy, asked_about, find_disturbances
from service.engine import Engine
from service.evaluation.cases import Case, read_cases, read_metrics
from service.metrics.catalog import CatalogCache
from service.metrics.labels import component_of
from service.metrics.observe import Observation, ObservePolicy, asked_window, observe
from service.metrics.openmetrics import OpenMetricsSource
from service.metrics.plan import Leads
from service.metrics.signals import Nature, SignalPolicy
from service.metrics.source import MetricsSource, Window
from service.reports.extractive import ExtractiveWriter
from service.reports.model import Outcome
from service.scope import QuestionScope, Vocabulary

PETSHOP, NEZHA = "petshop_low", "nezha_ob"
QUESTION = "What is wrong?"
HOUR = timedelta(hours=1)
POLICY = ObservePolicy()
DISTURBANCES = DisturbancePolicy()
_NORMAL_95 = 1.96


class Seen(NamedTuple):
    """What is said about a window: ``unscoped`` to "what is wrong?", and ``named``, the services
    about which something is said when they are asked about."""

    unscoped: bool
    named: tuple[str, ...]
    observation: Observation

    @property
    def series_hours(self) -> float:
        return len(self.observation.samples) * (self.observation.window.duration / HOUR)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95% score interval of a share (Wilson 1927): holds for a share of 0, too."""
    share, z = hits / of, _NORMAL_95
    middle = share + z * z / (2 * of)
    half = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    whole = 1 + z * z / of
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


async def look(source: MetricsSource, window: Window, since: datetime | None = None) -> Seen:
    """What the product would say about a window, of what lasts beyond ``since``."""

    def scope(*services: str) -> QuestionScope:
        return QuestionScope(window=window, reason="", as_of=window.end, services=services)

    observation = await observe(
        source,
        scope(),
        Leads(),
        await CatalogCache().of(source, asked_window(window, POLICY)),
        policy=POLICY,
        signal_policy=SignalPolicy(),
    )
    if not observation.samples:
        raise SystemExit(f"nothing was seen in {window}: {observation.missing}")
    disturbances = [
        disturbance
        for disturbance in find_disturbances(observation, policy=DISTURBANCES)
        if since is None or disturbance.ended is None or disturbance.ended >= since
    ]

    def said(*services: str) -> bool:
        return asked_about(disturbances, scope(*services), policy=DISTURBANCES) is not None

    return Seen(
        unscoped=said(),
        named=tuple(name for name in observation.components if said(name)),
        observation=observation,
    )


async def reported(source: MetricsSource, window: Window) -> bool:
    """Whether the whole report says that something is wrong."""
    engine = Engine(
        retriever=None, vocabulary=Vocabulary(), metrics=source, writer=ExtractiveWriter()
    )
    report = await engine.ask(
        QUESTION,
        now=window.end,
        since=window.start.isoformat(),
        until=window.end.isoformat(),
    )
    return report.outcome is not Outcome.NO_INCIDENT_VISIBLE


@contextmanager
def served(families: Iterable[Family]) -> Iterator[OpenMetricsSource]:
    """The families as the metrics file that the product reads."""
    with TemporaryDirectory(prefix="why-quiet-") as folder:
        file = Path(folder) / "metrics.om"
        file.write_text(openmetrics(families), encoding="utf-8")
        yield OpenMetricsSource(file)


def nights(count: int, *, calm: bool) -> Iterator[tuple[OpenMetricsSource, Window]]:
    """Nights of the sample company by seed, as one asks about them in the morning."""
    for seed in range(count):
        with served(families_of(Night(seed, calm=calm))) as source:
            yield source, Window(start=END - timedelta(hours=14), end=END)


def families_of_case(case: Case) -> list[Family]:
    """The samples of a case, by metric."""
    table = read_metrics(case)
    by_metric: dict[str, list[Sampled]] = {}
    for service, metric, values in zip(table.services, table.metrics, table.values, strict=True):
        seen = np.isfinite(values)
        written = [repr(value) for value in values[seen].tolist()]
        if written:
            by_metric.setdefault(re.sub(r"\W", "_", metric), []).append(
                Sampled({"service": service}, table.times[seen], written)
            )
    return [Family(name, "gauge", name, series) for name, series in by_metric.items()]


def calm_hours(data: Path) -> Iterator[tuple[OpenMetricsSource, Window]]:
    """PetShop's day without faults, hour by hour, as far as each has its history before it."""
    case = read_cases(data / "rca" / PETSHOP)[0]
    onset = _moment(case.incident.onset)
    hours = int((case.incident.onset - read_metrics(case).times[0]) // HOUR.total_seconds())
    with served(families_of_case(case)) as source:
        for back in range(hours - int(POLICY.before / HOUR), 0, -1):
            start = onset - back * HOUR
            yield source, Window(start=start, end=start + HOUR)


def faults(folder: Path) -> Iterator[tuple[Case, Seen]]:
    """The cases of a set, asked about at the end of what is known of them."""
    for case in read_cases(folder):
        onset, end = _moment(case.incident.onset), _moment(case.incident.until)
        with served(families_of_case(case)) as source:
            yield case, asyncio.run(look(source, Window(start=end - HOUR, end=end), onset))


def _moment(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--nights", type=int, default=100, help="quiet nights (default: 100)")
    parser.add_argument("--show", action="store_true", help="name what raised each false alarm")
    options = parser.parse_args()
    print(
        "| quiet windows | “what is wrong?” | the whole report | a service by name "
        "| signals per 1,000 series-hours | bad | symptoms |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    windows = {
        "sample company, nights of 14 h": nights(options.nights, calm=True),
        "PetShop, hours of one day": calm_hours(options.data),
    }
    alarms: list[str] = []
    for name, quiet in windows.items():
        seen, reports = [], []
        for source, window in quiet:
            seen.append(asyncio.run(look(source, window)))
            reports.append(asyncio.run(reported(source, window)))
        print(quiet_row(name, seen, reports), flush=True)
        alarms += [line for one in seen if one.unscoped for line in alarm_of(one)]
    if options.show:
        print("\n".join(["", *alarms]))
    print("\n| faults | “what is wrong?” | a service by name |\n| --- | ---: | ---: |")
    bad = [asyncio.run(look(*night)) for night in nights(options.nights // 5, calm=False)]
    print(fault_row("sample company, the bad night: checkout", [("checkout", s) for s in bad]))
    for folder, what in ((PETSHOP, "the service with the symptom"), (NEZHA, "the faulty service")):
        cases = [
            (case.incident.symptom.service if case.incident.symptom else case.answer, seen)
            for case, seen in faults(options.data / "rca" / folder)
        ]
        print(fault_row(f"{folder}: {what}", cases), flush=True)


def quiet_row(name: str, windows: Sequence[Seen], reports: Sequence[bool]) -> str:
    asked = [service in seen.named for seen in windows for service in seen.observation.components]
    hours = sum(seen.series_hours for seen in windows)
    signals = [signal for seen in windows for signal in seen.observation.signals]
    bad = [signal for signal in signals if signal.bad]
    symptoms = [signal for signal in bad if signal.nature is Nature.SYMPTOM]
    shares = (_share(found) for found in ([seen.unscoped for seen in windows], reports, asked))
    rates = (f"{1000 * len(found) / hours:.2f}" for found in (signals, bad, symptoms))
    return f"| {' | '.join([name, *shares, *rates])} |"


def fault_row(name: str, cases: Sequence[tuple[str, Seen]]) -> str:
    unscoped = _share([seen.unscoped for _, seen in cases])
    return f"| {name} | {unscoped} | {_share([service in seen.named for service, seen in cases])} |"


def alarm_of(seen: Seen) -> Iterator[str]:
    """The strongest symptoms behind a false alarm."""
    found = [s for s in seen.observation.signals if s.bad and s.nature is Nature.SYMPTOM]
    for signal in sorted(found, key=lambda s: -abs(s.strength))[:3]:
        yield (
            f"{signal.onset:%m-%d %H:%M} {signal.metric} {component_of(signal.labels)}: "
            f"{signal.before.value:.3g} → {signal.peak.value:.3g} ({signal.strength:+.0f})"
        )


def _share(hits: Sequence[bool]) -> str:
    low, high = wilson(sum(hits), len(hits))
    return f"**{sum(hits) / len(hits):.1%}** ({sum(hits)}/{len(hits)}) {low:.1%}–{high:.1%}"


if __name__ == "__main__":
    main()
