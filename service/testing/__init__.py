"""Stand-ins for the services that Why talks to, for its tests and for those who build on it."""

from service.testing.grafana import FakeGrafana

__all__ = ["FakeGrafana"]
