"""YAML with the line of every mapping, so that a Problem can point at it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from ingest.documents import Problem

_MAX_NESTING = 100
_TEMPLATE = re.compile(r"\{\{")


class Mapping(dict[object, object]):
    """A YAML mapping that remembers where it began (``line`` counts from 1)."""

    line: int = 0


class _TooDeepError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Loader(yaml.CSafeLoader):
    """Safe loading into ``Mapping``."""


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Mapping:
    mapping = Mapping(loader.construct_mapping(node, deep=True))
    mapping.line = node.start_mark.line + 1
    return mapping


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def parse_yaml(text: str, path: str) -> Iterator[object | Problem]:
    """The documents of a YAML stream, up to the first that is broken, which is a Problem."""
    try:
        _check_nesting(text)
        for document in yaml.load_all(text, Loader=_Loader):
            if document is not None:
                yield document
    except _TooDeepError as error:
        line = error.line + 1
        yield Problem(path=path, line=line, reason="nested too deeply to be real", affects=path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = f"broken YAML: {error.problem or error.context}"
        place = None if mark is None else mark.line + 1
        if mark is not None and _TEMPLATE.search(_line_of(text, mark.line)):
            reason += " (a template that was not rendered? run `helm template` first)"
        yield Problem(path=path, line=place, reason=reason, affects=path)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # ValueError: a date that does not exist; TypeError: a mapping as a key; ReaderError:
        # a control character, told in several lines of which the first says it.
        reason = str(error).partition("\n")[0]
        yield Problem(path=path, reason=f"broken YAML: {reason}", affects=path)


def _check_nesting(text: str) -> None:
    """Raise before the loader does worse: libyaml's composer recurses on the C stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_NESTING:
                raise _TooDeepError(event.start_mark.line if event.start_mark else 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _line_of(text: str, index: int) -> str:
    lines = text.split("\n")
    return lines[index] if index < len(lines) else ""
