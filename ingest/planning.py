"""What a sync has to do to one source: documents read now against what an index holds.

Pure: nothing here reads a source or an index. The rule that matters most is what *not* to
delete. A document that was not read is deleted only if this reading would have shown it:
documents under ``Problem.affects`` stay; one that is itself named there was read in part (a
thread with a day missing) and stays as it was stored whole; and a reading that found no document
at all deletes nothing, because an unmounted volume looks exactly like an emptied folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ingest.documents import Document, Frozen, Problem
from ingest.index.base import StoredDocument


class SourcePlan(Frozen):
    """Document ids by what happens to them; each list is sorted.

    ``kept`` were not read and stay because of a problem. ``revisions`` is the source's whole
    content afterwards (document id → revision): what ``Index.keep_only`` leaves.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    revisions: dict[str, str]

    @property
    def to_write(self) -> frozenset[str]:
        """Ids of the documents whose chunks are not, or not all, in the index."""
        return frozenset((*self.added, *self.changed))


def plan_source(
    documents: Iterable[Document],
    problems: Iterable[Problem],
    stored: Sequence[StoredDocument],
) -> SourcePlan:
    """Compare one reading of a source with what is stored of it.

    ``documents`` have distinct ids and are redacted, as the stored ones were. A document whose
    chunks are only partly stored (an interrupted run) counts as not stored yet.
    """
    rows: dict[str, list[StoredDocument]] = defaultdict(list)
    for row in stored:
        rows[row.document_id].append(row)
    protected = {problem.affects for problem in problems if problem.affects is not None}
    read: dict[str, str] = {}
    in_part: set[str] = set()
    for document in documents:
        read[document.id] = document.revision
        if document.origin in protected:
            in_part.add(document.id)
    if not read:
        protected.add("")

    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    for document_id, revision in list(read.items()):
        complete = {row.revision for row in rows.get(document_id, ()) if row.complete}
        if revision in complete or (complete and document_id in in_part):
            unchanged.append(document_id)
            read[document_id] = revision if revision in complete else max(complete)
        else:
            (changed if complete else added).append(document_id)

    revisions = dict(read)
    removed: list[str] = []
    for document_id in rows.keys() - read.keys():
        best = max(rows[document_id], key=lambda row: (row.complete, row.stored, row.revision))
        if best.origin.startswith(tuple(protected)):
            revisions[document_id] = best.revision
        else:
            removed.append(document_id)
    return SourcePlan(
        added=tuple(sorted(added)),
        changed=tuple(sorted(changed)),
        unchanged=tuple(sorted(unchanged)),
        removed=tuple(sorted(removed)),
        kept=tuple(sorted(revisions.keys() - read.keys())),
        revisions=revisions,
    )
