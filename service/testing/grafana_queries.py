"""``POST /api/ds/query`` of the fake Grafana: PromQL to the real Prometheus, answers as frames."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx

_MOST_POINTS = 11_000


async def answer_queries(
    client: httpx.AsyncClient, prometheus_url: str, body: bytes, uids: set[str]
) -> tuple[int, dict[str, Any]]:
    """HTTP status and body. As Grafana's: 400 if any query failed, with the others' results."""
    try:
        asked = json.loads(body)
        start, end = int(asked["from"]) / 1000, int(asked["to"]) / 1000
        queries = asked["queries"]
    except (ValueError, KeyError, TypeError):
        return 400, {"message": "bad request data"}
    if not queries:
        return 400, {"message": "No queries found in query"}
    results: dict[str, Any] = {}
    for query in queries:
        ref = query.get("refId", "A")
        if query.get("datasource", {}).get("uid") not in uids:
            return 404, {"message": "Data source not found"}
        step = max(query["intervalMs"] / 1000, math.ceil((end - start) / _MOST_POINTS))
        reply = await client.post(
            f"{prometheus_url}/api/v1/query_range",
            data={
                "query": query["expr"],
                # Grafana aligns both to multiples of the step.
                "start": str(start // step * step),
                "end": str(end // step * step),
                "step": str(step),
            },
        )
        answer = reply.json()
        if answer["status"] == "success":
            frames = [_frame(ref, row) for row in answer["data"]["result"]]
            results[ref] = {"status": 200, "frames": frames}
        else:
            error = f"{answer['errorType']}: {answer['error']}"
            results[ref] = {"status": reply.status_code, "error": error, "frames": []}
    failed = any("error" in result for result in results.values())
    return (400 if failed else 200), {"results": results}


def _frame(ref: str, row: dict[str, Any]) -> dict[str, Any]:
    times = [round(float(time) * 1000) for time, _ in row["values"]]
    values = [float(value) for _, value in row["values"]]
    entities = {
        name: places
        for name, is_one in (
            ("NaN", math.isnan),
            ("Inf", lambda value: value == math.inf),
            ("NegInf", lambda value: value == -math.inf),
        )
        if (places := [place for place, value in enumerate(values) if is_one(value)])
    }
    data: dict[str, Any] = {
        "values": [times, [value if math.isfinite(value) else None for value in values]]
    }
    if entities:
        data["entities"] = [None, entities]
    return {
        "schema": {
            "refId": ref,
            "meta": {"type": "timeseries-multi"},
            "fields": [
                {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}},
                {
                    "name": "Value",
                    "type": "number",
                    "typeInfo": {"frame": "float64"},
                    "labels": row["metric"],
                },
            ],
        },
        "data": data,
    }
