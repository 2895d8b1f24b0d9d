"""One file with members and a manifest, written whole or not at all, and read with suspicion.

A gzipped tar whose first member says what the others are: names, sizes and SHA-256. It may come
back years later from a disk that nobody looked after, or from somebody else, so reading

- never extracts: members are read by the names that are expected, and no path of the archive is
  ever opened (CVE-2007-4559 and its kin);
- compares every byte with the manifest before anything is used (``Archive.verify``);
- bounds what it unpacks: of any one read, of a line, and in proportion to the file, so that a
  small file that unpacks to terabytes is refused early.

The hashes find damage. They are no signature: whoever can write the file can write its manifest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from pydantic import JsonValue, ValidationError

from ingest.documents import Frozen, UtcTime

FORMAT = 1
_MANIFEST = "manifest.json"
_MANIFEST_BYTES = 1 << 20
_LINE_BYTES = 64 << 20
_MOST_RATIO = 200
"""Bytes that one byte of the file may unpack to: text and vectors come to ten, hostile zeros to a
thousand."""
_FREE_BYTES = 1 << 20
"""Bytes that any file may unpack to."""
_PIECE = 1 << 20


class BackupError(Exception):
    """A copy can't be made or restored; the message is for the reader, and nothing was changed."""


class Member(Frozen):
    """What the manifest says of a member."""

    name: str
    bytes: int
    lines: int
    sha256: str


class Manifest(Frozen):
    """``about``: whatever the writer wants to know again; ``made_with``: its version."""

    format: int
    made_at: UtcTime
    made_with: str
    about: dict[str, JsonValue]
    members: tuple[Member, ...]


class ArchiveWriter:
    """Members are written one after the other, line by line; ``close`` makes the file.

    Everything lies beside the file until then, readable to nobody else, and is taken away again
    where the block is left with an error.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._folder = tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent)
        self._members: list[Member] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @contextmanager
    def member(self, name: str) -> Iterator[MemberWriter]:
        """The next member, to be written in the block."""
        with (Path(self._folder.name) / str(len(self._members))).open("wb") as file:
            writer = MemberWriter(file)
            yield writer
        self._members.append(writer.told(name))

    def close(self, *, made_at: UtcTime, made_with: str, about: Mapping[str, JsonValue]) -> None:
        """Make the file, in one step, in the place of what was there. Raises: OSError."""
        manifest = Manifest(
            format=FORMAT,
            made_at=made_at,
            made_with=made_with,
            about=dict(about),
            members=tuple(self._members),
        )
        prepared = Path(self._folder.name) / "archive"
        with prepared.open("xb") as raw:
            os.chmod(raw.fileno(), 0o600)
            with (
                gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw) as packed,
                tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
            ):
                text = manifest.model_dump_json(indent=2).encode()
                _add(tar, _MANIFEST, len(text), io.BytesIO(text))
                for number, member in enumerate(self._members):
                    with (Path(self._folder.name) / str(number)).open("rb") as content:
                        _add(tar, member.name, member.bytes, content)
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(prepared, self._file)


class MemberWriter:
    """Call it with each line, its end included."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._lines = 0

    def __call__(self, line: bytes) -> None:
        self._file.write(line)
        self._hash.update(line)
        self._bytes += len(line)
        self._lines += 1

    def told(self, name: str) -> Member:
        return Member(
            name=name, bytes=self._bytes, lines=self._lines, sha256=self._hash.hexdigest()
        )


class Archive:
    """An archive that is there. ``verify`` before anything else."""

    def __init__(self, file: Path) -> None:
        """Raises: BackupError, where it is none or of a newer format."""
        self._file = file
        with self._members() as members:
            name, content = next(members, ("", io.BytesIO()))
            if name != _MANIFEST:
                raise self._refused("it does not begin with a manifest")
            text = content.read(_MANIFEST_BYTES + 1)
        try:
            self.manifest = Manifest.model_validate_json(text[:_MANIFEST_BYTES])
        except ValidationError:
            raise self._refused("its manifest can't be read") from None
        if self.manifest.format != FORMAT:
            raise self._refused(
                f"its format is {self.manifest.format} and this version of Why knows {FORMAT} "
                f"(it was made with {self.manifest.made_with})"
            )

    def verify(self) -> None:
        """Compare every byte with the manifest. Raises: BackupError."""
        unpacked = sum(member.bytes for member in self.manifest.members)
        if unpacked > _FREE_BYTES + _MOST_RATIO * self._file.stat().st_size:
            raise self._refused(f"it would unpack to {unpacked} bytes, which no copy does")
        with self._members() as members:
            next(members)
            for member in self.manifest.members:
                name, content = next(members, ("", io.BytesIO()))
                if name != member.name:
                    raise self._refused(f"{member.name} is missing")
                digest, size = hashlib.sha256(), 0
                while size <= member.bytes and (piece := content.read(_PIECE)):
                    digest.update(piece)
                    size += len(piece)
                if size != member.bytes or digest.hexdigest() != member.sha256:
                    raise self._refused(f"{member.name} is not what was written")
            if next(members, None) is not None:
                raise self._refused("it has a member that its manifest does not know")

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a member. Raises: BackupError."""
        with self._members() as members:
            for found, content in members:
                if found == name:
                    while line := content.readline(_LINE_BYTES + 1):
                        if len(line) > _LINE_BYTES:
                            raise self._refused(f"a line of {name} is longer than {_LINE_BYTES}")
                        yield line
                    return
        raise self._refused(f"{name} is missing")

    @contextmanager
    def _members(self) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
        try:
            with (
                _Bounded(self._file, "rb") as unpacked,
                tarfile.open(fileobj=unpacked, mode="r:") as tar,
            ):
                yield self._regular(tar)
        except (
            tarfile.TarError,
            EOFError,
            gzip.BadGzipFile,
            zlib.error,
            ValueError,
            RecursionError,
        ) as error:
            raise self._refused(f"it is damaged, or no copy ({type(error).__name__})") from error
        except OSError as error:
            raise BackupError(f"{self._file} can't be read ({error.strerror})") from error

    def _regular(self, tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
        for info in tar:
            content = tar.extractfile(info) if info.type == tarfile.REGTYPE else None
            if content is None:
                raise self._refused("it has a member that is no plain file")
            yield info.name, content

    def _refused(self, reason: str) -> BackupError:
        return BackupError(f"{self._file} is not restored: {reason}. Nothing was changed")


class _Bounded(gzip.GzipFile):
    """Refuses to read much at once: headers of a tar can ask for that."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _LINE_BYTES:
            raise tarfile.ReadError("a header asks for too much")
        return super().read(size)


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    tar.addfile(info, content)
