"""What the faults are done to."""

from tests.ingest.index.conftest import directory

__all__ = ["directory"]
