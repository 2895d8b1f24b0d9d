"""``POST /v1/webhooks/alertmanager`` and ``/grafana``: a group that fires can be asked about.

The sender gets its answer at once; the question is a job, one for each outbreak of a group however
often it is sent, and no more of them in an hour than the settings allow. What it finds may be read
by everyone, since an alert has no reader.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header
from starlette.requests import Request

from ingest.documents import Frozen
from service.store import Scope
from service.surfaces.http import examples
from service.surfaces.http.alert_groups import (
    SentGroup,
    asked_about,
    once_key,
    signature_holds,
)
from service.surfaces.http.auth import (
    Credentials,
    Ingesting,
    count_failure,
    ensure_may_try,
    needs,
)
from service.surfaces.http.background import WEBHOOK_ASK
from service.surfaces.http.problem import ProblemError
from service.surfaces.http.serving import Server, Serving

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

_log = structlog.get_logger(__name__)


class Taken(StrEnum):
    """What becomes of a notification."""

    QUEUED = "queued"
    """It will be asked about, unless this hour has had its reports."""
    KNOWN = "known"
    """It has been, or will be: the same outbreak was sent before."""
    NOT_FIRING = "not_firing"
    NOT_WANTED = "not_wanted"
    """`webhook_reports` is off."""


class Received(Frozen):
    """The notification came in; `report` says what becomes of it."""

    report: Taken


async def _signed_or_keyed(
    request: Request,
    serving: Server,
    credentials: Credentials,
    signature: Annotated[
        str | None,
        Header(
            alias="X-Grafana-Alerting-Signature",
            max_length=200,
            description="HMAC-SHA256 of the body with `grafana_webhook_secret`; instead of a key.",
        ),
    ] = None,
    timestamp: Annotated[
        str | None,
        Header(
            alias="X-Grafana-Alerting-Timestamp",
            max_length=20,
            description="Unix seconds, where the contact point is set to send and sign them here.",
        ),
    ] = None,
) -> None:
    """Raises: ProblemError (401, 403, 429)."""
    secret = serving.settings.grafana_webhook_secret
    if signature is None or secret is None:
        await needs(Scope.INGEST)(request, serving, credentials)
        return
    now = datetime.now(UTC)
    ensure_may_try(request, serving, now)
    body = await request.body()
    if not signature_holds(secret.get_secret_value(), body, signature, timestamp, now):
        count_failure(request, serving, now, "wrong signature")
        raise ProblemError(401, "signature", "the signature is wrong, or too old")


@router.post("/alertmanager", status_code=202, summary="From Alertmanager")
async def take_alertmanager(
    body: Annotated[SentGroup, examples.ALERT_GROUPS], caller: Ingesting, serving: Server
) -> Received:
    """Version 4 of its webhook. The key goes into `http_config.authorization`."""
    return await _take("alertmanager", body, serving)


@router.post(
    "/grafana",
    status_code=202,
    summary="From Grafana",
    dependencies=[Depends(_signed_or_keyed)],
)
async def take_grafana(
    body: Annotated[SentGroup, examples.ALERT_GROUPS], serving: Server
) -> Received:
    """Grafana's webhook contact point, signed (HMAC) or with a key in its authorization header."""
    return await _take("grafana", body, serving)


async def _take(source: str, group: SentGroup, serving: Serving) -> Received:
    asked = asked_about(group)
    if asked is None:
        return Received(report=Taken.NOT_FIRING)
    if not serving.settings.webhook_reports:
        return Received(report=Taken.NOT_WANTED)
    job = await serving.database.jobs.enqueue(
        WEBHOOK_ASK, asked.model_dump(mode="json"), key=once_key(source, group, asked)
    )
    _log.info("alert group", source=source, group=asked.group, new=job is not None)
    return Received(report=Taken.KNOWN if job is None else Taken.QUEUED)
