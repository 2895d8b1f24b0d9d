"""Fixtures that are dear to build and safe to share."""

import hypothesis
import pytest

from service.settings import Settings
from tests.company import ingest, settings_in

# No deadline: machines are shared. The same examples every time: a red run can be repeated.
hypothesis.settings.register_profile("why", deadline=None, derandomize=True)
hypothesis.settings.load_profile("why")


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The sample company, ingested with the packaged model. Read only."""
    settings = settings_in(tmp_path_factory.mktemp("company"))
    report = ingest(settings)
    assert report.problems == ()
    return settings
