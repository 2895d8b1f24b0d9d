"""Which services and regions a PromQL expression is about, by its label matchers."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MATCHER = re.compile(r"""\b(service|region)\s*(=~?)\s*(?:"([^"]*)"|'([^']*)')""")
_NAME = re.compile(r"^[A-Za-z0-9][\w./-]*$")


def matched_names(expressions: Iterable[str], label: str) -> tuple[str, ...]:
    """The literal values that ``label`` (``service`` or ``region``) is matched with.

    Alternatives of a regular expression count when each is a plain name; template variables
    and other patterns do not.
    """
    found: dict[str, None] = {}
    for expression in expressions:
        for name, operator, double, single in _MATCHER.findall(expression):
            values = (double or single).split("|") if operator == "=~" else [double or single]
            if name == label and all(_NAME.match(value) for value in values):
                found |= dict.fromkeys(values)
    return tuple(found)
