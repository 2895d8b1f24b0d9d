"""What every source is configured with, and the ids and links that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ingest.documents import EVERYONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A named source of documents, and where people open the same pages in a browser.

    ``audience`` holds for every document that does not name its own.
    """

    name: str
    base_url: str | None = None
    audience: tuple[str, ...] = (EVERYONE,)

    def document_id(self, locator: str) -> str:
        return f"{self.name}/{locator}"

    def url(self, locator: str) -> str | None:
        """The link to ``locator`` below ``base_url``; ``None`` without one."""
        if self.base_url is None:
            return None
        return f"{self.base_url.rstrip('/')}/{quote(locator, safe='/#?=&')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Origin):
    """A source that is a folder or file on disk."""

    path: Path
