"""What is fixed about the packaged model, sentence-transformers/all-MiniLM-L6-v2.

Apart from the code that builds and runs it, so that running it does not import the builder.
"""

from __future__ import annotations

from typing import Literal

Precision = Literal["int8", "float32"]

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

DIMENSIONS = 384
MAX_TOKENS = 256
"""What the model reads of a text, the two special tokens included."""

GRAPH_VERSION = 1
"""Raise it with every change of the graph that moves a vector: it is in the encoder's name."""
