"""Fixtures that are dear to build and safe to share."""

import os

import hypothesis
import pytest
from filelock import FileLock

from service.settings import Settings
from tests.company import ingest, load_vectors, save_vectors, settings_in

# No deadline: machines are shared. The same examples every time: a red run can be repeated.
hypothesis.settings.register_profile("why", deadline=None, derandomize=True)
hypothesis.settings.load_profile("why")


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The sample company, ingested with the packaged model. Read only."""
    settings = settings_in(tmp_path_factory.mktemp("company"))
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / "vectors.lock"):  # of two workers the second embeds nothing
        load_vectors(shared / "vectors.npz")
        report = ingest(settings)
        save_vectors(shared / "vectors.npz")
    assert report.problems == ()
    return settings
