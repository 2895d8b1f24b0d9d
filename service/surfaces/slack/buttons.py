"""The buttons under an answer, and what a press of one says.

A button carries ids and nothing else: who presses it may be somebody else than who asked, so what
they may read is decided when it is pressed. "Action" ids are what Slack sends back ("Button
element", "block_actions payload" under docs.slack.dev/reference).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from pydantic import JsonValue

from ingest.documents import Frozen
from service.surfaces.slack.mrkdwn import ADDRESS, BUTTON, Block, context, shortened


class Press(StrEnum):
    """What a button is for; its action id."""

    DETAILS = "why_details"
    FOLLOW_UP = "why_follow_up"
    GRAFANA = "why_grafana"
    SHARE = "why_share"
    UP = "why_up"
    DOWN = "why_down"
    CONFIRM = "why_confirm"
    REJECT = "why_reject"
    PROPOSE = "why_propose"
    APPROVE = "why_approve"
    DECLINE = "why_decline"


class Buttons(Frozen):
    """What stands under an answer.

    ``share_to``: the channel that it may be shared to, "" to ask which, None where it is shared
    already. ``grafana``: address of the graph. ``proposals``: what may be proposed from it, as
    pairs of a kind and its label. ``details``: whether there are any.
    """

    report_id: str
    share_to: str | None = None
    grafana: str | None = None
    proposals: tuple[tuple[str, str], ...] = ()
    details: bool = True


class Pressed(Frozen):
    """What a button's value says. ``rest``: a cause's rank, a channel or a kind of proposal."""

    target: str
    rest: str = ""


def value_of(target: str, rest: str = "") -> str:
    return f"{target} {rest}".rstrip()


def pressed(value: str) -> Pressed:
    """What ``value_of`` made a value of."""
    target, _, rest = value.partition(" ")
    return Pressed(target=target, rest=rest)


def answer_buttons(buttons: Buttons, top: tuple[int, str] | None) -> Iterator[Block]:
    """The rows under an answer. ``top``: rank and name of its first cause, if it has one."""
    first = []
    if buttons.details:
        first.append(_button(Press.DETAILS, "Details", buttons.report_id))
    first.append(_button(Press.FOLLOW_UP, "Ask a follow-up", buttons.report_id))
    if buttons.grafana is not None and len(buttons.grafana) <= ADDRESS:
        first.append(_button(Press.GRAFANA, "Open in Grafana", "", url=buttons.grafana))
    if buttons.share_to is not None:
        value = value_of(buttons.report_id, buttons.share_to)
        label = "Share to channel" if buttons.share_to else "Share to channel…"
        first.append(_button(Press.SHARE, label, value))
    yield _row(*first)
    second = [
        _button(Press.UP, "👍", buttons.report_id, says="This helped"),
        _button(Press.DOWN, "👎", buttons.report_id, says="This did not help"),
    ]
    if top is not None:
        second += _verdicts(buttons.report_id, *top)
    second += [
        _button(Press.PROPOSE, label, value_of(buttons.report_id, kind))
        for kind, label in buttons.proposals
    ]
    yield _row(*second)


def cause_buttons(report_id: str, rank: int, name: str) -> Block:
    """Confirm or reject one cause."""
    return _row(*_verdicts(report_id, rank, name))


def proposal_buttons(proposal_id: str, *, what: str, dry_run: bool) -> Block:
    """A person's yes or no to something that is created elsewhere."""
    note = "Nothing is created: this is a dry run." if dry_run else "It is created once."
    confirm: Block = {
        "title": {"type": "plain_text", "text": shortened(what, 100)},
        "text": {"type": "plain_text", "text": note},
        "confirm": {"type": "plain_text", "text": "Approve"},
        "deny": {"type": "plain_text", "text": "Not yet"},
    }
    approve = _button(Press.APPROVE, "Approve", proposal_id)
    return _row(
        {**approve, "style": "primary", "confirm": confirm},
        _button(Press.DECLINE, "Decline", proposal_id),
    )


def follow_up_view(metadata: str) -> Block:
    """The form of a follow-up question ("Modal view": 24 characters of title, 3,000 of
    metadata)."""
    return {
        "type": "modal",
        "callback_id": FOLLOW_UP_VIEW,
        "private_metadata": metadata,
        "title": {"type": "plain_text", "text": "Ask a follow-up"},
        "submit": {"type": "plain_text", "text": "Ask"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "blocks": [
            {
                "type": "input",
                "block_id": "question",
                "label": {"type": "plain_text", "text": "Your question"},
                "element": {
                    "type": "plain_text_input",
                    "action_id": "text",
                    "max_length": 1_000,
                    "placeholder": {
                        "type": "plain_text",
                        "text": "and in us-east? · since when? · who was affected?",
                    },
                },
            },
        ],
    }


def share_view(metadata: str) -> Block:
    """The form that asks for a channel to share to; channels with other organisations are not
    offered."""
    return {
        "type": "modal",
        "callback_id": SHARE_VIEW,
        "private_metadata": metadata,
        "title": {"type": "plain_text", "text": "Share to a channel"},
        "submit": {"type": "plain_text", "text": "Share"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "blocks": [
            *context([["The question is asked again, with what that channel may read."]]),
            {
                "type": "input",
                "block_id": "channel",
                "label": {"type": "plain_text", "text": "Channel"},
                "element": {
                    "type": "conversations_select",
                    "action_id": "id",
                    "filter": {
                        "include": ["public", "private"],
                        "exclude_external_shared_channels": True,
                        "exclude_bot_users": True,
                    },
                },
            },
        ],
    }


FOLLOW_UP_VIEW = "why_follow_up_view"
SHARE_VIEW = "why_share_view"


def _verdicts(report_id: str, rank: int, name: str) -> list[Block]:
    value = value_of(report_id, str(rank))
    about = shortened(f"{rank}. {name}", BUTTON)
    return [
        _button(Press.CONFIRM, "Confirm this cause", value, says=about),
        _button(Press.REJECT, "Not this", value, says=about),
    ]


def _button(press: Press, label: str, value: str, *, url: str = "", says: str = "") -> Block:
    button: Block = {
        "type": "button",
        "action_id": press.value,
        "text": {"type": "plain_text", "text": shortened(label, BUTTON), "emoji": True},
    }
    if value:
        button["value"] = value
    if url:
        button["url"] = url
    if says:
        button["accessibility_label"] = says
    return button


def _row(*elements: Block) -> Block:
    buttons: list[JsonValue] = [*elements]
    return {"type": "actions", "elements": buttons}
