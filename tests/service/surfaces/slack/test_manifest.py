"""The manifest in docs/slack.md is what the app needs, and what the fake Slack of the tests has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from service.surfaces.slack.commands import HELP
from service.surfaces.slack.route import PATH
from service.testing.slack_workspace import SCOPES

PAGE = (Path(__file__).parents[4] / "docs" / "slack.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    (block,) = re.findall(r"^   ```yaml\n(.*?)^   ```$", PAGE, re.DOTALL | re.MULTILINE)
    loaded: dict[str, Any] = yaml.safe_load(block)
    return loaded


def test_its_scopes_are_those_that_every_test_here_runs_with(manifest: dict[str, Any]) -> None:
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    assert set(scopes) == SCOPES
    assert scopes == sorted(scopes)
    for scope in scopes:
        if scope not in ("commands", "chat:write.public"):
            assert f"`{scope}`" in PAGE.split("## What is asked of Slack")[1], scope


def test_its_events_come_with_their_scopes(manifest: dict[str, Any]) -> None:
    # "Events": what each of them requires.
    required = {
        "app_mention": "app_mentions:read",
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.im": "im:history",
        "message.mpim": "mpim:history",
    }
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    assert events == [*required]
    assert set(required.values()) <= SCOPES


def test_its_addresses_and_texts_are_as_slack_wants_them(manifest: dict[str, Any]) -> None:
    (command,) = manifest["features"]["slash_commands"]
    settings = manifest["settings"]
    addresses = [
        command["url"],
        settings["event_subscriptions"]["request_url"],
        settings["interactivity"]["request_url"],
    ]
    assert {urlsplit(address).path for address in addresses} == {PATH}
    assert command["command"] == "/why"
    # "App manifest reference": the lengths of these fields.
    about = manifest["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 174 <= len(about["long_description"]) <= 4_000
    assert len(command["usage_hint"]) <= 1_000
    assert len(manifest["features"]["bot_user"]["display_name"]) <= 80


@pytest.mark.parametrize("example", re.findall(r"`(/why[^`]*)`", HELP))
def test_what_help_says_is_on_the_page_too(example: str) -> None:
    words = example.split()[:3]
    assert " ".join(words) in PAGE
