"""The runbook that an alert's rule links, and the indexed page behind that link.

Whoever wrote the rule said which page is for it (the annotation ``runbook_url`` of the monitoring
mixins, or ``runbook``). A search can only guess that: the page may be called after the system and
be one for twenty alerts. A link is a URL or a path, and where the pages were read from here is
another place than where they are published; what both have is how the path ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ingest.documents import AlertRuleFacts, Chunk, Frozen, RunbookFacts, anchor_of
from ingest.sources.pages import PAGE_SUFFIXES
from ingest.sources.place import INDEXES
from service.metrics.source import Alert
from service.metrics.usage import Rule, Usage

_LABEL = re.compile(r"\{\{-?\s*(?:\$labels|\.Labels)\.(\w+)\s*-?\}\}")
_ENDINGS = ("", *sorted(PAGE_SUFFIXES))
_EVERYWHERE = frozenset({"readme", "index", "_index", "overview", "home", "runbook", "runbooks"})
"""Names of pages that say nothing without their folder's."""
_DEPTH = 5
"""Folders of a link that are compared with those of a source."""
_ROOTS = ("", "content/", "docs/", "source/")
"""Where a site's pages are in its repository (Hugo; MkDocs and Docusaurus; Sphinx)."""
_SAFE_IN_URL = "/:#?=&%@+,;~!$*-._"


class RunbookReference(Frozen):
    """What the rule of an alert links. ``url``: as written, the alert's labels filled in."""

    alert: str
    url: str
    rule_id: str
    """The rule's document."""


def references(
    rules: Iterable[Rule], labels: Mapping[str, Mapping[str, str]]
) -> list[RunbookReference]:
    """The links of these rules, once each, in the order of the rules.

    ``labels``: those of an alert that fired, by its name. A link with a placeholder that they
    don't fill is left out: it would lead nowhere.
    """
    found: dict[str, RunbookReference] = {}
    for rule in rules:
        url = _filled(rule.runbook, labels.get(rule.alert, {})).strip()
        if url and "{{" not in url and _split(url) is not None:
            reference = RunbookReference(alert=rule.alert, url=url, rule_id=rule.use.document_id)
            found.setdefault(url, reference)
    return list(found.values())


def references_of_fired(alerts: Iterable[Alert], usage: Usage) -> list[RunbookReference]:
    """The links of the rules of alerts that fired."""
    labels = {alert.name: alert.labels for alert in alerts}
    return references((rule for name in labels for rule in usage.rules.get(name, ())), labels)


def page_ids(reference: RunbookReference, sources: Sequence[str]) -> list[str]:
    """Ids that the linked page has if it was read from one of these sources, likeliest first.

    The more of the path agrees the better; a name that many folders have (``README``) needs its
    folder. Published names may be in lower case: an alert's own page is also tried under its name.
    """
    parts = _split(reference.url)
    path = [part for part in unquote(parts.path).split("/") if part] if parts else []
    if not path:
        return []
    *folders, last = path
    written = PurePosixPath(last)
    known = written.suffix.lower() in PAGE_SUFFIXES
    stem, ending = (written.stem, written.suffix) if known else (last, "")
    names = [last]
    if stem != reference.alert and stem.casefold() == reference.alert.casefold():
        names.append(reference.alert + ending)
    found: dict[str, None] = {}
    for start in range(max(0, len(folders) - _DEPTH), len(folders) + 1):
        above = folders[start:]
        if not above and stem.casefold() in _EVERYWHERE:
            break
        for name in names:
            place = "/".join([*above, name])
            pages = [f"{place}{ending}" for ending in _ENDINGS]
            pages += [f"{place}/{index}.md" for index in INDEXES]
            found.update(
                (f"{source}/{root}{page}", None)
                for root in _ROOTS
                for page in pages
                for source in sources
            )
    return list(found)


def linked_passage(
    reference: RunbookReference, page: Sequence[Chunk], nearest: Chunk | None
) -> Chunk:
    """Where the section begins that the link names; ``nearest`` to what the alert says, or the
    page's first passage, where it names none. It opens where the link does.

    Without the page's first step, where that may be for another alert: the page is not this
    alert's alone, and the step stands in another section than the linked one.
    """
    parts = _split(reference.url)
    fragment = unquote(parts.fragment) if parts else ""
    section = [chunk for chunk in page if fragment and fragment in map(anchor_of, chunk.headings)]
    shown = section[0] if section else nearest or page[0]
    update: dict[str, object] = {}
    if shown.url is None:
        update["url"] = openable(reference.url)
    elif fragment and "#" not in shown.url:
        update["url"] = f"{shown.url}#{quote(fragment)}"
    facts = shown.facts
    if section and isinstance(facts, RunbookFacts) and reference.alert not in facts.alerts:
        step = facts.next_check
        if step is not None and not any(step in chunk.text for chunk in section):
            update["facts"] = facts.model_copy(update={"next_check": None})
    return shown.model_copy(update=update)


def rule_with_link(reference: RunbookReference, rules: Sequence[Chunk]) -> Chunk | None:
    """The rule, its link filled in; None where a browser can't open that."""
    facts = rules[0].facts if rules else None
    if not isinstance(facts, AlertRuleFacts) or openable(reference.url) is None:
        return None
    return rules[0].model_copy(
        update={"facts": facts.model_copy(update={"runbook_url": reference.url})}
    )


def openable(url: str) -> str | None:
    """The link, if a browser opens it, with nothing in it that could end it early in a text."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return quote(url, safe=_SAFE_IN_URL)


def _filled(url: str, labels: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda match: labels.get(match[1], match[0]), url)


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:  # "https://[" and the like
        return None
