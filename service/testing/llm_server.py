"""A language model's HTTP server to test against: it answers as well and as badly as real ones.

It speaks OpenAI's chat completions API over loopback. Shapes, and what they were checked against:

- completions, chunks, the chunk with the usage and no choice: the types of the ``openai``
  package (``ChatCompletion``, ``ChatCompletionChunk``), by tests/service/llm/test_scripted.py
- the order of a stream's events, ``[DONE]``, ``stream_options``: the same, and llama.cpp's own
  server, which tests/real/test_llm.py asks the same questions
- errors ``{"error": {"message", "type", "param", "code"}}`` and their wording for unsupported
  parameters: OpenAI's, as quoted in public issues (FoundationAgents/OpenManus#555,
  microsoft/clarity-agent#59); ``{"error": "…"}``: LM Studio's
  (willmiao/ComfyUI-Lora-Manager#1033)

What it does not do: tools, several choices, log probabilities, images.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from service.testing.llm import in_pieces

_CREATED = 1_795_000_000
_POLL_SECONDS = 0.01


class Answer(NamedTuple):
    """The model answers. ``reasoning`` goes where servers put it that tell it apart; ``pause``
    is in seconds and between the pieces of a stream."""

    text: str
    finish: str = "stop"
    usage: bool = True
    reasoning: str = ""
    refusal: str = ""
    pause: float = 0.0


class Failure(NamedTuple):
    """An HTTP status with a body: JSON unless it is text."""

    status: int
    body: object = None
    headers: Mapping[str, str] = {}


class BreaksOff(NamedTuple):
    """The connection is closed after this text; ``politely``, with an end of the stream."""

    text: str = ""
    politely: bool = False


class Hangs(NamedTuple):
    """Nothing is said for so long."""

    seconds: float = 60.0


Reply = Answer | Failure | BreaksOff | Hangs


def openai_error(message: str, *, param: str | None = None, code: str | None = None) -> object:
    """The body of an error as OpenAI sends it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return {"error": error}


class ScriptedServer:
    """A chat completions API on a port of loopback, while the block lasts.

    Replies are given in turn, the last one again and again, to requests that the server
    understands: it wants ``key`` if there is one, knows the ``formats`` of ``response_format``
    (others it refuses, or ``ignores_formats``), and ``stream_options`` unless told otherwise.
    ``reasoning_model``: like OpenAI's, it refuses ``max_tokens`` and ``temperature``. ``asked``
    and ``headers`` keep the requests.
    """

    def __init__(
        self,
        replies: Sequence[Reply],
        *,
        key: str | None = None,
        formats: Sequence[str] = ("json_schema", "json_object"),
        ignores_formats: bool = False,
        stream_options: bool = True,
        reasoning_model: bool = False,
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._replies = replies
        self._given = 0
        self._key = key
        self._formats = formats
        self._ignores_formats = ignores_formats
        self._stream_options = stream_options
        self._reasoning_model = reasoning_model
        self._closing = threading.Event()
        scripted = self

        class Handler(_Handler):
            server_side = scripted

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # The interval is how long closing takes.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where the API begins."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply_to(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Reply:
        """What this request gets."""
        self.asked.append(body)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        if path != "/v1/chat/completions":
            return Failure(404, openai_error(f"Invalid URL (POST {path})"))
        if self._key and self.headers[-1].get("authorization") != f"Bearer {self._key}":
            # As OpenAI does, it quotes what it was sent.
            sent = self.headers[-1].get("authorization", "")
            message = f"Incorrect API key provided: {sent}."
            return Failure(401, openai_error(message, code="invalid_api_key"))
        refusal = self._refusal(body)
        if refusal is not None:
            return Failure(400, refusal)
        reply = self._replies[min(self._given, len(self._replies) - 1)]
        self._given += 1
        return reply

    def wait(self, seconds: float) -> None:
        """Waits, or until the server is closed."""
        self._closing.wait(seconds)

    def _refusal(self, body: dict[str, Any]) -> object | None:
        if self._reasoning_model and "max_tokens" in body:
            return openai_error(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                param="max_tokens",
                code="unsupported_parameter",
            )
        if self._reasoning_model and body.get("temperature", 1) != 1:
            return openai_error(
                "Unsupported value: 'temperature' does not support 0 with this model. Only the "
                "default (1) value is supported.",
                param="temperature",
                code="unsupported_value",
            )
        if "stream_options" in body and not self._stream_options:
            return openai_error("Unrecognized request argument supplied: stream_options")
        wanted = body.get("response_format", {}).get("type")
        if wanted and wanted not in self._formats and not self._ignores_formats:
            # LM Studio's shape: the error is a text.
            known = " or ".join(f"'{one}'" for one in (*self._formats, "text"))
            return {"error": f"'response_format.type' must be {known}"}
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_side: ScriptedServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.server_side.reply_to(self.path, dict(self.headers), body)
        try:
            self._send(reply, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client went away

    def log_message(self, *_: object) -> None:
        pass

    def _send(self, reply: Reply, body: dict[str, Any]) -> None:
        if isinstance(reply, Hangs):
            self.server_side.wait(reply.seconds)
            self.close_connection = True
        elif isinstance(reply, Failure):
            is_text = isinstance(reply.body, str)
            content = reply.body if is_text else json.dumps(reply.body)
            kind = "text/html" if is_text else "application/json"
            self._send_whole(reply.status, str(content).encode(), kind, reply.headers)
        elif body.get("stream"):
            self._send_stream(reply, body)
        elif isinstance(reply, BreaksOff):
            self._send_head(200, "application/json", {"Content-Length": "1000"})
            self.wfile.write(reply.text.encode())
            self.close_connection = True
        else:
            content = json.dumps(completion_body(reply, body)).encode()
            self._send_whole(200, content, "application/json", {})

    def _send_stream(self, reply: Answer | BreaksOff, body: dict[str, Any]) -> None:
        self._send_head(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for event in chunk_bodies(reply, body):
            if isinstance(reply, Answer):
                self.server_side.wait(reply.pause)
            self._send_chunk(f"data: {json.dumps(event)}\n\n".encode())
        if isinstance(reply, BreaksOff) and not reply.politely:
            self.close_connection = True
            return
        if isinstance(reply, Answer):
            self._send_chunk(b"data: [DONE]\n\n")
        self._send_chunk(b"")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _send_head(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_whole(
        self, status: int, content: bytes, kind: str, headers: Mapping[str, str]
    ) -> None:
        self._send_head(status, kind, {"Content-Length": str(len(content)), **headers})
        self.wfile.write(content)


def completion_body(reply: Answer, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A ``chat.completion``."""
    said: dict[str, Any] = {"role": "assistant", "content": reply.text}
    said["refusal"] = reply.refusal or None
    if reply.reasoning:
        said["reasoning_content"] = reply.reasoning
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": _CREATED,
        "model": asked["model"],
        "choices": [{"index": 0, "message": said, "finish_reason": reply.finish, "logprobs": None}],
    }
    return body | ({"usage": _usage(reply, asked)} if reply.usage else {})


def chunk_bodies(reply: Answer | BreaksOff, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``chat.completion.chunk`` events of a stream, up to where it ends or breaks off."""
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": asked["model"],
    }

    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    chunks = [chunk({"role": "assistant", "content": ""})]
    if isinstance(reply, Answer):
        chunks += [chunk({"reasoning_content": piece}) for piece in in_pieces(reply.reasoning)]
    chunks += [chunk({"content": piece}) for piece in in_pieces(reply.text)]
    if isinstance(reply, Answer):
        chunks.append(chunk({}, reply.finish))
        if reply.usage and (asked.get("stream_options") or {}).get("include_usage"):
            chunks.append(head | {"choices": [], "usage": _usage(reply, asked)})
    return chunks


def _usage(reply: Answer, asked: Mapping[str, Any]) -> dict[str, int]:
    """Counts of words: any number will do that is no estimate."""
    prompt = sum(len(one["content"].split()) for one in asked["messages"]) or 1
    written = len((reply.reasoning + " " + reply.text).split()) or 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
    }
