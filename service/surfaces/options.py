"""The options that commands share, and what they say together."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from service.settings import Settings, load_settings

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="WHY_CONFIG", help="TOML file with settings."),
]
Since = Annotated[
    str | None, typer.Option(help='Start of the window: a time, "2 hours ago", "last night".')
]
Until = Annotated[str | None, typer.Option(help="End of the window. Default: now.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="Ask as of this moment (ISO 8601): nothing later is seen."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NoLlm = Annotated[bool, typer.Option("--no-llm", help="Ask no language model.")]


def settings_at(config: Path | None, as_of: str | None = None) -> tuple[Settings, datetime]:
    """The settings, and the moment at which is asked. Raises: SettingsError."""
    from service.assembly import moment_of

    settings = load_settings(config)
    if as_of is not None:
        settings = settings.model_copy(update={"as_of": as_of})
    return settings, moment_of(settings)
