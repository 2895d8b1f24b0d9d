// What happened when, in one column of times.

import { h } from "./dom.js";
import { sentence } from "./sources.js";

const TIMED = /^((?:\d{4}-\d\d-\d\d )?\d\d:\d\d) (.*)$/s;

export function timeline(claims, sources) {
  if (!claims.length) return null;
  return h(
    "section",
    { class: "block", "aria-labelledby": "timeline" },
    h("h2", { id: "timeline" }, "Timeline", h("span", { class: "note" }, " UTC")),
    timeList(claims, sources),
  );
}

export function timeList(claims, sources) {
  return h(
    "ol",
    { class: "plain timeline" },
    claims.map((claim) => {
      const [, time, text] = TIMED.exec(claim.text) ?? [null, "", claim.text];
      const type = sources.citations.get(claim.citations[0])?.type ?? "";
      return h(
        "li",
        { class: `at-${type}` },
        time ? h("time", {}, time) : h("span", {}),
        h("span", {}, sentence({ text, citations: claim.citations }, sources)),
      );
    }),
  );
}
