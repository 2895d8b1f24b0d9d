"""Examples for OpenAPI: the JSON that operations answer, cut to what shows its shape."""

from __future__ import annotations

from typing import Any

from service.fleet import FleetPolicy
from service.surfaces.http.examples import ITEM_ID, JOB_ID, PROPOSAL_ID, REPORT_ID

_ASKED_AT = "2026-11-12T07:30:00Z"
_WINDOW = {"start": "2026-11-11T18:00:00Z", "end": _ASKED_AT}
_CITATION = {
    "type": "change",
    "number": 1,
    "verified": True,
    "at": "2026-11-12T01:37:00Z",
    "until": None,
    "text": "Deploy quota 4.12.0 (eu-west)",
    "tags": ["deploy", "quota"],
    "url": None,
}
_HEAD = {
    "id": REPORT_ID,
    "kind": "report",
    "question": "Why did checkout fail last night?",
    "surface": "http",
    "asked_by": "key:oncall",
    "audience": ["everyone"],
    "created_at": "2026-11-12T07:30:01Z",
    "after": None,
}
_REPORT = {
    **_HEAD,
    "answer": {
        "schema_version": 1,
        "question": "Why did checkout fail last night?",
        "intent": "why",
        "asked_at": _ASKED_AT,
        "scope": {
            "window": _WINDOW,
            "reason": "last night",
            "as_of": _ASKED_AT,
            "services": ["checkout"],
            "regions": [],
            "customers": [],
        },
        "outcome": "causes",
        "summary": [
            {
                "text": "Most likely quota: “Deploy quota 4.12.0 (eu-west)” at 01:37.",
                "citations": [1],
            }
        ],
        "causes": [
            {
                "rank": 1,
                "component": "quota",
                "region": "eu-west",
                "score": 0.82,
                "parts": {"metrics": 0.3, "onset": 0.2, "change": 0.26, "knowledge": 0.07},
                "confidence": 0.6,
                "kinds": ["memory", "latency", "saturation"],
                "accounted": None,
                "evidence": [
                    {"text": "“Deploy quota 4.12.0 (eu-west)” at 01:37.", "citations": [1]}
                ],
                "against": [],
                "next_check": None,
                "runbook": None,
            }
        ],
        "impact": {
            "services": ["checkout"],
            "regions": ["eu-west"],
            "customers": [],
            "claims": [],
        },
        "timeline": [{"text": "01:37 “Deploy quota 4.12.0 (eu-west)”", "citations": [1]}],
        "charts": [],
        "also_seen": [],
        "not_seen": [],
        "related": [],
        "citations": [_CITATION],
        "dropped_claims": 0,
        "writer": "extractive",
        "calls": [],
        "timings": [{"phase": "metrics", "milliseconds": 522.0}],
    },
    "url": f"/v1/reports/{REPORT_ID}",
}
_QUERY = {
    "question": "checkout latency p99 by region last night",
    "query": "histogram_quantile(0.99, sum by (le, region) "
    '(rate(http_request_duration_seconds_bucket{service="checkout"}[5m])))',
    "title": "Checkout latency p99 by region",
    "unit": "s",
    "origin": "panel",
    "document_id": "dashboards/checkout-overview#2",
    "document": "Checkout overview",
    "url": None,
    "assumed": [],
    "unmet": [],
    "window": _WINDOW,
    "window_reason": "last night",
    "step": "PT5M",
    "series": [
        {
            "labels": {"region": "eu-west"},
            "points": [{"at": "2026-11-12T02:28:00Z", "value": 3.25}],
        }
    ],
    "series_found": 1,
    "asked": True,
    "link": None,
    "considered": [],
    "reason": None,
    "nearest": [],
    "missing": [],
    "calls": [],
}
_ITEM = {
    "id": ITEM_ID,
    "document_id": "added-incidents/quota-leaks-descriptors-1f3a9c2e.md",
    "kind": "incidents",
    "title": "Quota leaks file descriptors",
    "url": None,
    "audience": ["everyone"],
    "provenance": "added by key:oncall at 2026-11-12T09:00:00Z",
    "created_by": "key:oncall",
    "created_at": "2026-11-12T09:00:00Z",
    "updated_at": "2026-11-12T09:00:00Z",
}
_PROPOSAL = {
    "id": PROPOSAL_ID,
    "kind": "jira",
    "report_id": REPORT_ID,
    "payload": {"kind": "jira", "project": "OPS", "summary": "quota in eu-west: deploy 4.12.0"},
    "state": "proposed",
    "proposed_by": "key:oncall",
    "proposed_at": "2026-11-12T08:02:00Z",
    "decided_by": None,
    "decided_at": None,
    "result_url": None,
    "error": None,
    "outcome": "Proposed by key:oncall; nothing happens until somebody approves it.",
}
_REPORT_PAGE = {"reports": [_HEAD], "next": "cl8wMWtheGsydjZuM2M0dDhxNXc5eTd6MGFiZA"}
_FOUND = {
    "passages": [
        {
            "rank": 1,
            "document_id": "incidents/inc-2026-031-billing-redis-clients.md",
            "kind": "incidents",
            "title": "INC-2026-031: Auth and checkout slow in us-east",
            "headings": ["Cause"],
            "url": "https://wiki.kestrel.example/incidents/inc-2026-031",
            "written_at": "2026-08-02T10:00:00Z",
            "start": 1210,
            "end": 1280,
            "text": "Billing 2.9.0 opened a new Redis client for every request",
            "relevance": 0.78,
            "score": 1.71,
            "dense": {"rank": 1, "score": 0.62},
            "sparse": {"rank": 1, "score": 14.2},
            "copies": [],
        }
    ],
    "answered": True,
}
_INDEX = {
    "chunks": 474,
    "kinds": {"runbooks": 148, "incidents": 110},
    "sources": {"runbooks": 148, "incidents": 110},
    "model": "all-MiniLM-L6-v2",
    "age_seconds": 412.0,
}
_JOB = {
    "id": JOB_ID,
    "kind": "sync",
    "state": "queued",
    "attempts": 0,
    "last_error": None,
    "created_at": "2026-11-12T07:30:00Z",
    "finished_at": None,
}
_TAKEN = {"report": "queued"}
_SAID = {
    "items": [
        {
            "report_id": REPORT_ID,
            "by": "key:oncall",
            "verdict": "confirm",
            "component": "quota",
            "note": "rolled back at 03:08",
            "at": "2026-11-12T08:01:00Z",
        }
    ],
    "you": "key:oncall",
}
_INCIDENT = {**_ITEM, "page": "---\ncomponent: quota\n---\n# Quota leaks file descriptors\n"}
_ITEMS = {"items": [_ITEM], "next": None}
_DOCUMENT = {
    **_ITEM,
    "document_id": "added-runbooks/restart-quota-77c0e1aa.md",
    "kind": "runbooks",
    "title": "Restart quota",
    "page": "---\nservices: [quota]\n---\n# Restart quota\n",
}
_PROPOSALS = {"kinds": ["jira"], "dry_run": True, "items": [_PROPOSAL]}
_READINESS = {
    "ready": True,
    "dependencies": [
        {"name": "index", "ok": True, "needed": True},
        {"name": "metrics", "ok": False, "needed": False},
        {"name": "database", "ok": True, "needed": True},
    ],
}
_ALERT = {
    "type": "alert",
    "number": 1,
    "verified": True,
    "name": "GpuThermalThrottling",
    "labels": {"node": "gpu-eu-07", "region": "eu-west"},
    "started": "2026-11-12T00:54:00Z",
    "ended": "2026-11-12T01:22:00Z",
    "url": None,
}
_HOT = {"text": "GpuThermalThrottling fired for gpu-eu-07 at 00:54.", "citations": [1]}
_FLEET = {
    "schema_version": 1,
    "question": "What needs maintenance?",
    "asked_at": _ASKED_AT,
    "window": _WINDOW,
    "reason": "last night",
    "outcome": "needs_work",
    "rows": [
        {
            "rank": 1,
            "kind": "node",
            "name": "gpu-eu-07",
            "cluster": "eu-west-a",
            "region": "eu-west",
            "score": 2.0,
            "parts": [{"concern": "heat", "points": 2.0}],
            "reasons": [{"concern": "heat", "points": 2.0, "is_open": False, "claim": _HOT}],
            "next_check": None,
        }
    ],
    "well": ["gpu-eu-08"],
    "citations": [_ALERT],
    "not_seen": [],
    "dropped_claims": 0,
    "policy": FleetPolicy().model_dump(mode="json"),
}
_RUNS = {
    "schema_version": 1,
    "question": "Is run aurelia-70b-ft-12 healthy?",
    "asked_at": _ASKED_AT,
    "window": _WINDOW,
    "reason": "last night",
    "runs": [
        {
            "name": "aurelia-70b-ft-12",
            "clusters": ["eu-west-a"],
            "verdict": "degraded",
            "problems": [_HOT],
            "state": [],
            "over": [],
        }
    ],
    "visible": ["aurelia-70b-ft-12"],
    "citations": [_ALERT],
    "not_seen": [],
    "dropped_claims": 0,
}
_BRIEFING = {
    "schema_version": 1,
    "date": "2026-11-12",
    "zone": "Europe/Berlin",
    "window": _WINDOW,
    "asked_at": _ASKED_AT,
    "audience": ["everyone"],
    "outcome": "quiet",
    "headline": {
        "text": "A quiet night: everything could be seen, and nothing went wrong.",
        "citations": [],
    },
    "lead": [],
    "incidents": [],
    "also_seen": [_HOT],
    "risks": [],
    "compared": {"date": None, "changes": [], "note": None},
    "not_seen": [],
    "citations": [_ALERT],
    "dropped_claims": 0,
    "timings": [{"phase": "metrics", "milliseconds": 410.0}],
}
_PASSAGE = {
    "document_id": "incidents/inc-2026-031-billing-redis-clients.md",
    "chunk_id": "5b0f2f5c-6b1e-5f43-9f0a-8d9d0a3c7e11",
    "revision": "9c1f0e7a",
    "kind": "incidents",
    "title": "INC-2026-031: Auth and checkout slow in us-east",
    "headings": ["Cause"],
    "url": "https://wiki.kestrel.example/incidents/inc-2026-031",
    "written_at": "2026-08-02T10:00:00Z",
    "start": 1210,
    "end": 1267,
    "text": "Billing 2.9.0 opened a new Redis client for every request",
}
ANSWERS: dict[str, Any] = {
    "ask": _REPORT,
    "list_reports": _REPORT_PAGE,
    "get_report": _REPORT,
    "list_feedback": _SAID,
    "give_feedback": {"entry": _SAID["items"][0], "record": ITEM_ID},
    "search": _FOUND,
    "get_index": _INDEX,
    "get_passage": _PASSAGE,
    "promql": _QUERY,
    "get_briefing": _BRIEFING,
    "get_fleet": _FLEET,
    "get_runs": _RUNS,
    "create_incident": _INCIDENT,
    "get_incident": _INCIDENT,
    "replace_incident": _INCIDENT,
    "list_incidents": _ITEMS,
    "create_document": _DOCUMENT,
    "get_document": _DOCUMENT,
    "replace_document": _DOCUMENT,
    "list_documents": _ITEMS,
    "take_alertmanager": _TAKEN,
    "take_grafana": _TAKEN,
    "list_proposals": _PROPOSALS,
    "create_proposal": _PROPOSAL,
    "get_proposal": _PROPOSAL,
    "approve_proposal": _PROPOSAL,
    "reject_proposal": _PROPOSAL,
    "sync": _JOB,
    "get_job": _JOB,
    "get_readiness": _READINESS,
}
"""The JSON that each operation answers, by its id. Put into the description at the end, since
FastAPI takes every null out of the examples that it is given."""
