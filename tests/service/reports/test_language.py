"""What a language model writes reaches the reader only as far as its evidence carries it."""

import asyncio
import re
from collections.abc import Callable, Sequence

import pytest

from service.assembly import moment_of, open_engine
from service.llm.base import LlmTimeout, Message
from service.llm.budget import Budget
from service.reports.extractive import EXTRACTIVE, ExtractiveWriter
from service.reports.language import (
    LanguageWriter,
    Rewritten,
    RewrittenSentence,
    WrittenCause,
    WrittenReport,
)
from service.reports.model import Report
from service.reports.sentence_check import WrittenCitation, WrittenSentence
from service.settings import Settings
from service.testing.llm import Line, ScriptedModel

QUESTION = "Why did checkout fail last night?"
Script = Callable[[Sequence[Message]], Line]
_EVIDENCE = re.compile(r'<evidence id="(E\d+)" kind="([^"]*)">(.*?)</evidence>', re.DOTALL)
_CANDIDATE = re.compile(r'<candidate id="(C\d+)">(\S+).*?evidence ([^<]*)</candidate>')


def evidence_in(messages: Sequence[Message]) -> dict[str, tuple[str, str]]:
    """Kind and text by id, as the model reads them."""
    return {id_: (kind, text) for id_, kind, text in _EVIDENCE.findall(messages[1].content)}


def id_of(messages: Sequence[Message], words: str) -> str:
    return next(id_ for id_, (_, text) in evidence_in(messages).items() if words in text)


def sentence(text: str, *cited: str | tuple[str, str]) -> WrittenSentence:
    return WrittenSentence(
        text=text,
        citations=[
            WrittenCitation(evidence=one)
            if isinstance(one, str)
            else WrittenCitation(evidence=one[0], quote=one[1])
            for one in cited
        ],
    )


def ask(company: Settings, script: Script | list[Line]) -> tuple[Report, ScriptedModel]:
    model = ScriptedModel(script)
    writer = LanguageWriter(
        model,
        otherwise=ExtractiveWriter(),
        budget=lambda: Budget(tokens=20_000, seconds=10),
    )
    now = moment_of(company)

    async def run() -> Report:
        async with open_engine(company, as_of=now) as engine:
            engine.write_with(writer)
            return await engine.ask(QUESTION, now=now)

    return asyncio.run(run()), model


@pytest.fixture(scope="module")
def plain(company: Settings) -> Report:
    now = moment_of(company)

    async def run() -> Report:
        async with open_engine(company, as_of=now) as engine:
            return await engine.ask(QUESTION, now=now)

    return asyncio.run(run())


def honest(messages: Sequence[Message]) -> WrittenReport:
    """Sentences that say what their evidence says."""
    fds = id_of(messages, "`process_open_fds`")
    deploy = id_of(messages, "Deploy quota 4.12.0")
    report = id_of(messages, "INC-2026-031")
    return WrittenReport(
        summary=[
            sentence(
                "The deploy of quota 4.12.0 was followed by a rise of its open fds.", deploy, fds
            )
        ],
        causes=[
            WrittenCause(
                candidate="C1",
                sentences=[
                    sentence("`process_open_fds` of quota rose from 166 to 4,256.", fds),
                    sentence(
                        "In an earlier incident billing opened a new Redis client for every "
                        "request.",
                        (report, "Billing 2.9.0 opened a new Redis client for every request"),
                    ),
                ],
            )
        ],
    )


def texts(report: Report) -> str:
    return "\n".join(
        claim.text
        for claim in (
            *report.summary,
            *(one for cause in report.causes for one in (*cause.evidence, *cause.against)),
        )
    )


def test_sentences_that_hold_are_shown_with_the_part_that_they_cite(company: Settings) -> None:
    report, model = ask(company, honest)
    assert report.writer == "scripted"
    assert report.summary[0].text.startswith("The deploy of quota 4.12.0 was followed")
    first = report.causes[0]
    assert [claim.text for claim in first.evidence] == [
        "`process_open_fds` of quota rose from 166 to 4,256.",
        "In an earlier incident billing opened a new Redis client for every request.",
    ]
    quoted = {c.number: c for c in report.citations}[first.evidence[1].citations[0]]
    assert quoted.type == "passage"
    assert quoted.quote == "Billing 2.9.0 opened a new Redis client for every request"
    assert quoted.verified
    assert report.dropped_claims == 0
    assert [call.purpose for call in report.calls] == ["report"]
    assert len(model.asked) == 1


def test_what_it_leaves_out_is_worded_by_the_extractive_writer(
    company: Settings, plain: Report
) -> None:
    report, _ = ask(company, honest)
    assert [c.component for c in report.causes] == [c.component for c in plain.causes]
    assert [c.text for c in report.causes[1].evidence] == [c.text for c in plain.causes[1].evidence]
    assert report.causes[0].next_check is not None
    assert report.timeline


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("`process_open_fds` of quota rose from 166 to 500,000.", "500,000 is not a value"),
        ("`process_open_fds` of quota rose at 01:12.", "01:12 is not a time"),
        ("`process_open_fds` of payments rose from 166 to 4,256.", "payments does not occur"),
        ("A squirrel chewed through the fibre of quota.", "its evidence does not say that"),
        ("See https://evil.example/fix for quota.", "it holds a link"),
        ("![quota](http://evil.example/pixel.png)", "it holds a link"),
        ("`process_open_fds` of quota did not change.", "it denies what its evidence says"),
    ],
)
def test_a_sentence_that_does_not_hold_goes_back_once_with_the_reason(
    company: Settings, lie: str, reason: str
) -> None:
    def script(messages: Sequence[Message]) -> Line:
        if len(messages) == 3:
            return Rewritten(sentences=[])
        good = honest(messages)
        fds = id_of(messages, "`process_open_fds`")
        good.causes[0].sentences.append(sentence(lie, fds))
        return good

    report, model = ask(company, script)
    assert [asked.purpose for asked in model.asked] == ["report", "repair"]
    assert reason in model.asked[1].messages[2].content
    assert lie not in texts(report)
    assert "evil.example" not in report.model_dump_json()
    assert report.dropped_claims == 1


def test_a_sentence_that_holds_after_its_repair_is_shown(company: Settings) -> None:
    def script(messages: Sequence[Message]) -> Line:
        fds = id_of(messages, "`process_open_fds`")
        if len(messages) == 3:
            right = sentence("`process_open_fds` of quota was 4,256 at its worst.", fds)
            return Rewritten(sentences=[RewrittenSentence(number=1, sentence=right)])
        good = honest(messages)
        good.causes[0].sentences.append(sentence("It rose to 9,999.", fds))
        return good

    report, _ = ask(company, script)
    assert "`process_open_fds` of quota was 4,256 at its worst." in texts(report)
    assert report.dropped_claims == 0


@pytest.mark.parametrize(
    "cited",
    [[], [WrittenCitation(evidence="E99")]],
    ids=["nothing", "no such evidence"],
)
def test_a_sentence_needs_evidence_that_exists(
    company: Settings, cited: list[WrittenCitation]
) -> None:
    def script(messages: Sequence[Message]) -> Line:
        if len(messages) == 3:
            return Rewritten()
        good = honest(messages)
        good.summary.append(WrittenSentence(text="Quota moved.", citations=cited))
        return good

    report, _ = ask(company, script)
    assert "Quota moved." not in texts(report)


def test_a_quotation_that_is_not_in_its_passage_is_refused(company: Settings) -> None:
    def script(messages: Sequence[Message]) -> Line:
        if len(messages) == 3:
            assert "is not in E" in messages[2].content
            return Rewritten()
        good = honest(messages)
        incident = id_of(messages, "INC-2026-031")
        good.summary.append(sentence("Billing did it.", (incident, "billing confessed")))
        return good

    assert "Billing did it." not in texts(ask(company, script)[0])


def test_a_cause_that_was_not_ranked_is_not_shown(company: Settings, plain: Report) -> None:
    def script(messages: Sequence[Message]) -> Line:
        if len(messages) == 3:
            return Rewritten()
        good = honest(messages)
        good.causes.append(
            WrittenCause(candidate="C9", sentences=[sentence("The moon did it.", "E1")])
        )
        return good

    report, _ = ask(company, script)
    assert [c.component for c in report.causes] == [c.component for c in plain.causes]
    assert "moon" not in report.model_dump_json()


def test_another_order_needs_a_reason_that_holds(company: Settings, plain: Report) -> None:
    def script(reason: WrittenSentence | None) -> Script:
        def say(messages: Sequence[Message]) -> Line:
            if len(messages) == 3:
                return Rewritten()
            good = honest(messages)
            connections = id_of(messages, "session-cache connections")
            first = WrittenCause(
                candidate="C2",
                sentences=[sentence("Session-cache connections rose to 4,000.", connections)],
            )
            good.causes.insert(0, first)
            good.reorder_reason = reason and reason.model_copy(
                update={"citations": [WrittenCitation(evidence=connections)]}
            )
            return good

        return say

    ranked = [c.component for c in plain.causes]
    assert [c.component for c in ask(company, script(None))[0].causes] == ranked
    wrong = sentence("Session-cache connections rose to 77,000.")
    assert [c.component for c in ask(company, script(wrong))[0].causes] == ranked
    right = sentence("Session-cache connections rose to 4,000.")
    swapped, _ = ask(company, script(right))
    assert [c.component for c in swapped.causes][:2] == [ranked[1], ranked[0]]
    assert swapped.summary[0].text == "Session-cache connections rose to 4,000."


def test_a_report_that_loses_too_much_is_the_extractive_one_and_says_so(
    company: Settings, plain: Report
) -> None:
    def script(messages: Sequence[Message]) -> Line:
        if len(messages) == 3:
            return Rewritten()
        return WrittenReport(summary=[sentence(f"All is well {n}.", "E1") for n in range(4)])

    report, _ = ask(company, script)
    assert report.writer == EXTRACTIVE
    assert report.summary == plain.summary
    assert any("0 of its 4 sentences held" in line for line in report.not_seen)
    assert report.dropped_claims == 4


@pytest.mark.parametrize(
    "answer", [LlmTimeout("no answer within 5 s"), "I'd rather write a poem.", "", '{"summary": 3}']
)
def test_a_model_that_fails_costs_nothing_but_its_words(
    company: Settings, plain: Report, answer: Line
) -> None:
    report, _ = ask(company, [answer])
    assert report.writer == EXTRACTIVE
    assert report.causes == plain.causes
    assert any("language model" in line for line in report.not_seen)


def test_the_model_reads_no_link_and_no_secret_and_a_bounded_prompt(company: Settings) -> None:
    _, model = ask(company, honest)
    (asked,) = model.asked
    prompt = "\n".join(message.content for message in asked.messages)
    assert "://" not in prompt
    assert len(prompt) < 20_000
