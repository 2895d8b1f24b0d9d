"""Names that mean something only as a whole: ``node_cpu_seconds_total``, ``ORA-01555``, ``XID 79``.

A tokenizer for prose cuts them into parts that many pages share. ``identifiers`` finds them by
their shape alone, so that what people call things needs no list: a word with humps or with letters
and digits (``KubePodCrashLooping``, ``0x80070005``), words joined by ``_ . : / -`` (names of
metrics, files, hosts, versions, CVE numbers), and a code with its number (``HTTP 503``). Ordinary
prose has such shapes, too; ``read-only``, ``and/or``, ``14:05`` and ``99.9`` are left to the
tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_WORD = re.compile(r"[A-Za-z0-9]+(?:[_.:/\\@+-]+[A-Za-z0-9]+)*")
_HUMPS = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_CODE = re.compile(
    r"\b([A-Z]{2,12}|(?i:xid|http|error|code|status|errno|signal))[ \t]?[ :#=][ \t]?"
    r"(\d{1,6})\b(?![.%]?\d|%)"
)
_LONGEST = 200
"""Characters; what is longer is data and no name."""
_SHORTEST = 4
"""Characters of a word of letters and digits: ``k8s`` and ``p95`` are words."""


def identifiers(text: str) -> list[str]:
    """The identifiers of a text, lower-case, each as often as it occurs, in order of kind."""
    words = [found[0] for found in _WORD.finditer(text)]
    codes = [f"{code} {number}" for code, number in _CODE.findall(text)]
    return [name.lower() for name in (*filter(_is_identifier, words), *codes)]


def among(names: Collection[str], text: str) -> set[str]:
    """Those of these identifiers that the text has."""
    lower = text.lower()
    # A name's last word stands in the text as it is: far cheaper to see than what is a name.
    if not any(name.rpartition(" ")[2] in lower for name in names):
        return set()
    return {*names}.intersection(identifiers(text))


def _is_identifier(word: str) -> bool:
    if not _SHORTEST <= len(word) <= _LONGEST:
        return False
    if word.isalpha():  # as most words are
        return bool(_HUMPS.search(word))
    parts = re.split(r"[^A-Za-z0-9]+", word)
    if max(map(len, parts)) == 1:
        return False  # "e.g", "X/X/X"
    letters = any(map(str.isalpha, word))
    if len(parts) == 1:
        return bool(_HUMPS.search(word)) or (letters and any(map(str.isdigit, word)))
    if len(parts) > 2 or "_" in word:
        return True
    return letters and (any(map(str.isdigit, word)) or not re.search(r"[-/]", word))
