"""Text files below a folder, and a Problem for each that cannot be read as text."""

from __future__ import annotations

import json
import mimetypes
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.documents import Problem

MAX_BYTES = 5_000_000
"""Files larger than this are reported, not read: nobody wrote them by hand."""

_SNIFFED_BYTES = 8192
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_SILENT_MEDIA = ("image/", "audio/", "video/", "font/", "application/pdf", "application/font")
"""What pages embed: lies beside them in every repository and is nobody's mistake."""

_MAX_NESTING = 200
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A decoded file. ``path`` is relative to the root, with forward slashes; newlines are LF."""

    path: str
    text: str


def read_text_files(
    root: Path, suffixes: Collection[str], *, max_bytes: int = MAX_BYTES
) -> Iterator[TextFile | Problem]:
    """The files under ``root`` (or ``root`` itself) whose suffix is one of ``suffixes``, by path.

    Hidden folders and files and what embeds in pages (images, fonts, PDF) are passed over. A
    file of another kind is reported only if it is larger than ``max_bytes`` or binary: then it
    is more likely misplaced than beside the point. Each Problem protects what it could not read.
    """
    if root.is_file():
        yield _read(root, root.name, max_bytes)
        return
    if not root.is_dir():
        yield Problem(
            path=str(root),
            reason="no such file or folder; check the path of this source",
            affects="",
        )
        return
    wanted = 0
    for found in _walk(root):
        if isinstance(found, Problem):
            yield found
            continue
        relative = found.relative_to(root).as_posix()
        if leads_out(found, root):
            if found.suffix.lower() in suffixes:
                wanted += 1
                yield led_out(relative)
        elif found.suffix.lower() in suffixes:
            wanted += 1
            yield _read(found, relative, max_bytes)
        elif problem := _misplaced(found, relative, max_bytes):
            yield problem
    if not wanted:
        kinds = ", ".join(sorted(suffixes))
        yield Problem(
            path=str(root), reason=f"an empty folder: it holds no file of {kinds}", affects=""
        )


def decode(data: bytes, path: str) -> str | Problem:
    """``data`` as text: UTF-8, or UTF-16 with a byte order mark."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    if encoding != "utf-16" and b"\0" in data[:_SNIFFED_BYTES]:
        return Problem(path=path, reason="a binary file, not text", affects=path)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        return Problem(
            path=path,
            line=data.count(b"\n", 0, error.start) + 1,
            reason=f"not {encoding.upper()} text; save the file as UTF-8",
            affects=path,
        )
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def parse_json(text: str, path: str) -> object | Problem:
    """The JSON value in ``text``; whatever it is instead is a Problem with its line."""
    if _too_deep(text):
        return Problem(path=path, reason="JSON nested too deeply to be real", affects=path)
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        return Problem(
            path=path, line=error.lineno, reason=f"broken JSON: {error.msg}", affects=path
        )
    except ValueError as error:  # an integer of more digits than Python converts
        return Problem(path=path, reason=f"broken JSON: {error}", affects=path)
    return value


def leads_out(file: Path, root: Path) -> bool:
    """Whether it is a link to something that is not below ``root``.

    Who may write into a repository may commit a link to any file of this machine. Links inside
    the folder are how Kubernetes mounts a ConfigMap, and stay.
    """
    return file.is_symlink() and not file.resolve().is_relative_to(root.resolve())


def led_out(path: str) -> Problem:
    """The report on a link that leads out of its source, and therefore is not followed."""
    return Problem(path=path, reason="a link out of this folder; not followed", affects=path)


def too_large(path: str, max_bytes: int = MAX_BYTES) -> Problem:
    """The report on a file that is larger than ``max_bytes`` and therefore not read."""
    return Problem(
        path=path, reason=f"larger than {max_bytes / 1e6:.1f} MB; not read", affects=path
    )


def _walk(root: Path) -> Iterator[Path | Problem]:
    failed: list[Problem] = []

    def report(error: OSError) -> None:
        folder = Path(error.filename).relative_to(root).as_posix()
        # The root itself is ".", and then nothing of the source was seen.
        prefix = "" if folder == "." else f"{folder}/"
        failed.append(Problem(path=folder, reason=_why(error), affects=prefix))

    for folder, folders, names in os.walk(root, onerror=report):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
    yield from failed


def _read(file: Path, path: str, max_bytes: int) -> TextFile | Problem:
    try:
        if file.stat().st_size > max_bytes:
            return too_large(path, max_bytes)
        if not file.is_file():
            return Problem(path=path, reason="not a regular file", affects=path)
        data = file.read_bytes()
    except OSError as error:
        return Problem(path=path, reason=_why(error), affects=path)
    text = decode(data, path)
    return text if isinstance(text, Problem) else TextFile(path, text)


def _misplaced(file: Path, path: str, max_bytes: int) -> Problem | None:
    """A large or binary file of a kind that this source does not read."""
    kind = mimetypes.guess_type(file.name)[0] or ""
    if kind.startswith(_SILENT_MEDIA):
        return None
    try:
        if not file.is_file():
            return None
        if file.stat().st_size > max_bytes:
            return too_large(path, max_bytes)
        with file.open("rb") as stream:
            head = stream.read(_SNIFFED_BYTES)
    except OSError as error:
        return Problem(path=path, reason=_why(error), affects=path)
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(path=path, reason="a binary file; not read", affects=path)
    return None


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror or type(error).__name__}"


def _too_deep(text: str) -> bool:
    """Whether JSON nests so deeply that the parser would run out of stack."""
    if text.count("[") + text.count("{") <= _MAX_NESTING:
        return False
    depth = 0
    for token in _BRACKETS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > _MAX_NESTING:
                return True
        elif token[0] in "]}":
            depth -= 1
    return False
