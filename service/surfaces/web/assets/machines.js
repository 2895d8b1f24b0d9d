// The answers about machines ("which clusters need maintenance?") and training runs.

import { banner } from "./banner.js";
import { h, heading, prose } from "./dom.js";
import { about, notSeen } from "./report.js";
import { chips, sentence, sourcesOf } from "./sources.js";

function outcomeOf(report) {
  switch (report.outcome) {
    case "all_well":
      return banner(
        "quiet",
        "Nothing needs maintenance",
        h("p", {}, "Machines were seen, and nothing speaks against any of them."),
      );
    case "nothing_seen":
      return banner(
        "blind",
        "No machine is known",
        h("p", {}, "Neither the metrics nor the documents name one."),
      );
    default:
      return null;
  }
}

export function fleetView(report) {
  const sources = sourcesOf(report);
  const most = Math.max(...report.rows.map((row) => row.score), 0);
  return [
    heading(report.question),
    about(report.window, report.reason),
    outcomeOf(report),
    report.rows.length
      ? h(
          "section",
          { class: "block" },
          h("h2", {}, "Most urgent first"),
          h(
            "ol",
            { class: "plain causes" },
            report.rows.map((row) => h("li", {}, machine(row, most, sources))),
          ),
        )
      : null,
    report.well.length
      ? h(
          "section",
          { class: "block" },
          h("h2", {}, "Nothing against"),
          h(
            "p",
            { class: "names" },
            report.well.map((name) => h("span", { class: "name" }, name)),
          ),
        )
      : null,
    notSeen(report.not_seen, report.dropped_claims),
  ].filter((part) => part);
}

function machine(row, most, sources) {
  const fill = h("span", { class: "fill" });
  fill.style.width = `${most ? (row.score / most) * 100 : 0}%`;
  const place = [row.kind, row.cluster !== row.name ? row.cluster : null, row.region]
    .filter((part) => part)
    .join(" · ");
  return h(
    "details",
    { class: "cause", open: row.rank <= 3 },
    h(
      "summary",
      {},
      h("span", { class: "rank" }, `${row.rank}`),
      h("h3", {}, row.name, h("span", { class: "where" }, ` ${place}`)),
      h(
        "span",
        { class: "likely" },
        h("span", { class: "bar", "aria-hidden": "true" }, fill),
        h("span", { class: "figure" }, row.score.toFixed(2), h("span", { class: "sr" }, " points")),
      ),
    ),
    h(
      "div",
      { class: "body" },
      h(
        "p",
        { class: "note" },
        row.parts.map((part) => `${part.concern} ${part.points.toFixed(2)}`).join(" + "),
      ),
      h(
        "ul",
        { class: "claims" },
        row.reasons.map((reason) =>
          h(
            "li",
            {},
            h("span", { class: "tag" }, `${reason.concern} +${reason.points.toFixed(2)}`),
            reason.is_open ? null : h("span", { class: "tag" }, "over"),
            " ",
            sentence(reason.claim, sources),
          ),
        ),
      ),
      row.next_check
        ? h(
            "p",
            { class: "next" },
            h("span", { class: "tag" }, "Next check"),
            " ",
            prose(row.next_check.text),
            " ",
            chips(row.next_check.citations, sources),
          )
        : null,
    ),
  );
}

export function runsView(report) {
  const sources = sourcesOf(report);
  const visible = report.visible.length
    ? `Visible runs: ${report.visible.join(", ")}.`
    : "No training run reports.";
  return [
    heading(report.question),
    about(report.window, report.reason),
    report.runs.length
      ? report.runs.map((run) => trainingRun(run, sources))
      : banner("blind", "No run answers to this", h("p", {}, visible)),
    notSeen(report.not_seen, report.dropped_claims),
  ]
    .flat()
    .filter((part) => part);
}

function trainingRun(run, sources) {
  const list = (title, claims) =>
    claims.length
      ? [
          h("h3", {}, title),
          h(
            "ul",
            { class: "claims" },
            claims.map((claim) => h("li", {}, sentence(claim, sources))),
          ),
        ]
      : null;
  return h(
    "section",
    { class: "block run" },
    h(
      "h2",
      {},
      run.name,
      " ",
      h("span", { class: `verdict ${run.verdict.replaceAll(" ", "-")}` }, run.verdict),
      run.clusters.length ? h("span", { class: "note" }, ` on ${run.clusters.join(", ")}`) : null,
    ),
    list("Problems", run.problems),
    list("State", run.state),
    list("Over", run.over),
  );
}
