"""How a generation keeps its vectors and payload, and how a cluster spreads them.

``Layout`` holds for both backends, ``Cluster`` for a server alone. Both take effect when a
generation is created; only what a search asks for (``search_ef``, ``oversampling``) holds at once.
The defaults are measured: ``docs/benchmarks.md`` has the figures, ``docs/scaling.md`` says what to
change, and from how many chunks on.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from ingest.documents import Frozen


class Quantization(StrEnum):
    """Small copies of the vectors that are searched first; the best are rescored in full.

    ``int8`` takes a quarter of the memory of float32, ``binary`` a thirty-second.
    """

    NONE = "none"
    INT8 = "int8"
    BINARY = "binary"


class Layout(Frozen):
    """Sizes of the graph (Malkov & Yashunin 2016, https://arxiv.org/abs/1603.09320) and where
    things lie.

    ``hnsw_m`` is the number of links of a node, ``ef_construct`` and ``search_ef`` are how many
    candidates are kept while the graph is built and searched. ``exact_up_to`` is the number of
    chunks in a segment up to which all vectors are compared (recall 1) instead. ``oversampling``
    is how many times the wanted candidates are rescored where vectors are quantised.
    """

    hnsw_m: int = Field(default=16, ge=4, le=128)
    ef_construct: int = Field(default=100, ge=4)
    search_ef: int = Field(default=512, ge=1)
    exact_up_to: int = Field(default=20_000, ge=1)
    quantization: Quantization = Quantization.NONE
    oversampling: float = Field(default=2.0, ge=1)
    vectors_on_disk: bool = False
    payload_on_disk: bool = True

    def exact_kilobytes(self, dimensions: int) -> int:
        """Size of the float32 vectors of ``exact_up_to`` chunks, in KiB (the unit of Qdrant)."""
        return max(1, self.exact_up_to * dimensions * 4 // 1024)


class Cluster(Frozen):
    """How a server spreads a collection; ``None`` leaves it to the server.

    ``shards`` are parts that can lie on different nodes, ``replicas`` copies of each part, and
    ``write_consistency`` how many copies have to confirm a write
    (https://qdrant.tech/documentation/guides/distributed_deployment/).
    """

    shards: int | None = Field(default=None, ge=1)
    replicas: int | None = Field(default=None, ge=1)
    write_consistency: int | None = Field(default=None, ge=1)
