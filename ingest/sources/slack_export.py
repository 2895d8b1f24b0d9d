"""The files of a Slack export, zipped or unpacked: channels, people and each day's messages.

An export says who may read a channel by the file that lists it (``channels.json`` is public;
``groups.json``, ``mpims.json`` and ``dms.json`` are not). A folder that none of them lists is
therefore not read.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ingest.documents import Problem, ProblemLevel
from ingest.sources.files import MAX_BYTES, decode, leads_out, led_out, parse_json, too_large

Message = Mapping[str, object]
"""A message as exported; https://api.slack.com/events/message tells its fields."""

_PUBLIC = "channels.json"
_PRIVATE = ("groups.json", "mpims.json", "dms.json")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, whose name is also its folder's (a direct message's name is its id)."""

    id: str
    name: str
    private: bool


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    bot: bool


@dataclass(frozen=True, slots=True)
class Directory:
    """Who and what ids stand for."""

    listed: tuple[Channel, ...]
    people: Mapping[str, Person]

    def channel(self, identifier: str) -> Channel | None:
        return next((channel for channel in self.listed if channel.id == identifier), None)


@dataclass(slots=True)
class Export:
    """An opened export; ``files`` maps a path below its root to the file there."""

    files: Mapping[str, Path | zipfile.Path]
    problems: list[Problem] = field(default_factory=list)

    def errors(self) -> list[Problem]:
        """What could not be read so far."""
        return [problem for problem in self.problems if problem.level is ProblemLevel.ERROR]

    def json(self, path: str) -> object:
        """The value of a file, ``None`` after a Problem."""
        try:
            with self.files[path].open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except (
            OSError,
            zipfile.BadZipFile,
            RuntimeError,
            NotImplementedError,
            zlib.error,
        ) as error:
            # RuntimeError: encrypted; NotImplementedError: a compression we lack
            self.problems.append(
                Problem(path=path, reason=f"cannot be read: {error}", affects=path)
            )
            return None
        if len(data) > MAX_BYTES:
            self.problems.append(too_large(path))
            return None
        text = decode(data, path)
        value = text if isinstance(text, Problem) else parse_json(text, path)
        if isinstance(value, Problem):
            self.problems.append(value)
            return None
        return value

    def records(self, path: str) -> list[Message]:
        """The objects of a file that is a list of them; empty if there is no such file."""
        if path not in self.files:
            return []
        value = self.json(path)
        if value is None:
            return []
        if not isinstance(value, list):
            self.problems.append(
                Problem(path=path, reason="not a list, as Slack exports it", affects=path)
            )
            return []
        return [item for item in value if isinstance(item, dict)]

    def days(self, channel: Channel) -> list[str]:
        """The paths of the channel's day files, oldest first."""
        prefix = f"{channel.name}/"
        return sorted(
            path for path in self.files if path.startswith(prefix) and path.endswith(".json")
        )

    def directory(self) -> Directory:
        """The listed channels and people; unlisted folders become Problems."""
        listed: dict[str, Channel] = {}
        for listing in (_PUBLIC, *_PRIVATE):
            for record in self.records(listing):
                name = str(record.get("name") or record.get("id"))
                private = listing != _PUBLIC or record.get("is_private") is True
                # Listed twice, it was public once: the narrower audience holds.
                if private or name not in listed:
                    listed[name] = Channel(str(record.get("id")), name, private)
        folders = {path.partition("/")[0] for path in self.files if "/" in path}
        for folder in sorted(folders - listed.keys()):
            self.problems.append(
                Problem(
                    path=folder,
                    reason=f"listed neither in {_PUBLIC} nor in {', '.join(_PRIVATE)}, so nobody "
                    "knows who may read it; not read",
                    affects=f"{folder}/",
                )
            )
        if "users.json" not in self.files:
            self.problems.append(
                Problem(
                    path="users.json",
                    reason="missing: authors are shown by their ids",
                    level=ProblemLevel.NOTICE,
                )
            )
        people = {str(record.get("id")): _person(record) for record in self.records("users.json")}
        return Directory(tuple(listed.values()), people)


def open_export(path: Path) -> Iterator[Export | Problem]:
    """The export at ``path``, a zip file or a folder; it is closed when the iterator is."""
    if path.is_dir():
        files = {
            file.relative_to(path).as_posix(): file
            for file in sorted(path.rglob("*"))
            if file.is_file() and not _hidden(file.relative_to(path).parts)
        }
        linked = [name for name, file in files.items() if leads_out(file, path)]
        yield from (led_out(name) for name in linked)
        yield _rooted(path, {name: files[name] for name in files.keys() - {*linked}})
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                name: zipfile.Path(archive, name)
                for name in archive.namelist()
                if not name.endswith("/") and not _hidden(PurePosixPath(name).parts)
            }
            yield _rooted(path, members)
    except (OSError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield Problem(
            path=str(path),
            reason=f"not a Slack export, neither folder nor zip: {reason}",
            affects="",
        )


def _hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in parts)


def _rooted(path: Path, files: Mapping[str, Path | zipfile.Path]) -> Export | Problem:
    """The export below the folder that holds ``channels.json``, which may be wrapped in others."""
    roots = sorted(
        (
            name.removesuffix(listing)
            for name in files
            for listing in (_PUBLIC, *_PRIVATE)
            if PurePosixPath(name).name == listing
        ),
        key=len,
    )
    if not roots:
        reason = "an empty folder" if not files else f"not a Slack export: it holds no {_PUBLIC}"
        return Problem(path=str(path), reason=reason, affects="")
    root = roots[0]
    inside = {
        name.removeprefix(root): place
        for name, place in files.items()
        # A listing is at the top and a day one folder below; canvases and files lie elsewhere.
        if name.startswith(root)
        and name.removeprefix(root).count("/") <= 1
        and name.endswith(".json")
    }
    return Export(inside)


def _person(record: Message) -> Person:
    profile = record.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    for name in (
        record.get("real_name"),
        profile.get("real_name"),
        profile.get("display_name"),
        record.get("name"),
    ):
        if isinstance(name, str) and name.strip():
            return Person(name.strip(), record.get("is_bot") is True)
    return Person(str(record.get("id")), record.get("is_bot") is True)
