"""What every source is configured with, and the ids and links that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from ingest.documents import EVERYONE

_REPOSITORY = re.compile(r"/(?:blob|tree|src)/[^/]")
"""As GitHub, GitLab, Gitea and Bitbucket write where a branch's files are."""
INDEXES = ("README", "index", "_index")
"""Pages that Hugo, MkDocs, GitBook and the like serve under their folder."""


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

    def page_url(self, path: str) -> str | None:
        """The link to a page's file: under its full name in a repository that is looked at on
        GitHub and the like; a wiki and a site leave the suffix off, and the name of an index."""
        if self.base_url is not None and _REPOSITORY.search(self.base_url):
            return self.url(path)
        page = PurePosixPath(path).with_suffix("")
        served = page.parent if page.name in INDEXES else page
        return self.base_url if served == PurePosixPath() else self.url(served.as_posix())


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Origin):
    """A source that is a folder or file on disk."""

    path: Path
