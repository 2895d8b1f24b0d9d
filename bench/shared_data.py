"""Where the real runbooks and questions lie that the figures are measured on."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

RUNBOOKS = ("runbooks-prometheus-operator", "runbooks-openshift", "runbooks-cloudnativepg")
PAIRS = "pairs.jsonl"

_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """``--data``, by default ``WHY_SHARED_DATA`` or ``../shared/data``."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("WHY_SHARED_DATA", _BESIDE_THE_REPOSITORY)),
        help="folder with the runbook corpora and pairs.jsonl (default: $WHY_SHARED_DATA)",
    )


def runbook_folders(data: Path) -> list[Path]:
    """The corpora. Ends the program where they are missing."""
    folders = [data / name for name in RUNBOOKS]
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise SystemExit(f"not here: {', '.join(missing)}; name their folder with --data")
    return folders
