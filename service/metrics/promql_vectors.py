"""Instant vectors over all steps of a query at once: aggregation and binary operators.

A vector is a list of rows, each a label set with its values at the steps. Rows may have gaps,
and everything here works step by step, so that a gap in one row is no gap in a sum. Follows
Prometheus 2.x: which operations drop the metric name, how ``NaN`` sorts, which matches are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from service.metrics.promql_ranges import Flags, Floats, Track
from service.metrics.source import QueryRejected

METRIC_NAME = "__name__"


class Row(NamedTuple):
    labels: dict[str, str]
    track: Track


Vector = list[Row]
Value = Floats | Vector
"""A scalar, as one number per step, or an instant vector."""

Key = tuple[tuple[str, str], ...]


class Matching(NamedTuple):
    """Which labels two rows must share: those named (``on``), or all others (``ignoring``)."""

    names: frozenset[str] = frozenset()
    on: bool = False

    def key(self, labels: dict[str, str]) -> Key:
        kept = self.names if self.on else labels.keys() - self.names - {METRIC_NAME}
        return tuple((name, labels.get(name, "")) for name in sorted(kept))


ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
}
COMPARISONS: dict[str, Callable[[Floats, Floats], Flags]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


def unnamed(labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != METRIC_NAME}


def merged(rows: Iterable[Row]) -> Vector:
    """One row per label set. Raises QueryRejected where two rows of a set meet at a step."""
    found: dict[Key, Row] = {}
    for row in rows:
        key = tuple(sorted(row.labels.items()))
        other = found.get(key)
        if other is not None:
            if (other.track.present & row.track.present).any():
                raise QueryRejected(
                    f"vector cannot contain metrics with the same labelset: {row.labels}"
                )
            row = Row(row.labels, _overlaid(other.track, row.track))
        found[key] = row
    return list(found.values())


def _overlaid(below: Track, above: Track) -> Track:
    return Track(np.where(above.present, above.values, below.values), below.present | above.present)


def _grouped(rows: Vector, key: Callable[[dict[str, str]], Key]) -> dict[Key, Vector]:
    groups: dict[Key, Vector] = {}
    for row in rows:
        groups.setdefault(key(row.labels), []).append(row)
    return groups


def _sum(values: Floats, present: Flags) -> Floats:
    return np.asarray(np.where(present, values, 0.0).sum(axis=0), dtype=np.float64)


def _min(values: Floats, present: Flags) -> Floats:
    # fmin and fmax leave NaN out, as Prometheus does, unless there is nothing else.
    return np.asarray(np.fmin.reduce(np.where(present, values, np.nan), axis=0))


def _max(values: Floats, present: Flags) -> Floats:
    return np.asarray(np.fmax.reduce(np.where(present, values, np.nan), axis=0))


def _count(values: Floats, present: Flags) -> Floats:
    return np.asarray(present.sum(axis=0), dtype=np.float64)


AGGREGATIONS: dict[str, Callable[[Floats, Flags], Floats]] = {
    "sum": _sum,
    "count": _count,
    "avg": lambda values, present: _sum(values, present) / _count(values, present),
    "min": _min,
    "max": _max,
}


def _group_labels(names: frozenset[str], without: bool) -> Callable[[dict[str, str]], Key]:
    def key(labels: dict[str, str]) -> Key:
        kept = labels.keys() - names - {METRIC_NAME} if without else labels.keys() & names
        return tuple((name, labels[name]) for name in sorted(kept))

    return key


def aggregate(operation: str, rows: Vector, names: frozenset[str], *, without: bool) -> Vector:
    """``operation`` (one of AGGREGATIONS) ``by`` or ``without`` the named labels."""
    result = []
    for labels, group in _grouped(rows, _group_labels(names, without)).items():
        present = np.stack([row.track.present for row in group])
        values = AGGREGATIONS[operation](np.stack([row.track.values for row in group]), present)
        result.append(Row(dict(labels), Track(values, np.asarray(present.any(axis=0)))))
    return result


def topk(rows: Vector, limit: Floats, names: frozenset[str], *, without: bool) -> Vector:
    """The rows with the ``limit`` largest values at each step; the first row wins a tie."""
    result = []
    for group in _grouped(rows, _group_labels(names, without)).values():
        present = np.stack([row.track.present for row in group])
        values = np.stack([row.track.values for row in group])
        # NaN is smaller than every number, and absent is smaller than NaN.
        order = np.lexsort((-values, np.isnan(values), ~present), axis=0)
        place = np.argsort(order, axis=0)
        chosen = present & (place < np.trunc(limit))
        result += [
            Row(row.labels, Track(row.track.values, kept))
            for row, kept in zip(group, chosen, strict=True)
        ]
    return result


def binary(
    operator: str, lhs: Value, rhs: Value, *, as_bool: bool = False, matching: Matching
) -> Value:
    """``lhs operator rhs``; a comparison filters its vector unless ``as_bool``."""
    if isinstance(lhs, np.ndarray):
        if isinstance(rhs, np.ndarray):
            return _of_scalars(operator, lhs, rhs)
        sides = [(row, lhs, row.track.values) for row in rhs]
    elif isinstance(rhs, np.ndarray):
        sides = [(row, row.track.values, rhs) for row in lhs]
    else:
        return _matched(operator, lhs, rhs, as_bool=as_bool, matching=matching)

    result = []
    for row, left, right in sides:
        computed = _computed(operator, left, right, row.track.values, as_bool=as_bool)
        labels = row.labels if _keeps_name(operator, as_bool) else unnamed(row.labels)
        result.append(Row(labels, Track(computed.values, computed.present & row.track.present)))
    return merged(result)


def _of_scalars(operator: str, lhs: Floats, rhs: Floats) -> Floats:
    if operator in COMPARISONS:
        return COMPARISONS[operator](lhs, rhs).astype(np.float64)
    return ARITHMETIC[operator](lhs, rhs)


def _keeps_name(operator: str, as_bool: bool) -> bool:
    return operator in COMPARISONS and not as_bool


def _computed(operator: str, left: Floats, right: Floats, kept: Floats, *, as_bool: bool) -> Track:
    """The values, and where there are any: a comparison leaves ``kept`` where it holds."""
    if operator in ARITHMETIC:
        return Track(ARITHMETIC[operator](left, right), np.full(len(left), True))
    holds = COMPARISONS[operator](left, right)
    if as_bool:
        return Track(holds.astype(np.float64), np.full(len(left), True))
    return Track(kept, holds)


def _matched(
    operator: str, lhs: Vector, rhs: Vector, *, as_bool: bool, matching: Matching
) -> Vector:
    partners = {
        key: _only_one_each(group, "right", key)
        for key, group in _grouped(rhs, matching.key).items()
    }
    result = []
    for key, group in _grouped(lhs, matching.key).items():
        partner = partners.get(key)
        if partner is None:
            continue
        found = []
        for row in group:
            left = row.track.values
            computed = _computed(operator, left, partner.values, left, as_bool=as_bool)
            present = computed.present & row.track.present & partner.present
            labels = _result_labels(row.labels, matching, _keeps_name(operator, as_bool))
            found.append(Row(labels, Track(computed.values, present)))
        _only_one_each(found, "left", key)
        result += found
    return merged(result)


def _result_labels(labels: dict[str, str], matching: Matching, keeps_name: bool) -> dict[str, str]:
    kept = labels.keys() & matching.names if matching.on else labels.keys() - matching.names
    return {
        name: value
        for name, value in labels.items()
        if name in kept and (keeps_name or name != METRIC_NAME)
    }


def _only_one_each(group: Vector, side: str, key: Key) -> Track:
    """The group's rows in one. Raises QueryRejected where two of them meet at a step."""
    track = group[0].track
    for row in group[1:]:
        if (track.present & row.track.present).any():
            raise QueryRejected(
                f"several series match {dict(key)} on the {side}-hand side; "
                "match one to one with on (…) or ignoring (…), or aggregate first"
            )
        track = _overlaid(track, row.track)
    return track
