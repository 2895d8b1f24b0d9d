"""An audit that could not be made is no clean one."""

import json

import pytest

from bench.supply_chain import FOUND, NOT_AUDITED, verdict

CLEAN = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("listed", "code", "said"),
    [
        ([CLEAN], 0, "1 packages"),
        ([CLEAN, FLAWED], FOUND, "b 2: PYSEC-1"),
        ([CLEAN, SKIPPED], NOT_AUDITED, "NOT AUDITED"),
        ([FLAWED, SKIPPED], NOT_AUDITED, "PYSEC-1"),
        ([], NOT_AUDITED, "NOT AUDITED"),
    ],
)
def test_what_is_known_and_what_nobody_could_say_fail(
    listed: list[object], code: int, said: str
) -> None:
    found, lines = verdict(json.dumps({"dependencies": listed}))
    assert found == code
    assert said in "\n".join(lines)


def test_no_answer_is_not_audited() -> None:
    assert verdict("")[0] == NOT_AUDITED
