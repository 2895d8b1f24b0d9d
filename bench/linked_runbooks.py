"""Runbooks that alert rules link, and where they are found: ``python -m bench.linked_runbooks``.

Of the rules' links, how many lead to a page that is indexed (what a report opens), and how often a
search by the alert's words alone (without its name, values as X) has that page first or among the
first five. By default the shared rules and runbooks; ``--rules DIR --pages DIR`` measures others,
such as a checkout of your own.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.asked import KeptEncoder, found_by, indexed, scores_of
from bench.question_sets import Question, QuestionSet
from bench.shared_data import add_data_option, runbook_folders
from bench.tables import table
from ingest.documents import AlertRuleFacts, Document, SourceKind
from ingest.sources import open_source
from service.assembly import encoder_of
from service.evaluation.statistics import MEASURES
from service.linked_runbooks import RunbookReference, page_ids
from service.retrieval import RetrievalPolicy, Retriever
from service.settings import Settings

_RULES = ("alerts-openshift", "kube-prometheus", "runbooks-cloudnativepg")
_VALUE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_FEWEST_WORDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--rules", type=Path, action="append", help="a folder of alert rules")
    parser.add_argument("--pages", type=Path, action="append", help="a folder of pages")
    told = parser.parse_args()
    rules = told.rules or [told.data / name for name in _RULES]
    pages = told.pages or runbook_folders(told.data)
    print(asyncio.run(measured(rules, pages)))


async def measured(rules: Sequence[Path], pages: Sequence[Path]) -> str:
    """The table, as Markdown."""
    sources = tuple(
        open_source(SourceKind.RUNBOOKS, name=folder.name, path=folder) for folder in pages
    )
    indexed_pages = {
        document.id
        for source in sources
        for document in source.read()
        if isinstance(document, Document)
    }
    names = [source.name for source in sources]
    linking = resolved = 0
    gold: dict[str, set[str]] = {}
    for document, facts in _linking(rules):
        linking += 1
        reference = RunbookReference(
            alert=facts.alert, url=facts.runbook_url or "", rule_id=document.id
        )
        page = next((one for one in page_ids(reference, names) if one in indexed_pages), None)
        if page is not None:
            resolved += 1
            gold.setdefault(_asked(document), set()).add(page)
    questions = tuple(
        Question(text, tuple(sorted(found)))
        for text, found in gold.items()
        if len(text.split()) >= _FEWEST_WORDS
    )
    async with indexed(
        QuestionSet("linked", sources, questions), encoder := KeptEncoder(encoder_of(Settings()))
    ) as index:
        recalls = []
        for policy in (
            RetrievalPolicy(),
            RetrievalPolicy.alone(sparse=1.0),
            RetrievalPolicy.alone(dense=1.0),
        ):
            retriever = Retriever(index, encoder, policy=policy)
            scores = (await scores_of(questions, found_by(retriever))).mean(axis=0)
            recall = dict(zip(MEASURES, scores, strict=True))
            recalls.append(f"{recall['recall@1']:.3f} / {recall['recall@5']:.3f}")
    return table(
        (
            "pages",
            "rules with a link",
            "page is here",
            "questions",
            "recall@1 / @5",
            "BM25 alone",
            "dense alone",
        ),
        [
            (
                ", ".join(names),
                str(linking),
                f"{resolved} ({resolved / linking:.0%})",
                str(len(questions)),
                *recalls,
            )
        ],
    )


def _linking(folders: Sequence[Path]) -> Iterator[tuple[Document, AlertRuleFacts]]:
    for folder in folders:
        for document in open_source(SourceKind.ALERTS, name=folder.name, path=folder).read():
            if not isinstance(document, Document):
                continue
            facts = document.facts
            if isinstance(facts, AlertRuleFacts) and facts.runbook_url:
                yield document, facts


def _asked(document: Document) -> str:
    """What the rule says of itself, without its name, its query and its labels."""
    said = document.text.partition("\n")[2].partition("Fires when:")[0]
    return " ".join(_VALUE.sub("X", said).split())


if __name__ == "__main__":
    main()
