"""From the settings to the models, and what ``why llm`` says where that can't work."""

import asyncio
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest

from service.assembly import llm_of
from service.llm.local import HOST
from service.settings import Settings, SettingsError, load_settings
from service.testing.llm_server import Answer, Failure, ScriptedServer
from tests.service.llm.asking import MESSAGES
from tests.service.surfaces.test_cli import why

READY = Answer('{"ready": true}')


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_model_none_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-something-else")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    assert llm_of(load_settings()) is None


def test_two_models_may_share_the_work() -> None:
    one = llm_of(Settings(llm_url="http://localhost:1/v1", llm_model="large"))
    two = llm_of(
        Settings(llm_url="http://localhost:1/v1", llm_model="large", llm_small_model="small")
    )
    assert one is not None
    assert two is not None
    assert one.small is one.report
    assert (two.report.name, two.small.name) == ("large", "small")
    assert one.budget(5).tokens_left == 20_000
    asyncio.run(one.aclose())
    asyncio.run(two.aclose())


def asked_by(settings: Settings) -> None:
    async def ask() -> None:
        models = llm_of(settings)
        assert models is not None
        try:
            await models.report.complete(
                MESSAGES, max_tokens=100, purpose="report", budget=models.budget(10)
            )
        finally:
            await models.aclose()

    asyncio.run(ask())


@pytest.mark.parametrize("own_key", [None, "key-for-why"])
def test_openais_variables_are_used_together_and_only_where_a_model_is_named(
    own_key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([READY]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-openai")
        monkeypatch.setenv("WHY_LLM_MODEL", "tiny")
        if own_key:
            monkeypatch.setenv("WHY_LLM_API_KEY", own_key)
        asked_by(load_settings())
    assert server.headers[0]["authorization"] == f"Bearer {own_key or 'key-of-openai'}"


def test_openais_key_does_not_go_to_another_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "why.toml"
    with ScriptedServer([READY]) as server:
        config.write_text(f'llm_url = "{server.url}"\nllm_model = "tiny"\n')
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-openai")
        monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
        asked_by(load_settings(config))
    assert "key-of-openai" not in str(server.headers)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"llm_url": "http://localhost:1/v1"}, "WHY_LLM_MODEL"),
        ({"llm_small_model": "small"}, "WHY_LLM_MODEL"),
        ({"llm_model": "gpt"}, "WHY_LLM_URL, or OPENAI_API_KEY"),
        ({"llm_model": "m", "llm_url": "localhost"}, "where the language model is"),
        (
            {"llm_model": "m", "llm_url": "http://localhost/v1", "llm_price_prompt": 1.0},
            "both of llm_price_prompt and llm_price_completion",
        ),
    ],
)
def test_settings_that_cannot_work_together_say_what_to_set(
    settings: dict[str, object], expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected):
        llm_of(Settings(**settings))  # type: ignore[arg-type]


def test_check_says_how_each_model_is_asked_and_how_fast_it_writes() -> None:
    with ScriptedServer([READY], formats=["json_object"]) as server:
        result = why(
            "llm", "check",
            WHY_LLM_URL=server.url, WHY_LLM_MODEL="large", WHY_LLM_SMALL_MODEL="small",
        )  # fmt: skip
    assert result.returncode == 0, result.stderr
    large, small = result.stdout.splitlines()
    assert large.startswith("large: json_object, ")
    assert small.startswith("small: json_object, ")
    assert large.endswith(" tokens/s")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "no language model is configured: set WHY_LLM_URL"),
        ({"WHY_LLM_URL": "http://localhost:1/v1"}, "WHY_LLM_MODEL"),
    ],
)
def test_check_says_what_to_set(environment: dict[str, str], expected: str) -> None:
    result = why("llm", "check", **environment)
    assert result.returncode == 2
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_check_shows_no_key_where_the_server_refuses_it() -> None:
    with ScriptedServer([Failure(500)], key="right") as server:
        result = why(
            "llm", "check",
            WHY_LLM_URL=server.url, WHY_LLM_MODEL="tiny", WHY_LLM_API_KEY="wr0ng-k3y",
        )  # fmt: skip
    assert result.returncode == 2
    assert "set WHY_LLM_API_KEY" in result.stderr
    assert "wr0ng" not in result.stderr + result.stdout


@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
def test_serve_says_why_it_does_not_start(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and then nothing")
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, expected in (
            ((str(tmp_path / "absent.gguf"),), "cannot read it"),
            ((str(text),), "not a GGUF file"),
            ((str(broken), "--port", port), "choose a --port"),
            ((str(broken), "--port", "0"), "llama.cpp can't load it"),
        ):
            result = why("llm", "serve", *arguments)
            assert result.returncode == 2
            assert expected in result.stderr, result.stderr
            assert "Traceback" not in result.stderr
