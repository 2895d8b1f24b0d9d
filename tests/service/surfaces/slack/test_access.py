"""Who may read what: by the mapping, by Slack's memberships, and by where it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from service.surfaces.slack.access import Access, PlaceKind
from service.surfaces.slack.errors import SlackFailure, SlackRefused, SlackUnavailable
from service.testing.slack_workspace import BOT, Refusal, SlackWorkspace
from tests.company import DATA
from tests.service.surfaces.slack.house import (
    CHECKOUT,
    CHIDI,
    MIRA,
    SEC_RESPONSE,
    TOMAS,
)


class Direct:
    """A workspace without HTTP: what is tested here is what comes of its answers."""

    def __init__(self, slack: SlackWorkspace) -> None:
        self.slack = slack
        self.asked: list[str] = []
        self.broken: dict[str, SlackFailure] = {}

    async def __call__(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        self.asked.append(method)
        if (failure := self.broken.get(method)) is not None:
            raise failure
        try:
            return self.slack.answer(method, arguments)
        except Refusal as refusal:
            raise SlackRefused(method, refusal.error) from None


def company() -> Direct:
    slack = SlackWorkspace()
    slack.load(DATA / "slack")
    slack.groups["S0SECURITY"] = [CHIDI]
    return Direct(slack)


def labels_of(
    direct: Direct, user: str, mapping: Mapping[str, tuple[str, ...]] | None = None
) -> set[str]:
    reader = asyncio.run(Access(direct, mapping or {}).reader(user))
    assert reader.name == f"slack:{user}"
    return set(reader.audience)


def test_members_read_their_private_channels_and_what_the_mapping_gives_them() -> None:
    mapping = {TOMAS: ("payments",), "S0SECURITY": ("security",)}
    assert labels_of(company(), TOMAS, mapping) == {"everyone", "payments"}
    assert labels_of(company(), MIRA, mapping) == {"everyone", "slack:sec-response"}
    assert labels_of(company(), CHIDI, mapping) == {"everyone", "slack:sec-response", "security"}


def test_a_private_channel_without_the_app_gives_nothing() -> None:
    direct = company()
    direct.slack.channels[SEC_RESPONSE]["members"].remove(BOT)
    assert labels_of(direct, MIRA) == {"everyone"}


def test_all_pages_of_channels_are_read() -> None:
    direct = company()
    for number in range(450):
        direct.slack.add_channel(f"G{number:09d}", f"p{number}", [TOMAS, BOT], private=True)
    assert len(labels_of(direct, TOMAS)) == 451


@pytest.mark.parametrize(
    ("is_what", "labels"),
    [
        ({"is_restricted": True}, {"mapped"}),
        ({"is_restricted": True, "is_ultra_restricted": True}, {"mapped"}),
        ({"is_stranger": True}, set()),
        ({"team_id": "T0ELSEWHERE"}, set()),
        ({"deleted": True}, set()),
        ({"is_bot": True}, set()),
    ],
)
def test_guests_have_only_what_is_mapped_and_strangers_nothing(
    is_what: dict[str, Any], labels: set[str]
) -> None:
    direct = company()
    direct.slack.add_user("U0GUEST0001", **is_what)
    assert labels_of(direct, "U0GUEST0001", {"U0GUEST0001": ("mapped",)}) == labels


@pytest.mark.parametrize(
    ("method", "labels"),
    [
        ("users.conversations", {"everyone", "security"}),
        ("usergroups.users.list", {"everyone", "slack:sec-response"}),
        ("users.info", set()),
        ("auth.test", set()),
    ],
)
@pytest.mark.parametrize(
    "failure",
    [
        lambda method: SlackRefused(method, "ratelimited"),
        lambda method: SlackRefused(method, "missing_scope", "groups:read"),
        lambda method: SlackUnavailable("no answer"),
    ],
)
def test_what_slack_does_not_say_means_fewer_labels(
    method: str, labels: set[str], failure: Callable[[str], SlackFailure]
) -> None:
    direct = company()
    direct.broken[method] = failure(method)
    assert labels_of(direct, CHIDI, {"S0SECURITY": ("security",)}) == labels


def test_a_membership_is_believed_for_minutes_and_a_failure_not_at_all() -> None:
    async def run() -> None:
        direct, now = company(), [0.0]
        access = Access(direct, {}, clock=lambda: now[0])
        direct.broken["users.conversations"] = SlackUnavailable("no answer")
        assert (await access.reader(MIRA)).audience == ("everyone",)
        del direct.broken["users.conversations"]
        assert "slack:sec-response" in (await access.reader(MIRA)).audience
        asked = len(direct.asked)
        direct.slack.channels[SEC_RESPONSE]["members"].remove(MIRA)
        assert "slack:sec-response" in (await access.reader(MIRA)).audience
        assert len(direct.asked) == asked
        now[0] = 301.0
        assert (await access.reader(MIRA)).audience == ("everyone",)
        # What it said is not believed any longer when it stops to answer.
        now[0] = 700.0
        direct.broken["users.conversations"] = SlackUnavailable("no answer")
        assert (await access.reader(MIRA)).audience == ("everyone",)

    asyncio.run(run())


def test_a_place_shows_what_all_of_its_readers_may_read() -> None:
    async def run() -> None:
        direct = company()
        slack = direct.slack
        slack.add_channel("C0PARTNERS1", "partners", [MIRA, BOT], is_ext_shared=True)
        slack.add_channel("C0PENDING01", "soon", [MIRA, BOT], is_pending_ext_shared=True)
        slack.add_channel("G0GROUP0001", "mpdm-a--b-1", [MIRA, BOT], private=True, is_mpim=True)
        access = Access(direct, {})
        mine = ("everyone", "security", "slack:sec-response")
        shown = {
            channel: (place.kind, place.shows(mine))
            for channel in (
                CHECKOUT,
                SEC_RESPONSE,
                "C0PARTNERS1",
                "C0PENDING01",
                "G0GROUP0001",
                slack.direct(MIRA),
                "C0UNKNOWN01",
            )
            if (place := await access.place(channel))
        }
        assert shown == {
            CHECKOUT: (PlaceKind.PUBLIC, ("everyone",)),
            SEC_RESPONSE: (PlaceKind.PRIVATE, ("everyone", "slack:sec-response")),
            "C0PARTNERS1": (PlaceKind.OUTSIDE, ()),
            "C0PENDING01": (PlaceKind.OUTSIDE, ()),
            "G0GROUP0001": (PlaceKind.GROUP, ("everyone",)),
            slack.direct(MIRA): (PlaceKind.DIRECT, mine),
            "C0UNKNOWN01": (PlaceKind.OUTSIDE, ()),
        }

    asyncio.run(run())
