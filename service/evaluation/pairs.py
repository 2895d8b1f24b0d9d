"""Questions with known answers: JSON lines of ``{"query": text, "gold": [path, …]}``.

A gold path is relative to the folder that holds the corpora. A benchmark that quietly loses
questions measures something else, so whatever is wrong with a line is an error that names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ingest.documents import Frozen
from service.settings import SettingsError

T = TypeVar("T")

_SHOWN = 5


class EvaluationError(SettingsError):
    """The pairs or the corpora cannot be evaluated; the message says where and why."""


def read_lines(file: Path, read: Callable[[int, str], T | str]) -> list[T]:
    """What ``read`` makes of the lines that are not blank, by number from 1 and text.

    A text is what is wrong with a line. Raises: EvaluationError, naming the lines that are wrong.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise EvaluationError(f"{file}: cannot read it ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{file}: not UTF-8 text; save it as UTF-8") from error
    found: list[T] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        one = read(number, line)
        if isinstance(one, str):
            wrong.append(f"{file}:{number}: {one}")
        else:
            found.append(one)
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more lines"] if len(wrong) > _SHOWN else []
        raise EvaluationError("\n".join([*wrong[:_SHOWN], *more]))
    return found


class Corpora:
    """Folders of pages and the folder that holds them, which names their documents.

    Raises: EvaluationError where one folder lies in another, so that its pages would be doubled.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        # Not resolved: where a corpus is a link, gold paths use the link's name.
        paths = [Path(os.path.abspath(folder)) for folder in folders]
        for number, path in enumerate(paths):
            for other in paths[number + 1 :]:
                if path.is_relative_to(other) or other.is_relative_to(path):
                    raise EvaluationError(
                        f"{other} and {path} hold the same pages; name each corpus once"
                    )
        self._parents = [path.parent for path in paths]
        self._holder = Path(os.path.commonpath(self._parents))
        self.folders = {path.relative_to(self._holder).as_posix(): path for path in paths}
        """By name. A document's id is this name and its path in the folder."""

    def document_of(self, gold: str) -> str | None:
        """The id of the document that is read from this path; None where there is no such file.

        Where the corpora lie in several folders, a path may also be relative to its own.
        """
        for parent in dict.fromkeys((self._holder, *self._parents)):
            path = Path(os.path.normpath(parent / gold))
            if path.is_file() and any(path.is_relative_to(f) for f in self.folders.values()):
                return path.relative_to(self._holder).as_posix()
        return None


class Pair(Frozen):
    """A question and the ids of the documents that answer it. ``line`` counts from 1."""

    line: int
    query: str
    gold: tuple[str, ...]


def read_pairs(file: Path, corpora: Corpora) -> list[Pair]:
    """Every line of the file. Raises: EvaluationError, naming the lines that are wrong."""
    pairs = read_lines(file, lambda number, line: _read_line(number, line, corpora))
    if not pairs:
        raise EvaluationError(f'{file}: no pairs; write lines of {{"query": …, "gold": [path]}}')
    return pairs


def _read_line(number: int, line: str, corpora: Corpora) -> Pair | str:
    """The pair, or what is wrong with it."""
    try:
        fields = json.loads(line)
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(fields, dict):
        return "not a JSON object"
    query, gold = fields.get("query"), fields.get("gold")
    if not isinstance(query, str) or not query.strip():
        return '"query" is missing or no text'
    if isinstance(gold, str):
        gold = [gold]
    if not isinstance(gold, list) or not gold or not all(isinstance(g, str) for g in gold):
        return '"gold" is missing or no list of paths'
    documents: list[str] = []
    for path in gold:
        document = corpora.document_of(path)
        if document is None:
            return (
                f"the gold path {path!r} is no file of the corpora "
                f"({', '.join(corpora.folders)}); it must be relative to the folder that holds them"
            )
        documents.append(document)
    return Pair(line=number, query=query, gold=tuple(dict.fromkeys(documents)))
