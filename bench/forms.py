"""How alike the causes are that real incident reports state: ``python -m bench.forms``.

Two causes in the same words, but for numbers and the names of services, are taken for one form
(``service/retrieval/folding.py``). Here is how far reports of different events stay below that.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

from bench.shared_data import add_data_option
from ingest.documents import Document, IncidentFacts, SourceKind
from ingest.sources import open_source
from service.retrieval.folding import words_but_names

_SAMPLE = Path(__file__).parents[1] / "data" / "incidents"
_FIRST = 4
"""Pairs that are shown."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    data: Path = parser.parse_args().data
    print("| reports | with a stated cause | pairs | most alike (Jaccard of words) |")
    print("| --- | ---: | ---: | --- |")
    for name, folders in (
        ("sample company", [_SAMPLE]),
        (
            "mybinder + datahub",
            [data / "mybinder/docs/source/incident-reports", data / "pm-berkeley-datahub"],
        ),
    ):
        stated = [
            words_but_names(facts.cause, (*document.services, facts.component or ""))
            for folder in folders
            for document in open_source(SourceKind.INCIDENTS, name=folder.name, path=folder).read()
            if isinstance(document, Document)
            and isinstance(facts := document.facts, IncidentFacts)
            and facts.cause
        ]
        alike = sorted(
            (len(one & other) / len(one | other) for one, other in combinations(stated, 2)),
            reverse=True,
        )
        first = ", ".join(f"{share:.2f}" for share in alike[:_FIRST])
        print(f"| {name} | {len(stated)} | {len(alike)} | {first} |")


if __name__ == "__main__":
    main()
