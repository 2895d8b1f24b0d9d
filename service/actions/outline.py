"""Report → what a ticket or page says, before it is put into anybody's markup.

The parts come in the order in which a reader needs them, because what doesn't fit is left out
from the end: the summary, each cause with its evidence, next check and runbook, the impact, what
could not be seen. Every sentence keeps its citations, and only those that are used are listed.

Text of the report may quote documents that anybody can edit, so it is cleaned here of links,
images and invisible characters; a link is kept only where it is a citation's own, or leads to a
host that one of the citations leads to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, urlsplit

from ingest.documents import Frozen
from service.reports.model import (
    AlertCitation,
    Cause,
    ChangeCitation,
    Citation,
    Claim,
    MetricCitation,
    Outcome,
    PassageCitation,
    Report,
)
from service.reports.untrusted import clean

_LONGEST = 1200
"""Characters of one sentence; a quotation of a whole page is none."""
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,30}://\S*|\b(?:mailto|javascript|data|tel|file):\S+|\bwww\.\S+",
    re.IGNORECASE,
)
_UNSAFE_IN_URL = re.compile(r"[\s\[\]{}|\\^`<>\"]")


class Item(Frozen):
    """One line: our own words (``lead``), then the report's, then its citations.

    ``url``: where the words lead, for a runbook.
    """

    lead: str = ""
    text: str
    citations: tuple[int, ...] = ()
    url: str | None = None


class Section(Frozen):
    """Lines under a heading."""

    title: str
    items: tuple[Item, ...]


class Source(Frozen):
    """What a citation's number stands for."""

    number: int
    text: str
    url: str | None


class Outline(Frozen):
    """A report for a ticket. ``about``: window and scope; ``report_url``: the report itself."""

    title: str
    about: str
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]
    report_url: str | None

    @property
    def lines(self) -> int:
        """How many items there are in all sections."""
        return sum(len(section.items) for section in self.sections)

    def shortened(self, lines: int) -> Outline:
        """The first so many items, and the sources that they cite."""
        kept, left = [], lines
        for section in self.sections:
            if left <= 0:
                break
            kept.append(section.model_copy(update={"items": section.items[:left]}))
            left -= len(section.items)
        used = {number for section in kept for item in section.items for number in item.citations}
        return self.model_copy(
            update={
                "sections": tuple(kept),
                "sources": tuple(one for one in self.sources if one.number in used),
            }
        )


def outline_of(report: Report, report_url: str | None) -> Outline:
    """The report in the order of a ticket. ``report_url`` is ours, and trusted."""
    hosts = _hosts(report, report_url)
    sections = tuple(_sections(report, hosts))
    whole = Outline(
        title=_title(report),
        about=_about(report),
        sections=sections,
        sources=tuple(_source(one, hosts) for one in report.citations),
        report_url=report_url,
    )
    return whole.shortened(whole.lines)


def _hosts(report: Report, report_url: str | None) -> frozenset[str]:
    """Where links may lead: to us, and where cited documents and metrics are.

    Not where a change says: whoever may annotate a dashboard could name any place.
    """
    cited = [one.url for one in report.citations if not isinstance(one, ChangeCitation)]
    return frozenset(host for url in (report_url, *cited) if (host := _host(url)))


def _host(url: str | None) -> str | None:
    """The host of a web address that hides no user name."""
    try:
        parts = urlsplit(url or "")
        is_plain = parts.scheme in ("http", "https") and "@" not in parts.netloc
        return parts.hostname if is_plain else None
    except ValueError:
        return None


def clip(text: str, most: int) -> str:
    """At most so many ``units``, the end replaced by an ellipsis."""
    if units(text) <= most:
        return text
    kept = text[:most]
    while units(kept) > most - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def units(text: str) -> int:
    """UTF-16 code units, which is what Jira (in Java) counts as characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _title(report: Report) -> str:
    question = _words(report.question)
    if report.outcome is Outcome.NO_INCIDENT_VISIBLE:
        return f"No incident visible: {question}"
    if not report.causes:
        return f"No cause found yet: {question}"
    first = report.causes[0]
    likely = "" if first.confidence is None else f", {first.confidence:.0%}"
    return f"Most likely {_where(first)}{likely}: {question}"


def _about(report: Report) -> str:
    scope = report.scope
    window = f"{scope.window.start:%Y-%m-%d %H:%M} – {scope.window.end:%Y-%m-%d %H:%M} UTC"
    names = (*scope.services, *scope.regions, *scope.customers)
    return " · ".join((window, *(_words(name) for name in names)))


def _sections(report: Report, hosts: frozenset[str]) -> Iterator[Section]:
    if report.summary:
        yield Section(title="Summary", items=tuple(_items(report.summary)))
    for cause in report.causes:
        items = [*_items(cause.evidence), *_items(cause.against, "Against: ")]
        if cause.next_check is not None:
            items += _items((cause.next_check,), "Next check: ")
        if cause.runbook is not None:
            url = _allowed(cause.runbook.url, hosts)
            items.append(Item(lead="Runbook: ", text=_words(cause.runbook.title), url=url))
        yield Section(title=f"Cause {cause.rank}: {_named(cause)}", items=tuple(items))
    impact = report.impact
    named = [
        Item(lead=f"{label}: ", text=_words(", ".join(names)))
        for label, names in (
            ("Services", impact.services),
            ("Regions", impact.regions),
            ("Customers", impact.customers),
        )
        if names
    ]
    if named or impact.claims:
        yield Section(title="Impact", items=(*named, *_items(impact.claims)))
    if report.not_seen:
        unseen = tuple(Item(text=_words(line)) for line in report.not_seen)
        yield Section(title="What could not be seen", items=unseen)


def _items(claims: Iterable[Claim], lead: str = "") -> Iterator[Item]:
    for claim in claims:
        yield Item(lead=lead, text=_words(claim.text), citations=claim.citations)


def _named(cause: Cause) -> str:
    likely = "" if cause.confidence is None else f", {cause.confidence:.0%} likely"
    return f"{_where(cause)}{likely}"


def _where(cause: Cause) -> str:
    return _words(f"{cause.component} ({cause.region})" if cause.region else cause.component)


def _source(citation: Citation, hosts: frozenset[str]) -> Source:
    match citation:
        case PassageCitation():
            written = f", {citation.written_at:%Y-%m-%d}" if citation.written_at else ""
            place = " › ".join((citation.title, *citation.headings))
            text = f"{citation.kind.value}: {place}{written}"
        case MetricCitation():
            text = f"metric: {citation.title}: `{citation.query}`"
        case AlertCitation():
            text = f"alert: {citation.name}, {citation.started:%Y-%m-%d %H:%M} UTC"
        case ChangeCitation():
            text = f"change: {citation.text}, {citation.at:%Y-%m-%d %H:%M} UTC"
    return Source(number=citation.number, text=_words(text), url=_allowed(citation.url, hosts))


def _words(text: str) -> str:
    """One line without links, images and invisible characters."""
    return clip(" ".join(_ADDRESS.sub("(link removed)", clean(text)).split()), _LONGEST)


def _allowed(url: str | None, hosts: frozenset[str]) -> str | None:
    """The link, where it may be followed, with nothing in it that ends it early."""
    if url is None or _host(url) not in hosts:
        return None
    return _UNSAFE_IN_URL.sub(lambda character: quote(character[0], safe=""), url)
