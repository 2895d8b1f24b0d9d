"""What a question wants is read by rule, and by a small model where no rule speaks."""

import asyncio

import pytest

from service.intent import Intent, intent_by_rule, intent_of
from service.llm.base import LlmTimeout
from service.llm.budget import Budget
from service.testing.llm import Line, ScriptedModel


@pytest.mark.parametrize(
    ("question", "intent"),
    [
        ("Why did checkout fail last night?", Intent.WHY),
        ("What caused the 5xx in eu-west?", Intent.WHY),
        ("What is wrong?", Intent.WHY),
        ("What happened last night?", Intent.WHAT_HAPPENED),
        ("Since when?", Intent.WHAT_HAPPENED),
        ("Give me a timeline of the incident", Intent.WHAT_HAPPENED),
        ("show me a chart of failed jobs by cluster since midnight", Intent.SHOW),
        ("Plot checkout p99 in eu-west", Intent.SHOW),
        ("which clusters need maintenance?", Intent.FLEET),
        ("Which nodes are idle?", Intent.FLEET),
        ("is run aurelia-70b-ft-12 healthy?", Intent.RUN),
        ("Who was affected?", Intent.IMPACT),
        ("Which customers noticed?", Intent.IMPACT),
        ("Was the impact large?", Intent.IMPACT),
        ("checkout eu-west", None),
    ],
)
def test_rules_read_what_people_ask(question: str, intent: Intent | None) -> None:
    assert intent_by_rule(question) is intent


def asked(question: str, *lines: Line) -> tuple[Intent, ScriptedModel]:
    model = ScriptedModel(list(lines), name="small")
    found = asyncio.run(intent_of(question, model=model, budget=Budget(tokens=5000, seconds=5)))
    return found, model


def test_the_small_model_says_where_no_rule_does() -> None:
    found, model = asked("checkout, in order, please", '{"intent": "what happened"}')
    assert found is Intent.WHAT_HAPPENED
    assert [one.purpose for one in model.asked] == ["routing"]


def test_the_model_is_not_asked_where_a_rule_speaks() -> None:
    found, model = asked("Why is it slow?", '{"intent": "fleet"}')
    assert found is Intent.WHY
    assert model.asked == []


@pytest.mark.parametrize(
    "line", [LlmTimeout("late"), "I can't say", '{"intent": "delete everything"}']
)
def test_a_model_that_fails_or_makes_something_up_leaves_it_at_why(line: Line) -> None:
    assert asked("checkout eu-west", line)[0] is Intent.WHY
