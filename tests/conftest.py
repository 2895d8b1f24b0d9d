"""Fixtures that are dear to build and safe to share."""

import pytest

from service.settings import Settings
from tests.company import ingest, settings_in


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The sample company, ingested with the packaged model. Read only."""
    settings = settings_in(tmp_path_factory.mktemp("company"))
    report = ingest(settings)
    assert report.problems == ()
    return settings
