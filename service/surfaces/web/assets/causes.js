// The causes: how likely, why this rank, the evidence, what to check next.

import { copyButton, external, h, prose } from "./dom.js";
import { causeButtons } from "./feedback.js";
import { percent } from "./format.js";
import { chips, sentence } from "./sources.js";

const PARTS = [
  ["metrics", "how far its own metrics left their past"],
  ["onset", "how early it changed, compared with everything else"],
  ["change", "how shortly before a deployment or other change on it happened"],
  ["knowledge", "how well past incidents and runbooks name it"],
];

/** `feedback`: see feedback.js. */
export function causeList(causes, sources, feedback) {
  if (!causes.length) return null;
  return h(
    "section",
    { class: "block", "aria-labelledby": "causes" },
    h("h2", { id: "causes" }, "Most likely causes"),
    h(
      "ol",
      { class: "plain causes" },
      causes.map((cause) => h("li", {}, card(cause, sources, feedback))),
    ),
  );
}

function card(cause, sources, feedback) {
  const where = cause.region ? ` (${cause.region})` : "";
  const name = `${cause.component}${where}`;
  return h(
    "details",
    { class: "cause", open: cause.rank === 1 },
    h(
      "summary",
      {},
      h("span", { class: "rank" }, `${cause.rank}`),
      h(
        "h3",
        {},
        cause.component,
        cause.region ? h("span", { class: "where" }, ` ${cause.region}`) : null,
      ),
      likelihood(cause),
    ),
    h(
      "div",
      { class: "body" },
      h(
        "ul",
        { class: "claims" },
        cause.evidence.map((claim) => h("li", {}, sentence(claim, sources))),
      ),
      cause.against.length
        ? h(
            "ul",
            { class: "claims against" },
            cause.against.map((claim) =>
              h("li", {}, h("span", { class: "tag" }, "Against"), " ", sentence(claim, sources)),
            ),
          )
        : null,
      nextCheck(cause.next_check, sources),
      cause.runbook
        ? h(
            "p",
            { class: "runbook" },
            h("span", { class: "tag" }, "Runbook"),
            " ",
            external(cause.runbook.url, cause.runbook.title),
          )
        : null,
      rankReasons(cause),
      causeButtons(feedback, cause.component, name),
    ),
  );
}

function likelihood(cause) {
  if (cause.confidence === null)
    return h("span", { class: "likely" }, h("span", { class: "note" }, "likelihood unknown"));
  const bar = h("span", { class: "fill" });
  bar.style.width = percent(cause.confidence);
  return h(
    "span",
    { class: "likely" },
    h("span", { class: "bar", "aria-hidden": "true" }, bar),
    h(
      "span",
      { class: "figure" },
      percent(cause.confidence),
      h("span", { class: "sr" }, " likely"),
    ),
  );
}

function nextCheck(claim, sources) {
  if (!claim) return null;
  const code = /^`([^`]+)`$/.exec(claim.text.trim())?.[1];
  return h(
    "p",
    { class: "next" },
    h("span", { class: "tag" }, "Next check"),
    " ",
    prose(claim.text),
    " ",
    chips(claim.citations, sources),
    code ? [" ", copyButton(code, "Copy the next check")] : null,
  );
}

/** The score in its parts: each is weighted already, and they add up. */
function rankReasons(cause) {
  const stack = h(
    "span",
    { class: "stack", "aria-hidden": "true" },
    PARTS.map(([part]) => {
      const piece = h("span", { class: part });
      piece.style.width = `${cause.parts[part] * 100}%`;
      return piece;
    }),
  );
  const notes = [
    cause.kinds.length ? `its ${cause.kinds.join(", ")} left their past` : null,
    cause.accounted === null ? null : `it adds ${percent(cause.accounted)} of the symptom itself`,
  ].filter((note) => note);
  return h(
    "details",
    { class: "why" },
    h(
      "summary",
      {},
      "Why this rank",
      h("span", { class: "figure" }, `score ${cause.score.toFixed(2)}`),
      stack,
    ),
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        PARTS.map(([part, means]) =>
          h(
            "tr",
            {},
            h(
              "th",
              { scope: "row" },
              h("span", { class: `dot ${part}`, "aria-hidden": "true" }),
              part,
            ),
            h("td", { class: "figure" }, cause.parts[part].toFixed(2)),
            h("td", { class: "note" }, means),
          ),
        ),
      ),
    ),
    notes.length ? h("p", { class: "note" }, `Also: ${notes.join("; ")}.`) : null,
  );
}
