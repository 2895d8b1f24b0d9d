"""The stand-in for a Qdrant server on loopback, with TLS and a key, for a block of tests."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.index import IndexStore, open_store
from service.testing.certificate import self_signed
from service.testing.loopback import on_loopback

if TYPE_CHECKING:
    from service.testing.qdrant_server import QdrantServer

API_KEY = "the-key-of-a-cluster"
_NUMBERS = count()


@dataclass(frozen=True)
class Qdrant:
    """A running server, and how it is reached."""

    server: QdrantServer
    url: str
    ca_file: Path

    def trust(self) -> ssl.SSLContext:
        """For other clients than ours."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def store(self, collection: str | None = None, **options: Any) -> IndexStore:
        """A store of it; without a name, one with a name of its own."""
        how: dict[str, Any] = {
            "url": self.url,
            "api_key": API_KEY,
            "ca_file": self.ca_file,
            "collection": collection or new_name(),
        }
        return open_store(directory=Path("unused"), **(how | options))


def new_name() -> str:
    """The name of a collection that nobody used before."""
    return f"why{next(_NUMBERS)}"


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Qdrant]:
    """A server until the end of the block; its certificate lies in ``folder``."""
    from service.testing.qdrant_server import QdrantServer  # a second of imports

    server = QdrantServer(api_key=API_KEY, **options)
    certificate = self_signed(folder)
    with on_loopback(server, certificate) as url:
        yield Qdrant(server, url, certificate.file)
