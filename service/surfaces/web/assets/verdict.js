// Which answer a report is. Nothing happened, nothing supports a cause, and nobody can see the
// metrics are three different things, and look different.

import { banner } from "./banner.js";
import { h } from "./dom.js";
import { percent } from "./format.js";

const METRICS_MISSING = /^(?:the )?metrics: /;

/** {kind, title, text, reasons}: kind is causes, quiet, unsupported or blind. */
export function verdictOf(report) {
  const reasons = report.not_seen.filter((line) => METRICS_MISSING.test(line));
  const [first] = report.causes;
  if (report.outcome === "causes" && !reasons.length) {
    const where = first.region ? ` (${first.region})` : "";
    const likely = first.confidence === null ? "" : `${percent(first.confidence)} likely`;
    return { kind: "causes", title: `${first.component}${where}`, text: likely, reasons };
  }
  if (report.outcome === "causes") {
    return {
      kind: "blind",
      title: "I can't see the metrics",
      text: "The causes below rest on documents alone, and nobody can say how likely they are.",
      reasons,
    };
  }
  if (report.outcome === "no_incident_visible") {
    return {
      kind: "quiet",
      title: "No incident visible",
      text: "The metrics were read, and nothing in this scope went wrong.",
      reasons: [],
    };
  }
  if (reasons.length) {
    return {
      kind: "blind",
      title: "I can't see the metrics",
      text: "So nobody can say from here whether something is wrong. This is not an all-clear.",
      reasons,
    };
  }
  return {
    kind: "unsupported",
    title: "No cause is supported",
    text: "Something went wrong, and nothing that could be seen supports a cause.",
    reasons: [],
  };
}

/** `lead`: what stands below the title. */
export function verdictBanner({ kind, title, text, reasons }, lead) {
  if (kind === "causes") {
    return banner(kind, [title, h("span", { class: "figure" }, text)], lead);
  }
  const because = reasons.map((reason) => h("li", {}, reason));
  return banner(kind, title, h("p", {}, text), lead, because.length ? h("ul", {}, because) : null);
}
