"""What people wrote, in sentences: what they did, whom they named, what came before, what is open.

Quoted, with name and time, and never reworded: a message is evidence for having been said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ingest.documents import Chunk
from service.briefing.night import Trouble
from service.briefing.plain import LocalClock
from service.briefing.written import Message, Record
from service.reports.cite import passage_citation
from service.reports.draft import DraftClaim
from service.reports.model import PassageCitation
from service.reports.phrases import flat
from service.reports.untrusted import clean
from service.scope import Vocabulary, mentioned

MONTH = timedelta(days=30)
_QUOTE = 200
"""Characters of a message that are quoted, at most."""
_ACTIONS = 6
_SAID = 8
_CUSTOMERS = 3
_DID = re.compile(
    r"\b(?:roll(?:ed|ing)?[ -]?back|revert\w*|restart\w*|reboot\w*|fail(?:ed|ing)?[ -]?over|"
    r"failover|drain\w*|cordon\w*|scal(?:ed|ing)|rais(?:ed|ing)|lower(?:ed|ing)|cap(?:ped|ping)|"
    r"disabl\w+|enabl\w+|switch(?:ed|ing)|paus(?:ed|ing)|kill(?:ed|ing)|delet(?:ed|ing)|"
    r"purg(?:ed|ing)|patch(?:ed|ing)|deploy(?:ed|ing)|block(?:ed|ing)|increas(?:ed|ing)|"
    r"reduc(?:ed|ing)|replac(?:ed|ing)|mitigat\w*|flush\w*|clear(?:ed|ing)|"
    r"escalat\w*|open(?:ed|ing) a ticket|fix(?:ed|ing))\b",
    re.IGNORECASE,
)
_OPEN_ITEM = re.compile(r"^[-*+] \[ \] (?P<item>.+)$", re.MULTILINE)


def told(trouble: Trouble, clock: LocalClock) -> DraftClaim | None:
    """What happened, in the words of whoever wrote it first; for what no metric shows."""
    for record in trouble.records:
        chunk = record.chunks[0]
        began = record.facts.started
        when = f", began at {clock(began)}" if began is not None and _states(chunk, began) else ""
        named = mentioned(chunk.text, record.services)
        about = f" ({', '.join(named)})" if named else ""
        return DraftClaim(
            text=f"“{record.title}”{about}{when}.",
            citations=(passage_citation(chunk, 0, len(chunk.text)),),
        )
    for thread in trouble.threads:
        return said(thread.messages[0], clock)
    return None


def said(message: Message, clock: LocalClock) -> DraftClaim:
    """Who said what, and when."""
    text = f"{message.author} at {clock(message.at)}: {quoted(message.text)}"
    return DraftClaim(text=text, citations=(of_message(message),))


def of_message(message: Message) -> PassageCitation:
    """The citation of a message, with its name and time."""
    return passage_citation(message.chunk, message.start, message.end)


def quoted(text: str) -> str:
    """In quotation marks, verbatim, up to a link, a hidden character or a quotation mark in it, and
    not too long; what was left out is marked outside of the quotation."""
    line = flat(text)
    kept = _common(line, flat(clean(text)))
    for mark in '“”„"«»':
        kept = kept.partition(mark)[0]
    if len(kept) > _QUOTE:
        kept = kept[:_QUOTE].rpartition(" ")[0]
    kept = kept.rstrip()
    if not kept:
        return "(a link or a quotation)"
    return f"“{kept}”" if kept == line else f"“{kept}” …"


def actions(trouble: Trouble, clock: LocalClock) -> list[tuple[datetime, DraftClaim]]:
    """What people said that they did or were doing, by time."""
    return [(message.at, said(message, clock)) for message in _doing(trouble)]


def timeline(trouble: Trouble, clock: LocalClock) -> list[tuple[datetime, DraftClaim]]:
    """What was said when: of what metrics show, what people did; else everything."""
    messages = _doing(trouble) if trouble.is_measured else _messages(trouble)[:_SAID]
    rows = []
    for message in messages:
        text = f"{clock(message.at)} {message.author}: {quoted(message.text)}"
        rows.append((message.at, DraftClaim(text=text, citations=(of_message(message),))))
    return rows


def _doing(trouble: Trouble) -> list[Message]:
    found = [
        message
        for message in _messages(trouble)
        if _DID.search(message.text) and not message.text.rstrip().endswith("?")
    ]
    return found[:_ACTIONS]


def customers(trouble: Trouble, vocabulary: Vocabulary, clock: LocalClock) -> list[DraftClaim]:
    """Messages and records of the night that name a customer, one for each."""
    claims: list[DraftClaim] = []
    covered: set[str] = set()
    for message in _messages(trouble):
        named = set(mentioned(message.text, vocabulary.customers))
        if named - covered:
            covered |= named
            claims.append(said(message, clock))
    for record in trouble.records:
        named = set(record.customers) - covered
        chunk = record.chunks[0]
        if named and set(mentioned(chunk.text, record.customers)) >= named:
            covered |= named
            claims.append(
                DraftClaim(
                    text=f"{record.called} names {', '.join(sorted(named))}.",
                    citations=(passage_citation(chunk, 0, len(chunk.text)),),
                )
            )
    return claims[:_CUSTOMERS]


def stated_time(
    record: Record, clock: LocalClock, *, resolved: bool
) -> tuple[int, DraftClaim] | None:
    """Minutes from a record's stated start to its end, or to its detection."""
    facts, chunk = record.facts, record.chunks[0]
    moment = facts.resolved if resolved else facts.detected
    if (
        facts.started is None
        or moment is None
        or moment < facts.started
        or not (_states(chunk, facts.started) and _states(chunk, moment))
    ):
        return None
    minutes = round((moment - facts.started).total_seconds() / 60)
    text = (
        f"“{record.title}” was {'resolved' if resolved else 'detected'} at {clock(moment)}, "
        f"{minutes} minute{'' if minutes == 1 else 's'} after it began at {clock(facts.started)}."
    )
    return minutes, DraftClaim(text=text, citations=(passage_citation(chunk, 0, len(chunk.text)),))


def stated_cause(record: Record) -> DraftClaim | None:
    """The cause that the record itself states, verbatim."""
    facts = record.facts
    if facts.cause is None:
        return None
    lead = "Confirmed in" if facts.confirmed else "Suspected in"
    for chunk in record.chunks:
        start = chunk.text.find(facts.cause)
        if start >= 0:
            citation = passage_citation(chunk, start, start + len(facts.cause))
            text = f"{lead} {record.called}: “{flat(facts.cause)}”"
            return DraftClaim(text=text, citations=(citation,))
    return None


def recurring(
    trouble: Trouble, suspects: Sequence[str], records: Sequence[Record], began: datetime
) -> tuple[list[Record], DraftClaim] | None:
    """Records of the last thirty days about the same alert or component, and where they say so."""
    own = {record.document_id for record in trouble.records}
    about = {*trouble.components, *suspects}
    alerts = tuple(dict.fromkeys(alert.name for alert in trouble.alerts))
    matches: list[tuple[Record, Chunk, str]] = []
    for record in records:
        then = record.began
        if record.document_id in own or then is None or not began - MONTH <= then < began:
            continue
        if trouble.region and record.regions and trouble.region not in record.regions:
            continue
        why = next(
            ((chunk, name) for chunk in record.chunks for name in mentioned(chunk.text, alerts)),
            None,
        )
        if why is None and record.facts.component in about:
            name = record.facts.component or ""
            why = next(
                ((chunk, name) for chunk in record.chunks if mentioned(chunk.text, [name])), None
            )
        if why is not None:
            matches.append((record, *why))
    if not matches:
        return None
    text = "; ".join(f"{name} also in “{record.title}”" for record, _, name in matches)
    cited = tuple(passage_citation(chunk, 0, len(chunk.text)) for _, chunk, _ in matches)
    return [record for record, _, _ in matches], DraftClaim(text=f"{text}.", citations=cited)


def follow_ups(record_chunks: Sequence[Chunk]) -> Iterator[DraftClaim]:
    """Action items of an incident report that are not ticked off."""
    for chunk in record_chunks:
        for match in _OPEN_ITEM.finditer(chunk.text):
            citation = passage_citation(chunk, match.start("item"), match.end("item"))
            text = f"Agreed in “{chunk.title}” and still open: “{flat(match['item'])}”"
            yield DraftClaim(text=text, citations=(citation,))


def _messages(trouble: Trouble) -> list[Message]:
    return sorted(
        (message for thread in trouble.threads for message in thread.messages),
        key=lambda message: (message.at, message.start),
    )


def _states(chunk: Chunk, moment: datetime) -> bool:
    return f"{moment:%Y-%m-%d %H:%M} UTC" in chunk.text


def _common(line: str, text: str) -> str:
    """What two texts begin with alike."""
    end = next(
        (place for place, (a, b) in enumerate(zip(line, text, strict=False)) if a != b),
        min(len(line), len(text)),
    )
    return text[:end]
