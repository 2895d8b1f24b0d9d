"""Every regular expression of the product, and how it is called: found in the source itself.

Untrusted text meets all of them sooner or later, so none is left out by name. From the tree of a
pattern come the texts that are hardest for it: the piece that each of its repetitions takes, many
times, behind what the pattern wants before it.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from re import _constants, _parser
from typing import NamedTuple

import ingest
import service

_METHODS = frozenset(
    {"search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split"}
)
_NOT_LOOKED_AT = ("service.store.migrations", "service.testing")
"""Scripts of alembic, which only it can import, and fakes, which meet no untrusted text."""
_CATEGORIES = {
    _constants.CATEGORY_DIGIT: r"\d",
    _constants.CATEGORY_NOT_DIGIT: r"\D",
    _constants.CATEGORY_SPACE: r"\s",
    _constants.CATEGORY_NOT_SPACE: r"\S",
    _constants.CATEGORY_WORD: r"\w",
    _constants.CATEGORY_NOT_WORD: r"\W",
}
_MANY = 10
"""Repetitions from which on a pattern is said to repeat something."""


class Use(NamedTuple):
    """A pattern, and the name of the method by which it is put to a text."""

    place: str
    pattern: re.Pattern[str]
    method: str


def uses() -> list[Use]:
    """Every pattern at module level with each method called on it, and those written inline."""
    trees = dict(_sources())
    called = {name: set(_calls(tree)) for name, tree in trees.items()}
    everywhere = set().union(*called.values())  # public ones are used where they are imported
    found: dict[tuple[str, int, str], Use] = {}
    for place, tree in trees.items():
        if not _makes_patterns(tree):
            continue  # importing it would only take time
        for name, value in vars(importlib.import_module(place)).items():
            seen = called[place] if name.startswith("_") else everywhere
            methods = {method for other, method in seen if other == name} or {"search", "match"}
            for pattern in _patterns(value):
                for method in methods:
                    use = Use(f"{place}.{name}", pattern, method)
                    found.setdefault((pattern.pattern, pattern.flags, method), use)
        for method, text in _inline(tree):
            use = Use(f"{place} (inline)", re.compile(text), method)
            found.setdefault((text, 0, method), use)
    return sorted(found.values(), key=lambda use: (use.place, use.pattern.pattern, use.method))


def apply(use: Use, text: str) -> None:
    """Put the pattern to the text as the product does, to the end of what that yields."""
    match use.method:
        case "finditer":
            for _ in use.pattern.finditer(text):
                pass
        case "sub" | "subn":
            use.pattern.sub("", text)
        case _:
            getattr(use.pattern, use.method)(text)


def pumps(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """For each repetition in it: a text that leads there, and one that it takes once."""
    found: list[tuple[str, str]] = []
    _text_for(_parser.parse(pattern.pattern, pattern.flags), "", found)
    return list(dict.fromkeys((before, piece) for before, piece in found if piece))


def _text_for(tree: _parser.SubPattern, before: str, found: list[tuple[str, str]]) -> str:
    """A text that the tree takes, more or less: what is around it is looked at by nobody."""
    text = ""
    for kind, value in tree:
        match kind:
            case _constants.LITERAL:
                text += chr(value)
            case _constants.NOT_LITERAL:
                text += "b" if value == ord("a") else "a"
            case _constants.ANY:
                text += "a"
            case _constants.IN:
                text += _one_of(value)
            case _constants.SUBPATTERN:
                text += _text_for(value[-1], before + text, found)
            case _constants.ATOMIC_GROUP:
                text += _text_for(value, before + text, found)
            case _constants.BRANCH:
                ways = [_text_for(way, before + text, found) for way in value[1]]
                text += ways[0]
            case _constants.ASSERT | _constants.ASSERT_NOT:
                _text_for(value[1], before + text, found)
            case _constants.MAX_REPEAT | _constants.MIN_REPEAT | _constants.POSSESSIVE_REPEAT:
                least, most, body = value
                piece = _text_for(body, before + text, found)
                if most >= _MANY:
                    found.append((before + text, piece))
                text += piece * least
    return text


def _one_of(members: list[tuple[object, object]]) -> str:
    """A character of a class."""
    kind = "".join(
        {
            _constants.LITERAL: lambda value: re.escape(chr(value)),
            _constants.RANGE: lambda value: "-".join(re.escape(chr(end)) for end in value),
            _constants.CATEGORY: lambda value: _CATEGORIES[value],
            _constants.NEGATE: lambda value: "^",
        }[kind](value)
        for kind, value in members
    )
    likely = map(chr, [*range(ord("a"), ord("z") + 1), *range(32, 0x3000), *range(32)])
    return next(filter(re.compile(f"[{kind}]").match, likely))


def _sources() -> Iterator[tuple[str, ast.Module]]:
    """The product's modules by name, parsed and not imported."""
    for package in (ingest, service):
        folder = Path(str(package.__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            name = ".".join(file.relative_to(folder.parent).with_suffix("").parts)
            if not name.startswith(_NOT_LOOKED_AT):
                text = file.read_text(encoding="utf-8")
                yield name.removesuffix(".__init__"), ast.parse(text)


def _makes_patterns(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Import) and any(one.name == "re" for one in node.names)
        for node in ast.walk(tree)
    )


def _patterns(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from _patterns(item)
    elif isinstance(value, dict):
        yield from _patterns([*value, *value.values()])


def _calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """``NAME.search(…)`` anywhere in a module, and ``NAME.search`` handed on."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in _METHODS
            and isinstance(node.value, ast.Name)
        ):
            yield node.value.id, node.attr


def _inline(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """``re.search("…", text)`` with a pattern that stands there."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in _METHODS
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            yield node.func.attr, node.args[0].value
