"""``python -m tests.fuzz.run TARGET [-runs=20000]``: atheris on one target, or on ``all``.

Coverage-guided: libFuzzer's options (``-runs``, ``-max_total_time``, ``-max_len``, a folder of a
corpus) come after the target's name. What crashes is written to ``crash-…`` in this folder; once
fixed it goes into ``tests/fuzz/crashers/TARGET/``, which the tests read.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ingest", "service"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in {*TARGETS, "all"}:
        sys.exit(f"usage: python -m tests.fuzz.run TARGET [options]; targets: {', '.join(TARGETS)}")
    name = sys.argv.pop(1)
    chosen = list(TARGETS.values()) if name == "all" else [TARGETS[name]]

    def one_input(data: bytes) -> None:
        if data:
            chosen[data[0] % len(chosen)](data[1:] if name == "all" else data)

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
