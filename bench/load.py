"""Concurrent users: a closed loop on loopback against ``why serve`` in a process of its own.

Each client sends its next request when the last one was answered: three searches, then a question.
An answer that says that something did not come in time is counted, too: it is no error, but worse
than the one that a single client gets.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import httpx

from bench.sample import QUESTION, environment_of
from bench.tables import percentiles, table
from service.settings import Settings

CLIENTS = (1, 2, 4, 8, 16, 32)
_LEAST = 32
"""Requests at every number of clients, at least …"""
_EACH = 4
"""… and of every client: three searches and a question."""
_TIMEOUT = 120.0
_SEARCHES = ("checkout quota exhausted", "redis clients never closed", "certificate expired")
_LATE = "no answer within"
_ENVIRONMENT = {"WHY_LOG_LEVEL": "error", "WHY_REQUESTS_PER_MINUTE": "1000000"}


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The address of a server that asks for no keys."""
    process = subprocess.Popen(  # noqa: S603 - our own command
        [str(Path(sys.executable).with_name("why")), "serve", "--open-access", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment_of(settings) | _ENVIRONMENT,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - for the type
        for line in process.stdout:
            if found := re.search(r"http://\S+:\d+", line):
                yield found.group()
                return
        raise SystemExit("why serve did not start: see above")
    finally:
        process.terminate()
        process.wait(timeout=60)


def load_table(settings: Settings) -> str:
    """Throughput and latency by the number of clients."""
    with serving(settings) as address:
        return asyncio.run(_measured(address))


async def _measured(address: str) -> str:
    rows = []
    async with httpx.AsyncClient(
        base_url=address, timeout=_TIMEOUT, limits=httpx.Limits(max_connections=max(CLIENTS))
    ) as http:
        await _client(http, 0, _EACH)  # warm
        for clients in CLIENTS:
            each = max(_EACH, _LEAST // clients)
            began = perf_counter()
            done = await asyncio.gather(*(_client(http, n, each) for n in range(clients)))
            seconds = perf_counter() - began
            found = [one for answers in done for one in answers]
            cells = [
                " / ".join(f"{value:.0f}" for value in percentiles(times, 50, 95, 99))
                for kind in ("search", "ask")
                if (times := [took for which, took, _ in found if which == kind])
            ]
            rows.append(
                (
                    str(clients),
                    str(len(found)),
                    f"{len(found) / seconds:.1f}",
                    *cells,
                    str(sum(outcome == "error" for *_, outcome in found)),
                    str(sum(outcome == "late" for *_, outcome in found)),
                )
            )
    head = (
        "clients",
        "requests",
        "requests/s",
        "search p50 / p95 / p99 ms",
        "question p50 / p95 / p99 ms",
        "errors",
        "cut short",
    )
    return (
        table(head, rows) + "\n\nThree searches, each in words of its own, to a question, which is "
        "everybody's same; client and server share the cores."
    )


async def _client(http: httpx.AsyncClient, number: int, each: int) -> list[tuple[str, float, str]]:
    """What was asked, seconds, and how it went, of each request."""
    done = []
    for turn in range(number, number + each):
        asks = turn % _EACH == _EACH - 1
        path, body = (
            ("/v1/ask", {"question": QUESTION})
            if asks
            # Words of its own each: the server remembers the vectors of what it was asked.
            else ("/v1/search", {"text": f"{_SEARCHES[turn % len(_SEARCHES)]} {number} {turn}"})
        )
        began = perf_counter()
        try:
            reply = await http.post(path, json=body)
            outcome = "error" if reply.is_error else "late" if _LATE in reply.text else "ok"
        except httpx.HTTPError:
            outcome = "error"
        done.append(("ask" if asks else "search", perf_counter() - began, outcome))
    return done
