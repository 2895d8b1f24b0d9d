"""What comes out of a model's text is what it wrote, or its beginning, or an error."""

import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.documents import Frozen
from service.llm.base import LlmUnparsable, Repair
from service.llm.structured import (
    ReasoningFilter,
    complete_beginnings,
    read_object,
    without_reasoning,
)


class Reason(Frozen):
    component: str
    citations: tuple[int, ...]
    note: str | None = None


class Answer(Frozen):
    summary: str
    reasons: tuple[Reason, ...] = ()
    certain: bool = False


WHOLE = Answer(
    summary='quota says "no", and {so} do \\ others: é 数',
    reasons=(
        Reason(component="quota", citations=(1, 23)),
        Reason(component="cache", citations=(), note="[x]"),
    ),
    certain=True,
)
TEXTS = [WHOLE.model_dump_json(), WHOLE.model_dump_json(indent=2), json.dumps(WHOLE.model_dump())]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
objects = st.dictionaries(
    st.text(),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


def is_beginning(part: Any, whole: Any) -> bool:
    """Whether ``part`` is ``whole`` with its end missing: only the last of what is there may be."""
    if isinstance(whole, dict):
        return (
            isinstance(part, dict)
            and list(part) == list(islice(whole, len(part)))
            and all(part[key] == whole[key] for key in list(part)[:-1])
            and all(is_beginning(part[key], whole[key]) for key in list(part)[-1:])
        )
    if isinstance(whole, list):
        return (
            isinstance(part, list)
            and part[:-1] == whole[: len(part)][:-1]
            and len(part) <= len(whole)
            and all(is_beginning(one, whole[len(part) - 1]) for one in part[-1:])
        )
    return type(part) is type(whole) and part == whole


@given(objects, st.booleans(), st.sampled_from([None, 1]))
@example({"n": 123, "l": [12, 34]}, True, None)
def test_an_object_cut_anywhere_gives_its_beginning_and_invents_nothing(
    whole: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(whole, ensure_ascii=ascii_only, indent=indent)
    whole = json.loads(text)
    for end in range(len(text)):
        for part in complete_beginnings(text[:end]):
            assert is_beginning(part, whole), (text[:end], part)


@pytest.mark.parametrize("text", TEXTS)
def test_an_answer_cut_anywhere_is_its_beginning_or_refused(text: str) -> None:
    whole = json.loads(WHOLE.model_dump_json())
    kept = 0
    for end in range(len(text)):
        try:
            found, repairs = read_object(text[:end], Answer)
        except LlmUnparsable:
            continue
        part = json.loads(found.model_dump_json(exclude_unset=True))
        assert is_beginning(part, whole), (text[:end], part)
        assert repairs == (Repair.CUT,)
        kept += 1
    # Everything after the one field that is required.
    assert kept > len(text) - text.index("reasons") - 5


def test_a_cut_list_keeps_its_complete_elements_and_drops_the_one_that_is_not() -> None:
    text = (
        '{"summary": "s", "reasons": [{"component": "quota", "citations": [1, 2]}, '
        '{"component": "cache", "cit'
    )
    found, _ = read_object(text, Answer)
    assert [one.component for one in found.reasons] == ["quota"]


def test_a_number_or_word_that_may_go_on_is_no_value_yet() -> None:
    assert list(complete_beginnings('{"a": 1, "b": 12')) == [{"a": 1}]
    assert list(complete_beginnings('{"a": 1, "b": 12\n')) == [{"a": 1, "b": 12}]
    assert list(complete_beginnings('{"a": 1, "b": "quo')) == [{"a": 1}]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("before", "after", "repairs"),
    [
        ("", "", ()),
        ("\n ", " \n", ()),
        ("```json\n", "\n```", (Repair.SURROUNDINGS,)),
        ("Sure, here it is: ", "\nAnything else?", (Repair.SURROUNDINGS,)),
        ('By sum(rate(x{service="quota"}[5m])) it is\n', "", (Repair.SURROUNDINGS,)),
        ('<think>Maybe {"summary": "draft"}?</think>\n', "", (Repair.REASONING,)),
        ('It is {"summary": "draft"}, no.</think>', "", (Repair.REASONING,)),
        ("[THINK]hm[/THINK]", "", (Repair.REASONING,)),
        ("<|channel|>analysis<|message|>{<|end|><|start|>assistant<|channel|>final<|message|>",
         "", (Repair.REASONING,)),
        ('First {"summary": "draft"}, then ', "", (Repair.SURROUNDINGS,)),
        ("<think>a</think>```json\n", "```", (Repair.REASONING, Repair.SURROUNDINGS)),
    ],
)  # fmt: skip
def test_what_stands_around_the_object_is_left_out(
    text: str, before: str, after: str, repairs: tuple[Repair, ...]
) -> None:
    assert read_object(before + text + after, Answer) == (WHOLE, repairs)


def test_a_complete_object_counts_more_than_a_cut_one_after_it() -> None:
    text = '{"summary": "whole"} and again: {"summary": "cut", "reasons": ['
    assert read_object(text, Answer) == (Answer(summary="whole"), (Repair.SURROUNDINGS,))


def test_tags_inside_the_answer_are_part_of_it() -> None:
    text = '{"summary": "the log says </think>"}'
    assert read_object(text, Answer)[0].summary == "the log says </think>"
    assert read_object(f"```json\n{text}\n```", Answer)[0].summary == "the log says </think>"


def test_bare_line_breaks_in_strings_are_read() -> None:
    assert read_object('{"summary": "one\ntwo"}', Answer)[0].summary == "one\ntwo"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON object"),
        ("I don't know.", "no JSON object"),
        ("<think>I wonder whether", "no JSON object"),
        ('["summary"]', "no JSON object"),
        ("{'summary': 'single quotes'}", "no JSON object"),
        ('{"summary": "a" "certain": true}', "no JSON object"),
        ('{"summary": NaN}', "no JSON object"),
        ('{"summary": "the string never en', "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"a":' * 100_000, "no JSON object"),
        ('{"' * 20_000, "no JSON object"),
        ('{"certain": true}', "no Answer: summary: missing"),
        ('{"summary": 1, "reasons": [{"component": "x"}]}',
         r"summary: string_type; reasons\.0\.citations: missing"),
        ('{"summary": "s", "invented": 1}', "object: extra_forbidden"),
        # Part of something broken is not taken for the whole.
        ('{"reasons": [{"summary": "inner"}, {"summary": "inner"}],,}', "no JSON object"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(LlmUnparsable, match=reason):
        read_object(text, Answer)


def test_a_refusal_quotes_nothing_of_the_answer() -> None:
    with pytest.raises(LlmUnparsable) as refused:
        read_object('{"summary": ["hunter2"], "hunter2": 1}', Answer)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize(
    "text",
    [
        "Plain text.",
        "<think>hm\nhm</think>\n\nThe answer.",
        "  <thinking>a < b</thinking>The answer.",
        "<thin ice>",
        "<think>it never ends",
        "<",
        "",
    ],
)
def test_a_stream_without_reasoning_is_the_text_without_reasoning(text: str, size: int) -> None:
    stream = ReasoningFilter()
    shown = "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size))
    assert shown + stream.end() == without_reasoning(text)
