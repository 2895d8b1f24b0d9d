// Asking: one question at a time, its progress where the answer will stand, and a way to stop.

import { postForEvents, Problem } from "./api.js";
import { banner } from "./banner.js";
import { announce, h, show } from "./dom.js";
import { Progress } from "./progress.js";

let asking = null; // AbortController of the question that is being answered

export function stopAsking() {
  asking?.abort();
  asking = null;
}

/**
 * Asks, and shows what comes in `place`. `asked`: {question, since?, until?, after?}.
 * `arrived(id)`: called when the answer is there, and kept.
 */
export async function ask(place, asked, arrived) {
  stopAsking();
  const mine = (asking = new AbortController());
  const progress = new Progress(asked.question, () => mine.abort());
  const again = () => ask(place, asked, arrived);
  show(place, progress.element);
  document.title = `${asked.question} – Why`;
  let done = null;
  try {
    await postForEvents(
      "/v1/ask",
      asked,
      (name, value) => {
        if (name === "done") done = value;
        else if (name === "error") throw new Problem(value.status, value.detail ?? value.title);
        else progress.on(name, value);
      },
      mine.signal,
    );
    if (done === null) throw new TypeError("the stream ended early");
    if (asking === mine) arrived(done.id);
  } catch (error) {
    if (asking !== mine) return; // another question took its place
    const text = reasonOf(error);
    progress.element.append(problem(text ?? FAULT, again));
    announce(text ?? FAULT);
    if (text === null) throw error;
  } finally {
    progress.over();
  }
}

const FAULT = "This page could not read the answer. That is a fault of the page.";

/** Why there is no answer, in words; null for what nobody expected. */
function reasonOf(error) {
  if (error.name === "AbortError") return "Stopped.";
  if (error instanceof Problem) return error.message;
  // What a reader of a response raises, when the network goes.
  if (error instanceof TypeError)
    return "The connection broke off. The answer may be among the past reports already.";
  return null;
}

/** What went wrong, and a way to try again. */
export function problem(text, again) {
  const button = h("button", { type: "button", on: { click: again } }, "Try again");
  return banner("wrong", text, button);
}

/** The form that stands on top of every view. `submit({question, since?, until?})`. */
export function askForm(form, submit) {
  const field = form.elements.namedItem("question");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const asked = Object.fromEntries(
      [...data].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value),
    );
    if (asked.question) submit(asked);
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}

/** A box to go on from a report: the same window and services, unless it names others. */
export function followUp(report, submit) {
  const form = h(
    "form",
    { class: "ask follow-up", "aria-label": "Ask on" },
    h("label", { for: "follow-up" }, "Ask on from here"),
    h("input", {
      id: "follow-up",
      name: "question",
      autocomplete: "off",
      required: true,
      placeholder: "and in us-east?",
      maxlength: "2000",
    }),
    h("button", { type: "submit" }, "Ask"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = form.elements.namedItem("question").value.trim();
    if (question) submit({ question, after: report.id });
  });
  return form;
}
