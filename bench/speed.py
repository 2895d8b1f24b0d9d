"""All of the speed, in one run, as the tables of docs/benchmarks.md: ``make bench``.

``python -m bench.speed load`` runs one section (or several). On two idle cores the whole takes
some minutes. Tables go to stdout, and which section is being measured to stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from bench.sample import sample_company
from bench.shared_data import add_data_option
from service.settings import Settings

TITLES = {
    "ingest": "Ingest",
    "search": "A search by stage",
    "question": "A question by stage",
    "load": "Concurrent users",
    "memory": "Memory",
    "start": "Start-up",
    "encoder": "Encoder and backends",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(TITLES))
    add_data_option(parser)
    options = parser.parse_args()
    if unknown := set(options.sections) - TITLES.keys():
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(TITLES)}")
    with ExitStack() as stack:
        company = cache(lambda: stack.enter_context(sample_company()))
        for name in options.sections or TITLES:
            print(f"measuring: {name}", file=sys.stderr)
            print(f"### {TITLES[name]}\n\n{_measured(name, company, options.data)}\n", flush=True)


def _measured(name: str, company: Callable[[], Settings], data: Path) -> str:
    # Each imports what it measures: torch, which only the last needs, must not weigh on others.
    match name:
        case "encoder":
            from bench.backends import encoder_tables

            return encoder_tables(data)
        case "ingest":
            from bench.stages import ingest_table

            return ingest_table()
        case "search":
            from bench.stages import search_table

            return search_table(company())
        case "question":
            from bench.stages import question_table

            return question_table(company())
        case "load":
            from bench.load import load_table

            return load_table(company())
        case "memory":
            from bench.footprint import memory_table

            return memory_table(company())
        case _:
            from bench.footprint import start_table

            return start_table(company())


if __name__ == "__main__":
    main()
