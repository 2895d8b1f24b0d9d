"""Examples for OpenAPI: what operations are sent, and what they answer besides JSON.

Requests are the sample company's; ``example_answers`` has the JSON.
"""

from __future__ import annotations

from fastapi import Body

REPORT_ID = "r_01kaxk2v6n3c4t8q5w9y7z0abd"
JOB_ID = "j_01kaxk2v6n3c4t8q5w9y7z0abd"
ITEM_ID = "k_01kaxk2v6n3c4t8q5w9y7z0abd"
PROPOSAL_ID = "a_01kaxk2v6n3c4t8q5w9y7z0abd"
_EVENT_NAMES = [
    "scope",
    "passages",
    "signals",
    "causes",
    "citation",
    "text",
    "done",
    "error",
]
_EVENTS = """\
event: scope
data: {"event":"scope","scope":{"window":{"start":"2026-11-11T18:00:00Z","end":"2026-11-12T07:30:00Z"},"reason":"last night","as_of":"2026-11-12T07:30:00Z","services":["checkout"],"regions":[],"customers":[]}}

event: text
data: {"event":"text","section":"summary","text":"Most likely quota: …","citations":[1]}

event: done
data: {"id":"r_01kaxk2v6n3c4t8q5w9y7z0abd","kind":"report","outcome":"causes","url":"/v1/reports/r_01kaxk2v6n3c4t8q5w9y7z0abd"}

"""  # noqa: E501 - an event is one line
QUESTIONS = Body(
    openapi_examples={
        "why": {
            "summary": "Why did something fail?",
            "value": {"question": "Why did checkout fail last night?"},
        },
        "window": {
            "summary": "In a window, as it was known then",
            "value": {
                "question": "What happened?",
                "since": "2026-11-12T01:30:00Z",
                "until": "2026-11-12T03:30:00Z",
                "as_of": "2026-11-12T04:00:00Z",
            },
        },
    }
)
ASKED = {
    "content": {
        # As OpenAPI 3.2 describes a stream, event by event; FastAPI does the same in 3.1.
        "text/event-stream": {
            "itemSchema": {
                "type": "object",
                "description": "`scope`, `passages`, `signals` and `causes` while it is looked "
                "into, then `citation` and `text` for each verified sentence, then `done`, or "
                "`error` with a problem. Lines that begin with a colon keep the connection alive.",
                "properties": {
                    "event": {"enum": _EVENT_NAMES},
                    "data": {"type": "string", "contentMediaType": "application/json"},
                },
                "required": ["event", "data"],
            },
            "example": _EVENTS,
        },
    }
}
REPORT = {
    "content": {
        "text/markdown": {
            "schema": {"type": "string"},
            "example": "# Why did checkout fail last night?\n\n- Most likely quota: … [1]\n",
        },
    }
}
CHART = {
    "description": "The chart, drawn.",
    "content": {"image/svg+xml": {"schema": {"type": "string"}, "example": "<svg …"}},
}
FEEDBACK = Body(
    openapi_examples={
        "useful": {"summary": "It was of use", "value": {"verdict": "up"}},
        "confirmed": {
            "summary": "This was the cause",
            "value": {"verdict": "confirm", "component": "quota", "note": "rolled back at 03:08"},
        },
    }
)
SEARCH = Body(
    openapi_examples={
        "incidents": {
            "summary": "Past incidents",
            "value": {"text": "redis clients never closed", "kinds": ["incidents"], "limit": 3},
        }
    }
)
CHARTS = Body(
    openapi_examples={
        "percentile": {
            "summary": "A percentile by region",
            "value": {"question": "checkout latency p99 by region last night"},
        }
    }
)
NEW_INCIDENT = Body(
    openapi_examples={
        "report": {
            "summary": "What happened, and why",
            "value": {
                "title": "Quota leaks file descriptors",
                "text": "Checkout failed in eu-west after quota 4.12.0 was deployed.",
                "incident_id": "INC-2026-051",
                "severity": "SEV-2",
                "started": "2026-11-12T01:40:00Z",
                "resolved": "2026-11-12T03:20:00Z",
                "services": ["quota", "checkout"],
                "regions": ["eu-west"],
                "component": "quota",
                "cause": "Quota 4.12.0 never closes the connections that it opens.",
                "confirmed": True,
            },
        }
    }
)
NEW_PAGE = Body(
    openapi_examples={
        "runbook": {
            "summary": "A runbook",
            "value": {
                "text": "# Restart quota\n\nRestart one pod at a time and wait for `/readyz`.",
                "services": ["quota"],
                "alerts": ["QuotaDescriptorsHigh"],
            },
        }
    }
)
BRIEFING = {
    "content": {
        "text/markdown": {"schema": {"type": "string"}, "example": "# Morning briefing …\n"},
        "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>…"},
    }
}
ALERT_GROUPS = Body(
    openapi_examples={
        "firing": {
            "summary": "A group that fires",
            "value": {
                "version": "4",
                "groupKey": '{}:{alertname="CheckoutLatencyHigh"}',
                "truncatedAlerts": 0,
                "status": "firing",
                "receiver": "why",
                "groupLabels": {"alertname": "CheckoutLatencyHigh"},
                "commonLabels": {
                    "alertname": "CheckoutLatencyHigh",
                    "service": "checkout",
                    "region": "eu-west",
                },
                "commonAnnotations": {},
                "externalURL": "http://alertmanager:9093",
                "alerts": [
                    {
                        "status": "firing",
                        "labels": {
                            "alertname": "CheckoutLatencyHigh",
                            "service": "checkout",
                            "region": "eu-west",
                        },
                        "annotations": {},
                        "startsAt": "2026-11-12T01:53:00Z",
                        "endsAt": "0001-01-01T00:00:00Z",
                        "generatorURL": "http://prometheus:9090/graph",
                        "fingerprint": "c6eadffa33fcdf37",
                    }
                ],
            },
        }
    }
)
PROPOSE = Body(
    openapi_examples={
        "issue": {
            "summary": "A Jira issue",
            "value": {"kind": "jira", "report_id": REPORT_ID},
        }
    }
)
REJECT = Body(openapi_examples={"known": {"summary": "Why not", "value": {"reason": "known"}}})
NOT_READY = {"description": "Something that answers can't do without is missing."}
FIGURES = {
    "description": "In Prometheus' text format.",
    "content": {
        "text/plain": {
            "schema": {"type": "string"},
            "example": "# TYPE why_questions_total counter\n"
            'why_questions_total{kind="report",outcome="causes",surface="http"} 12.0\n',
        }
    },
}
