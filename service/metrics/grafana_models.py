"""What Grafana's HTTP API answers, as far as it is read; names are Grafana's.

``service.metrics.grafana_api`` lists which document each shape was checked against.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from service.metrics.grafana_frames import Frame


class Health(BaseModel):
    version: str = ""
    database: str = ""


class DataSource(BaseModel):
    uid: str = ""
    name: str = ""
    type: str = ""
    isDefault: bool = False  # noqa: N815 - Grafana's spelling


class FrontendSettings(BaseModel):
    appUrl: str = ""  # noqa: N815
    datasources: dict[str, DataSource] = {}
    defaultDatasource: str = ""  # noqa: N815


class Hit(BaseModel):
    uid: str
    title: str = ""
    url: str = ""
    tags: list[str] = []
    folderTitle: str = ""  # noqa: N815


class DashboardMeta(BaseModel):
    version: int = 0
    updated: datetime | None = None
    folderTitle: str = ""  # noqa: N815


class Dashboard(BaseModel):
    """``dashboard`` is the JSON model as Grafana stores it."""

    dashboard: dict[str, Any]
    meta: DashboardMeta = DashboardMeta()


class Folder(BaseModel):
    uid: str
    title: str = ""


class Saved(BaseModel):
    """A stored dashboard."""

    uid: str
    version: int = 0


class ActiveAlert(BaseModel):
    labels: dict[str, str] = {}
    state: str = ""
    activeAt: datetime | None = None  # noqa: N815


class ManagedRule(BaseModel):
    name: str = ""
    labels: dict[str, str] | None = None
    alerts: list[ActiveAlert] | None = None


class RuleGroup(BaseModel):
    rules: list[ManagedRule] | None = None


class RuleGroups(BaseModel):
    groups: list[RuleGroup] = []


class RuleAnswer(BaseModel):
    data: RuleGroups


class QueryResult(BaseModel):
    status: int = 200
    error: str = ""
    frames: list[Frame] | None = None


class QueryAnswer(BaseModel):
    results: dict[str, QueryResult]
