"""What the faults are done to."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ingest.index.conftest import directory

__all__ = ["directory"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Size in MiB → a disk of its own."""
    with ExitStack() as mounted:

        def mount(size: int) -> Path:
            disk = tmp_path / "disk"
            disk.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(disk)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("mounting is not allowed here")
            mounted.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=True)
            return disk

        yield mount
