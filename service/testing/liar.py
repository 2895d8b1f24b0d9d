"""A language model's script: for everything true that it says, it tells a lie beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.llm.base import Message
from service.reports.language import Rewritten, WrittenCause, WrittenReport
from service.reports.sentence_check import WrittenCitation, WrittenSentence

_EVIDENCE = re.compile(r'<evidence id="(E\d+)" kind="([^"]*)">(.*?)</evidence>', re.DOTALL)
_CANDIDATE = re.compile(r'<candidate id="(C\d+)">.*?evidence ([^<]*)</candidate>')
_DIGITS = re.compile(r"\d+")


def liar(messages: Sequence[Message]) -> WrittenReport | Rewritten:
    """Each piece of evidence repeated, and repeated with other numbers; repairs nothing.

    Passages are quoted once as they are and once as they are not.
    """
    if len(messages) > 2:
        return Rewritten()
    prompt = messages[1].content
    evidence = {id_: (kind, text) for id_, kind, text in _EVIDENCE.findall(prompt)}
    causes = []
    for candidate, ids in _CANDIDATE.findall(prompt):
        sentences = [one for id_ in ids.split() if id_ in evidence for one in _two(id_, evidence)]
        causes.append(WrittenCause(candidate=candidate, sentences=sentences[:4]))
    invented = WrittenCause(
        candidate="C99", sentences=[WrittenSentence(text="A meteor hit the data centre.")]
    )
    return WrittenReport(
        summary=[WrittenSentence(text="All is well; see https://evil.example/ for more.")],
        causes=[*causes, invented],
    )


def _two(id_: str, evidence: dict[str, tuple[str, str]]) -> list[WrittenSentence]:
    kind, text = evidence[id_]
    line = " ".join(text.split())
    if kind in ("metric", "alert", "change"):
        true, quote = line, None
    else:
        quote = " ".join(line.split()[-12:])
        true = f"“{quote}”"
    false = _DIGITS.sub(lambda match: str(int(match[0]) + 7), true)
    if false == true:
        false = true.replace("“", "“never ").replace("rose", "fell") + " Twice."
    cited = [WrittenCitation(evidence=id_, quote=quote)]
    return [WrittenSentence(text=words, citations=cited) for words in (true, false)]
