"""What each part of the search is worth: ``python -m bench.retrieval_parts``.

The shared pairs, asked with everything on and with one part off. The weights of titles were chosen
on every other question, the first of the two halves.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.shared_data import PAIRS, add_data_option, runbook_folders
from ingest.chunking import ChunkingPolicy
from ingest.documents import SourceKind
from ingest.index import Scope, open_store
from ingest.sources import open_source
from ingest.sync import sync
from service.assembly import encoder_of
from service.evaluation.pairs import Corpora, read_pairs
from service.evaluation.statistics import MEASURES, Bootstrap, score_rankings
from service.retrieval import RetrievalPolicy, Retriever
from service.settings import Settings

FULL = "everything"
POLICIES = {
    FULL: RetrievalPolicy(),
    "without titles": RetrievalPolicy(said=0.0, says=0.0),
    "without what the title asks for (said)": RetrievalPolicy(said=0.0),
    "without what the question asks for (says)": RetrievalPolicy(says=0.0),
    "titles half as heavy": RetrievalPolicy(said=0.5, says=0.5),
    "titles twice as heavy": RetrievalPolicy(said=2.0, says=2.0),
    "without dense": RetrievalPolicy(dense=False),
    "without BM25": RetrievalPolicy(sparse=False),
    "BM25 alone": RetrievalPolicy(dense=False, said=0.0, says=0.0),
    "dense alone": RetrievalPolicy(sparse=False, said=0.0, says=0.0),
}
SHOWN = ("recall@1", "recall@5", "MRR")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    asyncio.run(compare(parser.parse_args().data))


async def compare(data: Path) -> None:
    corpora = Corpora(runbook_folders(data))
    pairs = read_pairs(data / PAIRS, corpora)
    encoder = encoder_of(Settings())
    scores = {}
    with TemporaryDirectory() as scratch:
        store = open_store(directory=Path(scratch))
        sources = [
            open_source(SourceKind.RUNBOOKS, name=name, path=path)
            for name, path in corpora.folders.items()
        ]
        await sync(sources, store, encoder=encoder, policy=ChunkingPolicy())
        index = await store.open_current()
        for name, policy in POLICIES.items():
            retriever = Retriever(index, encoder, policy=policy)
            rankings = [
                [
                    passage.chunk.document_id
                    for passage in await retriever.search(pair.query, scope=Scope(), limit=10)
                ]
                for pair in pairs
            ]
            scores[name] = score_rankings([pair.gold for pair in pairs], rankings)
        await index.aclose()
        await store.aclose()
    bootstrap = Bootstrap(scores)
    columns = list(MEASURES)
    print(f"| search | recall@1 | its halves | {' | '.join(SHOWN[1:])} | recall@1 lost by it |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in POLICIES:
        first = scores[name][:, columns.index("recall@1")]
        values = bootstrap.estimates(name)
        cells = [
            f"{values['recall@1'].value:.3f}",
            f"{first[::2].mean():.3f} / {first[1::2].mean():.3f}",
            *(f"{values[measure].value:.3f}" for measure in SHOWN[1:]),
        ]
        lost = bootstrap.differences(FULL, name)["recall@1"]
        interval = f"{lost.value:+.3f} ({lost.low:+.3f} to {lost.high:+.3f})"
        cells.append("" if name == FULL else interval)
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
