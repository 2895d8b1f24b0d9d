// A report: why on the left, when on the right, in one column where there is no room for two.

import { causeList } from "./causes.js";
import { course, figure } from "./charts.js";
import { external, h, heading } from "./dom.js";
import { clock, plural, timeSpan } from "./format.js";
import { changesOf, onsetsOf } from "./marks.js";
import { chips, sentence, sourcesOf } from "./sources.js";
import { timeline } from "./timeline.js";
import { verdictBanner, verdictOf } from "./verdict.js";

/** `feedback`: see feedback.js. */
export function reportView(report, feedback) {
  const sources = sourcesOf(report);
  const parts = {
    why: causeList(report.causes, sources, feedback),
    "what happened": timeline(report.timeline, sources),
    impact: impact(report.impact, sources),
  };
  const wanted = report.intent; // what was asked for comes first, the rest in its usual order
  const main = wanted === "impact" ? [parts.impact, parts.why] : [parts.why, parts.impact];
  const charts = chartColumn(report, sources);
  const when = [charts, parts["what happened"]];
  const [first, ...rest] = report.summary;
  return [
    heading(report.question),
    about(report.scope.window, report.scope.reason, [
      ...report.scope.services,
      ...report.scope.regions,
      ...report.scope.customers,
    ]),
    verdictBanner(
      verdictOf(report),
      first ? h("p", { class: "lead" }, sentence(first, sources)) : null,
    ),
    h(
      "div",
      { class: wanted === "what happened" ? "columns when-first" : "columns" },
      wanted === "what happened" ? side(when.reverse()) : null,
      h(
        "div",
        { class: "main" },
        rest.length
          ? h(
              "section",
              { class: "block summary", "aria-label": "Summary" },
              h(
                "ul",
                { class: "claims" },
                rest.map((claim) => h("li", {}, sentence(claim, sources))),
              ),
            )
          : null,
        main,
        claimBlock("Also in this window, apparently unrelated", report.also_seen, sources),
        related(report.related, sources),
      ),
      wanted === "what happened" ? null : side(when),
    ),
    notSeen(report.not_seen, report.dropped_claims),
  ].filter((part) => part);
}

function side(parts) {
  return parts.some((part) => part) ? h("div", { class: "side" }, parts) : null;
}

/** The window and the names that an answer is about. */
export function about(window, reason, names = []) {
  return h(
    "p",
    { class: "about" },
    h("span", {}, timeSpan(window.start, window.end)),
    h("span", { class: "note" }, ` (${reason})`),
    names.map((name) => [" ", h("span", { class: "name" }, name)]),
  );
}

export function claimBlock(title, claims, sources) {
  if (!claims.length) return null;
  return h(
    "section",
    { class: "block" },
    h("h2", {}, title),
    h(
      "ul",
      { class: "claims" },
      claims.map((claim) => h("li", {}, sentence(claim, sources))),
    ),
  );
}

/**
 * What could not be seen, and how much was left out because its citations did not hold; `dropped`
 * is null for an answer without sentences.
 */
export function notSeen(lines, dropped) {
  const said = [...lines];
  if (dropped)
    said.push(
      `${plural(dropped, "sentence was", "sentences were")} removed: the citations did not check out.`,
    );
  return h(
    "section",
    { class: said.length ? "block missing" : "block" },
    h("h2", {}, "What I could not see"),
    said.length
      ? h(
          "ul",
          { class: "claims" },
          said.map((line) => h("li", {}, line)),
        )
      : h(
          "p",
          { class: "note" },
          dropped === null
            ? "Nothing is known to be missing."
            : "Nothing is known to be missing. No sentence was removed.",
        ),
  );
}

function chartColumn(report, sources) {
  if (!report.charts.length) return null;
  const changes = changesOf(report);
  return h(
    "section",
    { class: "block", "aria-labelledby": "signals" },
    h(
      "h2",
      { id: "signals" },
      "Signals",
      h(
        "span",
        { class: "key" },
        h("span", { class: "onset" }, "leaves its baseline"),
        changes.length ? h("span", { class: "changed" }, "change") : null,
      ),
    ),
    report.charts.map((chart) => {
      const onsets = onsetsOf(report, chart.citation);
      return figure({
        title: chart.title,
        unit: chart.unit,
        series: [{ name: chart.title, points: chart.points }],
        span: report.scope.window,
        marks: [
          ...onsets.map((at) => ({ at, kind: "onset" })),
          ...changes.map(({ at }) => ({ at, kind: "change" })),
        ],
        words: inWords(chart, onsets, changes),
        after: chips([chart.citation], sources),
      });
    }),
  );
}

/** A chart for those who can't see it, with what is marked in it. */
function inWords(chart, onsets, changes) {
  const left = onsets.length
    ? ` Leaves its baseline at ${onsets.map((at) => clock(at)).join(" and ")}.`
    : "";
  const changed = changes.length
    ? ` Changes: ${changes.map(({ at, text }) => `${clock(at)} ${text}`).join("; ")}.`
    : "";
  return h("span", {}, `${course(chart)}${left}`, h("span", { class: "sr" }, changed));
}

function impact(found, sources) {
  const names = namesOf(found);
  if (!names && !found.claims.length) return null;
  return h(
    "section",
    { class: "block", "aria-labelledby": "impact" },
    h("h2", { id: "impact" }, "Impact"),
    names,
    h(
      "ul",
      { class: "claims" },
      found.claims.map((claim) => h("li", {}, sentence(claim, sources))),
    ),
  );
}

/** Who is named: services, regions, customers; null where nobody is. */
export function namesOf({ services, regions, customers }) {
  const groups = [
    ["Services", services],
    ["Regions", regions],
    ["Customers", customers],
  ].filter(([, names]) => names.length);
  if (!groups.length) return null;
  return h(
    "dl",
    { class: "names" },
    groups.map(([label, names]) =>
      h(
        "div",
        {},
        h("dt", {}, label),
        h(
          "dd",
          {},
          names.map((name) => h("span", { class: "name" }, name)),
        ),
      ),
    ),
  );
}

function related(passages, sources) {
  if (!passages.length) return null;
  return h(
    "section",
    { class: "block" },
    h("h2", {}, "What is written about it"),
    h(
      "ul",
      { class: "plain related" },
      passages.map((passage) =>
        h(
          "li",
          {},
          h(
            "p",
            {},
            h("span", { class: "tag" }, passage.kind),
            " ",
            external(passage.url, passage.title),
            " ",
            chips([passage.number], sources),
          ),
          h("blockquote", {}, shortened(passage.quote)),
        ),
      ),
    ),
  );
}

function shortened(quote) {
  const text = quote
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join(" ")
    .split(/\s+/)
    .join(" ")
    .replace(/!?\[([^[\]]*)\]\([^()\s]*\)/g, "$1")
    .replace(/\*\*([^*]+)\*\*/g, "$1")
    .trim();
  return text.length <= 280 ? text : `${text.slice(0, 280).replace(/\s+\S*$/, "")} …`;
}

/** How it was made: time by phase, writer, tokens. */
export function colophon(report) {
  const total = report.timings.reduce((sum, timing) => sum + timing.milliseconds, 0);
  const phases = report.timings
    .map((timing) => `${timing.phase} ${Math.round(timing.milliseconds)}`)
    .join(" · ");
  const tokens = report.calls.reduce(
    (sum, call) => sum + call.prompt_tokens + call.completion_tokens,
    0,
  );
  const spent = report.calls.length
    ? ` · ${plural(tokens, "token")} in ${plural(report.calls.length, "call")}`
    : "";
  return h(
    "p",
    { class: "colophon" },
    `${Math.round(total)} ms: ${phases} · writer: ${report.writer}${spent}`,
  );
}
