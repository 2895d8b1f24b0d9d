"""Room for the embedded engine's files.

It writes to sparse files that it has mapped: on a full disk the kernel would end the whole process
(SIGBUS). So whoever opens, fills or optimises a shard is refused while too little is free.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ingest.index.base import IndexFailure

_MIB = 2**20
TO_OPEN = 128 * _MIB
"""Bytes free: a small index takes 80 MiB more when it is first opened (measured with 0.9)."""
TO_WRITE = 64 * _MIB
"""Bytes free: one segment of the write-ahead log is half of that."""


def ensure_free(folder: Path, needed: int) -> None:
    """Raises IndexFailure where fewer than ``needed`` bytes are free on the folder's disk."""
    free = shutil.disk_usage(_existing(folder)).free
    if free < needed:
        raise IndexFailure(
            f"the disk is full: {free // _MIB} MiB are free for the index in {folder}, and "
            f"{needed // _MIB} MiB are needed. Nothing that was stored is lost: make room and try "
            "again"
        )


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def taken(folder: Path) -> int:
    """Bytes that the folder's files take on the disk; sparse ones count what they hold."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())
