// A kept answer of any kind, with what can be done about it.

import { actions } from "./actions.js";
import { followUp } from "./ask.js";
import { chartView } from "./chart_answer.js";
import { h } from "./dom.js";
import { Feedback, reportButtons } from "./feedback.js";
import { dateTime } from "./format.js";
import { fleetView, runsView } from "./machines.js";
import { colophon, reportView } from "./report.js";
import { reportPlace } from "./routes.js";
import { sourceList } from "./sources.js";

/** `submit({question, after})` asks on. */
export function storedView(stored, submit) {
  const feedback = new Feedback(stored.id);
  const view = h(
    "article",
    { class: "answer", "data-kind": stored.kind },
    viewOf(stored, feedback),
    reportButtons(feedback),
    stored.kind === "report" ? [followUp(stored, submit), actions(stored.id)] : null,
    stored.kind === "chart" ? null : sourceList(stored.answer),
    stored.kind === "report" ? colophon(stored.answer) : null,
    h(
      "p",
      { class: "colophon" },
      stored.after
        ? [h("a", { href: reportPlace(stored.after) }, "Goes on from an earlier report"), " · "]
        : null,
      `kept ${dateTime(stored.created_at)} UTC · asked by ${stored.asked_by} · `,
      h("a", { href: reportPlace(stored.id) }, "permalink"),
    ),
  );
  feedback.load();
  return view;
}

function viewOf({ kind, answer }, feedback) {
  switch (kind) {
    case "chart":
      return chartView(answer);
    case "fleet":
      return fleetView(answer);
    case "runs":
      return runsView(answer);
    default:
      return reportView(answer, feedback);
  }
}
