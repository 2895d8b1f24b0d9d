"""How soon Slack has its answer while questions are being answered: ``python -m bench.slack_ack``.

Slack waits three seconds. Here it sends commands over HTTP on loopback, so many at a time, to a
server that answers the questions of earlier ones in the same process meanwhile, and has answered
one before: the sample company, its index, the queue in SQLite, the worker. Time is from sending to
the whole reply. What Slack itself and the network add is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx
import numpy as np
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from service.desk import Desk
from service.settings import Settings, load_settings
from service.store import Database, JobState
from service.surfaces.slack import open_slack
from service.testing.loopback import on_loopback
from service.testing.slack import FakeSlack
from service.testing.slack_requests import Sent, SlackRequests
from service.worker import Worker
from service.workspace import open_workspace

LIMIT = 3.0
"""Seconds that Slack waits."""
TOKEN, SECRET = "xoxb-bench", "the-signing-secret-of-the-bench"
DATA = Path(__file__).parents[1] / "data"
USER, CHANNEL = "U05A4TIBA04", "C05C3CHECK3"


async def measure(settings: Settings, commands: int, at_once: int) -> bool:
    """Send the commands, and print how long each waited. Whether all were in time."""
    slack = FakeSlack(token=TOKEN)
    slack.load(DATA / "slack")
    async with AsyncExitStack() as stack:
        slack.address = stack.enter_context(on_loopback(slack))
        settings = settings.model_copy(
            update={
                "slack_bot_token": SecretStr(TOKEN),
                "slack_signing_secret": SecretStr(SECRET),
                "slack_api_url": f"{slack.address}/api/",
            }
        )
        database = await stack.enter_async_context(await Database.open(settings))
        workspace = await stack.enter_async_context(open_workspace(settings, database=database))
        print("index:", (await workspace.sync()).chunks_embedded, "chunks embedded")
        surface = await stack.enter_async_context(open_slack(settings, Desk(workspace, database)))
        config = uvicorn.Config(
            Starlette(routes=[surface.route] if surface.route is not None else []),
            host="127.0.0.1",
            port=0,
            log_level="error",
            lifespan="off",
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        worker = Worker(database.jobs, surface.handlers, concurrency=load_settings().job_workers)
        worker.start()
        requests = SlackRequests(slack, SECRET)
        first, *questions = [
            requests.command(f"did checkout fail last night, {number}", USER, CHANNEL)
            for number in range(commands + 1)
        ]
        url = f"http://127.0.0.1:{port}/slack/events"
        # In a thread with a loop of its own: the client must not wait for the server's.
        await asyncio.to_thread(_send_all, url, [first], 1)
        while not (await database.jobs.counts())[JobState.DONE]:  # noqa: ASYNC110 - nor the queue
            await asyncio.sleep(0.1)
        took = await asyncio.to_thread(_send_all, url, questions, at_once)
        counts = await database.jobs.counts()
        await worker.stop()
        server.should_exit = True
        await serving
    p50, p95, p99 = np.percentile(took, (50, 95, 99))
    print(f"{commands} commands, {at_once} at a time")
    done, running = counts[JobState.DONE] - 1, counts[JobState.RUNNING]
    print(f"meanwhile {done} questions were answered, and {running} were under way at the end")
    print(f"seconds: p50 {p50:.3f} · p95 {p95:.3f} · p99 {p99:.3f} · max {max(took):.3f}")
    return max(took) < LIMIT


def _send_all(url: str, questions: list[Sent], at_once: int) -> list[float]:
    async def run() -> list[float]:
        slots = asyncio.Semaphore(at_once)
        limits = httpx.Limits(max_connections=at_once)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:

            async def send(sent: Sent) -> float:
                async with slots:
                    began = perf_counter()
                    reply = await client.post(url, content=sent.body, headers=sent.headers)
                    took = perf_counter() - began
                reply.raise_for_status()
                return took

            return list(await asyncio.gather(*(send(sent) for sent in questions)))

    return asyncio.run(run())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=20)
    arguments = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        places = {"index_dir": folder / "index", "database_file": folder / "why.db"}
        settings = load_settings(DATA / "why.toml").model_copy(update=places)
        in_time = asyncio.run(measure(settings, arguments.commands, arguments.at_once))
    raise SystemExit(0 if in_time else f"Slack waits {LIMIT:g} s at most")


if __name__ == "__main__":
    main()
