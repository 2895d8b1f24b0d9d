"""Socket Mode against a WebSocket server that speaks as Slack's does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.settings import Settings
from service.surfaces.slack.errors import SlackRefused
from service.surfaces.slack.tasks import Ask
from service.testing.slack_socket import FakeSocket
from tests.service.surfaces.slack.house import APP_TOKEN, CHECKOUT, TOMAS, open_house


def test_envelopes_are_queued_acknowledged_and_not_run_twice(
    company: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        opened = open_house(
            company,
            tmp_path,
            working=False,
            slack_app_token=SecretStr(APP_TOKEN),
            slack_signing_secret=None,
        )
        async with opened as house, FakeSocket().serving() as socket:
            assert house.surface.route is None
            house.slack.socket_address = socket.address
            async with asyncio.timeout(20), house.surface.socket():
                link = await socket.connection()
                command = house.requests.command_payload("last night", TOMAS, CHECKOUT)
                first = await socket.send(link, "slash_commands", command)
                answer = await socket.acknowledgement(first)
                assert answer == {"text": "Looking…", "response_type": "ephemeral"}
                mention = house.requests.mention("why?", TOMAS, CHECKOUT)
                for retry in range(3):
                    envelope = await socket.send(link, "events_api", mention, retry=retry)
                    assert await socket.acknowledgement(envelope) is None
            asked = []
            while job := await house.database.jobs.claim("test", timedelta(minutes=1)):
                asked.append(Ask.model_validate(job.payload))
            assert [one.command for one in asked] == [True, False]

    asyncio.run(run())


def test_a_wrong_app_token_is_said(company: Settings, tmp_path: Path) -> None:
    async def run() -> None:
        wrong = SecretStr("xapp-wrong")
        async with open_house(company, tmp_path, working=False, slack_app_token=wrong) as house:
            with pytest.raises(SlackRefused, match=r"apps.connections.open: invalid_auth"):
                async with house.surface.socket():
                    pass

    asyncio.run(run())
