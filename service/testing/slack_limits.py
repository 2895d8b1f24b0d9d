"""What Slack refuses in messages and forms, as its reference pages say.

Pages, all under docs.slack.dev/reference: ``block-kit/blocks`` (section, header, context, actions,
divider, image, input), ``block-kit/block-elements`` (button, plain-text input, conversations
select), ``block-kit/composition-objects`` (text object, confirmation dialog, conversation filter),
``views/modal-views``, ``methods/chat.postMessage``; mrkdwn: "Formatting message text". One limit
is on no page: blocks of more than about 13,200 characters in all, ``msg_blocks_too_long``
(slackapi/bolt-js#2509); here as JSON, which is the stricter way to count (#2867).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

BLOCKS = {"message": 50, "modal": 100}
ALL_BLOCKS = 13_200
TEXT = 40_000
_KEYS = {
    "section": {"text", "fields", "accessory", "expand"},
    "header": {"text"},
    "context": {"elements"},
    "actions": {"elements"},
    "divider": set(),
    "image": {"image_url", "slack_file", "alt_text", "title"},
    "input": {"label", "element", "hint", "optional", "dispatch_action"},
}
_BUTTON = {
    "type",
    "text",
    "action_id",
    "url",
    "value",
    "style",
    "confirm",
    "accessibility_label",
}
_CONVERSATIONS = {"im", "mpim", "private", "public"}
_TOKEN = re.compile(
    r"<(?:https?://[^\s|<>]+(?:\|[^<>\n]*)?|mailto:[^\s|<>]+(?:\|[^<>\n]*)?"
    r"|@[UW][A-Z0-9]+(?:\|[^<>]*)?|#C[A-Z0-9]+(?:\|[^<>]*)?"
    r"|!(?:here|channel|everyone|subteam\^S[A-Z0-9]+|date\^[^<>]+)(?:\|[^<>]*)?)>"
)
_ENTITY = re.compile(r"&(?:amp|lt|gt);")


def message_problems(message: Json) -> list[str]:
    """What is wrong with a message: pointers into it and reasons."""
    return list(_message(message))


def view_problems(view: Json) -> list[str]:
    """What is wrong with a modal view."""
    return list(_view(view))


def mrkdwn_problems(text: str) -> list[str]:
    """Control characters that are neither escaped nor part of a link or mention."""
    rest = _ENTITY.sub("", _TOKEN.sub("", text))
    return [f"unescaped {sign!r}" for sign in "&<>" if sign in rest]


def _message(message: Json) -> Iterator[str]:
    text, blocks = message.get("text") or "", message.get("blocks") or []
    if not text and not blocks:
        yield "/text: no_text"
    if len(text) > TEXT:
        yield "/text: msg_too_long"
    yield from (f"/text: {problem}" for problem in mrkdwn_problems(text))
    yield from _blocks(blocks, "message")
    if len(json.dumps(blocks, ensure_ascii=False)) > ALL_BLOCKS:
        yield "/blocks: msg_blocks_too_long"


def _view(view: Json) -> Iterator[str]:
    if view.get("type") != "modal":
        yield "/view/type: must be modal"
    for name in ("title", "submit", "close"):
        if name == "title" or name in view:
            yield from _text(view.get(name), f"/view/{name}", 24, plain=True)
    for name, most in (("private_metadata", 3000), ("callback_id", 255)):
        if len(view.get(name) or "") > most:
            yield f"/view/{name}: more than {most} characters"
    blocks = view.get("blocks") or []
    if any(block.get("type") == "input" for block in blocks) and "submit" not in view:
        yield "/view/submit: required with an input"
    yield from _blocks(blocks, "modal")


def _blocks(blocks: list[Json], surface: str) -> Iterator[str]:
    if len(blocks) > BLOCKS[surface]:
        yield f"/blocks: more than {BLOCKS[surface]}"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        yield "/blocks: a block_id twice"
    for at, block in enumerate(blocks):
        kind = block.get("type", "")
        where = f"/blocks/{at}"
        if kind not in _KEYS or (kind == "input" and surface == "message"):
            yield f"{where}/type: {kind!r} is not for a {surface}"
            continue
        yield from (
            f"{where}/{key}: unknown" for key in set(block) - _KEYS[kind] - {"type", "block_id"}
        )
        if len(block.get("block_id", "")) > 255:
            yield f"{where}/block_id: more than 255 characters"
        yield from _BLOCK[kind](block, where)


def _section(block: Json, where: str) -> Iterator[str]:
    fields = block.get("fields")
    if "text" in block or not fields:
        yield from _text(block.get("text"), f"{where}/text", 3000)
    if fields is not None and not 1 <= len(fields) <= 10:
        yield f"{where}/fields: 1 to 10"
    for at, field in enumerate(fields or ()):
        yield from _text(field, f"{where}/fields/{at}", 2000)
    if "accessory" in block:
        yield from _element(block["accessory"], f"{where}/accessory")


def _header(block: Json, where: str) -> Iterator[str]:
    yield from _text(block.get("text"), f"{where}/text", 150, plain=True)


def _context(block: Json, where: str) -> Iterator[str]:
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= 10:
        yield f"{where}/elements: 1 to 10"
    for at, element in enumerate(elements):
        if element.get("type") == "image":
            continue
        yield from _text(element, f"{where}/elements/{at}", 3000)


def _actions(block: Json, where: str) -> Iterator[str]:
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= 25:
        yield f"{where}/elements: 1 to 25"
    ids = [element.get("action_id") for element in elements]
    if len(ids) != len(set(ids)):
        yield f"{where}/elements: an action_id twice"
    for at, element in enumerate(elements):
        yield from _element(element, f"{where}/elements/{at}")


def _image(block: Json, where: str) -> Iterator[str]:
    if not block.get("image_url") and not block.get("slack_file"):
        yield f"{where}: an image_url or a slack_file"
    if not 1 <= len(block.get("alt_text") or "") <= 2000:
        yield f"{where}/alt_text: 1 to 2000 characters"


def _input(block: Json, where: str) -> Iterator[str]:
    yield from _text(block.get("label"), f"{where}/label", 2000, plain=True)
    yield from _element(block.get("element") or {}, f"{where}/element")


_BLOCK = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "divider": lambda _block, _where: iter(()),
    "image": _image,
    "input": _input,
}


def _element(element: Json, where: str) -> Iterator[str]:
    if not 1 <= len(element.get("action_id") or "") <= 255:
        yield f"{where}/action_id: 1 to 255 characters"
    match element.get("type"):
        case "button":
            yield from _button(element, where)
        case "plain_text_input":
            most = element.get("max_length", 3000)
            if not 1 <= most <= 3000:
                yield f"{where}/max_length: 1 to 3000"
            if "placeholder" in element:
                yield from _text(element["placeholder"], f"{where}/placeholder", 150, plain=True)
        case "conversations_select":
            unknown = set((element.get("filter") or {}).get("include") or ()) - _CONVERSATIONS
            if unknown:
                yield f"{where}/filter/include: {sorted(unknown)}"
        case kind:
            yield f"{where}/type: {kind!r}"


def _button(button: Json, where: str) -> Iterator[str]:
    yield from (f"{where}/{key}: unknown" for key in set(button) - _BUTTON)
    yield from _text(button.get("text"), f"{where}/text", 75, plain=True)
    for name, most in (("url", 3000), ("value", 2000), ("accessibility_label", 75)):
        if len(button.get(name) or "") > most:
            yield f"{where}/{name}: more than {most} characters"
    if button.get("style", "primary") not in ("primary", "danger"):
        yield f"{where}/style: primary or danger"
    if "confirm" in button:
        confirm = button["confirm"]
        for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            yield from _text(confirm.get(name), f"{where}/confirm/{name}", most, plain=True)


def _text(text: Json | None, where: str, most: int, *, plain: bool = False) -> Iterator[str]:
    if not text:
        yield f"{where}: required"
        return
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if text.get("type") not in kinds:
        yield f"{where}/type: {' or '.join(kinds)}"
    elif set(text) - {"type", "text", "emoji" if text["type"] == "plain_text" else "verbatim"}:
        yield f"{where}: a key that this text has not"
    said = text.get("text") or ""
    if not 1 <= len(said) <= most:
        yield f"{where}/text: must be 1 to {most} characters, has {len(said)}"
    if text.get("type") == "mrkdwn":
        yield from (f"{where}/text: {problem}" for problem in mrkdwn_problems(said))
