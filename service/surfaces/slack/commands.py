"""What somebody typed in Slack → the question they mean. Pure.

``/why`` alone means the channel's service and the last hour. The command is itself the first word
of a question, so ``/why is checkout slow`` is one; ``/why last night in eu-west`` says only when
and where, and is asked about the channel's service, where the channel has one.

Slack's own notation is taken out first: entities, mentions ``<@U…>``, channels ``<#C…|name>`` and
links ``<address|text>`` ("Retrieving messages", docs.slack.dev/messaging/formatting-message-text).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo

from service.scope import Vocabulary, mentioned, scope_of

HELP = """\
*What to ask*
• `/why` – this channel's service, in the last hour
• `/why last night in eu-west` – this channel's service, then and there
• `/why did checkout fail last night` – any question
• `/why show checkout latency p99 by region` – a chart
• `/why which nodes need maintenance` · `/why is run aurelia-70b healthy`
*And then*
• Reply in the thread of an answer, mention me there, or press _Ask a follow-up_: \
“and in us-east?”, “since when?”, “who was affected?”
• 👍 👎, _Confirm this cause_ and _Not this_ are used for the next ranking.
A thread in a channel has what that channel may read; what only you may read, only you see.\
"""

_LAST_HOUR = "in the last hour"
_HELP_WORDS = ("help", "--help", "-h", "?")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_AUXILIARY = re.compile(
    r"(?:is|are|was|were|do|does|did|has|have|had|can|can't|cannot|could|couldn't|will|won't|"
    r"isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't)\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"(?:why|what|which|who|whom|whose|when|where|how|since when|show|plot|draw|chart|compare)\b",
    re.IGNORECASE,
)
_GOING_ON = re.compile(
    r"(?:(?:and|but) (?:in|on|at|for|since|when|who|what|which|why|how|the|last|yesterday|today)"
    r"|what about|how about|compared)\b",
    re.IGNORECASE,
)
_GLUE = re.compile(r"\b(?:in|at|on|the|for|of|region|around|about)\b|[^\w]+", re.IGNORECASE)


def is_help(text: str) -> bool:
    """Whether ``/why help`` is meant, and nothing that begins with it."""
    return text.strip().casefold() in _HELP_WORDS


def typed(text: str) -> str:
    """What a person sees of a message's text: without mentions of people and groups."""
    text = re.sub(r"<[@!][^<>]*>", " ", text)
    text = re.sub(r"<#[A-Z0-9]+(?:\|([^<>]*))?>", r" \1 ", text)
    text = re.sub(r"<([^<|>]*)\|([^<>]*)>", r"\2", text)
    text = re.sub(r"<([^<>]*)>", r"\1", text)
    text = re.sub(r"&(?:lt|gt|amp);", lambda match: _ENTITIES[match[0]], text)
    return " ".join(text.split())


def service_of(
    channel: str | None, services: Mapping[str, str], vocabulary: Vocabulary
) -> str | None:
    """The service that ``/why`` alone means in a channel: by the setting, else by its name."""
    if channel is None:
        return None
    if (configured := services.get(channel)) is not None:
        return configured
    known = {name.casefold(): name for name in vocabulary.services}
    return known.get(channel.casefold())


def question_of(
    text: str, *, service: str | None, vocabulary: Vocabulary, now: datetime, zone: tzinfo
) -> str:
    """The question that ``/why`` and this text ask where ``service`` is the channel's.

    Raises: ScopeError, where a time in it cannot be read.
    """
    text = typed(text)
    if not text:
        if service is None:
            return f"What happened {_LAST_HOUR}?"
        return f"Why did {service} fail {_LAST_HOUR}?"
    if _ASKING.match(text):
        return text
    text = text.rstrip("?").rstrip()
    if _AUXILIARY.match(text):
        return f"Why {text}?"
    if _says_only_when_and_where(text, vocabulary, now, zone):
        return f"What happened {text}?" if service is None else f"Why did {service} fail {text}?"
    return f"Why {text}?"


def goes_on(text: str) -> bool:
    """Whether a reply in the thread of an answer is meant for us, and not for the others there:
    a question, or the beginning of one, that mentions nobody."""
    if re.search(r"<[@!]", text):
        return False
    said = typed(text)
    return said.endswith("?") or (_GOING_ON.match(said) is not None and len(said.split()) <= 6)


def _says_only_when_and_where(
    text: str, vocabulary: Vocabulary, now: datetime, zone: tzinfo
) -> bool:
    scope = scope_of(text, now=now, zone=zone, vocabulary=vocabulary)
    if scope.services or scope.customers:
        return False
    rest = text.replace(scope.reason, " ")
    for region in mentioned(text, vocabulary.regions):
        pattern = r"[-_\s]?".join(re.escape(word) for word in re.split(r"[-_\s]+", region))
        rest = re.sub(pattern, " ", rest, flags=re.IGNORECASE)
    return not _GLUE.sub("", rest)
