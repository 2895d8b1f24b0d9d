"""The chat completions API on the wire: what is sent, and a lenient reading of what comes back.

Of an answer only what is needed is read, since servers leave out or invent the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from openai import pydantic_function_tool
from pydantic import BaseModel, ValidationError

from ingest.documents import Frozen
from service.llm.base import FinishReason, Message, OutputMode
from service.llm.dialect import Dialect

# OpenAI's strict mode refuses these ("'default' is not permitted"). The answer is validated
# here anyway.
_NOT_STRICT = ("default", "title", "minLength", "maxLength", "uniqueItems", "discriminator")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


def request_body(
    model: str,
    messages: Sequence[Message],
    *,
    schema: type[BaseModel] | None,
    max_tokens: int,
    dialect: Dialect,
) -> dict[str, Any]:
    """The fields of a request in this dialect; ``messages`` as ``asked_messages`` gives them."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [one.model_dump() for one in messages],
        dialect.limit: max_tokens,
    }
    if dialect.temperature:
        body["temperature"] = 0
    if schema is not None and dialect.mode is OutputMode.JSON_SCHEMA:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": _NOT_IN_NAMES.sub("_", schema.__name__)[:64],
                "strict": True,
                "schema": strict_schema(schema),
            },
        }
    elif schema is not None and dialect.mode is OutputMode.JSON_OBJECT:
        body["response_format"] = {"type": "json_object"}
    return body


def asked_messages(
    messages: Sequence[Message], schema: type[BaseModel] | None, mode: OutputMode
) -> list[Message]:
    """The messages, with the schema in words where the server isn't given it."""
    if schema is None or mode is OutputMode.JSON_SCHEMA:
        return list(messages)
    shape = json.dumps(schema.model_json_schema(), ensure_ascii=False)
    wish = (
        "Answer with one JSON object and nothing else: no code fence, no explanation. It must "
        f"match this JSON Schema:\n{shape}"
    )
    # One system message, at the beginning: many chat templates refuse any other.
    if messages and messages[0].role == "system":
        first = Message(role="system", content=f"{messages[0].content}\n\n{wish}")
        return [first, *messages[1:]]
    return [Message(role="system", content=wish), *messages]


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a model in the subset that strict structured output takes."""
    parameters = pydantic_function_tool(schema)["function"]["parameters"]
    strict: dict[str, Any] = _strict(parameters)
    return strict


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            kept[key] = {name: _strict(one) for name, one in value.items()}
        elif key in ("enum", "const", "required"):
            kept[key] = value
        elif key not in _NOT_STRICT:
            kept["anyOf" if key == "oneOf" else key] = _strict(value)
    return kept


class _Tokens(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Text(BaseModel):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: object = None  # vLLM, llama.cpp, DeepSeek
    reasoning: object = None  # Ollama, gateways


class _Choice(BaseModel):
    message: _Text | None = None
    delta: _Text | None = None
    finish_reason: str | None = None


class _Body(BaseModel):
    choices: list[_Choice]
    usage: _Tokens | None = None


class Piece(Frozen):
    """What one answer, or one event of a stream, says. Tokens are the server's count."""

    text: str = ""
    reasoning: str = ""
    """Thoughts that the server tells apart from the answer."""
    finish: FinishReason | None = None
    declined: bool = False
    """The model would not answer, and said so in the API's own field for that."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def read_answer(body: bytes) -> Piece | None:
    """A chat completion; None for what is none."""
    try:
        read = _Body.model_validate_json(body)
    except ValidationError:
        return None
    return _piece(read) if read.choices else None


def read_chunk(chunk: object) -> Piece | None:
    """A decoded event of a stream; None for what is none. The one with the usage has no choice."""
    try:
        return _piece(_Body.model_validate(chunk))
    except ValidationError:
        return None


def _piece(read: _Body) -> Piece:
    usage = read.usage
    choice = read.choices[0] if read.choices else _Choice()
    said = choice.message or choice.delta or _Text()
    thoughts = said.reasoning_content or said.reasoning
    return Piece(
        text=said.content or "",
        reasoning=thoughts if isinstance(thoughts, str) else "",
        finish=_finish(choice.finish_reason),
        declined=bool(said.refusal),
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
    )


def _finish(reason: str | None) -> FinishReason | None:
    if reason is None:
        return None
    known = {one.value: one for one in FinishReason}
    return known.get(reason, FinishReason.OTHER)
