"""``/why`` in Slack. ``open_slack`` is what a server needs of it."""

from service.surfaces.slack.surface import SlackSurface, open_slack

__all__ = ["SlackSurface", "open_slack"]
