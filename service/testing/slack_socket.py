"""Slack's side of Socket Mode: a WebSocket that says hello, sends envelopes, and is told which
were acknowledged ("Using Socket Mode": ``hello``, ``envelope_id``, ``retry_attempt``,
``disconnect``)."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

Json = dict[str, Any]


class FakeSocket:
    """One server of envelopes. ``acknowledged``: envelope ids with the payload of their answer."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, Json | None] = {}
        self.address = ""
        self._connected: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()
        self._arrived = asyncio.Condition()
        self._count = itertools.count(1)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeSocket]:
        """Reachable at ``address`` until the block ends."""
        app = web.Application()
        app.router.add_get("/link", self._accept)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            self.address = f"ws://127.0.0.1:{runner.addresses[0][1]}/link"
            yield self
        finally:
            await runner.cleanup()

    async def connection(self) -> web.WebSocketResponse:
        """The next connection that the app makes."""
        return await self._connected.get()

    async def send(
        self, to: web.WebSocketResponse, kind: str, payload: Json, *, retry: int = 0
    ) -> str:
        """Send an envelope; its id. ``kind``: slash_commands, interactive or events_api."""
        envelope = f"dbdd0ef3-{next(self._count):04d}-a7f1-4fa1-b9ad-be8e0e4a0d8d"
        message: Json = {"envelope_id": envelope, "type": kind, "payload": payload}
        message["accepts_response_payload"] = kind != "events_api"
        if kind == "events_api":
            message |= {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""}
        await to.send_json(message)
        return envelope

    async def acknowledgement(self, envelope: str) -> Json | None:
        """The payload that an envelope was acknowledged with; waits for it."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: envelope in self.acknowledged)
        return self.acknowledged[envelope]

    async def _accept(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1})
        await self._connected.put(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            answer = json.loads(message.data)
            async with self._arrived:
                self.acknowledged[answer["envelope_id"]] = answer.get("payload")
                self._arrived.notify_all()
        return socket
