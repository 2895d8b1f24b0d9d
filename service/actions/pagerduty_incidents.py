"""Incidents and notes in PagerDuty, through the ``pagerduty`` package: found again, made once.

An incident carries its proposal's id as ``incident_key``: PagerDuty itself refuses a second one
while the first is open. A note carries the id in its text. The package is synchronous, so it runs
in a thread; it would repeat a POST whose answer was lost, so that is off; it refuses redirects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from pagerduty import Error, HttpError, RestApiV2Client, UrlError

from service.actions.errors import RemoteRefused, RemoteUnclear
from service.actions.payloads import PagerDutyIncident, PagerDutyNote
from service.actions.remote import ATTEMPTS, CALL_SECONDS, in_thread, said

T = TypeVar("T")

_FIRST_WAIT_SECONDS = 0.5
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_HINTS = {
    401: "; see pagerduty_token and pagerduty_url",
    403: "; pagerduty_token may not do that",
    404: "; is the incident's id right?",
}


class PagerDutyIncidents:
    """Makes incidents and notes at one PagerDuty as the user ``sender`` (an e-mail address)."""

    def __init__(self, url: str, token: str, sender: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._sender = sender

    async def create(self, incident: PagerDutyIncident, proposal_id: str) -> str:
        """Open the incident, or find the open one of this proposal; returns its address.

        Raises: RemoteRefused, RemoteUnclear.
        """
        body = {
            "type": "incident",
            "title": incident.title,
            "service": {"id": incident.service, "type": "service_reference"},
            "urgency": incident.urgency.value,
            "incident_key": proposal_id,
            "body": {"type": "incident_body", "details": incident.details},
        }

        def create(client: _Client) -> str:
            response = client.post("/incidents", json={"incident": body})
            if response.status_code == 400:
                # Rejected "if an open incident matches that incident_key": it is ours.
                found = _incident(client, incident, proposal_id)
                if found is not None:
                    return found
            return _page(_understood(response)["incident"])

        return await in_thread("PagerDuty", lambda: self._call(create))

    async def find(self, incident: PagerDutyIncident, proposal_id: str) -> str | None:
        """The address of the incident that was opened for a proposal, whatever became of it.

        Raises: RemoteRefused, RemoteUnclear.
        """
        return await in_thread(
            "PagerDuty", lambda: self._call(lambda client: _incident(client, incident, proposal_id))
        )

    async def annotate(self, note: PagerDutyNote, proposal_id: str) -> str:
        """Write the note; returns its incident's address. Raises: RemoteRefused, RemoteUnclear."""
        content = f"{note.content}\n({_mark(proposal_id)})"

        def annotate(client: _Client) -> str:
            there = _noted(client, note)
            path = f"/incidents/{note.incident}/notes"
            _understood(client.post(path, json={"note": {"content": content}}))
            return there

        return await in_thread("PagerDuty", lambda: self._call(annotate))

    async def find_note(self, note: PagerDutyNote, proposal_id: str) -> str | None:
        """The address of the incident with the note of a proposal.

        Raises: RemoteRefused, RemoteUnclear.
        """

        def find(client: _Client) -> str | None:
            notes = _understood(client.get(f"/incidents/{note.incident}/notes"))["notes"]
            there = any(_mark(proposal_id) in one["content"] for one in notes)
            return _noted(client, note) if there else None

        return await in_thread("PagerDuty", lambda: self._call(find))

    def _call(self, ask: Callable[[_Client], T]) -> T:
        try:
            client = _Client(self._token, default_from=self._sender, base_url=self._url)
        except UrlError:
            raise RemoteRefused("pagerduty_url must start with https://") from None
        client.retry = {429: ATTEMPTS - 1}
        client.sleep_timer = _FIRST_WAIT_SECONDS
        client.max_network_attempts = 0
        client.timeout = CALL_SECONDS
        with client:
            try:
                return ask(client)
            except HttpError as error:
                # Never its text: it ends in the last characters of the token.
                status = error.response.status_code if error.response is not None else 0
                if 300 <= status < 400:
                    raise RemoteRefused(
                        "PagerDuty answered with a redirect, which is not followed; "
                        "see pagerduty_url"
                    ) from None
                raise RemoteRefused(
                    f"PagerDuty refused it ({status}){_HINTS.get(status, '')}"
                ) from None
            except Error as error:
                cause = error.__cause__
                if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
                    raise RemoteRefused("PagerDuty can't be reached; see pagerduty_url") from None
                kind = type(cause).__name__ if cause else "network error"
                raise RemoteUnclear(f"PagerDuty gave no answer ({kind})") from None
            except (ValueError, KeyError, TypeError):
                raise RemoteUnclear("PagerDuty's answer can't be read; see pagerduty_url") from None


class _Client(RestApiV2Client):
    """Also takes an address without TLS, where the way is no longer than this machine."""

    @property
    def url(self) -> str:
        return self._url or ""

    @url.setter
    def url(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise UrlError("API base URL must use scheme https://")
        self._url = address


def _incident(client: _Client, incident: PagerDutyIncident, proposal_id: str) -> str | None:
    asked = {"incident_key": proposal_id, "service_ids[]": incident.service, "date_range": "all"}
    found = _understood(client.get("/incidents", params=asked))["incidents"]
    return _page(found[0]) if found else None


def _noted(client: _Client, note: PagerDutyNote) -> str:
    return _page(_understood(client.get(f"/incidents/{note.incident}"))["incident"])


def _page(incident: dict[str, Any]) -> str:
    """Where a person opens it."""
    return str(incident["html_url"])


def _understood(response: httpx2.Response) -> dict[str, Any]:
    """The answer's JSON. Raises: RemoteRefused, RemoteUnclear."""
    status = response.status_code
    if response.is_success:
        answer: dict[str, Any] = response.json()
        return answer
    if status >= 500:
        raise RemoteUnclear(f"PagerDuty failed ({status})")
    try:
        error = response.json()["error"]
        reasons = "; ".join((error["message"], *error.get("errors", ())))
    except (ValueError, KeyError, TypeError):
        reasons = ""
    token = response.request.headers.get("Authorization", "").partition("token=")[2]
    reason = said(reasons, token)
    raise RemoteRefused(f"PagerDuty refused it ({status}{reason}){_HINTS.get(status, '')}")


def _mark(proposal_id: str) -> str:
    return f"Why's proposal {proposal_id}"
