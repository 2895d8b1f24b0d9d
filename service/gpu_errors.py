"""What an Xid (the number of an error that NVIDIA's driver reports) asks of who runs the machine.

From NVIDIA's "Analyzing Xid Errors with the Xid Catalog" (for Ampere and newer), by the column
"Resolution Bucket (Immediate Action)": what a restart of the application does not cure is work on
the machine. Errors of memory and links that cure themselves are worth watching all the same: rows
that were remapped run out.
"""

from __future__ import annotations

from enum import StrEnum

from ingest.documents import Frozen


class XidMeaning(StrEnum):
    """What has to be done."""

    MAINTENANCE = "the machine needs work"
    WATCH = "worth watching"
    APPLICATION = "mostly the application's own fault"


class Xid(Frozen):
    """A code, what it says in words (without digits) and what has to be done."""

    code: int
    what: str
    meaning: XidMeaning


_MAINTENANCE = {
    46: "the GPU stopped processing",
    48: "a double-bit ECC error",
    54: "the board lacks auxiliary power",
    62: "an internal microcontroller halted",
    64: "a row of memory could not be remapped",
    74: "an NVLink error",
    79: "the GPU has fallen off the bus",
    95: "an uncontained memory error",
    109: "a context switch timed out",
    110: "a security fault",
    119: "the GPU's system processor does not answer",
    120: "the GPU's system processor failed",
    136: "a link could not be trained",
    140: "an unrecovered ECC error",
    143: "the GPU could not be initialised",
    156: "a resource was retired",
    158: "a fatal timeout of the GPU",
}
_WATCH = {
    63: "a row of memory was remapped",
    92: "many single-bit ECC errors",
    93: "the GPU's own storage is worn",
    94: "a contained memory error",
    121: "an error of the chip-to-chip link",
    157: "a resource could not be retired",
}
_APPLICATION = {
    8: "the GPU stopped processing",
    11: "a corrupted stream of commands",
    13: "an exception of the graphics engine",
    25: "an illegal stream of commands",
    31: "a page fault of GPU memory",
    32: "a corrupted stream of commands",
    43: "the GPU stopped processing",
    45: "a cleanup after an earlier error",
    69: "an error of the graphics engine's class",
    80: "corrupted data sent to the GPU",
}
_NVLINK = range(144, 151)
"""One code for each unit of NVLink's fifth generation."""


def xid(code: int) -> Xid:
    """The meaning of a code; one that is not here is worth watching."""
    for known, meaning in (
        (_MAINTENANCE, XidMeaning.MAINTENANCE),
        (_WATCH, XidMeaning.WATCH),
        (_APPLICATION, XidMeaning.APPLICATION),
    ):
        if code in known:
            return Xid(code=code, what=known[code], meaning=meaning)
    if code in _NVLINK:
        return Xid(code=code, what="an NVLink error", meaning=XidMeaning.MAINTENANCE)
    return Xid(code=code, what="look it up in NVIDIA's catalog", meaning=XidMeaning.WATCH)
