"""Every regular expression of the product, and how it is called: found in the source itself.

Untrusted text meets all of them sooner or later, so none is left out by name.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import ingest
import service

_METHODS = frozenset(
    {"search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split"}
)
_NOT_IMPORTED = ("service.store.migrations", "service.testing")
"""Scripts of alembic, which only it can import, and fakes, which meet no untrusted text."""


class Use(NamedTuple):
    """A pattern, and the name of the method by which it is put to a text."""

    place: str
    pattern: re.Pattern[str]
    method: str


def uses() -> list[Use]:
    """Every pattern at module level with each method called on it, and those written inline."""
    modules = list(_modules())
    called = {module: set(_calls(_tree(module))) for module in modules}
    everywhere = set().union(*called.values())  # public ones are used where they are imported
    found: dict[tuple[str, int, str], Use] = {}
    for module in modules:
        for name, value in vars(module).items():
            seen = called[module] if name.startswith("_") else everywhere
            methods = {method for other, method in seen if other == name} or {"search", "match"}
            for pattern in _patterns(value):
                for method in methods:
                    use = Use(f"{module.__name__}.{name}", pattern, method)
                    found.setdefault((pattern.pattern, pattern.flags, method), use)
        for method, text in _inline(_tree(module)):
            use = Use(f"{module.__name__} (inline)", re.compile(text), method)
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


def _modules() -> Iterator[ModuleType]:
    for package in (ingest, service):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith(_NOT_IMPORTED):
                yield importlib.import_module(found.name)


def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


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
