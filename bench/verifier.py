"""What the check of a model's sentences lets pass: ``python -m bench.verifier [--verbose]``.

Sentences over the evidence of the sample company's bad night, each marked as true or false, written
by hand in three sittings: the rules of the check were made with the first set in sight, corrected
after the second and again, a little, after the third. So the figures for what is new are those that
the third had when it was first asked (docs/benchmarks.md); this prints today's. The evidence is
kept beside the sentences, so that they stay true when the search finds something else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from service.evaluation.sentences import GivenEvidence, SetResult, judge, read_sentences

SENTENCES = Path(__file__).with_name("verifier_sentences.jsonl")
EVIDENCE = Path(__file__).with_name("verifier_evidence.json")


def judged() -> list[SetResult]:
    """Every set of sentences, held against the evidence."""
    given = GivenEvidence.model_validate_json(EVIDENCE.read_text(encoding="utf-8"))
    return judge(read_sentences(SENTENCES), given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--verbose", action="store_true", help="Name every error.")
    arguments = parser.parse_args()
    results = judged()
    print("| set | truths shown | lies shown | precision | recall |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for one in results:
        print(
            f"| {one.name} | {one.count(holds=True, shown=True)}/{one.count(holds=True)} | "
            f"{one.count(holds=False, shown=True)}/{one.count(holds=False)} | "
            f"{one.precision:.3f} | {one.recall:.3f} |"
        )
    if arguments.verbose:
        for verdict in (verdict for one in results for verdict in one.verdicts):
            if verdict.shown != verdict.sentence.holds:
                print(f"{verdict.sentence.text} <- {verdict.reason or 'shown'}")


if __name__ == "__main__":
    main()
