"""An ASGI app on a port of loopback, for clients that speak real HTTP and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

    from service.testing.certificate import Certificate

_START_SECONDS = 10.0
_LOOK_SECONDS = 0.005


class DidNotStart(Exception):
    """The server was not up in time."""


@contextmanager
def on_loopback(app: Any, certificate: Certificate | None = None) -> Iterator[str]:
    """The address (http://127.0.0.1:port) at which the app answers until the block ends.

    With a certificate it is ``https``. It runs in a thread with an event loop of its own.
    Raises: DidNotStart.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="error",
        ws="none",
        ssl_certfile=certificate.file if certificate else None,
        ssl_keyfile=certificate.key if certificate else None,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="on-loopback", daemon=True)
    thread.start()
    try:
        scheme = "https" if certificate else "http"
        yield f"{scheme}://127.0.0.1:{_port_of(server, thread)}"
    finally:
        server.should_exit = True
        thread.join()


def _port_of(server: uvicorn.Server, thread: threading.Thread) -> int:
    waited = threading.Event()
    for _ in range(int(_START_SECONDS / _LOOK_SECONDS)):
        if server.started:
            port: int = server.servers[0].sockets[0].getsockname()[1]
            return port
        if not thread.is_alive():
            break
        waited.wait(_LOOK_SECONDS)
    raise DidNotStart("the app did not start; its lifespan or its import failed")
