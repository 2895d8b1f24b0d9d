"""What a reader gets from good, plain and failing OpenAI-compatible servers, over real HTTP."""

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from service.llm.base import (
    FinishReason,
    LlmBudgetExceeded,
    LlmRefused,
    LlmTimeout,
    LlmUnavailable,
    LlmUnparsable,
    OutputMode,
    Prices,
    Repair,
)
from service.llm.budget import Budget
from service.llm.openai_compatible import OpenAiCompatible
from service.testing.llm_server import (
    Answer,
    BreaksOff,
    Failure,
    Hangs,
    Reply,
    ScriptedServer,
    openai_error,
)
from service.testing.prometheus import free_port
from tests.service.llm.asking import MESSAGES, SECRET, Verdict, asked, streamed, text, verdict

KEY = "sk-made-up-5wordf1sh"
ROOT = Path(__file__).parents[3]
GOOD = Answer('{"component": "quota", "certain": true}')
QUOTA = Verdict(component="quota", certain=True)
BUSY = Failure(503, openai_error("overloaded"))


def model_at(server: ScriptedServer, **options: object) -> OpenAiCompatible:
    return OpenAiCompatible(server.url, "tiny", key=KEY, **{"timeout": 10.0} | options)  # type: ignore[arg-type]


def test_an_answer_comes_with_its_object_and_what_it_took() -> None:
    budget = Budget(tokens=5000, seconds=30)
    with ScriptedServer([GOOD], key=KEY) as server:
        model = model_at(server, prices=Prices(prompt=2.0, completion=10.0))
        answer = asked(model, lambda one: verdict(one, budget))
    assert answer.parsed == QUOTA
    assert (answer.finish, answer.mode, answer.repairs) == (
        FinishReason.STOP,
        OutputMode.JSON_SCHEMA,
        (),
    )
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (8, 4)
    assert answer.usage.cost == pytest.approx((8 * 2 + 4 * 10) / 1e6)
    assert not answer.usage.estimated
    assert [(call.model, call.purpose, call.usage) for call in budget.calls] == [
        ("tiny", "report", answer.usage)
    ]
    assert budget.tokens_left == 5000 - 12


def test_the_schema_is_sent_in_the_subset_that_strict_servers_take() -> None:
    with ScriptedServer([GOOD]) as server:
        asked(model_at(server), verdict)
    sent = server.asked[0]["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["name"] == "Verdict"
    assert sent["schema"]["required"] == ["component", "certain"]
    assert sent["schema"]["additionalProperties"] is False
    assert "default" not in sent["schema"]["properties"]["certain"]
    assert server.asked[0]["temperature"] == 0


@pytest.mark.parametrize(
    ("formats", "mode"),
    [
        (("json_schema",), OutputMode.JSON_SCHEMA),
        (("json_object",), OutputMode.JSON_OBJECT),
        ((), OutputMode.PROMPT),
    ],
)
def test_a_server_is_asked_as_strictly_as_it_understands_and_that_is_remembered(
    formats: Sequence[str], mode: OutputMode
) -> None:
    async def twice(model: OpenAiCompatible) -> None:
        for _ in range(2):
            answer = await verdict(model)
            assert (answer.parsed, answer.mode) == (QUOTA, mode)

    with ScriptedServer([GOOD], formats=formats) as server:
        asked(model_at(server), twice)
    assert len(server.asked) == list(OutputMode).index(mode) + 2
    last = server.asked[-1]
    assert last["messages"][-1]["content"] == SECRET
    told = [one["content"] for one in last["messages"] if one["role"] == "system"]
    assert len(told) == 1
    assert ("JSON Schema" in told[0]) == (mode is not OutputMode.JSON_SCHEMA)


def test_a_server_that_ignores_the_format_is_asked_in_words() -> None:
    chatty = Answer("It is the quota service, I think.")
    with ScriptedServer([chatty, chatty, GOOD], ignores_formats=True) as server:
        budget = Budget(tokens=10_000, seconds=30)
        answer = asked(model_at(server), lambda one: verdict(one, budget))
    assert (answer.parsed, answer.mode) == (QUOTA, OutputMode.PROMPT)
    assert len(budget.calls) == 3, "what did not help was paid for, too"


def test_a_refusal_that_does_not_say_why_is_taken_to_be_about_the_format() -> None:
    replies = [Failure(422, "Unprocessable"), GOOD]
    with ScriptedServer(replies) as server:
        assert asked(model_at(server), verdict).mode is OutputMode.JSON_OBJECT


def test_a_grammar_that_the_server_cannot_build_is_not_asked_for_again() -> None:
    replies = [Failure(500, openai_error("failed to parse grammar")), GOOD]
    with ScriptedServer(replies) as server:
        assert asked(model_at(server), verdict).mode is OutputMode.JSON_OBJECT


def test_a_reasoning_model_gets_the_fields_it_wants() -> None:
    thinking = Answer(GOOD.text, reasoning="First, quota. " * 20)
    with ScriptedServer([thinking], reasoning_model=True) as server:
        assert asked(model_at(server), verdict).parsed == QUOTA
    assert "temperature" not in server.asked[-1]
    assert server.asked[-1]["max_completion_tokens"] == 500


@pytest.mark.parametrize(
    ("content", "repair"),
    [
        ("<think>Is it auth? No.</think>\n" + GOOD.text, Repair.REASONING),
        ("```json\n" + GOOD.text + "\n```", Repair.SURROUNDINGS),
        ("Sure! " + GOOD.text + " Ask me more.", Repair.SURROUNDINGS),
    ],
)
def test_what_surrounds_the_object_is_left_out_and_said(content: str, repair: Repair) -> None:
    with ScriptedServer([Answer(content)]) as server:
        answer = asked(model_at(server), verdict)
    assert answer.parsed == QUOTA
    assert answer.repairs == (repair,)


def test_a_cut_answer_keeps_what_is_complete() -> None:
    with ScriptedServer([Answer('{"component": "quota", "cert', finish="length")]) as server:
        answer = asked(model_at(server), verdict)
    assert answer.parsed == Verdict(component="quota")
    assert (answer.finish, answer.repairs) == (FinishReason.LENGTH, (Repair.CUT,))


def test_a_cut_answer_of_which_nothing_is_complete_says_so_and_is_not_asked_again() -> None:
    with (
        ScriptedServer([Answer('{"component": "quota quota quota', finish="length")]) as server,
        pytest.raises(LlmUnparsable, match=r"report: tiny at .* was cut off after 4 tokens"),
    ):
        asked(model_at(server), verdict)
    assert len(server.asked) == 1


def test_a_server_that_is_known_to_keep_to_the_format_is_not_asked_again_for_nonsense() -> None:
    async def twice(model: OpenAiCompatible) -> None:
        await verdict(model)
        with pytest.raises(LlmUnparsable, match="no JSON object"):
            await verdict(model)

    with ScriptedServer([GOOD, Answer("quota")]) as server:
        asked(model_at(server), twice)
    assert len(server.asked) == 2


@pytest.mark.parametrize("reply", [Answer("", refusal="No."), Answer("", finish="content_filter")])
def test_a_model_that_declines_is_not_argued_with(reply: Answer) -> None:
    with (
        ScriptedServer([reply]) as server,
        pytest.raises(LlmUnparsable, match="declined to answer"),
    ):
        asked(model_at(server), verdict)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "failures",
    [
        [Failure(429, openai_error("slow down"), {"Retry-After": "0.1"})],
        [Failure(429, openai_error("slow down"), {"Retry-After": "soon"})],
        [BUSY, Failure(500, "<html>oops</html>"), Failure(502)],
        [BreaksOff('{"id": "chat')],
        [BreaksOff()],
    ],
)
def test_what_fails_in_passing_is_tried_again(failures: list[Reply]) -> None:
    budget = Budget(tokens=5000, seconds=30)
    with ScriptedServer([*failures, GOOD]) as server:
        assert asked(model_at(server), lambda one: verdict(one, budget)).parsed == QUOTA
    assert len(server.asked) == len(failures) + 1
    assert len(budget.calls) == 1, "failures cost nothing"


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "date"])
def test_a_server_is_asked_again_when_it_says_and_not_before(form: str) -> None:
    wait = {
        "seconds": {"Retry-After": "1"},
        "milliseconds": {"Retry-After-Ms": "1000", "Retry-After": "60"},
        # To the second: two from now are at least one.
        "date": {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), True)},
    }[form]
    started = time.monotonic()
    with ScriptedServer([Failure(429, None, wait), GOOD]) as server:
        asked(model_at(server), verdict)
    assert time.monotonic() - started >= 0.9
    assert len(server.asked) == 2


def test_a_server_that_wants_more_time_than_there_is_is_not_waited_for() -> None:
    started = time.monotonic()
    with (
        ScriptedServer([Failure(429, None, {"Retry-After": "30"})]) as server,
        pytest.raises(LlmUnavailable, match=r"report: tiny at .* not available: HTTP 429"),
    ):
        asked(model_at(server), verdict)
    assert time.monotonic() - started < 3


def test_a_server_that_stays_down_is_given_up() -> None:
    model = OpenAiCompatible(f"http://127.0.0.1:{free_port()}/v1", "tiny", timeout=1.0)
    with pytest.raises(LlmUnavailable, match=r"no connection \(ConnectError\)"):
        asked(model, verdict)


def test_silence_is_a_timeout_and_counts_in_full() -> None:
    budget = Budget(tokens=5000, seconds=30)
    with (
        ScriptedServer([Hangs()]) as server,
        pytest.raises(LlmTimeout, match=r"did not answer within 0.4 s \(WHY_LLM_TIMEOUT\)"),
    ):
        asked(model_at(server, timeout=0.4), lambda one: verdict(one, budget))
    assert budget.spent.completion_tokens == 500
    assert budget.spent.estimated


def test_a_question_that_has_less_time_left_waits_less() -> None:
    budget = Budget(tokens=5000, seconds=0.4)
    with (
        ScriptedServer([Hangs()]) as server,
        pytest.raises(LlmTimeout, match="all that the question had left"),
    ):
        asked(model_at(server), lambda one: verdict(one, budget))
    with ScriptedServer([GOOD]) as server, pytest.raises(LlmBudgetExceeded, match="no time left"):
        asked(model_at(server), lambda one: verdict(one, budget))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure(401, openai_error(f"Incorrect API key provided: {KEY}")), "WHY_LLM_API_KEY"),
        (Failure(403, "forbidden"), "WHY_LLM_API_KEY"),
        (Failure(404, openai_error("The model `tiny` does not exist")), "WHY_LLM_MODEL"),
        (Failure(404, "<html>Not Found</html>"), "WHY_LLM_URL"),
        (Failure(400, {"error": "model 'tiny' not found"}), "WHY_LLM_MODEL"),
        (Failure(429, openai_error("You exceeded …", code="insufficient_quota")), "no credit"),
        (Failure(400, {"error": {"type": "exceed_context_size_error"}}), "model's context"),
        (
            Failure(400, openai_error(f"{SECRET} {KEY}", code="context_length_exceeded")),
            "WHY_LLM_MAX_TOKENS_PER_QUESTION",
        ),
        (Failure(400, {"detail": [{"input": SECRET}]}), "refused the request"),
    ],
)
@pytest.mark.parametrize("ask", [verdict, text, streamed])
def test_a_refusal_names_the_setting_to_change_and_quotes_nothing(
    failure: Failure, expected: str, ask: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer([failure]) as server, pytest.raises(LlmRefused, match=expected) as error:
        asked(model_at(server), ask)  # type: ignore[arg-type]
    shown = str(error.value) + caplog.text
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__, "a traceback would show what the server wrote"
    assert "swordfish" not in shown
    assert KEY not in shown


def test_the_small_models_setting_is_named_for_the_small_model() -> None:
    with ScriptedServer([Failure(404)]) as server, pytest.raises(LlmRefused, match="SMALL_MODEL"):
        asked(model_at(server, model_setting="WHY_LLM_SMALL_MODEL"), verdict)


@pytest.mark.parametrize(
    "reply",
    [
        Failure(200, "<html>Welcome to nginx</html>"),
        Failure(200, {"object": "error", "message": SECRET}),
        Failure(200, {"choices": []}),
        Failure(200, 42),
        Failure(200, None),
    ],
)
def test_what_is_no_chat_api_is_said_to_be_none(reply: Failure) -> None:
    with (
        ScriptedServer([reply]) as server,
        pytest.raises(LlmUnavailable, match="no chat completion; set WHY_LLM_URL"),
    ):
        asked(model_at(server), verdict)


def test_without_the_servers_count_tokens_are_estimated_and_marked() -> None:
    with ScriptedServer([Answer(GOOD.text, usage=False)]) as server:
        usage = asked(model_at(server), verdict).usage
    assert usage.estimated
    assert usage.prompt_tokens > len(SECRET.split())
    assert usage.completion_tokens > 10


def test_an_answer_may_take_what_the_question_has_left_and_no_more() -> None:
    budget = Budget(tokens=400, seconds=30)
    with ScriptedServer([GOOD]) as server:
        asked(model_at(server), lambda one: verdict(one, budget, max_tokens=1000))
    assert 250 < server.asked[0]["max_tokens"] < 400


def test_a_question_without_tokens_is_not_sent() -> None:
    budget = Budget(tokens=100, seconds=30)
    with (
        ScriptedServer([GOOD]) as server,
        pytest.raises(LlmBudgetExceeded, match="WHY_LLM_MAX_TOKENS_PER_QUESTION"),
    ):
        asked(model_at(server), lambda one: verdict(one, budget))
    assert not server.asked


def test_calls_at_the_same_time_cannot_overdraw_together() -> None:
    async def both(model: OpenAiCompatible) -> list[object]:
        budget = Budget(tokens=700, seconds=30)
        return await asyncio.gather(
            *(text(model, budget) for _ in range(3)), return_exceptions=True
        )

    with ScriptedServer([GOOD]) as server:
        outcomes = asked(model_at(server), both)
    assert sum(isinstance(one, LlmBudgetExceeded) for one in outcomes) >= 1
    assert sum(body["max_tokens"] for body in server.asked) < 700


def test_a_text_comes_without_its_reasoning() -> None:
    with ScriptedServer([Answer("<think>hm</think>\n\nIt is quota.")]) as server:
        answer = asked(model_at(server), text)
    assert (answer.text, answer.parsed, answer.mode) == ("It is quota.", None, None)


def test_a_stream_gives_the_text_in_pieces_and_then_what_it_took() -> None:
    reply = Answer("<think>Let me think about it.</think>It is the quota service.")
    budget = Budget(tokens=5000, seconds=30)
    with ScriptedServer([reply]) as server:
        pieces, answer = asked(model_at(server), lambda one: streamed(one, budget))
    assert len(pieces) > 2
    assert "".join(pieces) == answer.text == "It is the quota service."
    assert answer.finish is FinishReason.STOP
    assert not answer.usage.estimated
    assert budget.spent.completion_tokens == answer.usage.completion_tokens == 9


def test_a_server_without_stream_options_streams_and_its_tokens_are_estimated() -> None:
    reply = Answer("It is quota.", reasoning="Let me think. " * 30)
    with ScriptedServer([reply], stream_options=False) as server:
        pieces, answer = asked(model_at(server), streamed)
    assert "".join(pieces) == "It is quota."
    assert answer.usage.estimated
    assert answer.usage.completion_tokens > 100, "reasoning is paid for, too"


def test_a_stream_is_retried_until_it_begins() -> None:
    with ScriptedServer([BUSY, Answer("It is quota.")]) as server:
        assert asked(model_at(server), streamed)[1].text == "It is quota."


@pytest.mark.parametrize("politely", [True, False])
def test_a_stream_that_breaks_off_is_an_error_after_its_pieces(politely: bool) -> None:
    async def ask(model: OpenAiCompatible) -> tuple[str, Budget]:
        budget = Budget(tokens=5000, seconds=30)
        came = ""
        async with model.stream(
            MESSAGES, max_tokens=500, purpose="report", budget=budget
        ) as stream:
            with pytest.raises(LlmUnavailable, match="broke off in the middle"):  # noqa: PT012
                async for piece in stream:
                    came += piece
            with pytest.raises(RuntimeError, match="not complete"):
                _ = stream.completion
        return came, budget

    with ScriptedServer([BreaksOff("It is the quo", politely)]) as server:
        came, budget = asked(model_at(server), ask)
    assert came == "It is the quo"
    assert budget.spent.completion_tokens > 0
    assert len(server.asked) == 1


def test_a_stream_that_is_left_early_is_closed_and_counted() -> None:
    async def ask(model: OpenAiCompatible) -> Budget:
        budget = Budget(tokens=5000, seconds=30)
        async with model.stream(
            MESSAGES, max_tokens=500, purpose="report", budget=budget
        ) as stream:
            async for _ in stream:
                break
        return budget

    with ScriptedServer([Answer("word " * 500)]) as server:
        budget = asked(model_at(server), ask)
    assert [call.usage.estimated for call in budget.calls] == [True]
    assert budget.tokens_left > 4000


def test_a_slow_stream_ends_with_its_time() -> None:
    with (
        ScriptedServer([Answer("word " * 500, pause=0.2)]) as server,
        pytest.raises(LlmTimeout, match=r"did not complete its answer within 0\.7 s"),
    ):
        asked(model_at(server, timeout=0.7), streamed)


@pytest.mark.parametrize("body", ["<html>Welcome</html>", {"choices": []}])
def test_a_server_that_does_not_stream_is_said_not_to(body: object) -> None:
    with (
        ScriptedServer([Failure(200, body)]) as server,
        pytest.raises(LlmUnavailable, match="no stream of a chat completion"),
    ):
        asked(model_at(server), streamed)


@pytest.mark.parametrize(
    "event", ["42", '{"choices": 42}', "no JSON", '{"error": {"message": "x"}}']
)
def test_a_stream_with_strange_events_is_an_error(event: str) -> None:
    page = Failure(200, f"data: {event}\n\n")
    with ScriptedServer([page]) as server, pytest.raises(LlmUnavailable):
        asked(model_at(server), streamed)


def test_openais_own_variables_do_not_reach_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-company")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    with ScriptedServer([GOOD]) as server:
        asked(OpenAiCompatible(server.url, "tiny"), verdict)
    sent = server.headers[0]
    assert sent["authorization"] == "Bearer none"
    assert not [name for name in sent if "organization" in name or "project" in name]


def test_a_bare_host_gets_the_usual_path() -> None:
    with ScriptedServer([GOOD]) as server:
        bare = server.url.removesuffix("/v1")
        assert asked(OpenAiCompatible(bare, "tiny"), verdict).parsed == QUOTA
        assert asked(OpenAiCompatible(f"{bare}/v1/", "tiny"), verdict).parsed == QUOTA


@pytest.mark.parametrize(
    ("url", "key", "expected"),
    [
        ("localhost:8080", None, "http"),
        ("http://user:pa55@host/v1", None, "WHY_LLM_API_KEY"),
        ("http://host/v1", "k\ney", "HTTP header"),
    ],
)
def test_addresses_and_keys_that_cannot_work_are_refused_without_quoting_them(
    url: str, key: str | None, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected) as error:
        OpenAiCompatible(url, "tiny", key=key)
    assert "pa55" not in str(error.value)
    assert "k\ney" not in str(error.value)


def test_no_log_holds_a_key_or_a_prompt(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_LOG", "debug")
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx2", "httpcore2", "stamina"):
        caplog.set_level(logging.DEBUG, logger=name)
    with ScriptedServer([BUSY, GOOD]) as server:
        asked(model_at(server), verdict)
    assert "HTTP" in caplog.text, "nothing was logged, so nothing was tested"
    assert KEY not in caplog.text
    assert "swordfish" not in caplog.text


ASK_ONLY_LOOPBACK = """
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        host = arguments[1][0] if event == "socket.connect" else arguments[0]
        assert host in ("127.0.0.1", None), f"{event} {host}"

sys.addaudithook(watch)
from service.llm.openai_compatible import OpenAiCompatible
from service.testing.llm_server import Answer, ScriptedServer
from tests.service.llm.asking import asked, streamed, verdict

with ScriptedServer([Answer('{"component": "quota"}', usage=False)]) as server:
    for ask in (verdict, streamed):
        asked(OpenAiCompatible(server.url, "gpt-4o"), ask)
loaded = {"tiktoken", "transformers", "tokenizers", "huggingface_hub"} & set(sys.modules)
sys.exit(", ".join(loaded) or 0)
"""


def test_nothing_is_fetched_to_ask_or_to_count_tokens(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", ASK_ONLY_LOOPBACK],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=ROOT,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert not list(tmp_path.iterdir())
