// What is being looked at while a question is answered, from the events of service/events.py.

import { announce, external, h, prose, show } from "./dom.js";
import { clock, percent, plural, timeSpan } from "./format.js";
import { sentence } from "./sources.js";

const STEPS = [
  ["scope", "When and what"],
  ["passages", "What is written"],
  ["signals", "What the metrics show"],
  ["causes", "What may be the cause"],
  ["text", "Sentences, each checked against its source"],
];
const MOST = 6; // of what is found, shown while it goes on

export class Progress {
  #rows = new Map();
  #sources = { citations: new Map(), charts: new Map(), zone: "UTC" };
  #sections = new Map();
  #count = 0;

  constructor(question, stop) {
    this.steps = h(
      "ol",
      { class: "plain steps" },
      STEPS.map(([name, title]) => {
        const said = h("span", { class: "said" });
        const found = h("div", { class: "found" });
        const row = h(
          "li",
          { "data-state": "waiting" },
          h("span", { class: "light", "aria-hidden": "true" }),
          h("div", {}, h("p", {}, h("span", { class: "step" }, title), " ", said), found),
        );
        this.#rows.set(name, { row, said, found });
        return row;
      }),
    );
    this.#doing("scope");
    this.clock = h("span", { class: "figure", "aria-hidden": "true" }, "0.0 s");
    this.text = h("div", { class: "told" });
    this.element = h(
      "section",
      { class: "progress", "aria-busy": "true", "aria-label": "Looking" },
      h("h1", { tabindex: "-1" }, question),
      h(
        "p",
        { class: "about" },
        h("span", { class: "looking" }, "Looking …"),
        " ",
        this.clock,
        " ",
        h("button", { type: "button", class: "quiet", on: { click: stop } }, "Stop"),
      ),
      this.steps,
      this.text,
    );
    const began = performance.now();
    this.timer = setInterval(
      () => (this.clock.textContent = `${((performance.now() - began) / 1000).toFixed(1)} s`),
      100,
    );
    announce("Looking.");
  }

  /** Takes an event of the stream; unknown ones are of a newer server, and nothing to show. */
  on(name, value) {
    switch (name) {
      case "scope":
        return this.#scope(value.scope);
      case "passages":
        return this.#passages(value.passages);
      case "signals":
        return this.#signals(value);
      case "causes":
        return this.#causes(value.causes);
      case "citation":
        return this.#sources.citations.set(value.citation.number, value.citation);
      case "text":
        return this.#sentence(value);
    }
  }

  over() {
    clearInterval(this.timer);
    this.element.removeAttribute("aria-busy");
    this.element.querySelector(".about").replaceChildren();
    for (const { row } of this.#rows.values()) {
      if (row.dataset.state === "doing") row.dataset.state = "waiting";
    }
  }

  #doing(...names) {
    for (const name of names) {
      const { row } = this.#rows.get(name);
      if (row.dataset.state === "waiting") row.dataset.state = "doing";
    }
  }

  #done(name, said, ...found) {
    const { row, said: place, found: below } = this.#rows.get(name);
    if (row.dataset.state !== "done") announce(said);
    row.dataset.state = "done";
    place.textContent = said;
    show(below, found);
  }

  #scope({ window, services, regions, customers, reason }) {
    const names = [...services, ...regions, ...customers];
    this.#done(
      "scope",
      [`${timeSpan(window.start, window.end)} (${reason})`, ...names].join(" · "),
    );
    this.#doing("passages", "signals");
  }

  #passages(passages) {
    this.#done(
      "passages",
      passages.length ? `${plural(passages.length, "document")} found` : "no document found",
      passages.length
        ? h(
            "ul",
            {},
            passages
              .slice(0, MOST)
              .map(({ kind, title, url }) =>
                h("li", {}, h("span", { class: "tag" }, kind), " ", external(url, title)),
              ),
          )
        : null,
    );
  }

  #signals({ reached, signals, alerts, changes }) {
    const said = reached
      ? [
          plural(signals.length, "series left its baseline", "series left their baseline"),
          plural(alerts.length, "alert"),
          plural(changes.length, "change"),
        ].join(" · ")
      : "the metrics can't be seen";
    const strongest = [...signals]
      .sort((one, other) => Math.abs(other.strength) - Math.abs(one.strength))
      .slice(0, MOST);
    this.#done(
      "signals",
      said,
      strongest.length
        ? h(
            "ul",
            {},
            strongest.map((signal) =>
              h(
                "li",
                {},
                h("span", { class: "figure" }, clock(signal.started)),
                " ",
                prose(signal.title),
              ),
            ),
          )
        : null,
    );
    this.#doing("causes");
  }

  #causes(causes) {
    this.#done(
      "causes",
      causes.length ? `${plural(causes.length, "candidate")}, ranked` : "no candidate",
      causes.length
        ? h(
            "ol",
            {},
            causes.map(({ component, region, confidence }) =>
              h(
                "li",
                {},
                component,
                region ? h("span", { class: "note" }, ` ${region}`) : null,
                confidence === null
                  ? null
                  : h("span", { class: "figure" }, ` ${percent(confidence)}`),
              ),
            ),
          )
        : null,
    );
    this.#doing("text");
  }

  #sentence({ section, text, citations }) {
    this.#done("text", plural(++this.#count, "sentence"));
    if (!this.#sections.has(section)) {
      const list = h("ul", { class: "claims" });
      this.#sections.set(section, list);
      this.text.append(h("h2", {}, section[0].toUpperCase() + section.slice(1)), list);
    }
    this.#sections.get(section).append(h("li", {}, sentence({ text, citations }, this.#sources)));
    this.element.classList.add("telling");
  }
}
