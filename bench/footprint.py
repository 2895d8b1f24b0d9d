"""Memory, and how soon a fresh process has its first answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from bench.sample import CONFIG, QUESTION, environment_of, scratch_settings
from bench.tables import table
from service.settings import Settings

_RUNS = 5
_MEMORY = """
import asyncio, resource, sys
import psutil
def told(what):
    print(what, psutil.Process().memory_info().rss, sep="\\t")
told("the interpreter")
from service.assembly import moment_of, open_engine
from service.settings import load_settings
told("everything imported that a question needs")
settings = load_settings(None)
now = moment_of(settings)
async def run():
    async with open_engine(settings, as_of=now) as engine:
        told("index and encoder open")
        await engine.ask(sys.argv[1], now=now)
        told("one question answered")
        for _ in range(9):
            await engine.ask(sys.argv[1], now=now)
        told("ten questions answered")
asyncio.run(run())
"""
_INGEST = """
from pathlib import Path
from service.surfaces.cli import app
app(["ingest", "--json"], standalone_mode=False)
# Not getrusage's ru_maxrss: a new process inherits that of the one which started it.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak = int(status["VmHWM"].split()[0]) * 1024
print("ingesting everything, at its peak", peak, sep="\\t")
"""


def memory_table(settings: Settings) -> str:
    """Resident memory of fresh processes, in MB."""
    with TemporaryDirectory(prefix="why-bench-") as scratch:
        told = _told(settings, _MEMORY, QUESTION) + _told(scratch_settings(Path(scratch)), _INGEST)
    return table(
        ("after", "resident MB"), [(what, f"{int(size) / 1e6:.0f}") for what, size in told]
    )


def start_table(settings: Settings) -> str:
    """Wall clock of whole processes, from the shell's side."""
    why = str(Path(sys.executable).with_name("why"))
    commands = {
        "`why --help`": ("--help",),
        "`why ask --help`": ("ask", "--help"),
        "`why search`, its first answer": ("search", "-c", str(CONFIG), "checkout quota"),
        "`why ask`, its first answer": ("ask", "-c", str(CONFIG), QUESTION),
    }
    rows = []
    for name, arguments in commands.items():
        took = []
        for _ in range(_RUNS):
            began = perf_counter()
            subprocess.run(  # noqa: S603 - our own command
                [why, *arguments],
                env=os.environ | environment_of(settings),
                stdout=subprocess.DEVNULL,
                check=True,
            )
            took.append(perf_counter() - began)
        rows.append((name, f"{min(took):.2f}", f"{median(took):.2f}", f"{max(took):.2f}"))
    return table(("command", "least s", "median s", "most s"), rows)


def _told(settings: Settings, code: str, *arguments: str) -> list[tuple[str, str]]:
    printed = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment_of(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if printed.returncode:
        raise SystemExit(printed.stderr)
    pairs = [line.partition("\t") for line in printed.stdout.splitlines()]
    return [(what, size) for what, tab, size in pairs if tab]
