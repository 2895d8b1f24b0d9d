"""What a page says about itself above its text: YAML between ``---``, TOML between ``+++``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time

from frontmatter.default_handlers import BaseHandler, YAMLHandler

from ingest.documents import Problem, ProblemLevel
from ingest.sources.yaml_files import parse_yaml

Metadata = dict[str, object]
"""The keys of the front matter, in lower case."""

_YAML = YAMLHandler()
# The library's TOML handler wants a package of its own; only its splitting is used.
_TOML = BaseHandler(
    fm_boundary=re.compile(r"^\+{3,}\s*$", re.MULTILINE), start_delimiter="+++", end_delimiter="+++"
)
_LEAP_SECOND = re.compile(r"(\d\d:\d\d):60(?!\d)")
_TOML_LINE = re.compile(r"at line (\d+)")


def split_front_matter(text: str, path: str) -> tuple[Metadata, str] | Problem:
    """The metadata and the text below it; a page without front matter is all text."""
    for handler in (_YAML, _TOML):
        if not handler.detect(text):
            continue
        try:
            header, body = handler.split(text)
        except ValueError:  # one thematic break and no second: a page that begins with a line
            continue
        loaded = _load_yaml(header, path) if handler is _YAML else _load_toml(header, path)
        if isinstance(loaded, Problem):
            return loaded
        if isinstance(loaded, dict):
            return {str(key).lower(): value for key, value in loaded.items()}, body
        if loaded is None:
            return {}, body
    return {}, text


def _load_yaml(header: str, path: str) -> object | Problem:
    return next(parse_yaml(header, path), None)


def _load_toml(header: str, path: str) -> object | Problem:
    try:
        return tomllib.loads(header)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else None
        return Problem(path=path, line=line, reason=f"broken TOML: {error}", affects=path)


def words(metadata: Metadata, *keys: str) -> tuple[str, ...]:
    """The strings under the first of ``keys`` that is there: a list, or one comma-separated."""
    for key in keys:
        value = metadata.get(key)
        if value is None:
            continue
        items = value if isinstance(value, list) else str(value).split(",")
        return tuple(dict.fromkeys(str(item).strip() for item in items if str(item).strip()))
    return ()


def string(metadata: Metadata, *keys: str) -> str | None:
    """The text under the first of ``keys`` that has one."""
    for key in keys:
        value = metadata.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value):
            return str(value).strip()
    return None


def moment(metadata: Metadata, *keys: str) -> datetime | None:
    """The time under the first of ``keys`` that has one, in UTC.

    A time without a zone is read as UTC, which is what front matter is written in; a date
    without a time is its last second, so that nothing is known before it was written.
    """
    for key in keys:
        if (value := parse_moment(metadata.get(key))) is not None:
            return value
    return None


def unreadable_times(path: str, metadata: Metadata, *keys: str) -> Iterator[Problem]:
    """What stands under ``keys`` and is no time: the page is read all the same, without it."""
    for key in keys:
        value = metadata.get(key)
        if value and parse_moment(value) is None:
            yield Problem(
                path=path,
                reason=f"`{key}: {value}` is not a time; write it like 2026-06-18T14:02:00Z",
                level=ProblemLevel.NOTICE,
            )


def parse_moment(value: object) -> datetime | None:
    """A date, a datetime or an ISO 8601 string as a time in UTC; ``None`` for anything else.

    Years before 1970 or after 2100 are slips or placeholders and count as anything else. A leap
    second (``23:59:60``, RFC 3339) is the second before it: Python knows none.
    """
    if isinstance(value, str):
        value = _LEAP_SECOND.sub(r"\1:59", value)
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            try:
                value = datetime.fromisoformat(re.sub(r"(?<!\s)\s*UTC$", "Z", str(value).strip()))
            except ValueError:
                return None
    if isinstance(value, date) and not 1970 <= value.year <= 2100:
        return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(23, 59, 59), UTC)
    return None
