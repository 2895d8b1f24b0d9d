"""Retrieved text is data: what is taken out of it before a language model reads it.

Anybody who can edit a wiki page, post in a channel or name a metric can write into a prompt.
What protects the report is that a model can only word what was ranked and that every sentence is
checked; what is here makes it harder to get that far. Patterns after OWASP's "LLM01: Prompt
Injection" (2025), kept to what no runbook says about its own matter.
"""

from __future__ import annotations

import re
import unicodedata

_LINK = re.compile(
    r"!?\[([^\[\]]*)\]\([^)\n]*\)?|<?\b(?:https?|ftp|data|javascript):\S+", re.IGNORECASE
)
_TAG = re.compile(
    r"</?\s*(?:evidence|candidates?|question|system|assistant|user)\b(?:[^<>\n]*>)?", re.I
)
_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget)\b[^.\n]{0,40}\b(?:above|previous|prior|earlier|instructions?|"
    r"evidence|rules?)\b"
    r"|\b(?:system|hidden|initial)\s+prompt\b"
    r"|\byou are (?:now|no longer)\b"
    r"|\bas an? (?:ai|language model|assistant)\b"
    r"|\b(?:say|report|answer|respond|reply|write|tell|conclude|state)\b[^.\n]{0,30}"
    r"\b(?:all is well|everything is (?:fine|well|ok|okay|healthy)|nothing (?:is wrong|happened)|"
    r"no incident)\b"
    r"|\b(?:include|insert|add|output|print|repeat)\b[^.\n]{0,30}\b(?:this|the following)\s+"
    r"(?:link|url|image|text|prompt)\b",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """The text without invisible characters, links and images, and look-alikes of our own marks."""
    visible = "".join(
        character
        for character in unicodedata.normalize("NFC", text)
        if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs")
    )
    unlinked = _LINK.sub(lambda match: match[1] or "", visible)
    return _TAG.sub("", unlinked)


def reads_like_an_instruction(text: str) -> bool:
    """Whether it speaks to whoever summarises it, and not about a system."""
    return _INSTRUCTION.search(clean(text)) is not None


def holds_a_link(text: str) -> bool:
    """Whether a written sentence would show or load something from an address."""
    return _LINK.search(text) is not None or re.search(r"\bwww\.\w", text, re.I) is not None
