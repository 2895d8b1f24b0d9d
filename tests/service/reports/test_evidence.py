"""What a language model gets to read: the most useful first, no more than fits, nothing twice."""

import asyncio

import pytest

from service.assembly import moment_of, open_engine
from service.llm.tokens import estimate_tokens
from service.reports.draft import Draft, Findings
from service.reports.evidence import EvidencePolicy, evidence_for
from service.reports.extractive import ExtractiveWriter
from service.settings import Settings


class Keeping(ExtractiveWriter):
    """A writer that keeps what it was given."""

    findings: Findings

    async def write(self, findings: Findings) -> Draft:
        self.findings = findings
        return await super().write(findings)


@pytest.fixture(scope="module")
def findings(company: Settings) -> Findings:
    writer = Keeping()
    now = moment_of(company)

    async def run() -> None:
        async with open_engine(company, as_of=now) as engine:
            engine.write_with(writer)
            await engine.ask("Why did checkout fail last night?", now=now)

    asyncio.run(run())
    return writer.findings


def test_what_carries_the_first_cause_comes_first(findings: Findings) -> None:
    pack = evidence_for(findings, EvidencePolicy())
    assert [item.id for item in pack.items] == [f"E{n}" for n in range(1, len(pack.items) + 1)]
    assert pack.items[0].id in pack.of_cause[findings.causes[0].component]
    assert (pack.items[0].kind, pack.items[1].kind) == ("change", "metric")


def test_it_is_bounded_by_tokens_and_says_what_was_left_out(findings: Findings) -> None:
    pack = evidence_for(findings, EvidencePolicy(tokens=400))
    assert sum(estimate_tokens(item.text) for item in pack.items) <= 400
    assert pack.left_out > 0
    assert pack.items[0].kind == "change"


def test_passages_that_say_nearly_the_same_are_read_once(findings: Findings) -> None:
    everything = EvidencePolicy(tokens=100_000)
    passage = findings.passages[0]
    copied = passage.chunk.model_copy(
        update={"id": "copy", "document_id": "wiki/copy", "text": passage.chunk.text + " Indeed."}
    )
    doubled = findings.model_copy(
        update={"passages": (*findings.passages, passage.model_copy(update={"chunk": copied}))}
    )
    assert evidence_for(doubled, everything).items == evidence_for(findings, everything).items


def test_a_metric_is_also_known_by_what_it_measures(findings: Findings) -> None:
    pack = evidence_for(findings, EvidencePolicy())
    fds = next(item for item in pack.items if "process_open_fds" in item.text)
    assert "file descriptors" in fds.also
    latency = next(item for item in pack.items if "p99` (auth" in item.text)
    assert {"latency", "slow"} <= set(latency.also.split())
