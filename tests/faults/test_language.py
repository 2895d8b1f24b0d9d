"""A language model answers in another language: what cannot be checked is not shown.

Reports are in English, and what looks after their sentences reads English alone. What documents say
in another language is quoted, so a company that writes German is cited in German.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ingest.documents import SourceKind
from service.assembly import moment_of, open_engine
from service.llm.base import Message
from service.reports.draft import DraftClaim
from service.reports.evidence import Evidence
from service.reports.extractive import EXTRACTIVE
from service.reports.language import (
    Rewritten,
    RewrittenSentence,
    WrittenCause,
    WrittenReport,
)
from service.reports.model import PassageCitation, Report
from service.reports.sentence_check import NOT_ENGLISH, SentenceCheck
from service.settings import Settings
from service.testing.llm_server import Answer, Reply, ScriptedServer
from tests.service.reports.test_language import id_of, sentence, texts

GERMAN_QUESTION = "Warum ist checkout letzte Nacht ausgefallen?"
GERMAN = "Die offenen Dateien von quota stiegen von 166 auf 4,256."
CHINESE = "`process_open_fds` 从 166 上升到 4,256。"
MIXED = "`process_open_fds` of quota rose from 166 to 4,256, 因此服务宕机。"

PAGE = (
    "Nach dem Deployment von quota war der Pool nicht voll. Billing öffnete für jede Anfrage "
    "einen neuen Redis-Client."
)


class Model(ScriptedServer):
    """Words the first candidate in one language, and refused sentences again in another."""

    def __init__(self, says: str, again: str) -> None:
        super().__init__([Answer("")])
        self.says, self.again = says, again

    def reply_to(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Reply:
        super().reply_to(path, headers, body)
        messages = [Message(role=one["role"], content=one["content"]) for one in body["messages"]]
        return Answer(self._line(messages).model_dump_json())

    def _line(self, messages: Sequence[Message]) -> WrittenReport | Rewritten:
        fds = id_of(messages, "`process_open_fds`")
        if len(messages) > 2:
            right = sentence(self.again, fds)
            return Rewritten(sentences=[RewrittenSentence(number=1, sentence=right)])
        wrong = sentence(self.says, fds)
        return WrittenReport(causes=[WrittenCause(candidate="C1", sentences=[wrong])])


def ask(company: Settings, model: Model) -> Report:
    now = moment_of(company)

    async def run() -> Report:
        asking = company.model_copy(update={"llm_url": model.url, "llm_model": "polyglot"})
        async with open_engine(asking, as_of=now) as engine:
            return await engine.ask(GERMAN_QUESTION, now=now)

    with model:
        return asyncio.run(run())


@pytest.mark.parametrize("said", [GERMAN, CHINESE, MIXED], ids=["german", "chinese", "mixed"])
def test_a_model_that_keeps_to_another_language_leaves_the_extractive_report(
    company: Settings, said: str
) -> None:
    model = Model(said, said)
    report = ask(company, model)
    assert report.writer == EXTRACTIVE
    assert report.causes
    assert report.causes[0].evidence
    assert said not in texts(report)
    assert [call.purpose for call in report.calls] == ["report", "repair"]
    assert NOT_ENGLISH in model.asked[1]["messages"][-1]["content"]
    assert any("(1 were not in English)" in line for line in report.not_seen), report.not_seen


def test_a_sentence_that_comes_in_english_when_it_is_sent_back_is_shown(company: Settings) -> None:
    english = "`process_open_fds` of quota rose."
    model = Model(GERMAN, english)
    report = ask(company, model)
    assert "Write in English" in model.asked[0]["messages"][0]["content"]
    assert report.writer == "polyglot"
    assert [claim.text for claim in report.causes[0].evidence] == [english]


def check(text: str, quote: str) -> DraftClaim | str:
    """A sentence over a page in German."""
    citation = PassageCitation(
        document_id="d",
        revision="r",
        chunk_id="c",
        kind=SourceKind.INCIDENTS,
        title="INC-2026-031",
        headings=(),
        url=None,
        written_at=None,
        start=0,
        end=len(PAGE),
        quote=PAGE,
    )
    page = Evidence(id="E1", kind="incident", text=PAGE, citation=citation)
    return SentenceCheck([page], ["quota", "billing"]).claim(sentence(text, ("E1", quote)))


def test_a_page_in_german_is_quoted_in_german() -> None:
    quote = "Billing öffnete für jede Anfrage einen neuen Redis-Client"
    shown = check(f"The report INC-2026-031 says “{quote}”.", quote)
    assert isinstance(shown, DraftClaim)


@pytest.mark.parametrize(
    ("said", "quote"),
    [
        # Every word of it stands there, and the page denies it.
        ("INC-2026-031: der Pool war voll.", "war der Pool nicht voll"),
        ("INC-2026-031: nach dem Deployment von quota war der Pool voll.", PAGE[:54]),
    ],
)
def test_a_german_sentence_over_a_german_page_is_not_shown(said: str, quote: str) -> None:
    assert check(said, quote) == NOT_ENGLISH


def test_names_and_signs_of_other_languages_are_no_other_language() -> None:
    from service.reports.english import is_english

    for text in (
        "Latency of Müller GmbH rose to 3 µs, 4 μs and 3 σ at 02:10 EST.",
        "The OS disk of 東京 was full.",
        "Errors of `größe_в_байтах` rose.",
        "The deploy of El Niño was followed by errors.",
    ):
        assert is_english(text, ["Müller GmbH", "東京"]), text
    for text in ("Открытые дескрипторы выросли.", "quоta rose.", "Le service est tombé.", "إبطاء"):
        assert not is_english(text, ["quota"]), text
