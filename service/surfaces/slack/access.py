"""Who asks decides what may be read, and where an answer is shown decides what may be in it.

A person reads what everyone may read, what ``slack_audiences`` gives them (by their id, or by a
user group that they are in), and the private channels that Slack says they are in: a message of
a private channel has the label ``slack:<name>``. Slack tells of a private channel only where this
app is in it, too ("users.conversations").

A channel reads what everyone may read and, if it is private, its own label. What is posted there
is made for the labels that both the channel and the asker have. A direct message is read by one
person. Nothing is posted where people of other organisations read (Slack Connect), guests have
only what the mapping gives them, and strangers nothing.

Whatever Slack does not answer means fewer labels, never more: without its word on who somebody is
they are nobody, without its word on their channels they are in none, and an unknown channel is
shown nothing. What it said is believed for five minutes.

Read for this: users.info, users.conversations, usergroups.users.list, conversations.info
(docs.slack.dev/reference/methods), "User object", "Conversation object".
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from pydantic import JsonValue

from ingest.documents import EVERYONE, Frozen
from service.readers import Reader
from service.surfaces.slack.errors import SlackFailure

T = TypeVar("T")

_AGE = 300.0
"""Seconds for which what Slack said is believed."""
_PAGE = 200
_PAGES = 50

Answered = Mapping[str, JsonValue]


class Caller(Protocol):
    """Calls a method of Slack's Web API. Raises: SlackFailure."""

    async def __call__(self, method: str, **arguments: object) -> Answered: ...


class Standing(StrEnum):
    """What somebody is to this workspace."""

    MEMBER = "member"
    GUEST = "guest"
    STRANGER = "stranger"
    """Of another organisation, a bot, deactivated, or unknown."""


class PlaceKind(StrEnum):
    """Who reads what is posted somewhere."""

    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"
    """One person and this app."""
    GROUP = "group"
    """Several people, without a name."""
    OUTSIDE = "outside"
    """Shared with another organisation, or unknown: nothing is posted there."""


class Place(Frozen):
    """Where an answer is to be shown."""

    id: str
    kind: PlaceKind
    name: str | None = None

    def shows(self, audience: tuple[str, ...]) -> tuple[str, ...]:
        """Which of an asker's labels an answer may be made for that is shown here."""
        match self.kind:
            case PlaceKind.DIRECT:
                return audience
            case PlaceKind.PUBLIC | PlaceKind.GROUP:
                readable = {EVERYONE}
            case PlaceKind.PRIVATE:
                readable = {EVERYONE, f"slack:{self.name}"}
            case PlaceKind.OUTSIDE:
                readable = set()
        return tuple(label for label in audience if label in readable)

    def in_words(self) -> str:
        """Whose eyes an answer here was made for."""
        match self.kind:
            case PlaceKind.DIRECT:
                return "Made from what you may read"
            case PlaceKind.PRIVATE:
                return f"Made from what #{self.name} may read"
        return "Made from what everyone may read"


def labels(
    user: str,
    standing: Standing,
    *,
    groups: frozenset[str],
    channels: frozenset[str],
    mapping: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """The labels of what a person may read. ``groups``: ids of the mapped user groups that they
    are in; ``channels``: names of their private channels. Pure."""
    if standing is Standing.STRANGER:
        return ()
    found = [EVERYONE] if standing is Standing.MEMBER else []
    for key in (user, *sorted(groups)):
        found += mapping.get(key, ())
    found += (f"slack:{name}" for name in sorted(channels))
    return tuple(dict.fromkeys(found))


class _Remembered(Generic[T]):
    """Answers that are believed for a while; a failure is not remembered, and no answer."""

    def __init__(self, ask: Callable[[str], Awaitable[T]], clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._known: dict[str, tuple[float, T]] = {}

    async def get(self, key: str) -> T | None:
        known = self._known.get(key)
        if known is not None and known[0] > self._clock():
            return known[1]
        self._known.pop(key, None)
        try:
            answer = await self._ask(key)
        except SlackFailure:
            return None
        self._known[key] = (self._clock() + _AGE, answer)
        return answer


class Access:
    """Asks Slack who people are and where they are, and remembers it for a while."""

    def __init__(
        self,
        call: Caller,
        mapping: Mapping[str, tuple[str, ...]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call = call
        self._mapping = mapping
        self._team = _Remembered(self._ask_team, clock)
        self._standings = _Remembered(self._ask_standing, clock)
        self._channels = _Remembered(self._ask_channels, clock)
        self._groups = _Remembered(self._ask_group, clock)
        self._places = _Remembered(self._ask_place, clock)

    async def reader(self, user: str) -> Reader:
        """Somebody as a reader; with no labels where Slack does not say who they are."""
        standing = await self._standings.get(user)
        channels = await self._channels.get(user)
        groups = [
            key
            for key in self._mapping
            if key.startswith("S") and user in (await self._groups.get(key) or ())
        ]
        audience = labels(
            user,
            standing or Standing.STRANGER,
            groups=frozenset(groups),
            channels=channels or frozenset(),
            mapping=self._mapping,
        )
        return Reader(name=f"slack:{user}", audience=audience)

    async def place(self, channel: str) -> Place:
        """A channel as a place; ``OUTSIDE`` where Slack does not say what it is."""
        found = await self._places.get(channel)
        return found or Place(id=channel, kind=PlaceKind.OUTSIDE)

    async def _ask_standing(self, user: str) -> Standing:
        answer = await self._call("users.info", user=user)
        person = answer.get("user")
        if not isinstance(person, dict) or person.get("id") != user:
            return Standing.STRANGER
        if any(person.get(flag) for flag in ("is_stranger", "deleted", "is_bot")):
            return Standing.STRANGER
        if person.get("is_restricted") or person.get("is_ultra_restricted"):
            return Standing.GUEST
        home = await self._team.get("")
        if home is None or person.get("team_id") not in home:
            return Standing.STRANGER
        return Standing.MEMBER

    async def _ask_team(self, _: str) -> frozenset[str]:
        """Ids of this workspace, and of the organisation that it is part of."""
        answer = await self._call("auth.test")
        ids = (answer.get("team_id"), answer.get("enterprise_id"))
        return frozenset(one for one in ids if isinstance(one, str))

    async def _ask_channels(self, user: str) -> frozenset[str]:
        names: set[str] = set()
        cursor = ""
        for _ in range(_PAGES):
            arguments = {"cursor": cursor} if cursor else {}
            answer = await self._call(
                "users.conversations",
                user=user,
                types="private_channel",
                limit=_PAGE,
                **arguments,
            )
            channels = answer.get("channels")
            for channel in channels if isinstance(channels, list) else ():
                if isinstance(channel, dict) and isinstance(name := channel.get("name"), str):
                    names.add(name)
            metadata = answer.get("response_metadata")
            after = metadata.get("next_cursor") if isinstance(metadata, dict) else ""
            cursor = after if isinstance(after, str) else ""
            if not cursor:
                break
        return frozenset(names)

    async def _ask_group(self, group: str) -> frozenset[str]:
        answer = await self._call("usergroups.users.list", usergroup=group)
        users = answer.get("users")
        if not isinstance(users, list):
            return frozenset()
        return frozenset(one for one in users if isinstance(one, str))

    async def _ask_place(self, channel: str) -> Place:
        answer = await self._call("conversations.info", channel=channel)
        found = answer.get("channel")
        if not isinstance(found, dict):
            return Place(id=channel, kind=PlaceKind.OUTSIDE)
        name = found.get("name")
        return Place(id=channel, kind=_kind_of(found), name=name if isinstance(name, str) else None)


def _kind_of(channel: Mapping[str, JsonValue]) -> PlaceKind:
    if channel.get("is_ext_shared") or channel.get("is_pending_ext_shared"):
        return PlaceKind.OUTSIDE
    if channel.get("is_im"):
        return PlaceKind.DIRECT
    if channel.get("is_mpim"):
        return PlaceKind.GROUP
    if channel.get("is_private") or channel.get("is_group"):
        return PlaceKind.PRIVATE if channel.get("name") else PlaceKind.OUTSIDE
    return PlaceKind.PUBLIC if channel.get("is_channel") else PlaceKind.OUTSIDE
