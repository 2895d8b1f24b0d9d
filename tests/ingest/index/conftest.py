from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.qdrant import Qdrant, running


@pytest.fixture
def directory() -> Iterator[Path]:
    """A fresh directory, in memory where the system has such: the engine syncs very often."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture(scope="session")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qdrant]:
    """One server for all; a test takes a collection of its own."""
    with running(tmp_path_factory.mktemp("qdrant")) as server:
        yield server
