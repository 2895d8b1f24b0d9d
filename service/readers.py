"""Who asks, and what they may read."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.documents import EVERYONE, Frozen


class Reader(Frozen):
    """A person or a program. ``audience``: the labels of what they may read.

    ``name`` is for records and logs (``slack:U123``, ``key:ci``): never a secret.
    """

    name: str
    audience: tuple[str, ...] = (EVERYONE,)

    def may_read(self, audience: Iterable[str]) -> bool:
        """Whether they may read what was made out of everything that ``audience`` may read.

        All of these labels must be theirs: an answer may rest on any of what it was made from.
        """
        return set(audience) <= set(self.audience)
