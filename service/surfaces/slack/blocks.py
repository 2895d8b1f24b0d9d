"""An answer as Slack messages: what was asked for and the top cause first, the rest as details.

``overview`` is what is posted: question, window, the first cause with its evidence, what was seen,
the other candidates in a line each, what could not be seen, and the sources of everything that it
says. ``details`` has all the rest, with the sources of that. Both are pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ingest.documents import Frozen
from service.inspected import FleetOutcome, FleetReport, FleetRow, RunReport, RunsReport
from service.intent import Intent
from service.queries.answer import QueryAnswer
from service.reports.model import (
    AlertCitation,
    Cause,
    Citation,
    Claim,
    MetricCitation,
    Outcome,
    PassageCitation,
    Report,
)
from service.reports.phrases import readable
from service.surfaces.slack.buttons import Buttons, answer_buttons, cause_buttons
from service.surfaces.slack.mrkdwn import (
    Block,
    Line,
    Message,
    bold,
    cited,
    code,
    context,
    escape,
    header,
    linked,
    messages,
    sections,
    words,
)
from service.workspace import Answer

_CLOCK = "%Y-%m-%d %H:%M"


class View(Frozen):
    """How an answer is shown. ``hosts``: where links may lead. ``made_from``: whose eyes it was
    made for, in words. ``buttons`` are None where nobody can press them."""

    hosts: frozenset[str] = frozenset()
    made_from: str = ""
    buttons: Buttons | None = None


def overview(answer: Answer, view: View) -> list[Message]:
    """What is posted first; at least one message."""
    blocks = [header(answer.question), *context(_about(answer, view))]
    top: Cause | None = None
    if isinstance(answer, Report):
        top = answer.causes[0] if answer.causes else None
        blocks += _report(answer, view)
    elif isinstance(answer, QueryAnswer):
        blocks += sections(_chart(answer, view))
    elif isinstance(answer, FleetReport):
        blocks += _with_sources(_fleet(answer), answer.citations, view)
    else:
        blocks += _with_sources(_runs(answer), answer.citations, view)
    if view.buttons is not None:
        named = (top.rank, name_of(top)) if top is not None else None
        blocks += answer_buttons(view.buttons, named)
    return messages(headline(answer), blocks)


def details(answer: Answer, view: View) -> list[Message]:
    """What ``overview`` leaves out; empty where that is nothing."""
    if not isinstance(answer, Report):
        return []
    blocks: list[Block] = []
    said: list[Claim] = []
    for cause in answer.causes:
        if cause.rank > 1:
            blocks += sections(_cause(cause, view))
            said += _claims_of(cause)
        blocks += context([words(_score(cause))])
        if cause.rank > 1 and view.buttons is not None:
            blocks.append(cause_buttons(view.buttons.report_id, cause.rank, name_of(cause)))
    first = answer.intent
    parts = (
        ("Impact", answer.impact.claims if first is not Intent.IMPACT else ()),
        ("Timeline", answer.timeline if first is not Intent.WHAT_HAPPENED else ()),
        ("Also in this window, apparently unrelated", answer.also_seen),
    )
    for title, claims in parts:
        if claims:
            blocks += sections([bold(title), *_claims(claims)])
            said += claims
    if answer.related:
        blocks += sections([bold("What is written about it"), *_related(answer, view)])
    blocks += sections(_sources(answer.citations, said, view))
    if answer.timings:
        total = sum(timing.milliseconds for timing in answer.timings)
        blocks += context([words(f"{total:.0f} ms · writer: {answer.writer}")])
    return messages(f"Details: {answer.question}", blocks)


def headline(answer: Answer) -> str:
    """The answer in one line of plain text."""
    if isinstance(answer, Report):
        if answer.causes:
            top = answer.causes[0]
            return f"{answer.question} Most likely {name_of(top)}{_likely(top)}."
        return f"{answer.question} {_OUTCOMES[answer.outcome]}"
    if isinstance(answer, QueryAnswer):
        return f"{answer.question} {answer.title or answer.reason or 'No chart.'}"
    if isinstance(answer, FleetReport):
        worst = f" First: {answer.rows[0].name}." if answer.rows else ""
        return f"{answer.question} {_FLEET[answer.outcome]}{worst}"
    found = ", ".join(f"{run.name}: {run.verdict}" for run in answer.runs)
    return f"{answer.question} {found or 'No training run is visible.'}"


def name_of(cause: Cause) -> str:
    return f"{cause.component} ({cause.region})" if cause.region else cause.component


# -- a report --------------------------------------------------------------------------------------

_OUTCOMES = {
    Outcome.CAUSES: "",
    Outcome.NO_INCIDENT_VISIBLE: (
        "No incident visible. The metrics were read; nothing in this scope went wrong."
    ),
    Outcome.NO_CAUSE_SUPPORTED: "No cause is supported by what could be seen.",
}


def _report(report: Report, view: View) -> Iterator[Block]:
    said: list[Claim] = []
    if outcome := _OUTCOMES[report.outcome]:
        yield from sections([bold(outcome)])
    # What was asked for comes first.
    if report.intent is Intent.IMPACT:
        said += report.impact.claims
        yield from sections([bold("Impact"), _impact(report), *_claims(report.impact.claims)])
    if report.intent is Intent.WHAT_HAPPENED:
        said += report.timeline
        yield from sections([bold("Timeline"), *_claims(report.timeline)])
    for cause in report.causes[:1]:
        said += _claims_of(cause)
        yield from sections(_cause(cause, view))
    if report.summary:
        said += report.summary
        yield from sections([bold("In short"), *_claims(report.summary)])
    if len(report.causes) > 1:
        others = [[f"{cause.rank}. ", *_named(cause)] for cause in report.causes[1:]]
        yield from sections([bold("Other candidates"), *others])
    if not report.causes and report.related:
        yield from sections([bold("What is written about it"), *_related(report, view)])
    if missing := _missing(report.not_seen, report.dropped_claims):
        yield from sections([bold("What I could not see"), *missing])
    yield from sections(_sources(report.citations, said, view))


def _cause(cause: Cause, view: View) -> Iterator[Line]:
    yield [*bold(f"{cause.rank}. {name_of(cause)}"), " ", escape(_likely(cause))]
    yield from _claims(cause.evidence)
    for claim in cause.against:
        yield cited(claim.text, claim.citations, lead="• Against: ")
    if cause.next_check is not None:
        check = cause.next_check
        yield cited(check.text, check.citations, lead="• *Next check:* ")
    if cause.runbook is not None:
        page = cause.runbook
        yield ["• *Runbook:* ", *linked(page.title, page.url, view.hosts)]


def _claims_of(cause: Cause) -> list[Claim]:
    check = (cause.next_check,) if cause.next_check is not None else ()
    return [*cause.evidence, *cause.against, *check]


def _named(cause: Cause) -> list[str]:
    return words(f"{name_of(cause)}{_likely(cause)}")


def _likely(cause: Cause) -> str:
    return "" if cause.confidence is None else f" – {cause.confidence:.0%} likely"


def _score(cause: Cause) -> str:
    parts = cause.parts
    weights = (
        ("metrics", parts.metrics),
        ("onset", parts.onset),
        ("change", parts.change),
        ("knowledge", parts.knowledge),
    )
    why = " + ".join(f"{name} {value:.2f}" for name, value in weights)
    kinds = f"; its {', '.join(cause.kinds)} left their past" if cause.kinds else ""
    return f"{cause.rank}. {name_of(cause)}: score {cause.score:.2f} = {why}{kinds}"


def _impact(report: Report) -> Line:
    impact = report.impact
    named = (
        ("Services", impact.services),
        ("Regions", impact.regions),
        ("Customers", impact.customers),
    )
    return words(" · ".join(f"{label}: {', '.join(names)}" for label, names in named if names))


def _related(report: Report, view: View) -> Iterator[Line]:
    for passage in report.related:
        title = linked(passage.title, passage.url, view.hosts)
        yield ["• ", *title, ": ", *words(f"“{readable(passage.quote)}”")]


# -- charts, machines, runs ------------------------------------------------------------------------


def _chart(answer: QueryAnswer, view: View) -> Iterator[Line]:
    if answer.query is None:
        yield bold(f"No chart: {answer.reason or 'no query was found'}.")
        if answer.nearest:
            yield words(f"Nearest metrics: {', '.join(f'`{name}`' for name in answer.nearest)}")
    else:
        yield bold(answer.title or "Chart")
        yield code(answer.query)
        if answer.document:
            yield ["From ", *linked(answer.document, answer.url, view.hosts)]
        if answer.asked and not answer.series:
            yield words(f"No samples: {answer.reason or 'the query gave none'}.")
        if answer.series_found > len(answer.series) > 0:
            yield words(f"The highest {len(answer.series)} of {answer.series_found} series.")
        if answer.link:
            yield linked("See it live", answer.link, view.hosts)
    for title, items in (
        ("Assumed", answer.assumed),
        ("Not answered", answer.unmet),
        ("Could not be seen", answer.missing),
    ):
        if items:
            yield bold(title)
            yield from (["• ", *words(item)] for item in items)


_FLEET = {
    FleetOutcome.NEEDS_WORK: "Something needs maintenance.",
    FleetOutcome.ALL_WELL: "Everything is fine: nothing speaks for maintenance.",
    FleetOutcome.NOTHING_SEEN: "No cluster and no node is visible.",
}


def _fleet(report: FleetReport) -> Iterator[tuple[Line, Iterable[Claim]]]:
    if report.outcome is not FleetOutcome.NEEDS_WORK:
        yield bold(_FLEET[report.outcome]), ()
    for row in report.rows:
        yield from _machine(row)
    if report.well:
        yield words(f"Nothing against: {', '.join(report.well)}"), ()
    yield from _unseen(report)


def _machine(row: FleetRow) -> Iterator[tuple[Line, Iterable[Claim]]]:
    where = ", ".join(
        name for name in (row.cluster if row.cluster != row.name else None, row.region) if name
    )
    parts = " + ".join(f"{part.concern} {part.points:.2f}" for part in row.parts)
    title = bold(f"{row.rank}. {row.name}")
    yield [*title, " ", *words(f"{f'({where}) ' if where else ''}{row.score:.2f} = {parts}")], ()
    for reason in row.reasons:
        claim = reason.claim
        yield cited(claim.text, claim.citations, lead="• "), (claim,)
    if row.next_check is not None:
        check = row.next_check
        yield cited(check.text, check.citations, lead="• *Next:* "), (check,)


def _runs(report: RunsReport) -> Iterator[tuple[Line, Iterable[Claim]]]:
    if not report.runs:
        yield bold("Unknown: no training run is visible."), ()
    for run in report.runs:
        yield from _run(run)
    yield from _unseen(report)


def _run(run: RunReport) -> Iterator[tuple[Line, Iterable[Claim]]]:
    where = f" ({', '.join(run.clusters)})" if run.clusters else ""
    yield bold(f"{run.name}{where}: {run.verdict}"), ()
    for lead, claims in (("• ", run.problems), ("• ", run.state), ("• Over: ", run.over)):
        for claim in claims:
            yield cited(claim.text, claim.citations, lead=lead), (claim,)


def _unseen(report: FleetReport | RunsReport) -> Iterator[tuple[Line, Iterable[Claim]]]:
    missing = _missing(report.not_seen, report.dropped_claims)
    if missing:
        yield bold("What I could not see"), ()
    yield from ((line, ()) for line in missing)


# -- what they share -------------------------------------------------------------------------------


def _about(answer: Answer, view: View) -> Iterator[Line]:
    window = answer.window if not isinstance(answer, Report) else answer.scope.window
    reason = (
        answer.scope.reason
        if isinstance(answer, Report)
        else answer.window_reason
        if isinstance(answer, QueryAnswer)
        else answer.reason
    )
    yield words(f"{window.start:{_CLOCK}} – {window.end:{_CLOCK}} UTC ({reason})")
    if isinstance(answer, Report):
        scope = answer.scope
        for names in (scope.services, scope.regions, scope.customers):
            if names:
                yield words(", ".join(names))
    if view.made_from:
        yield words(view.made_from)


def _with_sources(
    said: Iterable[tuple[Line, Iterable[Claim]]], citations: Iterable[Citation], view: View
) -> Iterator[Block]:
    lines: list[Line] = []
    claims: list[Claim] = []
    for line, of_line in said:
        lines.append(line)
        claims += of_line
    yield from sections(lines)
    yield from sections(_sources(citations, claims, view))


def _claims(claims: Iterable[Claim]) -> Iterator[Line]:
    return (cited(claim.text, claim.citations, lead="• ") for claim in claims)


def _missing(not_seen: Iterable[str], dropped: int) -> list[Line]:
    lines: list[Line] = [["• ", *words(item)] for item in not_seen]
    if dropped:
        removed = f"{dropped} sentence(s) were removed: their citations did not check out"
        lines.append(["• ", *words(removed)])
    return lines


def _sources(citations: Iterable[Citation], said: Iterable[Claim], view: View) -> Iterator[Line]:
    """A line for each citation that these claims use."""
    used = {number for claim in said for number in claim.citations}
    shown = [citation for citation in citations if citation.number in used]
    if shown:
        yield bold("Sources")
    for citation in shown:
        yield [f"[{citation.number}] ", *_source(citation, view)]


def _source(citation: Citation, view: View) -> list[str]:
    if isinstance(citation, PassageCitation):
        place = "".join(f"› {heading} " for heading in citation.headings)
        written = f"({citation.written_at:%Y-%m-%d})" if citation.written_at else ""
        title = linked(citation.title, citation.url, view.hosts)
        return [f"{citation.kind.value}: ", *title, " ", *words(f"{place}{written}")]
    if isinstance(citation, MetricCitation):
        graph = linked("graph", citation.url, view.hosts) if citation.url else []
        return ["metric: ", *code(citation.query), *([" · ", *graph] if graph else [])]
    if isinstance(citation, AlertCitation):
        until = f"{citation.ended:{_CLOCK}}" if citation.ended else "still firing"
        labels = ", ".join(f"{name}={value}" for name, value in sorted(citation.labels.items()))
        title = linked(citation.name, citation.url, view.hosts)
        return ["alert: ", *title, " ", *words(f"{citation.started:{_CLOCK}} – {until} ({labels})")]
    title = linked(citation.text, citation.url, view.hosts)
    return ["change: ", *title, f" ({citation.at:{_CLOCK}})"]
