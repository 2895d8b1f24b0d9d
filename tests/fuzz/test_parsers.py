# ruff: noqa: E501 - pieces of formats are shown as they are
"""Every parser takes everything: it reads it or says what is wrong, and never anything else.

Examples are pieces of each format, put together anyhow and broken anywhere. They are the same in
every run; ``WHY_FUZZ_EXAMPLES=5000`` looks longer and elsewhere. ``tests/fuzz/crashers/`` has what
once was a bug, by target. ``python -m tests.fuzz.run`` goes on with atheris, guided by coverage.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

EXAMPLES = int(os.environ.get("WHY_FUZZ_EXAMPLES", "40"))
CRASHERS = Path(__file__).parent / "crashers"
SEEDS = {
    "page": b"---\ntitle: Checkout\nservices: [checkout]\nupdated: 2026-01-02\n---\n# Checkout\n\n"
    b"## Causes\n\n- Quota is full.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nkubectl get\n```\n",
    "incident": b"+++\nid = 'INC-7'\n+++\n# INC-7: down\n\nAll times in PST\n\n## Timeline\n\n"
    b"- 2026-02-03 14:03 down\n- 23:59 - 00:10 up\n\n## Root cause\n\nQuota was full.\n",
    "markup": b"= Title\n:author: x\n\n== Part\n\n----\ncode\n----\n\nTitle\n=====\n\n.. include:: /x\n"
    b"<main><h1>A</h1><table><tr><td>1</table><pre>x</pre><li>y",
    "terms": b"**SLO** - an objective\n\n| Term | Meaning |\n|---|---|\n| p99 | slow |\n\nT\n: text\n",
    "json": b'{"panels": [{"id": 1, "title": "A", "targets": [{"expr": "up{a=\\"$b\\"}"}]}], '
    b'"templating": {"list": [{"name": "b", "query": "x,y", "current": {"value": ["$__all"]}}]}}',
    "yaml": b"groups:\n- name: a\n  rules:\n  - alert: Down\n    expr: up == 0\n    for: 5m\n"
    b"    labels: {severity: page}\n---\n&a [*a, 2026-13-01, !!binary x, ? {b: c} : d]\n",
    "slack": b'[{"type": "message", "user": "U1", "ts": "1718700000.000100", "text": "<@U1> hi", '
    b'"thread_ts": "1718700000.000100", "reply_count": 9, "edited": {"ts": "9999999999"}, '
    b'"blocks": [{"text": {"text": "x"}}], "files": [{"name": "a"}]}]',
    "metrics": b'# TYPE a counter\n# HELP a b\na_total{b="c\\"d"} 1 1718700000 # {e="f"} 1\n# EOF\n',
    "promql": b'sum by (a) (rate(http_total{b=~"c|d", e!="f"}[5m] offset 1h)) / on () 2 ^ -x > bool 1',
    "times": b"Why between 25:10 and 2026-02-30T01:00Z last 99999999 weeks?\n9e9 days ago\n"
    b"on 2026-11-31 last friday 23:59+99:99",
    "answer": b'<think>{</think>```json\n{"summary": [{"text": "x", "citations": [{"evidence": "E1"}]}]'
    b', "causes": []}```',
    "api": b'{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {"a": "b"},'
    b' "values": [[1718700000, "NaN"], [1e400, "x"]]}]}}',
    "frames": b'{"results": {"A": {"status": 200, "frames": [{"schema": {"fields": [{"type": "time"},'
    b'{"type": "number"}]}, "data": {"values": [[1], [null]], "entities": [null, {"NaN": [7]}]}}]}}}',
    "events": b'[{"time": 1e400, "timeEnd": -1, "text": [], "tags": {}}, {"time": "x"}, 1]',
    "hook": b'{"groupKey": "g", "status": "firing", "alerts": [{"status": "firing", "labels": '
    b'{"alertname": "A"}, "startsAt": "0001-01-01T00:00:00Z"}]}',
    "odd": "\u202e\u2066\u200b\ufeff\0\x1b\x85\u2028é\ud7ff".encode(),
}
PIECES = [piece for seed in SEEDS.values() for piece in seed.splitlines(keepends=True)]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Pieces of formats, with bytes cut out, doubled and put in."""
    data = draw(st.sampled_from(list(SEEDS.values())) | st.just(b""))
    data += b"".join(draw(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=6)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        put = draw(st.binary(max_size=4) | st.just(data[start:end] * 3) | st.sampled_from(PIECES))
        data = data[:start] + put + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_read_or_reported(name: str) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(broken())
    def anything(data: bytes) -> None:
        TARGETS[name](data)

    for seed in SEEDS.values():
        TARGETS[name](seed)
    anything()


@pytest.mark.parametrize(
    "crasher", sorted(CRASHERS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_what_once_crashed_does_not(crasher: Path) -> None:
    TARGETS[crasher.parent.name](crasher.read_bytes())


@pytest.mark.slow
def test_coverage_leads_to_nothing_new(tmp_path: Path) -> None:
    """A short run of atheris with a fixed seed, on all targets."""
    pytest.importorskip("atheris")
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.run",
        "all",
        "-runs=400",
        "-seed=1",
        "-max_len=400",
    ]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
