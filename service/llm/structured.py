"""A model's text → the object that was asked for.

Real answers come with reasoning before them, in code fences, between polite sentences, and cut
off where the tokens ran out. What is complete of a cut object is kept and the rest dropped: a
string or number that may go on is no value yet (``pydantic_core.from_json(allow_partial=True)``
takes the 12 of a cut 123, and reads the broken ``[1 2]`` as ``[1]``; hence the scanner here). So
what comes out is either what the model wrote, or its beginning, or an error; never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from service.llm.base import LlmUnparsable, Repair

T = TypeVar("T", bound=BaseModel)

_MOST_STARTS = 50
"""Braces tried in one answer, lest a text of nothing else takes quadratic time."""
_MOST_DROPPED = 8
"""Open containers given up from the inside before a cut object counts as useless."""
_PROBLEMS_SHOWN = 3

_OPENING_TAGS = ("<think>", "<thinking>", "<reasoning>", "<thought>", "[THINK]")
_CLOSING_TAGS = ("</think>", "</thinking>", "</reasoning>", "</thought>", "[/THINK]")
# gpt-oss, where its server doesn't take its channels apart.
_LAST_OF_REASONING = re.compile(
    ".*(?:" + "|".join(map(re.escape, (*_CLOSING_TAGS, "<|channel|>final<|message|>"))) + ")",
    re.DOTALL,
)

_OBJECT_AT_ONCE = re.compile(r"\s*(?:```\w*\s*)?\{")
_START = re.compile(r'\{\s*(?:"|\}|$)')
# What stands before a brace that is no beginning but a part of a broken object.
_INSIDE = re.compile(r'(?:"\s*:|\[|[}\]]\s*,)\s*$')
_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[{}\[\],:])|(?P<atom>[-+.\w]+))', re.DOTALL
)
_CLOSERS = {"{": "}", "[": "]"}
_VALUES = {"value", "{", "["}
_MAY_FOLLOW = {
    "start": {"{"},
    "{": {"key", "}"},
    "[": {*_VALUES, "]"},
    "key": {":"},
    ":": _VALUES,
    "value": {",", "}", "]"},
    ",": _VALUES,
    ", in object": {"key"},
}


def read_object(text: str, schema: type[T]) -> tuple[T, tuple[Repair, ...]]:
    """The object in ``text``, the last one if there are several, and what was done to read it.

    A cut one counts where no complete one fits. Raises: LlmUnparsable, without quoting the text.
    """
    answer = text if _OBJECT_AT_ONCE.match(text) else without_reasoning(text)
    found: tuple[T, _Candidate] | None = None
    problem: ValidationError | None = None
    for candidate in _candidates(answer):
        if candidate.cut and found is not None:
            break
        try:
            found = schema.model_validate(candidate.value), candidate
        except ValidationError as error:
            problem = problem or error
            continue
        if candidate.cut:
            break
    if found is None:
        raise LlmUnparsable(_why(schema, problem))
    value, place = found
    seen = {
        Repair.REASONING: answer != text,
        Repair.SURROUNDINGS: bool(answer[: place.start].strip() or answer[place.end :].strip()),
        Repair.CUT: place.cut,
    }
    return value, tuple(repair for repair, done in seen.items() if done)


def without_reasoning(text: str) -> str:
    """The answer without the reasoning before it; empty where the reasoning never ended."""
    ended = _LAST_OF_REASONING.match(text)
    if ended:
        return text[ended.end() :].lstrip()
    return "" if text.lstrip().startswith(_OPENING_TAGS) else text


class ReasoningFilter:
    """Leaves the reasoning out of a stream, also where a tag arrives in several pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._closing: tuple[str, ...] = ()
        self._answering = False

    def feed(self, piece: str) -> str:
        """What may be shown now that ``piece`` has arrived."""
        if self._answering:
            return piece
        self._held += piece
        if not self._closing:
            beginning = self._held.lstrip()
            if beginning.startswith(_OPENING_TAGS):
                self._closing = _CLOSING_TAGS
            elif any(tag.startswith(beginning) for tag in _OPENING_TAGS):
                return ""
            else:
                return self._show(self._held)
        for tag in self._closing:
            _, ended, rest = self._held.partition(tag)
            # The blank lines between reasoning and answer may still be on their way.
            if ended and rest.strip():
                return self._show(rest.lstrip())
        return ""

    def end(self) -> str:
        """What was held back as a possible tag, at the end of the text."""
        return "" if self._closing or self._answering else self._held

    def _show(self, text: str) -> str:
        self._answering = True
        self._held = ""
        return text


class _Candidate(NamedTuple):
    """An object at ``[start, end)`` of a text; ``cut``: the text ends inside it."""

    value: dict[str, Any]
    start: int
    end: int
    cut: bool


def _candidates(text: str) -> Iterator[_Candidate]:
    """The complete objects in order, then the beginnings of one that the text ends in."""
    position = 0
    broken = False
    for _ in range(_MOST_STARTS):
        begins = _START.search(text, position)
        if begins is None:
            return
        start = begins.start()
        position = start + 1
        if broken and _INSIDE.search(text, max(0, start - 40), start):
            continue
        try:
            value, position = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            broken = True
            beginnings = list(complete_beginnings(text[start:]))
            for value in beginnings:
                yield _Candidate(value, start, len(text), True)
            if beginnings:
                return
        else:
            yield _Candidate(value, start, position, False)


def complete_beginnings(text: str) -> Iterator[dict[str, Any]]:
    """What is complete of an object that ``text`` begins and doesn't end, most of it first.

    Each next one gives up the innermost container that is still open. Nothing for a text that
    is no beginning of an object.
    """
    open_containers = _scan(text)
    for depth in range(len(open_containers), max(0, len(open_containers) - _MOST_DROPPED), -1):
        innermost = open_containers[depth - 1]
        if innermost.closer == "}" and not innermost.members:
            continue  # an object of which nothing is known yet
        closing = "".join(one.closer for one in reversed(open_containers[:depth]))
        try:
            value = _DECODER.decode(text[: innermost.complete] + closing)
        except (ValueError, RecursionError):
            return
        yield value


class _Open:
    """A container that is not closed yet; its content is complete up to ``complete``."""

    def __init__(self, closer: str, complete: int) -> None:
        self.closer = closer
        self.complete = complete
        self.members = 0

    def has_member(self, end: int) -> None:
        self.complete = end
        self.members += 1


def _scan(text: str) -> list[_Open]:
    """The containers that are open at the end of ``text``; none where it is no cut object."""
    stack: list[_Open] = []
    position = 0
    before = "start"
    while token := _TOKEN.match(text, position):
        position = token.end()
        in_object = bool(stack) and stack[-1].closer == "}"
        is_key = token["string"] is not None and in_object and before in ("{", ",")
        now = token["mark"] or ("key" if is_key else "value")
        after = f"{before} in object" if before == "," and in_object else before
        if now not in _MAY_FOLLOW[after]:
            return []
        if now in _CLOSERS:
            stack.append(_Open(_CLOSERS[now], position))
        elif now in ("}", "]"):
            if stack.pop().closer != now or not stack:
                return []
            now = "value"
        if now == "value":
            goes_on = token["atom"] is not None and position == len(text)
            if not goes_on:
                stack[-1].has_member(position)
        before = now
    rest = text[position:].lstrip()
    return stack if not rest or rest.startswith('"') else []


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


# Not strict: models put bare line breaks into strings.
_DECODER = json.JSONDecoder(strict=False, parse_constant=_no_constant)


def _why(schema: type[BaseModel], problem: ValidationError | None) -> str:
    if problem is None:
        return "there is no JSON object in the answer"
    seen = []
    for error in problem.errors(include_input=False, include_url=False, include_context=False):
        # Not the message, which may quote the answer, nor a name that the model made up.
        place = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
        seen.append(f"{'.'.join(map(str, place)) or 'object'}: {error['type']}")
    more = f" and {len(seen) - _PROBLEMS_SHOWN} more" if len(seen) > _PROBLEMS_SHOWN else ""
    return f"the answer is no {schema.__name__}: {'; '.join(seen[:_PROBLEMS_SHOWN])}{more}"
