"""A Slack workspace to test against: people, channels, messages, and the methods of the Web API.

Shapes, errors and scopes are those of the methods' pages under docs.slack.dev/reference/methods:
auth.test, users.info, users.conversations, usergroups.users.list, conversations.info,
conversations.open, chat.postMessage, chat.postEphemeral, chat.getPermalink, reactions.add,
views.open, files.getUploadURLExternal, files.completeUploadExternal, apps.connections.open.
Messages and forms are held against the documented limits (``slack_limits``): what breaks one is
refused, and kept in ``violations``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from service.testing.slack_limits import message_problems, view_problems

Row = dict[str, Any]

TEAM = "T05KESTREL1"
BOT = "U0WHYBOT001"
SCOPES = frozenset(
    (
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "chat:write.public",
        "commands",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "mpim:read",
        "reactions:write",
        "usergroups:read",
        "users:read",
    )
)
_WORKSPACE = "https://kestrel.slack.com"


class Refusal(Exception):
    """An answer with ``ok: false``; ``more`` goes with it."""

    def __init__(self, error: str, **more: object) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


class SlackWorkspace:
    """People and channels, and what the app does there.

    ``scopes``: of the bot token. ``messages``: what the app posted, by channel; ``whispers``: what
    it showed to one person, as pairs of user and message; ``files``: what it uploaded; ``views``:
    forms it opened. ``address``: where it is served, for the addresses that it hands out.
    """

    def __init__(self, *, scopes: frozenset[str] = SCOPES, address: str = "") -> None:
        self.scopes = scopes
        self.address = address
        self.socket_address = ""
        self.users: dict[str, Row] = {}
        self.channels: dict[str, Row] = {}
        self.groups: dict[str, list[str]] = {}
        self.messages: dict[str, list[Row]] = {}
        self.whispers: list[tuple[str, Row]] = []
        self.reactions: list[Row] = []
        self.views: list[Row] = []
        self.files: list[Row] = []
        self.violations: list[str] = []
        self.uploads: dict[str, Row] = {}
        self._count = itertools.count(1)

    # -- who and what is there -----------------------------------------------------------------

    def load(self, export: Path) -> None:
        """The people and channels of a Slack export; the app is in all of its channels."""
        for user in json.loads((export / "users.json").read_text(encoding="utf-8")):
            self.users[user["id"]] = user
        for file, private in (("channels.json", False), ("groups.json", True)):
            for channel in json.loads((export / file).read_text(encoding="utf-8")):
                members = [*channel["members"], BOT]
                self.add_channel(channel["id"], channel["name"], members, private=private)

    def add_user(self, user: str, **more: object) -> None:
        """A person, a member of this workspace unless ``more`` says otherwise."""
        self.users[user] = {"id": user, "name": user.lower(), "team_id": TEAM, **more}

    def add_channel(
        self, channel: str, name: str, members: Iterable[str], *, private: bool = False, **more: Any
    ) -> None:
        """A channel ("Conversation object")."""
        kinds = {"is_channel": not private, "is_group": private, "is_private": private}
        self.channels[channel] = {
            "id": channel,
            "name": name,
            **kinds,
            "is_im": False,
            "is_mpim": False,
            "is_archived": False,
            "is_ext_shared": False,
            "members": [*members],
            **more,
        }

    def direct(self, user: str) -> str:
        """Id of the direct messages between a person and the app."""
        channel = f"D{user[1:]}"
        self.channels.setdefault(
            channel, {"id": channel, "is_im": True, "user": user, "members": [user, BOT]}
        )
        return channel

    def shown_to(self, user: str) -> list[Row]:
        """What only this person sees, oldest first."""
        return [message for whom, message in self.whispers if whom == user]

    def answer(self, method: str, asked: Row) -> Row:
        """What a method answers, but ``ok``. Raises: Refusal."""
        do = getattr(self, "_" + method.replace(".", "_"), None)
        if do is None:
            raise Refusal("unknown_method")
        answered: Row = do(asked)
        return answered

    # -- methods -------------------------------------------------------------------------------

    def _auth_test(self, _: Row) -> Row:
        return {"url": f"{_WORKSPACE}/", "team_id": TEAM, "user_id": BOT, "bot_id": "B0WHY000001"}

    def _users_info(self, asked: Row) -> Row:
        self._need("users:read")
        if asked.get("user") not in self.users:
            raise Refusal("user_not_found")
        return {"user": self.users[asked["user"]]}

    def _users_conversations(self, asked: Row) -> Row:
        kinds = str(asked.get("types", "public_channel")).split(",")
        for kind, scope in (
            ("public_channel", "channels:read"),
            ("private_channel", "groups:read"),
        ):
            if kind in kinds:
                self._need(scope)
        user = asked.get("user") or BOT
        found = [
            channel
            for channel in self.channels.values()
            if not channel.get("is_im")
            and user in channel["members"]
            and (f"{'private' if channel['is_private'] else 'public'}_channel" in kinds)
            # Private channels only where the app is a member, too.
            and (not channel["is_private"] or BOT in channel["members"])
        ]
        start, limit = int(asked.get("cursor") or 0), min(int(asked.get("limit", 100)), 999)
        page = [_seen(channel) for channel in found[start : start + limit]]
        after = str(start + limit) if len(found) > start + limit else ""
        return {"channels": page, "response_metadata": {"next_cursor": after}}

    def _usergroups_users_list(self, asked: Row) -> Row:
        self._need("usergroups:read")
        if asked.get("usergroup") not in self.groups:
            raise Refusal("no_such_subteam")
        return {"users": self.groups[asked["usergroup"]]}

    def _conversations_info(self, asked: Row) -> Row:
        channel = self._visible(asked.get("channel"))
        kind = "im" if channel.get("is_im") else "mpim" if channel.get("is_mpim") else None
        self._need(f"{kind or ('groups' if channel['is_private'] else 'channels')}:read")
        return {"channel": _seen(channel)}

    def _conversations_open(self, asked: Row) -> Row:
        self._need("im:write")
        if asked.get("users") not in self.users:
            raise Refusal("user_not_found")
        return {"channel": {"id": self.direct(asked["users"])}}

    def _chat_postMessage(self, asked: Row) -> Row:  # noqa: N802 - the method's name
        self._need("chat:write")
        channel = self._writable(asked.get("channel"))
        self._check("chat.postMessage", message_problems(asked), asked)
        ts = f"1794300000.{next(self._count):06d}"
        message = {**asked, "ts": ts, "user": BOT, "bot_id": "B0WHY000001"}
        self.messages.setdefault(channel["id"], []).append(message)
        return {"channel": channel["id"], "ts": ts, "message": message}

    def _chat_postEphemeral(self, asked: Row) -> Row:  # noqa: N802
        self._need("chat:write")
        channel = self._writable(asked.get("channel"))
        if asked.get("user") not in channel["members"]:
            raise Refusal("user_not_in_channel")
        self._check("chat.postEphemeral", message_problems(asked), asked)
        self.whispers.append((asked["user"], asked))
        return {"message_ts": f"1794300000.{next(self._count):06d}"}

    def _chat_getPermalink(self, asked: Row) -> Row:  # noqa: N802
        channel, ts = asked.get("channel", ""), asked.get("message_ts", "")
        if all(message["ts"] != ts for message in self.messages.get(channel, ())):
            raise Refusal("message_not_found")
        return {
            "channel": channel,
            "permalink": f"{_WORKSPACE}/archives/{channel}/p{ts.replace('.', '')}",
        }

    def _reactions_add(self, asked: Row) -> Row:
        self._need("reactions:write")
        self._visible(asked.get("channel"))
        if asked in self.reactions:
            raise Refusal("already_reacted")
        self.reactions.append(asked)
        return {}

    def _views_open(self, asked: Row) -> Row:
        if not asked.get("trigger_id"):
            raise Refusal("invalid_trigger_id")
        self._check("views.open", view_problems(asked["view"]), asked)
        view = {**asked["view"], "id": f"V{next(self._count):010d}"}
        self.views.append(view)
        return {"view": view}

    def _files_getUploadURLExternal(self, asked: Row) -> Row:  # noqa: N802
        self._need("files:write")
        if not asked.get("filename") or int(asked.get("length", 0)) < 1:
            raise Refusal("invalid_arguments")
        file = f"F{next(self._count):010d}"
        self.uploads[file] = {**asked, "id": file, "content": b""}
        return {"upload_url": f"{self.address}/upload/{file}", "file_id": file}

    def _files_completeUploadExternal(self, asked: Row) -> Row:  # noqa: N802
        self._need("files:write")
        files = asked["files"]
        files = json.loads(files) if isinstance(files, str) else files
        channel = self._visible(asked.get("channel_id"))
        if BOT not in channel["members"]:
            raise Refusal("not_in_channel")
        for file in files:
            upload = self.uploads.get(file["id"])
            if upload is None or len(upload["content"]) != int(upload["length"]):
                raise Refusal("file_not_found")
            self.files.append({**upload, **file, "channel": channel["id"], **asked})
        return {"files": files}

    def _apps_connections_open(self, _: Row) -> Row:
        return {"url": self.socket_address}

    def _visible(self, channel: object) -> Row:
        found = self.channels.get(str(channel))
        if found is None or (found.get("is_private") and BOT not in found["members"]):
            raise Refusal("channel_not_found")
        return found

    def _writable(self, channel: object) -> Row:
        found = self._visible(channel)
        if found.get("is_archived"):
            raise Refusal("is_archived")
        if BOT not in found["members"] and "chat:write.public" not in self.scopes:
            raise Refusal("not_in_channel")
        return found

    def _check(self, method: str, problems: list[str], asked: Row) -> None:
        if problems:
            self.violations += [f"{method} {problem}" for problem in problems]
            long = any(problem.endswith("msg_blocks_too_long") for problem in problems)
            raise Refusal(
                "msg_blocks_too_long" if long else "invalid_blocks",
                response_metadata={"messages": [f"[ERROR] {problem}" for problem in problems]},
            )

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise Refusal("missing_scope", needed=scope, provided=provided)


def _seen(channel: Row) -> Row:
    """A channel as the API shows it: without its members."""
    return {name: value for name, value in channel.items() if name != "members"}
