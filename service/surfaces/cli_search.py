"""``why search``: passages, and how each stage of the search ranked them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.documents import SourceKind
from service.surfaces.options import AsOf, Config, Json, settings_at

if TYPE_CHECKING:
    from service.retrieval import Passage


def search(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    config: Config = None,
    kind: Annotated[
        list[SourceKind] | None, typer.Option(help="Only this kind of source (repeatable).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many documents.")] = 5,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Find passages, with the scores of each stage."""
    from rich.console import Console

    from ingest.index import Scope
    from service.assembly import open_knowledge
    from service.retrieval import NOTHING_ANSWERS, seems_answered

    settings, moment = settings_at(config, as_of)

    async def run() -> list[Passage]:
        async with open_knowledge(settings) as knowledge:
            scope = Scope(audience=settings.audience, as_of=moment, kinds=tuple(kind or ()))
            return await knowledge.retriever.search(text, scope=scope, limit=limit)

    passages = asyncio.run(run())
    if as_json:
        found = [
            passage.model_dump(mode="json", exclude={"chunk": {"facts"}}) for passage in passages
        ]
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    console = Console()
    if not passages:
        console.print("Nothing was found.")
    elif not seems_answered(passages):
        console.print(NOTHING_ANSWERS)
    for passage in passages:
        chunk = passage.chunk
        place = " › ".join((chunk.title, *chunk.headings))
        console.print(f"{passage.rank}. {place}", style="bold", markup=False, soft_wrap=True)
        stages = ", ".join(
            f"{name} #{stage.rank} ({stage.score:.3f})" if stage else f"{name} –"
            for name, stage in (("dense", passage.dense), ("bm25", passage.sparse))
        )
        written = f", {chunk.written_at:%Y-%m-%d}" if chunk.written_at else ""
        console.print(
            f"   {chunk.link or chunk.document_id} · {chunk.kind}{written} · characters "
            f"{chunk.start}–{chunk.end} · relevance {passage.relevance:.2f} · "
            f"score {passage.score:.4f}: {stages}",
            style="dim",
            markup=False,
            soft_wrap=True,
        )
        if passage.copies:
            same = ", ".join(passage.copies)
            console.print(f"   nearly the same: {same}", style="dim", markup=False, soft_wrap=True)
        short = " ".join(chunk.text.split())
        console.print(
            f"   {short[:280]}{'…' if len(short) > 280 else ''}", markup=False, soft_wrap=True
        )
