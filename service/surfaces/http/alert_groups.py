"""A group of alerts as Alertmanager and Grafana send it, and the question that it raises.

Alertmanager: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config (version 4);
Grafana sends the same with more beside it:
https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
Only what a question needs is read, and labels are data: cut short and on one line.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ingest.documents import Frozen, UtcTime
from ingest.redaction import Redacted, redact_text
from service.surfaces.http.times import Moment

LEAD = timedelta(minutes=30)
"""How long before the first alert the question's window begins: causes come before symptoms."""
REPLAY_WINDOW = timedelta(minutes=5)
"""How old a signed notification may be, and how far ahead of this clock."""
_NAMES = 3
_LABEL_LENGTH = 80

Labels = dict[str, str]


class _Sent(BaseModel):
    # What else is sent, now or in a later version, is none of our business.
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class SentAlert(_Sent):
    """One alert of a group."""

    status: Literal["firing", "resolved"]
    labels: Labels = Field(default_factory=dict)
    starts_at: Moment = Field(alias="startsAt")


class SentGroup(_Sent):
    """A notification: the alerts that were grouped together, by status."""

    version: str = Field(default="4", max_length=20)
    group_key: str = Field(alias="groupKey", min_length=1, max_length=20_000)
    status: Literal["firing", "resolved"]
    common_labels: Labels = Field(alias="commonLabels", default_factory=dict)
    alerts: tuple[SentAlert, ...]


class GroupAsked(Frozen):
    """What is to be asked about a group that fires."""

    question: Redacted
    since: UtcTime
    group: str
    """Short name of the group, for the log: its key can be long and has labels in it."""


def asked_about(group: SentGroup) -> GroupAsked | None:
    """The question that a group raises; None where nothing in it fires."""
    firing = [alert for alert in group.alerts if alert.status == "firing"]
    if group.status != "firing" or not firing:
        return None
    names = _distinct(alert.labels.get("alertname", "") for alert in firing) or ["an alert"]
    question = f"Why {'do' if len(names) > 1 else 'does'} {_list(names)} fire"
    services = _distinct(_service(alert.labels) for alert in firing)
    if services:
        question += f" for {_list(services)}"
    regions = _distinct(alert.labels.get("region", "") for alert in firing)
    if regions:
        question += f" in {_list(regions)}"
    return GroupAsked(
        question=question + "?",
        since=min(alert.starts_at for alert in firing) - LEAD,
        group=hashlib.blake2b(group.group_key.encode(), digest_size=6).hexdigest(),
    )


def once_key(source: str, group: SentGroup, asked: GroupAsked) -> str:
    """What is the same for everything that is sent about one outbreak of a group: repetitions,
    and alerts that join it later."""
    return f"{source} {asked.since:%Y-%m-%dT%H:%M:%SZ} {redact_text(group.group_key)}"


def signature_holds(
    secret: str, body: bytes, signature: str, timestamp: str | None, now: datetime
) -> bool:
    """Whether Grafana signed this body, lately: HMAC-SHA256 in hex, of ``timestamp:body`` where
    its contact point has a timestamp header (Unix seconds), else of the body alone.

    Compared in constant time. Without a timestamp nothing says how old it is.
    """
    signed = body if timestamp is None else timestamp.encode() + b":" + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.strip().lower().encode()):
        return False
    if timestamp is None:
        return True
    # isdecimal also takes other scripts' digits, which int() reads: these were signed, too.
    if not timestamp.isdecimal() or len(timestamp) > 12:
        return False
    return abs(now.timestamp() - int(timestamp)) <= REPLAY_WINDOW.total_seconds()


def _service(labels: Labels) -> str:
    return labels.get("service") or labels.get("job") or ""


def _distinct(names: Iterable[str]) -> list[str]:
    """The names without doubles, made harmless, in order."""
    return sorted({short for name in names if (short := _one_line(name))})


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    return "".join(c for c in words if c.isprintable())[:_LABEL_LENGTH].strip()


def _list(names: list[str]) -> str:
    shown = names[:_NAMES]
    if len(names) > _NAMES:
        shown.append(f"{len(names) - _NAMES} more")
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last
