"""A kept answer as HTTP shows it: JSON with its address, or Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import assert_never

from service.events import SentenceTold
from service.inspected import FleetReport, RunsReport
from service.queries.answer import QueryAnswer
from service.queries.drawing import as_markdown
from service.reports.markdown import plain, source_line, to_markdown
from service.reports.model import Report
from service.store import StoredReport
from service.surfaces.http.serving import Serving, address_of
from service.telling import told


class Answered(StoredReport):
    """A kept answer. ``answer`` is what ``kind`` says; ``url``: where to get it again."""

    url: str


def answered(stored: StoredReport, serving: Serving) -> Answered:
    """The answer with its address."""
    values = {name: getattr(stored, name) for name in StoredReport.model_fields}
    return Answered(**values, url=address_of(serving, path_of(stored.id)))


def path_of(report_id: str) -> str:
    """The path of a kept answer."""
    return f"/v1/reports/{report_id}"


def page_address(serving: Serving, report_id: str) -> str | None:
    """Where a person opens a kept answer; None where nobody said where people find the server."""
    if serving.settings.public_url is None:
        return None
    return address_of(serving, f"/reports/{report_id}")


def chart_path(report_id: str, number: int) -> str:
    """The path of one of its charts."""
    return f"{path_of(report_id)}/charts/{number}.svg"


def markdown_of(stored: StoredReport, serving: Serving) -> str:
    """The answer as Markdown, with the addresses of its charts."""
    answer = stored.answer
    match answer:
        case Report():
            numbers = [chart.citation for chart in answer.charts]
            images = {n: address_of(serving, chart_path(stored.id, n)) for n in numbers}
            return to_markdown(answer, images)
        case QueryAnswer():
            return as_markdown(answer) + "\n"
        case FleetReport() | RunsReport():
            return "\n\n".join(_inspection(answer)) + "\n"
        case _:
            assert_never(answer)


def _inspection(answer: FleetReport | RunsReport) -> Iterator[str]:
    window = answer.window
    yield f"# {plain(answer.question)}"
    yield (
        f"*{window.start:%Y-%m-%d %H:%M} – {window.end:%Y-%m-%d %H:%M} UTC "
        f"({plain(answer.reason)})*"
    )
    sentences = (event for event in told(answer) if isinstance(event, SentenceTold))
    for section, said in groupby(sentences, key=lambda event: event.section):
        yield f"## {plain(section)}"
        yield "\n".join(_sentence(event) for event in said)
    for title, items in (
        ("Nothing against", answer.well if isinstance(answer, FleetReport) else ()),
        ("What I could not see", answer.not_seen),
    ):
        if items:
            yield f"## {title}"
            yield "\n".join(f"- {plain(item)}" for item in items)
    if answer.citations:
        yield "## Sources"
        yield "\n".join(source_line(citation) for citation in answer.citations)


def _sentence(event: SentenceTold) -> str:
    return f"- {plain(event.text)} {''.join(f'[{number}]' for number in event.citations)}"
