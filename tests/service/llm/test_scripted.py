"""The stand-ins behave as what they stand for."""

import asyncio

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from service.llm.base import (
    FinishReason,
    LlmBudgetExceeded,
    LlmUnavailable,
    LlmUnparsable,
    Message,
    Repair,
)
from service.llm.budget import Budget
from service.testing import ScriptedModel
from service.testing.llm_server import Answer, BreaksOff, chunk_bodies, completion_body
from tests.service.llm.asking import MESSAGES, Verdict, plenty

ASKED = {"model": "tiny", "messages": [{"role": "user", "content": "Why?"}]}
WITH_USAGE = {**ASKED, "stream_options": {"include_usage": True}}
ANSWERS = [
    Answer("It is quota."),
    Answer("", finish="length"),
    Answer("It is quota.", usage=False, reasoning="Hm. "),
    Answer("", refusal="No."),
    Answer("", finish="content_filter"),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_servers_answers_are_chat_completions(answer: Answer) -> None:
    body = completion_body(answer, ASKED)
    completion = ChatCompletion.model_validate(body, strict=True)
    assert completion.choices[0].message.content == answer.text
    assert not _unknown_fields(completion) - {"reasoning_content"}


@pytest.mark.parametrize("answer", [*ANSWERS, BreaksOff("It is")])
@pytest.mark.parametrize("asked", [ASKED, WITH_USAGE])
def test_the_servers_events_are_chunks_of_a_chat_completion(
    answer: Answer | BreaksOff, asked: dict[str, object]
) -> None:
    chunks = [
        ChatCompletionChunk.model_validate(body, strict=True)
        for body in chunk_bodies(answer, asked)
    ]
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == answer.text
    assert deltas[0].role == "assistant"
    finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    finished = isinstance(answer, Answer)
    assert [one for one in finishes if one] == ([answer.finish] if finished else [])
    counted = finished and answer.usage and asked is WITH_USAGE
    assert [bool(chunk.usage) for chunk in chunks].count(True) == counted
    assert all(not chunk.choices for chunk in chunks if chunk.usage)


def _unknown_fields(completion: ChatCompletion) -> set[str]:
    message = completion.choices[0].message
    parts = (completion, completion.choices[0], message, completion.usage)
    return {name for part in parts if part for name in part.model_extra or {}}


def test_a_scripted_model_says_its_lines_in_order_and_keeps_what_it_was_asked() -> None:
    model = ScriptedModel([Verdict(component="quota"), '```{"component": "auth"}```', "Plain."])

    async def ask() -> None:
        budget = plenty()
        for component in ("quota", "auth"):
            answer = await model.complete(
                MESSAGES, schema=Verdict, max_tokens=100, purpose="report", budget=budget
            )
            assert answer.parsed.component == component
        async with model.stream(MESSAGES, max_tokens=100, purpose="words", budget=budget) as stream:
            assert "".join([piece async for piece in stream]) == "Plain."
        assert stream.completion.text == "Plain."
        assert [call.purpose for call in budget.calls] == ["report", "report", "words"]
        assert budget.spent.tokens > 0
        with pytest.raises(AssertionError, match="more often than it has lines"):
            await model.complete(MESSAGES, max_tokens=100, purpose="report", budget=budget)

    asyncio.run(ask())
    assert [one.schema for one in model.asked] == [Verdict, Verdict, None, None]
    assert model.asked[0].messages == MESSAGES


def test_a_scripted_model_answers_by_what_it_reads() -> None:
    def echo(messages: object) -> str:
        assert isinstance(messages, tuple)
        return messages[-1].content.upper()

    async def ask() -> str:
        question = (Message(role="user", content="why?"),)
        model = ScriptedModel(echo)
        answer = await model.complete(question, max_tokens=9, purpose="q", budget=plenty())
        return answer.text

    assert asyncio.run(ask()) == "WHY?"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (LlmUnavailable("down"), LlmUnavailable),
        ("no JSON", LlmUnparsable),
        ('{"component": "it runs on and on and on and on and on and on', LlmUnparsable),
    ],
)
def test_a_scripted_model_fails_as_a_real_one_does(
    line: str | LlmUnavailable, error: type[Exception]
) -> None:
    with pytest.raises(error):
        asyncio.run(
            ScriptedModel([line]).complete(
                MESSAGES, schema=Verdict, max_tokens=20, purpose="report", budget=plenty()
            )
        )


def test_a_scripted_model_is_cut_at_its_tokens_and_stopped_by_the_budget() -> None:
    model = ScriptedModel(lambda _: '{"component": "quota", "certain": true, "more": 1}')

    async def ask(budget: Budget) -> None:
        answer = await model.complete(
            MESSAGES, schema=Verdict, max_tokens=15, purpose="report", budget=budget
        )
        assert answer.finish is FinishReason.LENGTH
        assert answer.repairs == (Repair.CUT,)
        assert answer.usage.completion_tokens <= 15

    asyncio.run(ask(plenty()))
    with pytest.raises(LlmBudgetExceeded):
        asyncio.run(ask(Budget(tokens=50, seconds=30)))
