"""What a sync would do to one source, from what was read and what is stored."""

import pytest

from ingest.documents import Document, Problem, Section, SourceKind
from ingest.index.base import StoredDocument
from ingest.planning import SourcePlan, plan_source


def document(name: str, text: str = "text") -> Document:
    return Document(
        id=f"runbooks/{name}",
        source="runbooks",
        kind=SourceKind.RUNBOOKS,
        title=name,
        origin=name,
        sections=(Section(text=text),),
    )


def row(name: str, *, text: str = "text", stored: int = 1, expected: int = 1) -> StoredDocument:
    known = document(name, text)
    return StoredDocument(
        document_id=known.id,
        revision=known.revision,
        origin=known.origin,
        stored=stored,
        expected=expected,
    )


def plan(documents: list[Document], stored: list[StoredDocument], *problems: Problem) -> SourcePlan:
    return plan_source(documents, problems, stored)


def test_documents_fall_into_added_changed_unchanged_and_removed() -> None:
    result = plan(
        [document("new"), document("edited", "now"), document("same")],
        [row("edited", text="before"), row("same"), row("gone")],
    )
    assert result.added == ("runbooks/new",)
    assert result.changed == ("runbooks/edited",)
    assert result.unchanged == ("runbooks/same",)
    assert result.removed == ("runbooks/gone",)
    assert result.to_write == {"runbooks/new", "runbooks/edited"}
    assert result.revisions == {
        known.id: known.revision
        for known in (document("new"), document("edited", "now"), document("same"))
    }


@pytest.mark.parametrize(
    ("stored", "added", "changed"),
    [
        pytest.param([row("a", stored=1, expected=3)], 1, 0, id="a new one"),
        pytest.param([row("a", text="old"), row("a", stored=1, expected=3)], 0, 1, id="an edit"),
    ],
)
def test_a_half_written_document_is_written_again(
    stored: list[StoredDocument], added: int, changed: int
) -> None:
    result = plan([document("a")], stored)
    assert (len(result.added), len(result.changed)) == (added, changed)
    assert result.to_write == {"runbooks/a"}


def test_an_edit_that_was_written_but_not_cleaned_up_needs_no_writing() -> None:
    result = plan([document("a", "new")], [row("a", text="old"), row("a", text="new")])
    assert result.unchanged == ("runbooks/a",)
    assert result.revisions == {"runbooks/a": document("a", "new").revision}


def test_only_documents_under_the_problem_are_protected() -> None:
    broken = Problem(path="slack/ops", reason="broken", affects="ops/")
    result = plan([document("a")], [row("a"), row("ops/1"), row("ops/2"), row("dev/1")], broken)
    assert result.kept == ("runbooks/ops/1", "runbooks/ops/2")
    assert result.removed == ("runbooks/dev/1",)


def test_a_document_that_was_read_wins_over_its_protection() -> None:
    broken = Problem(path="folder", reason="half broken", affects="folder/")
    result = plan([document("folder/a", "new")], [row("folder/a")], broken)
    assert result.changed == ("runbooks/folder/a",)
    assert result.kept == ()


def test_a_problem_that_affects_nothing_protects_nothing() -> None:
    result = plan([document("a")], [row("a"), row("b")], Problem(path="b", reason="a notice"))
    assert result.removed == ("runbooks/b",)


def test_a_reading_without_documents_removes_nothing() -> None:
    result = plan([], [row("a"), row("b")])
    assert result.kept == ("runbooks/a", "runbooks/b")
    assert result.removed == ()


def test_of_a_protected_document_the_complete_revision_is_kept() -> None:
    broken = Problem(path="a", reason="broken", affects="a")
    for rows in (
        [row("a", text="old", stored=2, expected=2), row("a", text="new", stored=3, expected=9)],
        [row("a", text="new", stored=3, expected=9), row("a", text="old", stored=2, expected=2)],
    ):
        assert plan([document("b")], rows, broken).revisions["runbooks/a"] == (
            document("a", "old").revision
        )


def test_a_thread_of_which_a_day_is_missing_stays_as_it_was_stored_whole() -> None:
    lost_a_day = Problem(path="2026-06-19.json", reason="missing", affects="thread")
    result = plan([document("thread", "a part")], [row("thread", text="the whole")], lost_a_day)
    assert result.to_write == frozenset()
    assert result.revisions == {"runbooks/thread": document("thread", "the whole").revision}
    first_time = plan([document("thread", "a part")], [], lost_a_day)
    assert first_time.added == ("runbooks/thread",)
