"""What people wrote in the sample night: a small Slack export and incident records, and what they
look like as chunks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ingest.documents import EVERYONE, Chunk, Facts, IncidentFacts, SourceKind, ThreadFacts
from service.settings import Settings, SourceSettings
from tests.company import DATA, ingest, settings_in
from tests.service.causes.evidence import at

PEOPLE = {"U1": "Mira Okafor", "U2": "Jonas Weidt"}
FAILOVER = "Failing over session-cache in eu-west to its replica."
CALLED = "Brightwater Retail called: their shop was down, told them that it is back."

_THREAD = (
    ("02:05", "U1", "AuthTokenLatencyHigh paged me. session-cache eu-west is full, auth suffers."),
    ("03:02", "U1", FAILOVER),
    ("03:25", "U2", CALLED),
)
_CHATTER = (("23:10", "U2", "Does somebody have a spare charger? Mine is gone."),)
_BILLING = (
    ("22:10", "U2", "billing in ap-south fails for everybody, invoices are stuck."),
    ("22:30", "U2", "Restarted the consumers of billing, better now."),
)
_SECRET = (("04:00", "U1", "incident: a token of payments leaked, rotating it now"),)

DNS_RECORD = """---
id: INC-2026-051
title: Names resolved late in ap-south
severity: SEV3
started: 2026-11-11T22:00:00Z
detected: 2026-11-11T22:12:00Z
resolved: 2026-11-11T22:41:00Z
published: 2026-11-12T06:00:00Z
services: [dns]
regions: [ap-south]
customers: [Eastgate Robotics]
component: dns
cause: A resolver of dns in ap-south had lost its upstream.
confirmed: true
---
# INC-2026-051: Names resolved late in ap-south

## Summary

Lookups took seconds. Eastgate Robotics noticed it first.

## Root cause

A resolver of dns in ap-south had lost its upstream.
"""


def night_settings(folder: Path) -> Settings:
    """The sample company with a Slack and records in which the night was talked about, ingested."""
    slack, incidents = folder / "slack", folder / "incidents"
    incidents.mkdir(parents=True)
    (incidents / "inc-2026-051-dns.md").write_text(DNS_RECORD, encoding="utf-8")
    for name in ("inc-2026-049-auth-latency-spike.md", "inc-2026-031-billing-redis-clients.md"):
        (incidents / name).write_bytes((DATA / "incidents" / name).read_bytes())
    _export(
        slack,
        public={"incidents": [_THREAD], "random": [_CHATTER], "billing": [_BILLING]},
        private={"sec-response": [_SECRET]},
    )
    settings = settings_in(folder)
    sources = (
        *glossary_of(settings),
        SourceSettings(
            kind=SourceKind.SLACK, path=slack, base_url="https://kestrel.slack.com", name="slack"
        ),
        SourceSettings(
            kind=SourceKind.INCIDENTS,
            path=incidents,
            base_url="https://wiki.kestrel.example/incidents",
            name="incidents",
        ),
    )
    settings = settings.model_copy(update={"sources": sources})
    report = ingest(settings)
    assert report.problems == ()
    return settings


def glossary_of(settings: Settings) -> list[SourceSettings]:
    """The company's smallest source."""
    return [source for source in settings.sources if source.kind is SourceKind.GLOSSARY]


Spoken = Sequence[tuple[str, str, str]]


def _export(
    folder: Path, *, public: dict[str, list[Spoken]], private: dict[str, list[Spoken]]
) -> None:
    folder.mkdir()
    users = [
        {"id": id_, "name": name, "real_name": name, "profile": {"real_name": name}}
        for id_, name in PEOPLE.items()
    ]
    _write(folder / "users.json", users)
    for file, channels in (("channels.json", public), ("groups.json", private)):
        _write(folder / file, [{"id": f"C{n}", "name": n, "members": []} for n in channels])
        for channel, threads in channels.items():
            days: dict[str, list[dict[str, object]]] = {}
            for thread in threads:
                first = at(thread[0][0]).timestamp()
                for clock, user, text in thread:
                    days.setdefault(f"{at(clock):%Y-%m-%d}", []).append(
                        {
                            "type": "message",
                            "user": user,
                            "text": text,
                            "ts": f"{at(clock).timestamp():.6f}",
                            "thread_ts": f"{first:.6f}",
                        }
                    )
            for day, messages in days.items():
                (folder / channel).mkdir(exist_ok=True)
                _write(folder / channel / f"{day}.json", messages)


def _write(file: Path, data: object) -> None:
    file.write_text(json.dumps(data), encoding="utf-8")


def chunk(document: str, kind: SourceKind, title: str, text: str, facts: Facts) -> Chunk:
    """A document of one chunk."""
    return Chunk(
        id=f"{document}/0",
        document_id=document,
        revision="r",
        source=kind.value,
        kind=kind,
        title=title,
        url=f"https://example.org/{document}",
        origin=document,
        ordinal=0,
        chunks=1,
        headings=(),
        start=0,
        end=len(text),
        text=text,
        written_at=at("07:00"),
        services=(),
        regions=(),
        customers=(),
        audience=(EVERYONE,),
        facts=facts,
    )


def thread_chunk(channel: str, *spoken: tuple[str, str, str]) -> Chunk:
    """A conversation as the Slack source writes it: (clock, author, text)."""
    text = "\n\n".join(
        f"{author} ({at(clock):%Y-%m-%d %H:%M} UTC): {said}" for clock, author, said in spoken
    )
    facts = ThreadFacts(
        channel=channel,
        authors=tuple(dict.fromkeys(author for _, author, _ in spoken)),
        started=at(spoken[0][0]),
        ended=at(spoken[-1][0]),
    )
    title = f"#{channel}: {spoken[0][2]}"
    return chunk(f"slack/{channel}/{spoken[0][0]}", SourceKind.SLACK, title, text, facts)


def record_chunk(
    identifier: str,
    text: str,
    *,
    started: datetime | None = None,
    resolved: datetime | None = None,
    component: str | None = None,
    services: tuple[str, ...] = (),
    regions: tuple[str, ...] = (),
) -> Chunk:
    """An incident report."""
    facts = IncidentFacts(
        incident_id=identifier, started=started, resolved=resolved, component=component
    )
    made = chunk(f"incidents/{identifier}", SourceKind.INCIDENTS, identifier, text, facts)
    return made.model_copy(update={"services": services, "regions": regions})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
