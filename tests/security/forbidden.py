"""A company with and without documents that most may not read, and what to ask about them.

Every text of a forbidden document, its name and its author's have a word that nothing else has.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from ingest.documents import EVERYONE, SourceKind
from service.settings import Settings, SourceSettings
from tests.ingest.sources.reading import write
from tests.service.learning import small_company

LABEL = "slack:sec-response"
INSIDER, OUTSIDER = (EVERYONE, LABEL), (EVERYONE,)
MARKER = "quokka"
QUESTION = small_company.QUESTION
WORDS = "quokkabody of quokkaservice in quokkaregion: ledger held its locks, checkout slow"

_TWIN = """# How to restart ledger{title}

Stop every writer first, then restart the pods of ledger one after the other and wait for each of
them to be ready again before you go on with the next one, because a lock that is held by a pod
that is gone stays for ten minutes.{more}
"""
_FRONT = """services: [checkout, ledger, quokkaservice]
regions: [quokkaregion]
customers: [quokkacustomer]
author: quokkaauthor
"""
_INCIDENT = f"""---
title: Quokkatitle, checkout slow because ledger held its locks
published: 2026-03-05T10:00:00Z
started: 2026-03-04T02:00:00Z
component: ledger
cause: Quokkacause let ledger hold its locks, and the lock queue of ledger grew.
confirmed: true
{_FRONT}---
# Checkout slow

## Quokkaheading

Quokkabody: checkout was slow while the lock queue of ledger grew; shoppers left.
"""


def company(folder: Path, *, with_forbidden: bool) -> Settings:
    """The small company, everything in ``folder``; what is forbidden has sources of its own."""
    folder.mkdir()
    settings = small_company.settings_in(folder)
    (folder / "pages" / "restart-ledger.md").write_text(_TWIN.format(title="", more=""))
    if with_forbidden:
        root = _forbidden(folder / "forbidden")
        more = [
            SourceSettings(
                kind=kind,
                path=root / kind,
                name=f"quokkasource-{kind}",
                audience=(LABEL,),
                base_url="https://wiki.example/quokkabase",
            )
            for kind in SourceKind
        ]
        settings = settings.model_copy(update={"sources": (*settings.sources, *more)})
    metrics = folder / "metrics.om"
    metrics.write_text(f"# TYPE ALERTS gauge\n{_fired()}{metrics.read_text()}")
    jira = {"jira_url": "https://jira.example", "jira_user": "a@example.com", "jira_project": "OPS"}
    return settings.model_copy(update=jira | {"jira_token": "made up", "requests_per_minute": 9999})


def _fired() -> str:
    """An alert of the bad night: without one, there is nothing to brief anybody about."""
    began = int(small_company.FIRST.replace(hour=2, minute=12).timestamp())
    labels = 'alertname="CheckoutSlow",alertstate="firing",service="checkout",region="eu-west"'
    return "".join(f"ALERTS{{{labels}}} 1 {at}\n" for at in range(began, began + 2400, 60))


def _forbidden(root: Path) -> Path:
    said = {"type": "message", "user": "U1", "ts": "1793200000.0001"}
    said["text"] = "quokkabody: ledger holds its locks again, checkout is slow"
    rule = {"alert": "QuokkaLocks", "expr": "quokka_locks > 1", "labels": {"team": "quokkateam"}}
    rule["annotations"] = {"summary": "quokkabody: the lock queue of ledger grows"}
    target = {"expr": 'ledger_lock_queue_length{quokka="quokkalabel"}'}
    panel = {"id": 1, "title": "Quokkapanel: lock queue of ledger", "targets": [target]}
    twin = _TWIN.format(title=" (quokkatitle)", more=" Quokkabody.")
    files = {
        "runbooks/quokkaorigin.md": f"---\n{_FRONT}---\n{twin}",
        "incidents/quokkaorigin.md": _INCIDENT,
        "slack/groups.json": '[{"id": "G1", "name": "sec-response"}]',
        "slack/users.json": '[{"id": "U1", "real_name": "Quokkaauthor"}]',
        "slack/sec-response/2026-10-28.json": json.dumps([said]),
        "dashboards/quokkaorigin.json": json.dumps(
            {"uid": "quokkauid", "title": "Quokkatitle of ledger", "panels": [panel]}
        ),
        "alerts/quokkaorigin.yaml": json.dumps(
            {"groups": [{"name": "quokkagroup", "rules": [rule]}]}
        ),
        "glossary/quokkaorigin.md": "**quokkaterm** - what ledger's locks are called; quokkabody\n",
    }
    return write(root, files)  # type: ignore[arg-type]


def marked(text: str) -> set[str]:
    """The words that only forbidden documents have."""
    return set(re.findall(rf"\w*{MARKER}\w*", text.lower()))


def steady(text: str) -> str:
    """An answer without what is another with every request: ids, moments of the clock, durations;
    and numbers to five digits, since sums of floats differ in the last."""
    for pattern, told in _VOLATILE:
        text = pattern.sub(told, text)
    return re.sub(r"-?\d+\.\d{6,}", lambda found: f"{float(found[0]):.5f}", text)


_VOLATILE = tuple(
    (re.compile(pattern), told)
    for pattern, told in (
        (r"\b[a-z]{1,3}_[0-9a-z]{26}\b", "ID"),
        (r'"request_id":\s*"[^"]*"', '"request_id":""'),
        (r'"(age_seconds|seconds|milliseconds)":\s*[^,}]+', r'"\1":0'),
        (r'"(created_at|updated_at|finished_at|at)":\s*"2[^"]*"', r'"\1":""'),
        (r"\b\d+ ms\b", "0 ms"),
        (r"\bin \d+\.\d s\b", "in 0.0 s"),
    )
)
