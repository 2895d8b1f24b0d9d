"""``POST /v1/ask``: an answer as JSON, or as it comes, in Server-Sent Events.

A question that nobody waits for any more is given up: the work is cancelled when the client goes.
The stream says something every few seconds, so that no proxy takes it for dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ingest.documents import Frozen
from service.events import Event, OnEvent
from service.store import AnswerKind, StoredReport, Surface
from service.surfaces.http import examples
from service.surfaces.http.answers import Answered, answered, path_of
from service.surfaces.http.auth import Asking
from service.surfaces.http.idempotency import OnceOnly
from service.surfaces.http.problem import ProblemError, reported
from service.surfaces.http.serving import Server, Serving, address_of
from service.surfaces.http.times import Moment
from service.telemetry import outcome_of
from service.workspace import Asked

HEARTBEAT_SECONDS = 5.0
"""The longest silence of a stream."""
_GRACE_SECONDS = 30.0
"""What a question may take beyond the settings' deadline, waiting for its turn included, before it
is given up."""
_STREAM = "text/event-stream"

router = APIRouter(tags=["ask"])
T = TypeVar("T")


class Question(Frozen):
    """What is asked, and of which time."""

    question: str = Field(min_length=1, max_length=2000)
    since: str | None = Field(default=None, max_length=100)
    """As people write times: `02:00`, `2026-11-12T02:00:00Z`, `yesterday`."""
    until: str | None = Field(default=None, max_length=100)
    as_of: Moment | None = None
    """Nothing that was written later is seen. Default: now, or the settings' moment."""

    def asked(self) -> Asked:
        return Asked(text=self.question, since=self.since, until=self.until, as_of=self.as_of)


class AskRequest(Question):
    """A question that may go on from an earlier answer."""

    after: str | None = Field(default=None, max_length=100)
    """Id of the report that it goes on from: "and in us-east?"."""
    stream: bool = False
    """Answer with events; the same as `Accept: text/event-stream`."""


class Done(Frozen):
    """The last event of a stream: the answer is kept, and where."""

    id: str
    kind: AnswerKind
    outcome: str
    url: str


Client = Annotated[
    str,
    Header(
        alias="X-Why-Client",
        max_length=100,
        description="`web`: the question comes from the web page.",
    ),
]


async def _tasks() -> AsyncIterator[list[asyncio.Task[StoredReport]]]:
    """Tasks of this request. Ended with it: after the response, or when the client is gone."""
    tasks: list[asyncio.Task[StoredReport]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@router.post(
    "/v1/ask",
    response_model=Answered,
    summary="Ask a question",
    responses={200: examples.ASKED},
)
async def ask(
    request: Request,
    body: Annotated[AskRequest, examples.QUESTIONS],
    caller: Asking,
    serving: Server,
    once: OnceOnly,
    tasks: Annotated[list[asyncio.Task[StoredReport]], Depends(_tasks)],
    client: Client = "",
) -> Response:
    """A cited report of the likely causes; or a chart, machines, or training runs, where that is
    what the question asks for (`kind` says which)."""

    async def work(on_event: OnEvent | None = None) -> StoredReport:
        limit = serving.settings.deadline + _GRACE_SECONDS
        async with asyncio.timeout(limit), serving.turns:
            return await serving.desk.ask(
                body.asked(),
                caller.reader,
                surface=Surface.WEB if client == "web" else Surface.HTTP,
                after=body.after,
                on_event=on_event,
            )

    if body.stream or _STREAM in request.headers.get("accept", ""):
        if once.wanted:
            raise ProblemError(
                400, "stream_once", "an Idempotency-Key does not go with a stream of events"
            )
        return _streamed(work, tasks, serving)

    async def to_keep() -> Answered:
        return answered(await unless_gone(request, work()), serving)

    return await once(caller, 200, to_keep)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives; it is cancelled when the client goes away.

    Raises: ClientDisconnect, and what ``work`` raises.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    # The body has been read: all that can still come is the end.
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _streamed(
    work: Callable[[OnEvent], Awaitable[StoredReport]],
    tasks: list[asyncio.Task[StoredReport]],
    serving: Serving,
) -> Response:
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(events.put_nowait))
    task.add_done_callback(lambda _: events.put_nowait(None))
    tasks.append(task)
    return EventSourceResponse(
        _events(task, events, serving),
        # A proxy that collects the response before it passes it on would spoil it.
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def _events(
    task: asyncio.Future[StoredReport], events: asyncio.Queue[Event | None], serving: Serving
) -> AsyncIterator[bytes]:
    yield format_sse_event(comment="ok")
    while True:
        event = None
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                event = await events.get()
        except TimeoutError:
            yield format_sse_event(comment="ok")
            continue
        if event is None:
            break
        yield _event(event.event, event)
        await asyncio.sleep(0)  # many may be there at once, and the client be gone
    error = task.exception()
    if isinstance(error, Exception):
        yield _event("error", reported(error))
    else:
        stored = task.result()
        yield _event(
            "done",
            Done(
                id=stored.id,
                kind=stored.kind,
                outcome=outcome_of(stored.answer),
                url=address_of(serving, path_of(stored.id)),
            ),
        )


def _event(name: str, data: Frozen) -> bytes:
    return format_sse_event(event=name, data_str=data.model_dump_json())
