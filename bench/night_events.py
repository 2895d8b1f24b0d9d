"""The bad night's story: what was announced while it happened, and what was really going on.

Times are written as the UTC time of day; those before 08:00 are on 2026-11-12.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

START = datetime(2026, 11, 11, 8, tzinfo=UTC)
END = START + timedelta(hours=24)
EU, US, AP = "eu-west", "us-east", "ap-south"


def moment(clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    time = START.replace(hour=hour, minute=minute)
    return time if time >= START else time + timedelta(days=1)


def at(clock: str) -> float:
    """Unix seconds of a UTC time of day inside the night's window."""
    return moment(clock).timestamp()


class Note(NamedTuple):
    start: str
    end: str
    text: str
    tags: tuple[str, ...]
    login: str


def deploy(clock: str, service: str, version: str, region: str) -> Note:
    text = f"Deploy {service} {version} ({region})"
    return Note(clock, clock, text, ("deploy", service, region), "deploybot")


NOTES = (
    deploy("10:20", "payments", "3.3.0", US),
    deploy("14:05", "model-registry", "1.18.2", AP),
    deploy("16:40", "training-scheduler", "0.44.0", EU),
    deploy("01:10", "storefront", "8.3.1", EU),
    deploy("01:37", "quota", "4.12.0", EU),
    Note(
        "02:00",
        "02:40",
        "search us-east: full index rebuild",
        ("maintenance", "search", US),
        "priya",
    ),
    Note(
        "03:08",
        "03:08",
        "session-cache eu-west: failover to replica by mira",
        ("operation", "session-cache", EU),
        "mira",
    ),
)


def announced() -> list[dict[str, object]]:
    """The notes as Grafana's ``GET /api/annotations`` answers them: newest first, epoch ms."""
    rows: list[dict[str, object]] = []
    for number, note in enumerate(NOTES, start=8101):
        start, end = (int(at(clock)) * 1000 for clock in (note.start, note.end))
        rows.append(
            {
                "id": number,
                "alertId": 0,
                "alertName": "",
                "dashboardId": 0,
                "dashboardUID": None,
                "panelId": 0,
                "userId": 2 if note.login == "deploybot" else 7,
                "newState": "",
                "prevState": "",
                "created": end,
                "updated": end,
                "time": start,
                "timeEnd": end,
                "text": note.text,
                "tags": list(note.tags),
                "login": note.login,
                "email": "",
                "avatarUrl": "",
                "data": {},
            }
        )
    return sorted(rows, key=lambda row: str(row["time"]), reverse=True)


def stamp(clock: str) -> str:
    return moment(clock).isoformat().replace("+00:00", "Z")


def truth() -> dict[str, object]:
    """The cause and its course, for benchmarks to score against."""
    return {
        "window": {"start": stamp("08:00"), "end": END.isoformat().replace("+00:00", "Z")},
        "region": EU,
        "component": "quota",
        "via": "session-cache",
        "change": {"at": stamp("01:37"), "text": "Deploy quota 4.12.0 (eu-west)"},
        "cause": (
            "quota 4.12.0 opens a Redis client per request and never closes it; session-cache "
            "eu-west ran out of client connections (maxclients 4000) and refused its other "
            "clients, auth and checkout first."
        ),
        "onset": stamp("01:44"),
        "recovered": stamp("03:14"),
        "chain": [
            {"at": stamp(clock), "component": component, "what": what}
            for clock, component, what in (
                ("01:37", "quota", "deploy of 4.12.0; open file descriptors start to climb"),
                ("01:37", "session-cache", "connected clients start to climb from about 400"),
                ("01:44", "quota", "p99 latency rises"),
                ("01:46", "auth", "p99 latency rises"),
                ("01:48", "checkout", "p99 latency rises; some 5xx"),
                ("01:48", "inference-gateway", "5xx rise"),
                ("01:49", "session-cache", "maxclients reached; connections are refused"),
                ("01:50", "storefront", "p99 latency rises a little"),
                ("03:08", "session-cache", "failover drops the connections to about 600"),
                ("03:14", "checkout", "latencies and errors are back to normal"),
            )
        ],
        "alerts": [
            {"name": name, "started": stamp(start), "region": EU}
            for name, start in (
                ("GpuThermalThrottling", "00:54"),
                ("AuthTokenLatencyHigh", "01:51"),
                ("CheckoutLatencyHigh", "01:53"),
                ("InferenceGatewayErrorRateHigh", "01:55"),
            )
        ],
        "similar_incident": "INC-2026-031",
        "customers": ["Aurelia Labs", "Brightwater Retail"],
        "outlook": (
            "Only the connections were dropped: 4.12.0 still runs, and the connected clients of "
            "session-cache eu-west climb again, to about 2,900 at the end of the window."
        ),
        "red_herrings": [
            {
                "component": "gpu-eu-07",
                "start": stamp("00:50"),
                "end": stamp("01:20"),
                "what": "thermal throttling; training throughput of train-eu-1 dips",
            },
            {
                "component": "search",
                "region": US,
                "start": stamp("02:00"),
                "end": stamp("02:40"),
                "what": "planned index rebuild; search p99 and CPU rise",
            },
            {
                "component": "storefront",
                "region": EU,
                "start": stamp("01:10"),
                "what": "innocent deploy of 8.3.1",
            },
        ],
    }
