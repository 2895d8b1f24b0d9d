"""What a generation is called and what it remembers, on either backend.

A name is ``<digest of the spec>-<nonce>``: a generation is found again by what it was made for,
and a new one never meets the remains of an old one.
"""

from __future__ import annotations

import re
import secrets

from ingest.documents import Frozen
from ingest.index.base import IndexSpec

_NAME = re.compile(r"[0-9a-f]{12}-[0-9a-f]{8}")


class Manifest(Frozen):
    """What a generation was made with; stored beside its points."""

    spec: IndexSpec
    average_length: float


class Generation:
    """The part of ``Index`` that needs no backend."""

    def __init__(self, name: str, manifest: Manifest, *, is_new: bool) -> None:
        self.name = name
        self.manifest = manifest
        self._is_new = is_new

    @property
    def spec(self) -> IndexSpec:
        return self.manifest.spec

    @property
    def average_length(self) -> float:
        return self.manifest.average_length

    @property
    def is_new(self) -> bool:
        return self._is_new

    def mark_published(self) -> None:
        """Called by the store once readers find this generation."""
        self._is_new = False


def new_name(spec: IndexSpec) -> str:
    """A name that no generation had before."""
    return f"{spec.digest}-{secrets.token_hex(4)}"


def is_name(text: str) -> bool:
    """Whether this is the name of a generation (and therefore ours to delete)."""
    return _NAME.fullmatch(text) is not None


def made_for(name: str, spec: IndexSpec) -> bool:
    """Whether the generation of this name was made for ``spec``."""
    return name.startswith(f"{spec.digest}-")
