"""YAML with the line of every mapping, so that a Problem can point at it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from ingest.documents import Problem

_MAX_NESTING = 100
_MAX_REPEATED = 100_000
"""Values that aliases repeat in one document; a few lines can stand for billions."""
_TEMPLATE = re.compile(r"\{\{")


class Mapping(dict[object, object]):
    """A YAML mapping that remembers where it began (``line`` counts from 1)."""

    line: int = 0


class _HopelessError(Exception):
    """``line`` counts from 0."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


class _Loader(yaml.CSafeLoader):
    """Safe loading into ``Mapping``."""


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Mapping:
    mapping = Mapping(loader.construct_mapping(node, deep=True))
    mapping.line = node.start_mark.line + 1
    return mapping


def _construct_time(loader: _Loader, node: yaml.ScalarNode) -> object:
    """A time that Python has none for (a leap second, the 31st of June) is the text that it was
    written as: no reason to lose the document that it stands in."""
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError:
        return loader.construct_yaml_str(node)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_time)


def parse_yaml(text: str, path: str) -> Iterator[object | Problem]:
    """The documents of a YAML stream, up to the first that is broken, which is a Problem."""
    try:
        _check_size(text)
        for document in yaml.load_all(text, Loader=_Loader):
            if document is not None:
                yield document
    except _HopelessError as error:
        yield Problem(path=path, line=error.line + 1, reason=str(error), affects=path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = f"broken YAML: {error.problem or error.context}"
        place = None if mark is None else mark.line + 1
        if mark is not None and _TEMPLATE.search(_line_of(text, mark.line)):
            reason += " (a template that was not rendered? run `helm template` first)"
        yield Problem(path=path, line=place, reason=reason, affects=path)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # ValueError: a number of thousands of digits; TypeError: a mapping as a key; ReaderError:
        # a control character, told in several lines of which the first says it.
        reason = str(error).partition("\n")[0]
        yield Problem(path=path, reason=f"broken YAML: {reason}", affects=path)


def _check_size(text: str) -> None:
    """Raise before the loader does worse: libyaml's composer recurses on the C stack, and what
    aliases repeat is walked through once for each of them."""
    open_nodes: list[tuple[str | None, int]] = []  # anchors, and how many values came before them
    sizes: dict[str, int] = {}
    values = repeated = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor or "", 1)
            values, repeated = values + size, repeated + size
            if repeated > _MAX_REPEATED:
                raise _HopelessError("aliases repeat too much to be real", line)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, values))
            values += 1
            if len(open_nodes) > _MAX_NESTING:
                raise _HopelessError("nested too deeply to be real", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
        elif isinstance(event, yaml.DocumentStartEvent):
            values = repeated = 0
            sizes.clear()


def _line_of(text: str, index: int) -> str:
    lines = text.split("\n")
    return lines[index] if index < len(lines) else ""
