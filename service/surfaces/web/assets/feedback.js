// What a reader says about a report and its causes. Their later word replaces the earlier one.

import { getJson, postJson, Problem } from "./api.js";
import { announce, h, svg } from "./dom.js";

/** A thumb, drawn: fonts have it in a hundred colours, or not at all. */
const thumb = () =>
  svg(
    "svg",
    { viewBox: "0 0 20 20", "aria-hidden": "true" },
    svg("path", {
      d: "M2.5 9h3v8h-3z M5.5 9.5 9 2.5c1.7 0 2.3 1.2 2 2.7L10.5 8h5.2c1 0 1.7.9 1.5 1.9l-1.2 5.6c-.2.9-.9 1.5-1.8 1.5H5.5",
    }),
  );

const OF_THE_REPORT = [
  ["up", thumb, "Helpful"],
  ["down", thumb, "Not helpful"],
];
const OF_A_CAUSE = [
  ["confirm", () => "✓ Confirm this cause", "Confirmed"],
  ["reject", () => "Not this", "Rejected"],
];

/** The feedback on one report: what is said already is fetched once, and shown where it belongs. */
export class Feedback {
  #path;
  #groups = [];
  #last = Promise.resolve();

  constructor(reportId) {
    this.#path = `/v1/reports/${encodeURIComponent(reportId)}/feedback`;
  }

  /** One after another: what is said later must arrive later, too. */
  #inTurn(work) {
    this.#last = this.#last.catch(() => {}).then(work);
    return this.#last;
  }

  load() {
    return this.#inTurn(() => this.#read());
  }

  async #read() {
    try {
      const { items, you } = await getJson(this.#path);
      for (const group of this.#groups) {
        const mine = items.find(
          (item) => item.by === you && (item.component ?? null) === group.component,
        );
        if (mine) group.mark(mine.verdict);
        group.others(
          items.filter((item) => item.by !== you && (item.component ?? null) === group.component),
        );
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // without it, buttons show nothing said yet
    }
  }

  buttons(choices, component, label) {
    const note = h("span", { class: "note", role: "status" });
    const buttons = new Map();
    const mark = (verdict) => {
      for (const [name, button] of buttons)
        button.setAttribute("aria-pressed", `${name === verdict}`);
    };
    const say = async (verdict, done) => {
      note.textContent = "";
      try {
        await postJson(this.#path, { verdict, component });
        mark(verdict);
        note.textContent = `${done}, thank you.`;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        note.textContent = error.message;
        announce(error.message);
      }
    };
    for (const [verdict, face, done] of choices) {
      buttons.set(
        verdict,
        h(
          "button",
          {
            type: "button",
            "aria-pressed": "false",
            "aria-label": component === null ? done : null,
            class: `say ${verdict}`,
            on: { click: () => this.#inTurn(() => say(verdict, done)) },
          },
          face(),
        ),
      );
    }
    const others = (items) => {
      if (items.length && !note.textContent)
        note.textContent = items.map((item) => `${item.by}: ${item.verdict}`).join(" · ");
    };
    this.#groups.push({ component, mark, others });
    return h(
      "div",
      { class: "say-row", role: "group", "aria-label": label },
      [...buttons.values()],
      note,
    );
  }
}

export const reportButtons = (feedback) =>
  feedback.buttons(OF_THE_REPORT, null, "Was this report helpful?");

export const causeButtons = (feedback, component, name) =>
  feedback.buttons(OF_A_CAUSE, component, `Is it ${name}?`);
