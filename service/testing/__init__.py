"""Stand-ins for the services that Why talks to, for its tests and for those who build on it."""

from service.testing.grafana import FakeGrafana
from service.testing.llm import ScriptedModel
from service.testing.llm_server import ScriptedServer

__all__ = ["FakeGrafana", "ScriptedModel", "ScriptedServer"]
