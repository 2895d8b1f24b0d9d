"""How many tokens a text has at most, without the model's own tokenizer.

That one is out of reach: it is the server's, and tokenizer libraries fetch theirs from a hub.
The server's count replaces the estimate where it gives one. Until then it must rather be too
high: it guards a limit. It is, by 21 to 54 %, on every file of the sample company for SmolLM2's
tokenizer, whose vocabulary is small (49,152); tests/real/test_llm.py repeats that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.llm.base import Message

_LETTERS_PER_TOKEN = 3
_SPACES_PER_TOKEN = 4
_PER_MESSAGE = 8
_PER_REQUEST = 32
"""What a chat template adds: role marks, and often a system prompt of its own."""

# Words split where capitals begin, as identifiers and random strings do in tokenizers.
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\s+|.")


def estimate_tokens(text: str) -> int:
    """An upper estimate of the tokens of ``text``."""
    return sum(_tokens_of(piece) for piece in _PIECE.findall(text))


def estimate_prompt_tokens(messages: Sequence[Message]) -> int:
    """An upper estimate of the tokens of a request, its chat template included."""
    return _PER_REQUEST + sum(_PER_MESSAGE + estimate_tokens(one.content) for one in messages)


def _tokens_of(piece: str) -> int:
    if piece == " ":
        return 0  # part of the next word's token
    if piece.isspace():
        return -(-len(piece) // _SPACES_PER_TOKEN)
    if piece.isascii() and piece.isalpha():
        return -(-len(piece) // _LETTERS_PER_TOKEN)
    # A digit or a sign. Of other scripts: a token has one byte or more.
    return len(piece.encode("utf-8", "surrogatepass"))
