"""What kind of thing a metric measures, read out of its name, and which direction of it hurts.

Kinds are those of USE (utilisation, saturation, errors; Gregg 2013) and RED (rate, errors,
duration; Wilkie 2015), as far as a name tells. They differ in where a fault is: a service's CPU,
memory and connections are its own, its latency includes what it waits for, and a *client's*
latency is that of whatever it calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache


class Nature(StrEnum):
    """What a kind tells: what users feel, what runs out, how much is asked, or something else."""

    SYMPTOM = "symptom"
    SATURATION = "saturation"
    TRAFFIC = "traffic"
    OTHER = "other"


class MetricKind(StrEnum):
    """What is measured."""

    AVAILABILITY = "availability"
    ERRORS = "errors"
    LATENCY = "latency"
    CLIENT_LATENCY = "client latency"
    TRAFFIC = "traffic"
    CPU = "cpu"
    MEMORY = "memory"
    SATURATION = "saturation"
    NETWORK = "network"
    IO = "io"
    OTHER = "other"

    @property
    def nature(self) -> Nature:
        return _NATURES.get(self, Nature.OTHER)


_NATURES = {
    MetricKind.AVAILABILITY: Nature.SYMPTOM,
    MetricKind.ERRORS: Nature.SYMPTOM,
    MetricKind.LATENCY: Nature.SYMPTOM,
    MetricKind.CLIENT_LATENCY: Nature.SYMPTOM,
    MetricKind.TRAFFIC: Nature.TRAFFIC,
    MetricKind.CPU: Nature.SATURATION,
    MetricKind.MEMORY: Nature.SATURATION,
    MetricKind.SATURATION: Nature.SATURATION,
    MetricKind.IO: Nature.SATURATION,
}

# In order: "unavailable" counts errors, "client_latency" is a latency first, and
# "memory_read_bytes" is memory.
_KINDS = (
    (
        MetricKind.ERRORS,
        r"error|fail|[45]xx|timeout|reject|refus|abort|drop|unavail|unhealth|unready|xid|restart|"
        r"oom(?![a-z])|evict|panic|discard|loss_ratio|packet_loss",
    ),
    (
        MetricKind.AVAILABILITY,
        r"avail(?!(?:able)?_?(?:bytes|mem|inode|size))|success|health|"
        r"(?<![a-z])(?:up|ready)(?![a-z])",
    ),
    (
        MetricKind.LATENCY,
        r"latency|(?<![a-z])lat(?![a-z])|duration|response_?time|elapsed|(?<![a-z])wait|"
        r"step_seconds",
    ),
    (MetricKind.CPU, r"cpu|(?<![a-z])load(?![a-z])|loadavg"),
    (MetricKind.MEMORY, r"mem(?![b-np-z])|heap|(?<![a-z])rss|working_?set|swap"),
    (
        MetricKind.SATURATION,
        r"connect|clients?(?![a-z])|fds?(?![a-z])|file_?desc|thread|goroutine|pool|queue|pending|"
        r"backlog|(?<!f)lag(?![a-z])|stat_activity|filesystem|inode|volume|util|temp(?![a-z])|"
        r"temperature|throttl|saturat",
    ),
    (
        MetricKind.TRAFFIC,
        r"request|workload|(?<![a-z])ops(?![a-z])|qps|rps|calls|hits|throughput|tokens|messages|"
        r"operations",
    ),
    (
        MetricKind.NETWORK,
        r"network|receive|transmit|(?<![a-z])(?:rx|tx|net)(?![a-z])|packet|socket",
    ),
    (MetricKind.IO, r"syscall|disk|(?<![a-z])(?:io|fs)(?![a-z])|read|writ|iops"),
)
_PATTERNS = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)
_CLIENT = re.compile(r"client|outbound|egress|downstream|upstream_rq")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STATUS = ("code", "status", "status_code", "http_status", "http_status_code", "response_code")
_ROOM = re.compile(r"(?<![a-z])(?:free|idle|avail(?:able)?|remaining|headroom)|hit_ratio")


@lru_cache(maxsize=65_536)
def kind_of(metric: str) -> MetricKind:
    """The kind of a metric with this name, in snake_case or CamelCase."""
    name = _snake(metric)
    for kind, pattern in _PATTERNS:
        if pattern.search(name):
            client = kind is MetricKind.LATENCY and _CLIENT.search(name)
            return MetricKind.CLIENT_LATENCY if client else kind
    return MetricKind.OTHER


def kind_of_series(metric: str, labels: Mapping[str, str]) -> MetricKind:
    """As ``kind_of``; requests with an HTTP status of 4xx or 5xx are errors, others traffic."""
    code = next((labels[name] for name in _STATUS if name in labels), "")
    kind = kind_of(metric)
    if kind in (MetricKind.TRAFFIC, MetricKind.OTHER) and re.match(r"[1-5](?:\d\d|xx)$", code):
        return MetricKind.ERRORS if code.startswith(("4", "5")) else MetricKind.TRAFFIC
    return kind


@lru_cache(maxsize=65_536)
def direction_of(metric: str, kind: MetricKind) -> int:
    """+1 where rising hurts, −1 where falling does, 0 where a name does not tell.

    Of what is free, idle or left, less is worse; more traffic is good news until something else
    says otherwise.
    """
    if kind in (MetricKind.AVAILABILITY, MetricKind.TRAFFIC):
        return -1
    if kind.nature is Nature.SYMPTOM:
        return 1
    if kind.nature is Nature.SATURATION:
        return -1 if _ROOM.search(_snake(metric)) else 1
    return 0


def _snake(metric: str) -> str:
    return _CAMEL.sub("_", metric).lower()
