"""Documents → chunks, by structure.

A chunk is a passage that is quoted and embedded as one. Its borders are the author's: a whole
page if it is short, else a subtree of its headings, else single sections; neighbours that are
small are packed together, the deepest common heading first, because ten tokens alone embed
badly. Only a section that is longer than the target is cut, at paragraphs, lines and sentences,
by LlamaIndex's ``SentenceSplitter``; the pieces are of about equal size, so that none is a
three-word tail.

Spans are exact: ``chunk.text == document.text[chunk.start:chunk.end]``, in order, and together
they cover every character that is not white space.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby, takewhile

from pydantic import Field

from ingest.documents import SECTION_SEPARATOR, Chunk, Document, Frozen, chunk_id

_ALGORITHM = "structure-1"
"""Raise the number with every change that moves a border: it makes a new index generation."""

_CHARACTERS_PER_TOKEN = 10
"""A text counts as at least one token per so many characters: to a WordPiece tokenizer a line
of base64 is one unknown word, and a table's padding is nothing."""

_SPLIT_SLACK = 1.1
"""How much larger than an equal share a piece of a cut section may be: sentences differ."""

_LONGEST_WORD, _PART = 512, 60
"""Characters."""
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_SENTENCES = re.compile(r".+?(?:[.!?。！？](?=\s)\s*|\Z)", re.DOTALL)


class ChunkingPolicy(Frozen):
    """Sizes, in the tokens of the dense encoder.

    ``limit_tokens`` is what the packaged model reads of a text; the context line and the
    passage share it, so a long context makes shorter passages, down to ``floor_tokens``.
    """

    target_tokens: int = Field(default=180, ge=16)
    limit_tokens: int = Field(default=254, ge=32)
    floor_tokens: int = Field(default=64, ge=16)

    @property
    def fingerprint(self) -> str:
        """Names what this policy does to a text; part of the identity of an index generation."""
        return f"{_ALGORITHM}/{self.target_tokens}/{self.limit_tokens}/{self.floor_tokens}"


@dataclass(frozen=True, slots=True)
class _Passage:
    """A span ``[start, end)`` of the document's text that may become a chunk.

    ``tokens`` of a packed passage is the sum of its sections.
    """

    start: int
    end: int
    headings: tuple[str, ...]
    written_at: datetime | None
    url: str | None
    """Of its first section: a message's permalink."""
    tokens: int


def chunk_document(
    document: Document, *, policy: ChunkingPolicy, count_tokens: Callable[[str], int]
) -> list[Chunk]:
    """The document's passages, in order; none for a document without text.

    ``count_tokens`` is the dense encoder's. A chunk's time is that of the latest section in it
    (of the document, where a section has none): as of any earlier moment it cannot be seen.
    """

    @cache
    def size(text: str) -> int:
        return max(count_tokens(text), len(text) // _CHARACTERS_PER_TOKEN)

    @cache
    def room(headings: tuple[str, ...]) -> int:
        """Tokens left to a passage under these headings."""
        services = ", ".join(document.services)
        context = size(" › ".join((document.title, *headings, services)))
        free = policy.limit_tokens - context
        return min(policy.target_tokens, max(policy.floor_tokens, free))

    passages = [
        piece
        for passage in _pack(list(_passages(document, size)), room, depth=0)
        for piece in _cut(passage, document.text, room(passage.headings), size)
    ]
    return [
        Chunk(
            id=chunk_id(document.id, document.revision, ordinal, policy.fingerprint),
            document_id=document.id,
            revision=document.revision,
            source=document.source,
            kind=document.kind,
            title=document.title,
            url=passage.url or document.url,
            origin=document.origin,
            ordinal=ordinal,
            chunks=len(passages),
            headings=passage.headings,
            start=passage.start,
            end=passage.end,
            text=document.text[passage.start : passage.end],
            written_at=passage.written_at,
            services=document.services,
            regions=document.regions,
            customers=document.customers,
            audience=document.audience,
            facts=document.facts,
        )
        for ordinal, passage in enumerate(passages)
    ]


def _passages(document: Document, size: Callable[[str], int]) -> Iterator[_Passage]:
    """One passage for each section that has text, without the white space around it."""
    offset = 0
    for section in document.sections:
        text = section.text.strip()
        if text:
            start = offset + section.text.index(text)
            yield _Passage(
                start=start,
                end=start + len(text),
                headings=section.headings,
                written_at=section.written_at or document.written_at,
                url=section.url,
                tokens=size(text),
            )
        offset += len(section.text) + len(SECTION_SEPARATOR)


def _pack(
    passages: Sequence[_Passage], room: Callable[[tuple[str, ...]], int], *, depth: int
) -> list[_Passage]:
    """Join neighbours that fit together, those with the longest common heading path first."""
    if len(passages) < 2:
        return list(passages)
    whole = _join(passages)
    if whole.tokens <= room(whole.headings):
        return [whole]
    if all(len(passage.headings) <= depth for passage in passages):
        packed = list(passages)
    else:
        packed = [
            unit
            for _, group in groupby(passages, key=lambda passage: passage.headings[: depth + 1])
            for unit in _pack(list(group), room, depth=depth + 1)
        ]
    joined: list[_Passage] = []
    for unit in packed:
        if joined:
            both = _join((joined[-1], unit))
            if both.tokens <= room(both.headings):
                joined[-1] = both
                continue
        joined.append(unit)
    return joined


def _join(passages: Sequence[_Passage]) -> _Passage:
    times = [passage.written_at for passage in passages if passage.written_at is not None]
    return _Passage(
        start=passages[0].start,
        end=passages[-1].end,
        headings=_common_path([passage.headings for passage in passages]),
        written_at=max(times, default=None),
        url=passages[0].url,
        tokens=sum(passage.tokens for passage in passages),
    )


def _common_path(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    levels = takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False))
    return tuple(level[0] for level in levels)


def _cut(passage: _Passage, text: str, room: int, size: Callable[[str], int]) -> Iterator[_Passage]:
    """The passage itself if it fits, else its pieces."""
    if passage.tokens <= room:
        yield passage
        return
    share = passage.tokens / math.ceil(passage.tokens / room)
    split = _splitter(min(room, math.ceil(share * _SPLIT_SLACK)), size)
    cursor = passage.start
    for piece in split(text[passage.start : passage.end]):
        # Pieces come stripped and in order, so only white space lies between cursor and start.
        start = text.index(piece, cursor)
        cursor = start + len(piece)
        yield _Passage(
            start=start,
            end=cursor,
            headings=passage.headings,
            written_at=passage.written_at,
            url=passage.url,
            tokens=size(piece),
        )


def _splitter(tokens: int, size: Callable[[str], int]) -> Callable[[str], list[str]]:
    # LlamaIndex takes seconds to import, and a corpus of short pages never needs it.
    from llama_index.core.node_parser import SentenceSplitter

    return SentenceSplitter(
        chunk_size=tokens,
        # No overlap: the context line carries what a piece's beginning refers to, and an
        # overlapping sentence would be found and cited twice.
        chunk_overlap=0,
        # Both defaults would load a package's data from the network: tiktoken's and nltk's.
        tokenizer=lambda text: range(size(text)),  # only its length is asked for
        chunking_tokenizer_fn=_sentences,
        paragraph_separator="\n\n",
    ).split_text


def _sentences(text: str) -> list[str]:
    """Lines; of a single line, its sentences. Nothing is lost between the parts."""
    lines = _LINES.findall(text)
    if len(lines) > 1:
        return lines
    sentences: list[str] = _SENTENCES.findall(text)
    return [part for sentence in sentences for part in _broken(sentence)]


def _broken(sentence: str) -> list[str]:
    """A sentence with a word as nobody writes it (a dump, base64) in short parts, each a token a
    character at most: the splitter would take it apart by the character, minutes for a megabyte."""
    if max(map(len, sentence.split()), default=0) <= _LONGEST_WORD:
        return [sentence]
    return [sentence[at : at + _PART] for at in range(0, len(sentence), _PART)]
