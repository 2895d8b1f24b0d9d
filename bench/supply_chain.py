"""``python -m bench.supply_chain audit|sbom``: what we depend on, and what is known against it.

``audit`` exits with 1 for a known vulnerability and with 2 where nobody could say: pip-audit itself
calls a run without an answer clean. ``sbom`` writes ``build/sbom.json``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path("requirements.lock")
SBOM = Path("build/sbom.json")
FOUND, NOT_AUDITED = 1, 2


def audit() -> int:
    """The exit code of the audit; what was found goes to the terminal."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK)]
    command += ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    code, lines = verdict(done.stdout)
    print("\n".join(lines) or done.stderr, file=sys.stderr if code else sys.stdout)
    return code


def verdict(answer: str) -> tuple[int, list[str]]:
    """The exit code for pip-audit's JSON, and what to say."""
    try:
        listed: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return NOT_AUDITED, ["NOT AUDITED: pip-audit gave no answer"]
    known = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {flaw['fix_versions'] or 'none'}"
        for one in listed
        for flaw in one.get("vulns", ())
    ]
    skipped = [one["name"] for one in listed if "skip_reason" in one]
    if skipped or not listed:
        known.append(f"NOT AUDITED: no advisories could be had for {len(skipped)} of {len(listed)}")
        return NOT_AUDITED, known
    return (FOUND, known) if known else (0, [f"{len(listed)} packages, nothing known against them"])


def sbom() -> int:
    """Writes the bill of materials; the same lock gives the same bytes."""
    SBOM.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(LOCK)]
    command += ["--output-reproducible", "--output-format", "JSON", "--output-file", str(SBOM)]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit({"audit": audit, "sbom": sbom}[sys.argv[1]]())
