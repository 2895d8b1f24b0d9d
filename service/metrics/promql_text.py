"""PromQL → its tree, within bounds: what is longer or deeper than anybody writes is refused.

Queries come from dashboards, alert rules and language models. The parser recurses on the C stack
and takes quadratic time in the depth of a tree, so a page of brackets would hold the process up
for minutes, or end it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import promql_parser
from pydantic_core import SchemaError, SchemaValidator, core_schema

LONGEST = 20_000
"""Characters of a query."""
DEEPEST = 64
"""Brackets within brackets."""
MOST_OPERATORS = 250
"""Operators of a query; a chain of them is a tree as deep as it is long."""

_STRING = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`""", re.DOTALL)
_OPERATOR = re.compile(r"[-+*/%^]|[=!<>]=|[<>]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)


class TooComplex(ValueError):
    """A query that is longer or deeper than anybody writes."""


def parse_promql(query: str) -> promql_parser.Expr:
    """The tree of a query. Raises: ValueError, saying what is wrong; TooComplex before parsing."""
    if len(query) > LONGEST:
        raise TooComplex(f"a query of {len(query):,} characters, more than {LONGEST:,}")
    bare = _STRING.sub("", query)
    depth = 0
    for character in bare:
        if character in "([{":
            depth += 1
            if depth > DEEPEST:
                raise TooComplex(f"a query with more than {DEEPEST} brackets within each other")
        elif character in ")]}":
            depth -= 1
    if sum(1 for _ in _OPERATOR.finditer(bare)) > MOST_OPERATORS:
        raise TooComplex(f"a query with more than {MOST_OPERATORS} operators")
    tree: promql_parser.Expr = promql_parser.parse(query)
    return tree


def whole_match(pattern: str) -> Callable[[str], bool]:
    """Whether all of a text matches the pattern of a ``=~``.

    Whoever draws a panel writes patterns, and Python's engine backtracks. Rust's is of RE2's family
    like Prometheus' own, and takes linear time. Raises: ValueError.
    """
    schema = core_schema.str_schema(pattern=f"^(?s:{pattern})$", regex_engine="rust-regex")
    try:
        return SchemaValidator(schema).isinstance_python
    except SchemaError as error:
        raise ValueError(str(error)) from error
