"""``why serve``: listen, say where, and go down without dropping what is under way.

On SIGTERM (or Ctrl-C) the server takes no more connections and no more jobs at once; questions
that are being answered are finished, and jobs that are not finished in time go back to the queue
for another server. A second signal waits for nothing. Threads are not waited for: one that reads
from a server that says nothing cannot be stopped, and what it would read is read again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType

import uvicorn

from service.settings import Settings, SettingsError
from service.surfaces.http.app import create_app
from service.telemetry import configure_logging

_GRACE_SECONDS = 10
"""What questions under way may take beyond the settings' deadline when the server goes down."""
_THREADS = "why-thread"
_THREAD_SECONDS = 1.0
"""That a thread may take to end when all else has."""


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal comes. ``announce`` is told once where, when it can be asked.

    Raises: SettingsError, StoreError, IndexFailure.
    """
    configure_logging(settings)
    asyncio.run(_serve(settings, announce))


async def _serve(settings: Settings, announce: Callable[[str], None]) -> None:
    executor = ThreadPoolExecutor(thread_name_prefix=_THREADS)
    asyncio.get_running_loop().set_default_executor(executor)
    app = create_app(settings)
    listener = _listen(settings)
    with listener:
        async with app.router.lifespan_context(app):
            config = uvicorn.Config(
                app,
                lifespan="off",  # run here, so that what goes wrong in it can be told in a line
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=int(settings.deadline) + _GRACE_SECONDS,
            )
            told = welcome(settings, listener.getsockname()[1])
            server = _Server(config, on_start=lambda: announce(told), on_stop=app.state.drain)
            await server.serve(sockets=[listener])
    _leave_threads(executor)


def _leave_threads(executor: ThreadPoolExecutor) -> None:
    """End the process where a thread is stuck: asyncio and Python would wait for it for ever."""
    executor.shutdown(wait=False, cancel_futures=True)
    for thread in threading.enumerate():
        if thread.name.startswith(_THREADS):
            thread.join(_THREAD_SECONDS)
            if thread.is_alive():
                logging.shutdown()
                sys.stdout.flush()
                os._exit(0)


def welcome(settings: Settings, port: int) -> str:
    """Where it listens, and how to be let in."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    how = (
        "Access is open to this machine."
        if settings.open_access
        else "`why keys create NAME` makes a key."
    )
    return f"Why listens on http://{host}:{port}. {how}"


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror}); set "
            "`host` and `port` (0 takes a free one)"
        ) from error


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, *, on_start: Callable[[], None], on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_start = on_start
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own forces the exit for a second Ctrl-C alone.
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal once more when it is done, which would end the process
        # before the database is closed.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
