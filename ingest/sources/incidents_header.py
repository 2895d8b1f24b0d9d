"""What a report says about itself in labelled lines instead of front matter.

Wikis and hand-written templates have a list or a table at the top: ``**Component:** billing``,
``| Started | 2026-06-18 13:52 UTC |``. Only what stands before the timeline is read, and only
times that name their zone: what follows is prose, and a clock without a zone is no moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.documents import Section
from ingest.sources.front_matter import Metadata
from ingest.sources.outline import lines_with_code, says_something
from ingest.sources.timeline import TIMELINE_HEADING

_LABELS = {
    "component": re.compile(r"(?:root cause |faulty |causing )?(?:component|service at fault)"),
    "severity": re.compile(r"severity|sev|priority"),
    "services": re.compile(
        r"(?:affected |impacted )(?:services?|systems?)|services?(?: affected| impacted)?"
    ),
    "started": re.compile(
        r"(?:incident )?(?:start(?:ed)?|beg[iau]n)(?: time| date| at)?|start of (?:incident|outage)"
    ),
    "detected": re.compile(r"detected(?: at)?|detection time"),
    "resolved": re.compile(
        r"(?:incident )?(?:resolved|ended|end)(?: time| date| at)?|end of (?:incident|outage)"
    ),
}
_TIMES = frozenset({"started", "detected", "resolved"})
_ZONED = re.compile(r"\d:\d\d(?::\d\d)?\s*(?:Z|UTC|[+-]\d\d:?\d\d)$")
_LINE = re.compile(
    r"^\s*(?:[-*+>]\s+|\|\s*)?[*_`]*(?P<label>[A-Za-z][A-Za-z ]{1,28}?)[*_`]*\s*[:|]\s*"
    r"(?:[*_`]+\s*)?(?P<value>\S.*?)(?<!\s)\s*$"
)
_LONGEST = 80
"""Characters of a value; what is longer is prose that happens to have a colon in it."""


def stated_lines(sections: Sequence[Section]) -> Metadata:
    """The facts in labelled lines, by the names that front matter has for them; the first wins."""
    found: Metadata = {}
    for line in _header_lines(sections):
        match = _LINE.match(line)
        if match is None:
            continue
        value = re.sub(r"(?<!\s)\s*(?:<br\s*/?>|\|)\s*$", "", match["value"]).strip(" *_`")
        label = match["label"].strip().lower()
        for name, pattern in _LABELS.items():
            if (
                name not in found
                and pattern.fullmatch(label)
                and says_something(value)
                and len(value) <= _LONGEST
                and (name not in _TIMES or _ZONED.search(value))
            ):
                found[name] = value
    return found


def _header_lines(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        if any(TIMELINE_HEADING.search(name) for name in section.headings):
            return
        yield from (line for line, code in lines_with_code(section.text) if not code)
