"""The index: the contract (``base``) and where it lives.

``open_store`` decides between Qdrant's engine in this process and a Qdrant server, and imports
only what that one needs.
"""

from __future__ import annotations

from pathlib import Path

from ingest.index.base import (
    EmbeddedChunk,
    FusionMethod,
    Hit,
    HybridQuery,
    Index,
    IndexFailure,
    IndexLocked,
    IndexMissing,
    IndexSpec,
    IndexStore,
    IndexUnavailable,
    Scope,
    SparseVector,
    StageScore,
    StoredDocument,
)
from ingest.index.layout import Cluster, Layout, Quantization

__all__ = [
    "Cluster",
    "EmbeddedChunk",
    "FusionMethod",
    "Hit",
    "HybridQuery",
    "Index",
    "IndexFailure",
    "IndexLocked",
    "IndexMissing",
    "IndexSpec",
    "IndexStore",
    "IndexUnavailable",
    "Layout",
    "Quantization",
    "Scope",
    "SparseVector",
    "StageScore",
    "StoredDocument",
    "open_store",
]


def open_store(
    *,
    directory: Path,
    url: str | None = None,
    api_key: str | None = None,
    collection: str = "why",
    timeout: float = 10.0,
    ca_file: Path | None = None,
    layout: Layout | None = None,
    cluster: Cluster | None = None,
) -> IndexStore:
    """The store of a server where ``url`` is given, else of the embedded engine in ``directory``.

    Nothing is opened or asked yet. ``collection`` is the alias on a server, ``timeout`` the
    seconds that one of its answers may take, ``ca_file`` whom to trust there (PEM).
    Raises: IndexUnavailable where ``url`` is no URL or ``ca_file`` can't be used.
    """
    if url is None:
        from ingest.index.edge_store import EdgeStore

        return EdgeStore(directory, layout=layout)
    from ingest.index.server import Connection
    from ingest.index.server_store import ServerStore

    connection = Connection.to(url, api_key=api_key, timeout=timeout, ca_file=ca_file)
    return ServerStore(connection, collection, layout=layout, cluster=cluster)
