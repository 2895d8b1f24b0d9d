"""Chunks quote their document exactly, keep to its structure, and fit the encoder."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.chunking import ChunkingPolicy, chunk_document
from ingest.documents import Chunk, Document, Section, SourceKind

POLICY = ChunkingPolicy()
SMALL = ChunkingPolicy(target_tokens=16, limit_tokens=40, floor_tokens=16)


def count_words(text: str) -> int:
    return len(text.split())


def page(*sections: Section | str, **fields: object) -> Document:
    return Document.model_validate(
        {
            "id": "runbooks/disk.md",
            "source": "runbooks",
            "kind": SourceKind.RUNBOOKS,
            "title": "Disk full",
            "origin": "disk.md",
            "sections": tuple(
                section if isinstance(section, Section) else Section(text=section)
                for section in sections
            ),
            **fields,
        }
    )


def chunks_of(document: Document, policy: ChunkingPolicy = POLICY) -> list[Chunk]:
    return chunk_document(document, policy=policy, count_tokens=count_words)


def words(count: int, word: str = "word") -> str:
    return " ".join(f"{word}{number}" for number in range(count))


def moment(hour: int) -> datetime:
    return datetime(2026, 3, 1, hour, tzinfo=UTC)


# --- exactness, for any text -----------------------------------------------------------------

any_text = st.text(
    alphabet=st.one_of(
        st.sampled_from(" \n\t.,;!?aab-|#`"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=400,
)
any_section = st.builds(
    Section,
    text=any_text,
    headings=st.lists(st.sampled_from(["Meaning", "Steps", "x"]), max_size=3).map(tuple),
    written_at=st.none() | st.integers(0, 23).map(moment),
)
any_document = st.lists(any_section, max_size=8).map(lambda sections: page(*sections))


@given(document=any_document)
@example(document=page("aa aa aa aa " * 40, "aa aa"))
@example(document=page("x" * 5000))
@settings(deadline=None, max_examples=150)
def test_every_character_that_is_not_space_is_in_exactly_one_chunk(document: Document) -> None:
    chunks = chunks_of(document, SMALL)
    cursor = 0
    for ordinal, chunk in enumerate(chunks):
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text.strip() == chunk.text != ""
        assert document.text[cursor : chunk.start].strip() == ""
        assert (chunk.ordinal, chunk.chunks) == (ordinal, len(chunks))
        cursor = chunk.end
    assert document.text[cursor:].strip() == ""


@given(document=any_document)
@settings(deadline=None, max_examples=50)
def test_a_chunk_is_not_visible_before_anything_it_contains(document: Document) -> None:
    chunks = chunks_of(document, SMALL)
    offset = 0
    for section in document.sections:
        end = offset + len(section.text)
        for chunk in chunks:
            shared = document.text[max(offset, chunk.start) : min(end, chunk.end)]
            if shared.strip() and section.written_at is not None:
                assert chunk.written_at is not None
                assert chunk.written_at >= section.written_at
        offset = end + 2


@given(document=any_document)
@settings(deadline=None, max_examples=50)
def test_chunks_keep_to_the_target(document: Document) -> None:
    assert all(
        count_words(chunk.text) <= SMALL.target_tokens for chunk in chunks_of(document, SMALL)
    )


# --- structure -------------------------------------------------------------------------------


def test_a_short_page_is_one_chunk() -> None:
    [chunk] = chunks_of(
        page(
            Section(text="Full disk."),
            Section(text="## Impact\n\nWrites fail.", headings=("Impact",)),
            Section(text="## Steps\n\nDelete.", headings=("Steps",)),
        )
    )
    assert chunk.text == "Full disk.\n\n## Impact\n\nWrites fail.\n\n## Steps\n\nDelete."
    assert chunk.headings == ()


def test_sections_of_one_heading_go_together_before_strangers_do() -> None:
    chunks = chunks_of(
        page(
            Section(text=words(100, "impact"), headings=("Impact",)),
            Section(text=words(60, "check"), headings=("Steps", "Check")),
            Section(text=words(100, "repair"), headings=("Steps", "Repair")),
        )
    )
    assert [chunk.headings for chunk in chunks] == [("Impact",), ("Steps",)]


def test_a_section_of_its_own_keeps_its_whole_heading_path() -> None:
    chunks = chunks_of(
        page(
            Section(text=words(150, "a"), headings=("Steps", "Check")),
            Section(text=words(150, "b"), headings=("Steps", "Repair")),
        )
    )
    assert [chunk.headings for chunk in chunks] == [("Steps", "Check"), ("Steps", "Repair")]


def test_a_long_section_is_cut_between_sentences_into_similar_pieces() -> None:
    sentence = "The volume filled because rotation had stopped on the node. "
    chunks = chunks_of(page(Section(text=sentence * 40, headings=("Cause",))))
    sizes = [count_words(chunk.text) for chunk in chunks]
    assert len(chunks) == 3
    assert max(sizes) - min(sizes) <= 40
    assert all(chunk.text.endswith("node.") for chunk in chunks)
    assert all(chunk.headings == ("Cause",) for chunk in chunks)


def test_code_is_cut_between_lines() -> None:
    command = "kubectl get pods --all-namespaces -o wide"
    chunks = chunks_of(page("\n".join([command] * 60)))
    assert len(chunks) > 1
    assert {line for chunk in chunks for line in chunk.text.split("\n")} == {command}


def test_one_endless_word_does_not_become_one_endless_chunk() -> None:
    chunks = chunks_of(page("A" * 20_000))
    assert max(len(chunk.text) for chunk in chunks) <= 10 * (POLICY.target_tokens + 1)


def test_a_long_context_leaves_the_passage_less_room() -> None:
    document = page(words(400), title=words(120, "title"))
    short = chunks_of(document)
    for chunk in short:
        assert count_words(chunk.embedding_text) <= POLICY.limit_tokens
    assert len(short) > len(chunks_of(page(words(400))))


def test_a_document_without_text_has_no_chunks() -> None:
    assert chunks_of(page("", " \n\t")) == []


# --- time ------------------------------------------------------------------------------------


def test_a_conversation_chunk_carries_the_time_of_its_latest_message() -> None:
    document = page(
        Section(text="ana: checkout is down", written_at=moment(9)),
        Section(text="ben: found it", written_at=moment(11)),
        Section(text=words(175), written_at=moment(14)),
        written_at=moment(14),
    )
    assert [chunk.written_at for chunk in chunks_of(document)] == [moment(11), moment(14)]


def test_a_conversation_chunk_links_to_its_first_message() -> None:
    sections = tuple(
        Section(text=f"Mira: {words(150, word)}", url=f"https://chat.example/{word}")
        for word in ("one", "two")
    )
    chunks = chunks_of(page(*sections))
    assert [c.url for c in chunks] == ["https://chat.example/one", "https://chat.example/two"]


def test_a_section_without_a_time_has_that_of_its_document() -> None:
    [chunk] = chunks_of(page("Rotated.", written_at=moment(5)))
    assert chunk.written_at == moment(5)
    [standing] = chunks_of(page("Rotated."))
    assert standing.written_at is None


# --- identity --------------------------------------------------------------------------------


def test_the_same_document_gives_the_same_ids() -> None:
    document = page(words(500))
    ids = [chunk.id for chunk in chunks_of(document)]
    assert ids == [chunk.id for chunk in chunks_of(document.model_copy())]
    assert len(set(ids)) == len(ids) > 1


@pytest.mark.parametrize(
    "other", [{"target_tokens": 90}, {"limit_tokens": 300}, {"floor_tokens": 32}]
)
def test_another_policy_has_another_fingerprint_and_other_ids(other: dict[str, int]) -> None:
    policy = ChunkingPolicy(**other)
    assert policy.fingerprint != POLICY.fingerprint
    document = page(words(500))
    assert not {chunk.id for chunk in chunks_of(document, policy)} & {
        chunk.id for chunk in chunks_of(document)
    }


# --- imports ---------------------------------------------------------------------------------

PROBE = """
import sys
from tests.ingest.test_chunking import chunks_of, page, words

chunks_of(page(words({count})))
print(*sorted({{"llama_index", "nltk", "tiktoken"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(("count", "imported"), [(50, ""), (500, "llama_index")])
def test_llamaindex_is_imported_only_for_a_long_section_and_never_nltk_or_tiktoken(
    count: int, imported: str
) -> None:
    probe = subprocess.run(
        [sys.executable, "-c", PROBE.format(count=count)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert probe.stdout.strip() == imported
