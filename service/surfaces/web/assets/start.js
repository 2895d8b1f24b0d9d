// Where one arrives: examples to ask, the night in one line, what was asked last.

import { Problem } from "./api.js";
import { briefingOf, headline } from "./briefing.js";
import { h, heading, show } from "./dom.js";
import { reportList, reportsPage } from "./reports.js";
import { briefingPlace } from "./routes.js";

const EXAMPLES = [
  "What happened last night?",
  "What went wrong in the last hour?",
  "Who was affected last night?",
  "Which clusters need maintenance?",
  "Are the training runs healthy?",
];
const RECENT = 6;

/** Shown at once; what has to be asked for fills in. */
export function startView(signal, submit) {
  const night = h("div", {}, h("p", { class: "note" }, "Reading …"));
  const recent = h("div", {}, h("p", { class: "note" }, "Reading …"));
  fill(night, async () => {
    const found = await briefingOf("today", signal);
    return [
      headline(found, null),
      h("p", {}, h("a", { href: briefingPlace(found.date) }, "Read the briefing")),
    ];
  });
  fill(recent, async () => {
    const { reports } = await reportsPage(null, RECENT, signal);
    return reports.length
      ? [reportList(reports), h("p", {}, h("a", { href: "#/reports" }, "All past reports"))]
      : h("p", { class: "note" }, "Nothing was asked yet.");
  });
  return [
    heading("What went wrong, and why?"),
    h(
      "ul",
      { class: "plain examples" },
      EXAMPLES.map((question) =>
        h(
          "li",
          {},
          h("button", { type: "button", on: { click: () => submit({ question }) } }, question),
        ),
      ),
    ),
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        { class: "main block", "aria-labelledby": "recent" },
        h("h2", { id: "recent" }, "Asked last", h("span", { class: "note" }, " UTC")),
        recent,
      ),
      h(
        "section",
        { class: "side block", "aria-labelledby": "night" },
        h("h2", { id: "night" }, "This morning's briefing"),
        night,
      ),
    ),
  ];
}

async function fill(place, read) {
  try {
    show(place, await read());
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem)) throw error;
    show(place, h("p", { class: "note" }, error.status === 404 ? "None yet." : error.message));
  }
}
