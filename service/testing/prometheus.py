"""A real Prometheus (Debian's package `prometheus`), backfilled with samples of the past."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

_READY_SECONDS = 60.0
_STOP_SECONDS = 10.0
_LOG_SHOWN = 500


class PrometheusMissing(Exception):
    """Its programs are not installed; the message says how to install them."""


class PrometheusFailed(Exception):
    """It did not take the samples, or did not start; the message holds what it said."""


@contextmanager
def backfilled_prometheus(
    openmetrics: Path, *, lookback: timedelta = timedelta(minutes=5)
) -> Iterator[str]:
    """The address of a server that holds the samples of an OpenMetrics file, until the block ends.

    ``lookback`` is how long a sample counts as the current one (Prometheus's own default). Its
    data lies in a temporary folder. Raises: PrometheusMissing, PrometheusFailed.
    """
    prometheus, promtool = _program("prometheus"), _program("promtool")
    with TemporaryDirectory(prefix="why-prometheus-") as scratch:
        folder = Path(scratch)
        backfill = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        # What is run is found on PATH, and its arguments are our own files.
        loaded = subprocess.run(  # noqa: S603
            [*backfill, openmetrics, folder / "blocks"], capture_output=True, check=False
        )
        if loaded.returncode:
            reason = loaded.stderr.decode(errors="replace").strip()[-_LOG_SHOWN:]
            raise PrometheusFailed(f"promtool could not load {openmetrics}: {reason}")
        (folder / "prometheus.yml").write_text("global: {}\n")
        address = f"127.0.0.1:{free_port()}"
        log = folder / "prometheus.log"
        with log.open("wb") as output:
            server = subprocess.Popen(  # noqa: S603
                [
                    prometheus,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'blocks'}",
                    # It counts from the newest block, and the default would drop old samples.
                    "--storage.tsdb.retention.time=100y",
                    f"--query.lookback-delta={int(lookback.total_seconds() * 1000)}ms",
                    f"--web.listen-address={address}",
                    "--log.level=warn",
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait_until_ready(f"http://{address}", server, log)
            yield f"http://{address}"
        finally:
            server.terminate()
            try:
                server.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise PrometheusMissing(
            f"{name} is not installed; it is in Debian's package `prometheus` "
            "(apt-get install prometheus)"
        )
    return path


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/-/ready", timeout=1.0, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    said = log.read_text(errors="replace").strip()[-_LOG_SHOWN:]
    raise PrometheusFailed(f"prometheus did not become ready: {said}")
