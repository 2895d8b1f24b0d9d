"""Passages as a tool replies them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from ingest.documents import Frozen, UtcTime
from service.reports.markdown import plain
from service.retrieval import NOTHING_ANSWERS, Passage, seems_answered
from service.surfaces.mcp.reply import Reply, short, short_lines, tail


class FoundText(Frozen):
    """A passage: characters [start, end) of a document."""

    document_id: str
    kind: str
    title: str
    headings: tuple[str, ...]
    url: str | None
    written_at: UtcTime | None
    start: int
    end: int
    relevance: float
    """How likely it is that the document answers the question, 0 to 1."""
    score: float
    text: str
    copies: tuple[str, ...]
    """Ids of documents that say nearly the same, and are not listed for it."""


class SearchReply(Reply):
    """Passages, best first."""

    passages: tuple[FoundText, ...]
    answered: bool
    """False where nothing here seems to answer the question: these are only the nearest."""

    @property
    def items(self) -> int:
        return len(self.passages)

    def shortened(self, items: int) -> Self:
        return self.model_copy(update={"passages": self.passages[:items]})

    def as_text(self) -> str:
        lines = [] if self.answered or not self.passages else [NOTHING_ANSWERS]
        for number, passage in enumerate(self.passages, start=1):
            place = " › ".join((passage.title, *passage.headings))
            written = f", {passage.written_at:%Y-%m-%d}" if passage.written_at else ""
            lines.append(f"{number}. {plain(place)} ({passage.kind}{written})")
            lines.append(f"   {passage.url or passage.document_id}")
            if passage.copies:
                lines.append(f"   nearly the same: {plain(', '.join(passage.copies))}")
            lines += [f"   > {plain(line)}" for line in passage.text.splitlines() if line.strip()]
        return "\n".join([*(lines or ["Nothing was found."]), *tail((), self.note)])


def search_reply(passages: Sequence[Passage]) -> SearchReply:
    """Passages with where they are from."""
    return SearchReply(
        passages=tuple(
            FoundText(
                document_id=passage.chunk.document_id,
                kind=passage.chunk.kind,
                title=short(passage.chunk.title),
                headings=tuple(short(heading) for heading in passage.chunk.headings),
                url=passage.chunk.link,
                written_at=passage.chunk.written_at,
                start=passage.chunk.start,
                end=passage.chunk.end,
                relevance=round(passage.relevance, 2),
                score=round(passage.score, 4),
                text=short_lines(passage.chunk.text),
                copies=tuple(short(document) for document in passage.copies),
            )
            for passage in passages
        ),
        answered=seems_answered(passages),
    )
