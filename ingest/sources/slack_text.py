"""Slack's message markup → text as the people in the channel read it.

https://api.slack.com/reference/surfaces/formatting tells the markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.sources.slack_export import Channel, Directory, Message

_ANGLED = re.compile(r"<([^<>\n]+)>")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_MAX_NESTING = 20


class Speech:
    """Renders messages of one channel; ``directory`` resolves ids to names."""

    def __init__(self, directory: Directory, channel: Channel) -> None:
        self._directory = directory
        self._channel = channel

    def text(self, message: Message) -> str:
        """What the message says, with what is attached to it."""
        parts = [self.plain(str(message.get("text") or ""))]
        if not parts[0]:
            parts += (self.plain(part) for part in _block_texts(message.get("blocks"), 0))
        parts += (self.plain(part) for part in _attachment_texts(message.get("attachments")))
        files = message.get("files") or [message.get("file")]
        if isinstance(files, list):
            parts += (f"[file: {name}]" for name in _file_names(files))
        return "\n".join(dict.fromkeys(part for part in parts if part))

    def plain(self, markup: str) -> str:
        text = _ANGLED.sub(self._resolve, markup)
        for entity, character in _ENTITIES:
            text = text.replace(entity, character)
        return text.strip()

    def author(self, message: Message) -> str:
        """The name of who wrote it."""
        user = message.get("user")
        if isinstance(user, str) and user in self._directory.people:
            return self._directory.people[user].name
        for profile in (message.get("user_profile"), message.get("bot_profile")):
            if isinstance(profile, dict):
                for key in ("real_name", "display_name", "name"):
                    if isinstance(profile.get(key), str) and profile[key]:
                        return str(profile[key])
        return str(message.get("username") or user or message.get("bot_id") or "unknown")

    def is_bot(self, message: Message) -> bool:
        user = message.get("user")
        person = self._directory.people.get(user) if isinstance(user, str) else None
        if person is not None:
            return person.bot or user == "USLACKBOT"
        return (
            message.get("subtype") == "bot_message"
            or bool(message.get("bot_id"))
            or user == "USLACKBOT"
        )

    def _resolve(self, found: re.Match[str]) -> str:
        target, _, label = found[1].partition("|")
        match target[0]:
            case "@":
                person = self._directory.people.get(target[1:])
                return f"@{person.name if person else label or target[1:]}"
            case "#":
                return self._channel_name(target[1:], label)
            case "!":
                return self._special(target[1:], label)
        address = target.removeprefix("mailto:").removeprefix("tel:")
        if not label or label in address:
            return address
        return f"{label} ({address})"

    def _channel_name(self, identifier: str, label: str) -> str:
        """A private channel's name is told in that channel only, as Slack does."""
        channel = self._directory.channel(identifier)
        if channel is not None and channel.private and channel.id != self._channel.id:
            return "#private-channel"
        return f"#{channel.name if channel else label or identifier}"

    @staticmethod
    def _special(command: str, label: str) -> str:
        name = command.partition("^")[0]
        if name in ("date", "subteam"):
            return label or name
        return f"@{label or name}"


def _attachment_texts(attachments: object) -> Iterator[str]:
    """The texts of what bots and links attach: title, text or fallback, fields."""
    if not isinstance(attachments, list):
        return
    for attachment in attachments:
        if not isinstance(attachment, dict):
            continue
        told = [attachment.get(key) for key in ("pretext", "title", "text")]
        texts = [text for text in told if isinstance(text, str) and text]
        yield from texts or [str(attachment.get("fallback") or "")]
        fields = attachment.get("fields")
        if isinstance(fields, list):
            yield ", ".join(
                f"{field.get('title')}: {field.get('value')}"
                for field in fields
                if isinstance(field, dict) and field.get("title")
            )


def _block_texts(block: object, depth: int) -> Iterator[str]:
    """Every text in a message's blocks, which repeat its ``text`` where it has one."""
    if depth > _MAX_NESTING:
        return
    if isinstance(block, list):
        for part in block:
            yield from _block_texts(part, depth + 1)
    elif isinstance(block, dict):
        text = block.get("text")
        if isinstance(text, str):
            yield text
        for key in ("text", "elements", "fields"):
            if not isinstance(block.get(key), str):
                yield from _block_texts(block.get(key), depth + 1)


def _file_names(files: list[object]) -> Iterator[str]:
    """Names only: the addresses in an export carry a token."""
    for file in files:
        if isinstance(file, dict) and (name := file.get("name") or file.get("title")):
            yield str(name)
