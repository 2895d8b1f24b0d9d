"""A draft → the report: what the verifier accepts of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from service.reports.citations import Verifier
from service.reports.draft import Draft, DraftClaim, Findings
from service.reports.model import (
    Cause,
    Citation,
    Claim,
    Impact,
    ModelCall,
    Outcome,
    PassageCitation,
    Report,
)
from service.scope import mentioned


def compose(
    draft: Draft,
    linked: Sequence[PassageCitation],
    related: Sequence[PassageCitation],
    findings: Findings,
    verifier: Verifier,
    missing: Iterable[str],
) -> Report:
    """The report without charts and timings.

    ``linked`` is what the asked alerts' rules link, ``related`` what is shown after it where no
    cause is; ``missing``: what could not be looked at, in words.
    """
    summary = verifier.accept(draft.summary)
    causes: list[Cause] = []
    for item in draft.causes:
        evidence = verifier.accept(item.evidence)
        if not evidence:
            continue  # a cause that nothing supports is no cause
        check = verifier.accept([item.next_check]) if item.next_check else ()
        causes.append(
            Cause(
                rank=len(causes) + 1,
                component=item.ranked.component,
                region=item.ranked.region,
                score=item.ranked.score,
                parts=item.ranked.parts,
                confidence=item.ranked.confidence,
                kinds=item.ranked.kinds,
                accounted=item.ranked.accounted,
                evidence=evidence,
                against=verifier.accept(item.against),
                next_check=check[0] if check else None,
                runbook=item.runbook,
            )
        )
    impact = _impact(verifier.accept(draft.impact), findings)
    timeline = verifier.accept(draft.timeline)
    also_seen = verifier.accept(draft.also_seen)
    shown: list[PassageCitation] = []
    for citation in [*linked, *(() if causes else related)]:
        accepted = verifier.accept([DraftClaim(text=f"“{citation.quote}”", citations=(citation,))])
        numbers = accepted[0].citations if accepted else ()
        shown.extend(
            c for c in verifier.citations if c.number in numbers and isinstance(c, PassageCitation)
        )
    if causes:
        outcome = Outcome.CAUSES
    elif findings.disturbance is None and findings.observation.reached:
        outcome = Outcome.NO_INCIDENT_VISIBLE
    else:
        outcome = Outcome.NO_CAUSE_SUPPORTED
    citations: tuple[Citation, ...] = verifier.citations
    return Report(
        question=findings.question,
        asked_at=findings.scope.as_of,
        scope=findings.scope,
        outcome=outcome,
        summary=summary,
        causes=tuple(causes),
        impact=impact,
        timeline=timeline,
        also_seen=also_seen,
        not_seen=tuple(dict.fromkeys(missing)),
        related=tuple(shown),
        citations=citations,
        dropped_claims=len(verifier.dropped) + len(draft.refused),
        writer=draft.writer,
        calls=tuple(
            ModelCall(
                model=call.model,
                purpose=call.purpose,
                prompt_tokens=call.usage.prompt_tokens,
                completion_tokens=call.usage.completion_tokens,
                seconds=round(call.usage.seconds, 3),
                cost=call.usage.cost,
                estimated=call.usage.estimated,
            )
            for call in draft.calls
        ),
        charts=(),
        timings=(),
    )


def _impact(claims: tuple[Claim, ...], findings: Findings) -> Impact:
    """The names that the accepted sentences show, and no others."""
    text = "\n".join(claim.text for claim in claims)
    disturbance, vocabulary = findings.disturbance, findings.vocabulary
    return Impact(
        services=mentioned(text, disturbance.components if disturbance else ()),
        regions=mentioned(text, vocabulary.regions),
        customers=mentioned(text, vocabulary.customers),
        claims=claims,
    )
