"""The writer that needs no LLM: sentences taken from evidence, or assembled out of it.

Every sentence is a template filled with samples, times and quotations, and cites where each of
them comes from. It words what the ranking decided and adds nothing.
"""

from __future__ import annotations

from service.reports.cause_sentences import CauseSentences
from service.reports.disturbance_sentences import DisturbanceSentences
from service.reports.draft import Draft, Findings
from service.reports.phrases import Clock

EXTRACTIVE = "extractive"
"""The name of this writer in a report."""
_USUAL = 3
"""Changes shown that are usual at their hour."""


class ExtractiveWriter:
    """A ``ReportWriter`` of templates and quotations."""

    async def write(self, findings: Findings) -> Draft:
        clock = Clock(findings.scope.window)
        of_causes = CauseSentences(findings, clock)
        causes = tuple(of_causes.cause(cause, findings.causes) for cause in findings.causes)
        disturbance = findings.disturbance
        of_night = DisturbanceSentences(findings, clock)
        usual = tuple(of_night.usual(one) for one in findings.observation.usual[:_USUAL])
        if disturbance is None:
            return Draft(writer=EXTRACTIVE, causes=causes, also_seen=usual)
        return Draft(
            writer=EXTRACTIVE,
            summary=(*of_causes.verdict(), *of_night.summary(disturbance)),
            causes=causes,
            impact=(*of_night.impact(disturbance), *of_night.customers(disturbance)),
            timeline=of_night.timeline(disturbance),
            also_seen=(*(of_night.other(other) for other in findings.others), *usual),
        )
