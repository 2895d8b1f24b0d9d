// Which moments a chart marks: where its series left its baseline, and what was changed about then.

import { clock, dateTime } from "./format.js";

const ONSET = /(?:left|leaves) its baseline(?: again)?(?: at ((?:\d{4}-\d\d-\d\d )?\d\d:\d\d))?/g;
const TIME_FIRST = /^((?:\d{4}-\d\d-\d\d )?\d\d:\d\d) /;

/**
 * When a cited series left its baseline: what the report's sentences say of it, where the citation
 * has a sample of that very moment. Milliseconds, ascending.
 */
export function onsetsOf(report, number) {
  const citation = report.citations.find((one) => one.number === number);
  if (citation?.type !== "metric") return [];
  const said = new Set(
    claimsOf(report)
      .filter((claim) => claim.citations.includes(number))
      .flatMap((claim) =>
        [...claim.text.matchAll(ONSET)].map(
          (match) => match[1] ?? TIME_FIRST.exec(claim.text)?.[1],
        ),
      ),
  );
  return citation.samples
    .filter((sample) => said.has(clock(sample.at)) || said.has(dateTime(sample.at)))
    .map((sample) => Date.parse(sample.at));
}

/** The changes that the report cites within its window: {at: milliseconds, text, number}. */
export function changesOf(report) {
  const { start, end } = report.scope.window;
  return report.citations
    .filter((citation) => citation.type === "change")
    .map((citation) => ({
      at: Date.parse(citation.at),
      text: citation.text,
      number: citation.number,
    }))
    .filter(({ at }) => at >= Date.parse(start) && at <= Date.parse(end))
    .sort((one, other) => one.at - other.at);
}

function claimsOf(report) {
  return [
    ...report.summary,
    ...report.causes.flatMap((cause) => cause.evidence),
    ...report.timeline,
  ];
}
