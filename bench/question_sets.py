"""Questions with known answers over several corpora, for what decides how pages are found.

The even questions of each of the five ``tuned`` sets (the first half) are what the search's weights
were chosen on; the odd ones (the second half) are the test. Nothing was chosen on the ``untouched``
sets, which are only reported.

``runbooks`` are the shared pairs. The other sets are made from public documents by a rule: a
document is asked for in its own words, and these words are taken out of it first, so that it must
be found by the rest of what it says.

- ``rules``: every fourth alert rule of a collection, by its description; left are name and query.
- ``panels``: dashboard panels, by their description; left are titles, unit and query.
- ``incidents``: incident reports, by the symptom (else the first sentence of the cause) that
  somebody read out of them; beside the reports lie the same team's manuals.
- ``identifiers``: alert rules and runbooks, by the name of a metric that only one of them has.
  Nothing is taken out here.

Untouched:

- ``more_rules``: as ``rules``, by the description of other rules of the same collection.
- ``kube_panels``: as ``panels``, of dashboards that are in no other set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

from bench.shared_data import PAIRS, runbook_folders
from ingest.documents import AlertRuleFacts, Document, Section, Source, SourceKind
from ingest.sources import open_source
from service.evaluation.pairs import Corpora, read_pairs
from service.learning.sources import AddedSource

_RULES_EVERY = 4
_IDENTIFIERS = 120
_SEED = 20_261_125
_METRIC = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+){2,}\b")
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)
_FEWEST_WORDS = 4
"""Of a question: "Free memory" asks for nothing in particular."""


@dataclass(frozen=True)
class Question:
    """``gold``: ids of the documents that answer it; any of them counts."""

    text: str
    gold: tuple[str, ...]
    alert: str = ""
    """Name of the alert whose text is asked, where it is one."""


@dataclass(frozen=True)
class QuestionSet:
    """Documents and the questions that are asked of them."""

    name: str
    sources: tuple[Source, ...]
    questions: tuple[Question, ...]


def runbooks(data: Path) -> QuestionSet:
    """The shared pairs."""
    corpora = Corpora(runbook_folders(data))
    lines = (data / PAIRS).read_text(encoding="utf-8").splitlines()
    alerts = [json.loads(line)["alert"] for line in lines if line.strip()]
    return QuestionSet(
        "runbooks",
        tuple(
            open_source(SourceKind.RUNBOOKS, name=name, path=path)
            for name, path in corpora.folders.items()
        ),
        tuple(
            Question(pair.query, pair.gold, alert)
            for pair, alert in zip(read_pairs(data / PAIRS, corpora), alerts, strict=True)
        ),
    )


def tuned(data: Path) -> Iterator[QuestionSet]:
    """The sets whose even questions the weights were chosen on."""
    yield runbooks(data)
    yield rules(data)
    yield panels(data)
    yield incidents(data)
    yield identifiers(data)


def untouched(data: Path) -> Iterator[QuestionSet]:
    """The sets that nothing was chosen on."""
    yield more_rules(data)
    yield kube_panels(data)


def rules(data: Path) -> QuestionSet:
    """Descriptions → alert rules without them."""
    return _rules("rules", data, first=0)


def more_rules(data: Path) -> QuestionSet:
    """As ``rules``, two rules further on each time."""
    return _rules("more rules", data, first=2)


def _rules(name_of_set: str, data: Path, *, first: int) -> QuestionSet:
    file = data / "awesome-prometheus-alerts" / "_data" / "rules.yml"
    documents: dict[str, Document] = {}
    questions: list[Question] = []
    for rule in _rules_in(yaml.safe_load(file.read_text(encoding="utf-8"))):
        name, query = str(rule["name"]), str(rule["query"])
        document = _document(
            SourceKind.ALERTS,
            f"{len(documents)}",
            name,
            f"{name}\nFires when: {query}",
            AlertRuleFacts(alert=name, expression=query),
        )
        documents[document.id] = document
        asked = str(rule.get("description", ""))
        if len(documents) % _RULES_EVERY == first and len(asked.split()) >= _FEWEST_WORDS:
            questions.append(Question(asked, (document.id,)))
    return QuestionSet(name_of_set, _added(documents.values()), tuple(questions))


def panels(data: Path) -> QuestionSet:
    """Descriptions → dashboard panels without them."""
    documents: list[Document] = []
    asked: dict[str, list[str]] = {}
    for folder in ("dash-rfmoz-node-exporter", "dash-dcgm-exporter", "mybinder"):
        for found in _read(SourceKind.DASHBOARDS, folder, data / folder):
            title, *lines = found.text.split("\n")
            first = next(
                (n for n, line in enumerate(lines) if re.match(r"(Unit|Query|Legend): ", line)),
                len(lines),
            )
            description = " ".join(lines[:first])
            documents.append(_with_text(found, "\n".join([title, *lines[first:]])))
            if len(description.split()) >= _FEWEST_WORDS:
                asked.setdefault(description, []).append(found.id)
    questions = tuple(Question(text, tuple(gold)) for text, gold in asked.items())
    return QuestionSet("panels", _added(documents), questions)


def kube_panels(data: Path) -> QuestionSet:
    """As ``panels``, of kube-prometheus."""
    lines = (data / "promql_panels.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["corpus"] == "kube-prometheus"]
    documents: list[Document] = []
    asked: dict[str, list[str]] = {}
    for number, row in enumerate(rows):
        text = f"Unit: {row['unit']}\nQuery: {row['promql']}"
        document = Document(
            id=f"dashboards/{number}",
            source="dashboards",
            kind=SourceKind.DASHBOARDS,
            title=f"{row['dashboard']} › {row['panel']}",
            origin=row["uid"],
            sections=(Section(text=text),),
        )
        documents.append(document)
        if len(row["description"].split()) >= _FEWEST_WORDS:
            asked.setdefault(row["description"], []).append(document.id)
    questions = tuple(Question(text, tuple(gold)) for text, gold in asked.items())
    return QuestionSet("kube panels", _added(documents), questions)


def incidents(data: Path) -> QuestionSet:
    """Symptoms → incident reports without them, beside manuals."""
    rows = [
        json.loads(line)
        for line in (data / "incidents.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    asked = {(data / row["doc_path"]).resolve(): _symptom(row) for row in rows}
    documents: list[Document] = []
    questions: list[Question] = []
    for name in ("mybinder/docs/source/incident-reports", "pm-berkeley-datahub/docs/incidents"):
        for found in _read(SourceKind.INCIDENTS, name, data / name):
            text = asked.get((data / name / found.origin).resolve(), "")
            documents.append(_without(found, text))
            if len(text.split()) >= _FEWEST_WORDS:
                questions.append(Question(text, (found.id,)))
    manuals = [
        open_source(SourceKind.RUNBOOKS, name=name, path=data / "mybinder/docs/source" / name)
        for name in ("components", "operation_guide")
    ]
    return QuestionSet("incidents", (*_added(documents), *manuals), tuple(questions))


def identifiers(data: Path) -> QuestionSet:
    """Names of metrics → the only document that has them."""
    sources = tuple(
        open_source(kind, name=name, path=data / name)
        for kind, name in (
            (SourceKind.ALERTS, "alerts-openshift"),
            (SourceKind.RUNBOOKS, "runbooks-openshift"),
            (SourceKind.RUNBOOKS, "runbooks-prometheus-operator"),
        )
    )
    places: dict[str, set[str]] = {}
    for source in sources:
        for found in source.read():
            if isinstance(found, Document):
                for name in _METRIC.findall(f"{found.title}\n{found.text}"):
                    places.setdefault(name, set()).add(found.id)
    unique = sorted((name, *ids) for name, ids in places.items() if len(ids) == 1)
    drawn = Random(_SEED).sample(unique, min(_IDENTIFIERS, len(unique)))
    return QuestionSet(
        "identifiers",
        sources,
        tuple(Question(f"What does {name} mean?", (place,)) for name, place in drawn),
    )


def _read(kind: SourceKind, name: str, path: Path) -> Iterator[Document]:
    for found in open_source(kind, name=name.replace("/", "-"), path=path).read():
        if isinstance(found, Document):
            yield found


def _added(documents: Iterable[Document]) -> tuple[Source, ...]:
    """Sources that hold these documents, one for each that they name."""
    by_source: dict[str, list[Document]] = {}
    for document in documents:
        by_source.setdefault(document.source, []).append(document)
    return tuple(AddedSource(name, of[0].kind, tuple(of)) for name, of in by_source.items())


def _document(
    kind: SourceKind, locator: str, title: str, text: str, facts: AlertRuleFacts
) -> Document:
    return Document(
        id=f"{kind.value}/{locator}",
        source=kind.value,
        kind=kind,
        title=title,
        origin=locator,
        sections=(Section(text=text),),
        facts=facts,
    )


def _with_text(document: Document, text: str) -> Document:
    return document.model_copy(update={"sections": (Section(text=text),)})


def _without(document: Document, text: str) -> Document:
    """The document with these words taken out, however they are broken into lines."""
    words = text.split()
    if not words:
        return document
    told = re.compile(r"\s+".join(map(re.escape, words)))
    return document.model_copy(
        update={
            "sections": tuple(
                section.model_copy(update={"text": told.sub("", section.text)})
                for section in document.sections
            )
        }
    )


def _symptom(row: dict[str, str]) -> str:
    if row["symptom"]:
        return row["symptom"]
    first = _SENTENCE.match(row["cause"].strip())
    return first[0] if first else ""


def _rules_in(tree: dict[str, Sequence[dict[str, object]]]) -> Iterator[dict[str, object]]:
    """Every rule below ``groups → services → exporters``."""
    for group in tree["groups"]:
        for service in group.get("services") or ():  # type: ignore[attr-defined] # it is YAML
            for exporter in service.get("exporters") or ():
                yield from exporter.get("rules") or ()
