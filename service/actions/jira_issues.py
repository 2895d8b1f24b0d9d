"""Issues in Jira, through the ``jira`` package: found again by a label, filed once.

The package is synchronous, and retries by itself what may have been done already, so it runs in a
thread with its retries off. Only a 429 is tried again here (nothing was done then), a few times
and within the deadline. Redirects are refused: the token is for one host.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from service.actions.errors import RemoteRefused, RemoteUnclear
from service.actions.payloads import JiraIssue
from service.actions.remote import ATTEMPTS, CALL_SECONDS, in_thread, said, waiting

if TYPE_CHECKING:
    from jira import JIRA

T = TypeVar("T")

_CONNECT_SECONDS = 5.0
_HINTS = {
    401: "; see jira_user and jira_token",
    403: "; the user of jira_token may not create issues there",
}


class JiraIssues:
    """Files issues at one Jira. ``user``: an e-mail address on Cloud, None on Data Center."""

    def __init__(self, url: str, user: str | None, token: str) -> None:
        self._url = url.rstrip("/")
        self._user = user
        self._token = token

    async def create(self, issue: JiraIssue, proposal_id: str) -> str:
        """File the issue, labelled with its proposal; returns its address.

        Raises: RemoteRefused, RemoteUnclear.
        """
        fields = {
            "project": {"key": issue.project},
            "issuetype": {"name": issue.issue_type},
            "summary": issue.summary,
            "description": issue.description,
            "labels": ["why", _label(proposal_id)],
        }

        def create(client: JIRA) -> str:
            made = client.create_issue(fields=fields, prefetch=False)
            return self._page(str(made.key))

        return await in_thread("Jira", lambda: self._call(create))

    async def find(self, issue: JiraIssue, proposal_id: str) -> str | None:
        """The address of the issue that was filed for a proposal.

        Raises: RemoteRefused, RemoteUnclear.
        """
        jql = f'project = "{issue.project}" AND labels = "{_label(proposal_id)}"'

        def find(client: JIRA) -> str | None:
            page: dict[str, Any] = client.search_issues(
                jql, maxResults=1, fields=["key"], json_result=True
            )
            found = page["issues"]
            return self._page(str(found[0]["key"])) if found else None

        return await in_thread("Jira", lambda: self._call(find))

    def _page(self, key: str) -> str:
        return f"{self._url}/browse/{key}"

    def _call(self, ask: Callable[[JIRA], T]) -> T:
        from jira import JIRA, JIRAError

        auth = (self._user, self._token) if self._user else None
        basic = b64encode(f"{self._user}:{self._token}".encode()).decode()
        attempt = 0
        while True:
            attempt += 1
            connected = False
            try:
                # Asks what kind of Jira it is: Cloud and Data Center search differently.
                client = JIRA(
                    server=self._url,
                    basic_auth=auth,
                    token_auth=None if auth else self._token,
                    get_server_info=False,
                    max_retries=0,
                    timeout=(_CONNECT_SECONDS, CALL_SECONDS),
                    logging=False,
                )
                # The package has no option for it, and following would repeat a POST as a GET.
                client._session.max_redirects = 0
                client.deploymentType = client.server_info().get("deploymentType")
                connected = True
                return ask(client)
            except JIRAError as error:
                status = error.status_code or 0
                if status == 429 and attempt < ATTEMPTS:
                    headers = error.response.headers if error.response is not None else {}
                    time.sleep(waiting(headers.get("Retry-After"), attempt))
                    continue
                if 400 <= status < 500:
                    reason = said(error.text, self._token, basic)
                    message = f"Jira refused it ({status}{reason}){_HINTS.get(status, '')}"
                    raise RemoteRefused(message) from None
                if not connected:
                    raise RemoteRefused(f"Jira can't be reached ({status}); see jira_url") from None
                raise RemoteUnclear(f"Jira failed ({status})") from None
            except requests.TooManyRedirects:
                raise RemoteRefused(
                    "Jira answered with a redirect, which is not followed; see jira_url"
                ) from None
            except (requests.RequestException, ValueError, KeyError, TypeError) as error:
                if not connected:
                    raise RemoteRefused("Jira can't be reached; see jira_url") from None
                raise RemoteUnclear(f"Jira gave no clear answer ({type(error).__name__})") from None


def _label(proposal_id: str) -> str:
    return f"why-{proposal_id}"
