"""A PostgreSQL of one's own: Debian's, on loopback, in a temporary folder, not as root."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

PASSWORD = "not-to-be-shown"  # noqa: S105
_USER = "postgres"
_NUMBERS = count()


class Postgres:
    """A server on loopback. ``url`` names its maintenance database."""

    def __init__(self, port: int, command: list[str | Path]) -> None:
        self._port = port
        self._command = command
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, over what is there, until it answers."""
        quiet = subprocess.DEVNULL
        self._server = subprocess.Popen(self._command, stdout=quiet, stderr=quiet, cwd="/")
        _wait_for(self, self._server)

    def stop(self) -> None:
        """Away at once, with every connection, and back as after a crash."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)  # "immediate"
            self._server.wait(timeout=30)
            self._server = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://why:{PASSWORD}@127.0.0.1:{self._port}/{database}"

    def create(self) -> str:
        """The URL of a new database."""
        name = f"why_{next(_NUMBERS)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


def binaries() -> Path | None:
    """Where Debian keeps PostgreSQL's programs (not on the path), or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def running(programs: Path) -> Iterator[Postgres]:
    """A server for as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="why-postgres-"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        as_user: list[str] = []
        if os.getuid() == 0:  # which PostgreSQL refuses to run as
            shutil.chown(folder, _USER)
            shutil.chown(secret, _USER)
            as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
        data = folder / "data"
        subprocess.run(
            [
                *(*as_user, programs / "initdb", "-D", data, "-U", "why", f"--pwfile={secret}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*as_user, programs / "postgres", "-D", data, *options]
        postgres = Postgres(port, command)
        try:
            postgres.start()
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(postgres: Postgres, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "postgres ended"
        try:
            psycopg.connect(postgres.url(), connect_timeout=1).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("postgres does not answer")
