"""The packaged model as an ONNX graph, written straight from its weights.

A six-layer BERT is a short graph, so it is written here by hand instead of being traced by
``torch.onnx.export``: that takes a second instead of fifteen, needs neither torch nor
transformers, prints nothing, and lets us say which products run in int8.

In int8, weights have one scale per output column and seven bits: ``pmaddubsw``, which processors
without VNNI use, adds two products in 16 bits and would saturate with eight. Activations are
quantised when they are known (DynamicQuantizeMatMul), with one scale for the tensor. The second
product of the feed-forward block stays in float32 in the early layers: its inputs have outliers
that such a scale cannot hold (measured against float32 on runbook text: cosine .993 on average
and .984 at worst without this, .996 and .994 with it, for 11-22% more time).

Architecture: Devlin et al. 2019 (BERT) with exact GELU; mean pooling and normalisation as the
model's own ``modules.json`` asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load

from ingest.encoders.minilm import DIMENSIONS, MAX_TOKENS, Precision

_LAYERS = 6
_HEADS = 12
_EPSILON = 1e-12
_LARGEST_WEIGHT = 63
_FLOAT_DOWN_LAYERS = frozenset({0, 1, 2})
_MICROSOFT = "com.microsoft"
_OPSET = 18
_IR_VERSION = 10

_Floats = NDArray[np.float32]


class _GraphWriter:
    """Collects nodes and constants; every method returns the name of the value it makes."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(
        self, op: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any
    ) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output

    def linear(
        self, value: str, name: str, weight: _Floats, bias: _Floats, *, exact: bool = False
    ) -> str:
        """``value @ weight + bias``; ``weight`` has shape (inputs, outputs)."""
        bias_name = self.constant(f"{name}.bias", bias)
        if exact or self.precision == "float32":
            weight_name = self.constant(f"{name}.weight", weight)
            product = self.node("MatMul", [value, weight_name], f"{name}.product")
            return self.node("Add", [product, bias_name], f"{name}.sum")
        scale = np.abs(weight).max(axis=0) / _LARGEST_WEIGHT
        inputs = [
            value,
            self.constant(f"{name}.weight", np.rint(weight / scale).astype(np.int8)),
            self.constant(f"{name}.scale", scale.astype(np.float32)),
            self.constant(f"{name}.zero", np.zeros(scale.shape, np.int8)),
            bias_name,
        ]
        return self.node("DynamicQuantizeMatMul", inputs, f"{name}.sum", domain=_MICROSOFT)

    def lookup(self, ids: str, name: str, table: _Floats) -> str:
        """Rows of ``table``. In int8 every row has its own scale, which costs no accuracy."""
        if self.precision == "float32":
            return self.node("Gather", [self.constant(f"{name}.table", table), ids], name)
        scale = np.abs(table).max(axis=1, keepdims=True) / 127
        rows = self.constant(f"{name}.table", np.rint(table / scale).astype(np.int8))
        scales = self.constant(f"{name}.scale", scale.astype(np.float32))
        small = self.node("Gather", [rows, ids], f"{name}.int8")
        wide = self.node("Cast", [small], f"{name}.float", to=TensorProto.FLOAT)
        return self.node("Mul", [wide, self.node("Gather", [scales, ids], f"{name}.by")], name)

    def add_and_normalise(
        self, value: str, residual: str, name: str, gamma: _Floats, beta: _Floats
    ) -> str:
        inputs = [
            value,
            residual,
            self.constant(f"{name}.gamma", gamma),
            self.constant(f"{name}.beta", beta),
        ]
        return self.node(
            "SkipLayerNormalization", inputs, name, domain=_MICROSOFT, epsilon=_EPSILON
        )


def build_graph(weights_content: bytes, precision: Precision) -> bytes:
    """The content of ``model.safetensors`` as serialised ONNX.

    ``input_ids``, int64 (1, tokens) → ``embedding``, float32 (1, 384). It takes one text at a
    time (so no mask), with at most ``MAX_TOKENS`` tokens, special ones included.
    """
    weights = load(weights_content)
    graph = _GraphWriter(precision)
    hidden = _embed(graph, weights)
    for layer in range(_LAYERS):
        hidden = _encode(graph, weights, layer, hidden)
    mean = graph.node(
        "ReduceMean", [hidden, graph.constant("axis", np.array([1]))], "mean", keepdims=0
    )
    graph.node("LpNormalization", [mean], "embedding", axis=1, p=2)
    body = helper.make_graph(
        graph.nodes,
        "minilm",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, DIMENSIONS])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(model.SerializeToString())


def _embed(graph: _GraphWriter, weights: dict[str, _Floats]) -> str:
    words = graph.lookup("input_ids", "words", weights["embeddings.word_embeddings.weight"])
    # Every token has type 0, so that row can be added to the positions once and for all.
    positions = (
        weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    length = graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    start = graph.constant("start", np.array([0]))
    table = graph.constant("positions.table", positions)
    used = graph.node("Slice", [table, start, length], "positions")
    total = graph.node("Add", [words, used], "embeddings.sum")
    gamma = graph.constant("embeddings.gamma", weights["embeddings.LayerNorm.weight"])
    beta = graph.constant("embeddings.beta", weights["embeddings.LayerNorm.bias"])
    return graph.node(
        "LayerNormalization", [total, gamma, beta], "embeddings", axis=-1, epsilon=_EPSILON
    )


def _encode(graph: _GraphWriter, weights: dict[str, _Floats], layer: int, hidden: str) -> str:
    def weight(part: str) -> _Floats:
        return weights[f"encoder.layer.{layer}.{part}.weight"]

    def bias(part: str) -> _Floats:
        return weights[f"encoder.layer.{layer}.{part}.bias"]

    here = f"layer{layer}"
    projections = [f"attention.self.{part}" for part in ("query", "key", "value")]
    projected = graph.linear(
        hidden,
        f"{here}.qkv",
        np.concatenate([weight(part).T for part in projections], axis=1),
        np.concatenate([bias(part) for part in projections]),
    )
    parts = [f"{here}.{part}" for part in ("query", "key", "value")]
    graph.nodes.append(helper.make_node("Split", [projected], parts, axis=-1, num_outputs=3))
    attended = graph.node(
        "MultiHeadAttention", parts, f"{here}.attention", domain=_MICROSOFT, num_heads=_HEADS
    )
    dense = "attention.output.dense"
    attended = graph.linear(attended, f"{here}.out", weight(dense).T, bias(dense))
    norm = "attention.output.LayerNorm"
    middle = graph.add_and_normalise(attended, hidden, f"{here}.middle", weight(norm), bias(norm))
    up = graph.linear(
        middle, f"{here}.up", weight("intermediate.dense").T, bias("intermediate.dense")
    )
    active = graph.node("Gelu", [up], f"{here}.gelu", domain=_MICROSOFT)
    down = graph.linear(
        active,
        f"{here}.down",
        weight("output.dense").T,
        bias("output.dense"),
        exact=layer in _FLOAT_DOWN_LAYERS,
    )
    norm = "output.LayerNorm"
    return graph.add_and_normalise(down, middle, here, weight(norm), bias(norm))
