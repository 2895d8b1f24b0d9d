// From a report to a ticket, with a person's yes in between: what would be created is shown in full,
// and nothing is created before somebody approves it.

import { getJson, postJson, Problem } from "./api.js";
import { announce, external, h, show } from "./dom.js";

const NAMES = {
  jira: "Jira issue",
  pagerduty: "PagerDuty incident",
  "pagerduty-note": "PagerDuty note",
};
const WAITING = ["proposed", "approved", "executing"];

/** Empty where nothing can be proposed; it fills in when the server has said what can. */
export function actions(reportId) {
  const place = h("div", {});
  draw(place, reportId);
  return place;
}

async function draw(place, reportId) {
  let found;
  try {
    found = await getJson(`/v1/actions?${new URLSearchParams({ report_id: reportId })}`);
  } catch (error) {
    if (error instanceof Problem) return; // a reader without it loses no answer
    throw error;
  }
  if (!found.kinds.length && !found.items.length) return;
  const proposals = h(
    "div",
    {},
    found.items.map((item) => proposal(item, found.dry_run)),
  );
  const trouble = h("p", { class: "problem", role: "alert" });
  const propose = async (kind, incident) => {
    trouble.textContent = "";
    try {
      const made = await postJson("/v1/actions", {
        kind,
        report_id: reportId,
        ...(incident ? { incident } : {}),
      });
      const shown = proposal(made, found.dry_run);
      for (const same of proposals.querySelectorAll(`[data-id="${CSS.escape(made.id)}"]`))
        same.remove();
      proposals.prepend(shown);
      shown.querySelector("h3").focus();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      trouble.textContent = error.message;
    }
  };
  show(
    place,
    h(
      "section",
      { class: "block actions", "aria-labelledby": "act" },
      h("h2", { id: "act" }, "Act"),
      h(
        "div",
        { class: "row" },
        found.kinds.map((kind) =>
          kind === "pagerduty-note"
            ? noteForm(propose)
            : h(
                "button",
                { type: "button", on: { click: () => propose(kind) } },
                `Propose a ${NAMES[kind] ?? kind} …`,
              ),
        ),
      ),
      trouble,
      proposals,
    ),
  );
}

function noteForm(propose) {
  const input = h("input", {
    "aria-label": "Id of the PagerDuty incident",
    placeholder: "PagerDuty incident id",
    required: true,
    maxlength: "100",
  });
  const form = h(
    "form",
    { class: "row" },
    input,
    h("button", { type: "submit" }, "Propose a note …"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    propose("pagerduty-note", input.value.trim());
  });
  return form;
}

function proposal(item, dryRun) {
  const place = h("article", { class: "proposal", "data-id": item.id });
  const redraw = (now) => {
    const trouble = h("p", { class: "problem", role: "alert" });
    const decide = async (what, body) => {
      try {
        const decided = await postJson(`/v1/actions/${encodeURIComponent(item.id)}/${what}`, body);
        redraw(decided);
        announce(decided.outcome);
        place.querySelector("h3").focus();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        trouble.textContent = error.message;
      }
    };
    show(
      place,
      h(
        "h3",
        { tabindex: "-1" },
        NAMES[now.kind] ?? now.kind,
        " ",
        h("span", { class: "tag" }, now.state.replaceAll("_", " ")),
      ),
      h("p", {}, now.outcome, now.result_url ? [" ", external(now.result_url, "Open it")] : null),
      h(
        "dl",
        { class: "payload" },
        Object.entries(now.payload)
          .filter(([name]) => name !== "kind")
          .map(([name, value]) => [
            h("dt", {}, name.replaceAll("_", " ")),
            h("dd", {}, `${value}`),
          ]),
      ),
      WAITING.includes(now.state)
        ? h(
            "div",
            { class: "row" },
            h(
              "button",
              { type: "button", class: "primary", on: { click: () => decide("approve") } },
              dryRun ? "Approve (dry run: only written down)" : "Approve and create",
            ),
            now.state === "proposed"
              ? h("button", { type: "button", on: { click: () => decide("reject", {}) } }, "Reject")
              : null,
          )
        : null,
      trouble,
    );
  };
  redraw(item);
  return place;
}
