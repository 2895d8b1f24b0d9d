"""Report → Markdown: for the terminal, and for whoever pastes it into a ticket."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from service.intent import Intent
from service.reports.charts import as_text
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
from service.reports.phrases import readable


def to_markdown(report: Report, images: Mapping[int, str] | None = None) -> str:
    """The whole report. Times are UTC.

    ``images``: number of a charted citation → address of its image; the others are drawn as text.
    """
    return "\n\n".join(block for block in _blocks(report, images or {}) if block) + "\n"


def _blocks(report: Report, images: Mapping[int, str]) -> Iterable[str]:
    window = report.scope.window
    yield f"# {plain(report.question)}"
    about = [
        f"{window.start:%Y-%m-%d %H:%M} – {window.end:%Y-%m-%d %H:%M} UTC ({report.scope.reason})",
        *(
            ", ".join(names)
            for names in (report.scope.services, report.scope.regions, report.scope.customers)
            if names
        ),
    ]
    yield f"*{' · '.join(about)}*"
    if report.outcome is Outcome.NO_INCIDENT_VISIBLE:
        yield "**No incident visible.** The metrics were read; nothing in this scope went wrong."
    elif report.outcome is Outcome.NO_CAUSE_SUPPORTED:
        yield "**No cause is supported by what could be seen.**"
    if report.summary:
        yield _list(report.summary)
    for chart in report.charts:
        if chart.citation in images:
            yield f"![{plain(chart.title)}]({images[chart.citation]})"
        else:
            yield f"{plain(chart.title)} [{chart.citation}]\n\n```text\n{as_text(chart)}\n```"
    sections = {Intent.WHY: _causes, Intent.IMPACT: _impact, Intent.WHAT_HAPPENED: _timeline}
    # What was asked for comes first, the rest in its usual order.
    for wanted in sorted(sections, key=lambda intent: intent is not report.intent):
        yield from sections[wanted](report)
    if report.also_seen:
        yield "## Also in this window, apparently unrelated"
        yield _list(report.also_seen)
    if report.related:
        yield "## What is written about it"
        yield "\n".join(_related(passage) for passage in report.related)
    yield "## What I could not see"
    missing = [*report.not_seen]
    if report.dropped_claims:
        missing.append(
            f"{report.dropped_claims} sentence(s) were removed: their citations did not check out"
        )
    yield "\n".join(f"- {plain(item)}" for item in missing) or "Nothing is known to be missing."
    if report.citations:
        yield "## Sources"
        yield "\n".join(source_line(citation) for citation in report.citations)
    total = sum(timing.milliseconds for timing in report.timings)
    phases = " · ".join(f"{t.phase} {t.milliseconds:.0f}" for t in report.timings)
    yield f"*{total:.0f} ms: {phases} · writer: {report.writer}{_spent(report)}*"


def compared(report: Report, before: Report) -> str:
    """A report beside an earlier one: what was the same, and what was not."""
    now, then = ([cause.component for cause in one.causes] for one in (report, before))
    window = before.scope.window
    both = [name for name in now if name in then]
    lines = [
        f"- Then: {', '.join(then) or before.outcome.value.replace('_', ' ')}.",
        f"- Now: {', '.join(now) or report.outcome.value.replace('_', ' ')}.",
        f"- Among the causes both times: {', '.join(both) or 'none'}.",
    ]
    title = f"## Compared with {window.start:%Y-%m-%d %H:%M} – {window.end:%Y-%m-%d %H:%M} UTC"
    return "\n".join((title, "", *lines)) + "\n"


def _causes(report: Report) -> Iterable[str]:
    if report.causes:
        yield "## Most likely causes"
    for cause in report.causes:
        yield _cause(cause)


def _impact(report: Report) -> Iterable[str]:
    impact = report.impact
    if impact.claims or impact.services:
        yield "## Impact"
        names = [
            f"**{label}** {', '.join(values)}"
            for label, values in (
                ("Services", impact.services),
                ("Regions", impact.regions),
                ("Customers", impact.customers),
            )
            if values
        ]
        yield " · ".join(names)
        yield _list(impact.claims)


def _timeline(report: Report) -> Iterable[str]:
    if report.timeline:
        yield "## Timeline"
        yield _list(report.timeline)


def _spent(report: Report) -> str:
    """Tokens and cost of the language models."""
    if not report.calls:
        return ""
    tokens = sum(call.prompt_tokens + call.completion_tokens for call in report.calls)
    written = sum(call.completion_tokens for call in report.calls)
    seconds = sum(call.seconds for call in report.calls)
    costs = [call.cost for call in report.calls if call.cost is not None]
    about = "about " if any(call.estimated for call in report.calls) else ""
    rate = f", {written / seconds:.0f} tokens/s" if seconds else ""
    cost = f", {sum(costs):.4f} in all" if costs else ""
    return f" ({about}{tokens:,} tokens in {len(report.calls)} calls{rate}{cost})"


def _cause(cause: Cause) -> str:
    where = f" ({cause.region})" if cause.region else ""
    parts = cause.parts
    weights = " + ".join(
        f"{name} {value:.2f}"
        for name, value in (
            ("metrics", parts.metrics),
            ("onset", parts.onset),
            ("change", parts.change),
            ("knowledge", parts.knowledge),
        )
    )
    likely = "" if cause.confidence is None else f" – {cause.confidence:.0%} likely"
    why = [f"score {cause.score:.2f} = {weights}"]
    if cause.kinds:
        why.append(f"its {', '.join(cause.kinds)} left their past")
    if cause.accounted is not None:
        why.append(f"adds {cause.accounted:.0%} of the symptom itself")
    lines = [
        f"### {cause.rank}. {plain(cause.component)}{where}{likely}",
        "",
        f"*{'; '.join(why)}*",
        "",
        _list(cause.evidence),
    ]
    lines.extend(f"- Against: {_claim(claim)}" for claim in cause.against)
    if cause.next_check is not None:
        lines.append(f"- **Next check:** {_claim(cause.next_check)}")
    if cause.runbook is not None:
        lines.append(f"- **Runbook:** {_link(cause.runbook.title, cause.runbook.url)}")
    return "\n".join(lines)


def _list(claims: Iterable[Claim]) -> str:
    return "\n".join(f"- {_claim(claim)}" for claim in claims)


def _claim(claim: Claim) -> str:
    numbers = "".join(f"[{number}]" for number in claim.citations)
    return f"{plain(claim.text)} {numbers}"


def _related(citation: PassageCitation) -> str:
    quote = readable(citation.quote)
    short = quote if len(quote) <= 240 else quote[:240].rsplit(" ", 1)[0] + " …"
    return f"- {_link(citation.title, citation.url)}: “{plain(short)}” [{citation.number}]"


def source_line(citation: Citation) -> str:
    """A citation as one item of a list of sources."""
    return f"- [{citation.number}] {_describe(citation)}"


def _describe(citation: Citation) -> str:
    if isinstance(citation, PassageCitation):
        place = " › ".join(citation.headings)
        written = f", {citation.written_at:%Y-%m-%d}" if citation.written_at else ""
        return (
            f"{citation.kind.value}: {_link(citation.title, citation.url)}"
            f"{' › ' + plain(place) if place else ''}"
            f" (characters {citation.start}–{citation.end}{written})"
        )
    if isinstance(citation, MetricCitation):
        labels = ", ".join(f"{name}={value}" for name, value in sorted(citation.labels.items()))
        graph = f" · [graph]({citation.url})" if citation.url else ""
        return f"metric: `{citation.query}` {plain(labels)}{graph}"
    if isinstance(citation, AlertCitation):
        until = f"{citation.ended:%Y-%m-%d %H:%M}" if citation.ended else "still firing"
        labels = ", ".join(f"{name}={value}" for name, value in sorted(citation.labels.items()))
        return (
            f"alert: {citation.name} {citation.started:%Y-%m-%d %H:%M} – {until} ({plain(labels)})"
        )
    assert isinstance(citation, ChangeCitation)  # noqa: S101 - the union's last member
    return f"change: {plain(citation.text)} ({citation.at:%Y-%m-%d %H:%M})"


def _link(title: str, url: str | None) -> str:
    return f"[{plain(title)}]({url})" if url else plain(title)


_ACTIVE = re.compile(r"([\\\[\]<>*#|])|(?<!\w)_|_(?!\w)|!(?=\[)")


def plain(text: str) -> str:
    """Text from documents is data: no markup of its own (links, images, headings, HTML)."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else _ACTIVE.sub(lambda m: "\\" + m[0], part) for part in parts
    )
