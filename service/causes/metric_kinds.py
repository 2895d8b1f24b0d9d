"""What kind of thing a metric measures, read out of its name.

Finer than ``service.metrics.signals.nature_of``, because two things differ by kind here: which
direction hurts, and where the fault is. A service's CPU is its own; its latency includes what it
waits for; a *client's* latency is that of whatever it calls.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache


class MetricKind(StrEnum):
    """Kinds of metrics, for USE (utilisation, saturation, errors) and RED (rate, errors,
    duration)."""

    AVAILABILITY = "availability"
    ERRORS = "errors"
    LATENCY = "latency"
    CLIENT_LATENCY = "client latency"
    TRAFFIC = "traffic"
    CPU = "cpu"
    MEMORY = "memory"
    NETWORK = "network"
    IO = "io"
    OTHER = "other"

    @property
    def hurts(self) -> int:
        """+1 where rising hurts, −1 where falling does, 0 where either may."""
        return _HURTS.get(self, 0)


_HURTS = {
    MetricKind.AVAILABILITY: -1,
    MetricKind.ERRORS: 1,
    MetricKind.LATENCY: 1,
    MetricKind.CLIENT_LATENCY: 1,
}

# In order: "unavailable" counts errors, "client_latency" is a latency first, and
# "memory_read_bytes" is memory.
_KINDS = (
    (MetricKind.ERRORS, r"error|fail|5xx|timeout|reject|refus|abort|drop|unavail|unhealth|unready"),
    (MetricKind.AVAILABILITY, r"avail(?!able_bytes|able_mem)|success|health|(?<![a-z])up(?![a-z])"),
    (
        MetricKind.LATENCY,
        r"latency|(?<![a-z])lat(?![a-z])|duration|response_?time|elapsed|lag(?![a-z])|wait",
    ),
    (MetricKind.CPU, r"cpu|(?<![a-z])load(?![a-z])|loadavg|throttl"),
    (MetricKind.MEMORY, r"mem(?![b-np-z])|heap|(?<![a-z])rss|working_?set|swap"),
    (MetricKind.TRAFFIC, r"request|workload|(?<![a-z])ops(?![a-z])|qps|rps|calls|hits|throughput"),
    (
        MetricKind.NETWORK,
        r"network|receive|transmit|(?<![a-z])(?:rx|tx|net)(?![a-z])|packet|socket",
    ),
    (MetricKind.IO, r"syscall|disk|(?<![a-z])(?:io|fs)(?![a-z])|read|writ|iops"),
)
_PATTERNS = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)
_CLIENT = re.compile(r"client|outbound|egress|downstream|upstream_rq")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(maxsize=65_536)
def kind_of(metric: str) -> MetricKind:
    """The kind of a metric with this name, in snake_case or CamelCase."""
    name = _CAMEL.sub("_", metric).lower()
    for kind, pattern in _PATTERNS:
        if pattern.search(name):
            client = kind is MetricKind.LATENCY and _CLIENT.search(name)
            return MetricKind.CLIENT_LATENCY if client else kind
    return MetricKind.OTHER
