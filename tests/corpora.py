"""Where the shared corpora lie, for the tests that run on real text.

They are not part of the repository; ``WHY_SHARED_DATA`` names their folder, and a test that
needs them is skipped where they are absent.
"""

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(
    os.environ.get("WHY_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")
).resolve()

needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the shared corpora are not on this machine"
)
