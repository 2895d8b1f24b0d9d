"""Real servers for the tests marked ``real``; skipped where their programs are not installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.testing.prometheus import PrometheusMissing, backfilled_prometheus

NIGHT = Path(__file__).parents[2] / "data" / "night"


@pytest.fixture(scope="session")
def prometheus_night() -> Iterator[str]:
    """The address of a Prometheus that holds the sample night."""
    try:
        with backfilled_prometheus(NIGHT / "metrics.om") as url:
            yield url
    except PrometheusMissing as missing:
        pytest.skip(str(missing))
