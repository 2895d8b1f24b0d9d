"""Ids that sort by time and can't be guessed.

A ULID (https://github.com/ulid/spec) in lower case after a short prefix that tells what it is the
id of, e.g. ``r_01kaxk2v6n3c4t8q5w9y7z0abd``: 48 bits of milliseconds since 1970, then 80 random
bits. Ids of one millisecond sort at random.
"""

from __future__ import annotations

import secrets
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_RANDOM_BITS = 80


def new_id(prefix: str, at: datetime) -> str:
    """A new id of something that is made at ``at``."""
    value = int(at.timestamp() * 1000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    digits = (value >> 5 * place & 31 for place in reversed(range(_LENGTH)))
    return f"{prefix}_{''.join(_ALPHABET[digit] for digit in digits)}"
