// What the answers are made from, and whether it is there now.

import { getAnyJson, getJson, Problem } from "./api.js";
import { h, heading } from "./dom.js";

export async function indexView(signal) {
  const [ready, index] = await Promise.allSettled([
    getAnyJson("/readyz"),
    getJson("/v1/index", signal),
  ]);
  return [heading("Index and dependencies"), dependencies(ready), content(index)];
}

/** One line for the top of the page: {ok, text}. */
export async function readiness() {
  try {
    const { dependencies: all } = await getAnyJson("/readyz");
    const down = all.filter((one) => !one.ok).map((one) => one.name);
    return { ok: !down.length, text: down.length ? `${down.join(", ")}: not there` : "all there" };
  } catch {
    return { ok: false, text: "the server does not answer" };
  }
}

function dependencies(ready) {
  if (ready.status === "rejected")
    return h("p", { class: "problem" }, "The server does not say whether it is ready.");
  return h(
    "section",
    { class: "block" },
    h("h2", {}, "Dependencies"),
    h(
      "table",
      { class: "counts narrow" },
      h(
        "tbody",
        {},
        ready.value.dependencies.map(({ name, ok, needed }) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, name),
            h(
              "td",
              {},
              h("span", { class: ok ? "there" : "gone" }, ok ? "✓ there" : "✗ not there"),
            ),
            h(
              "td",
              { class: "note" },
              needed ? "answers need it" : "answers do without, and say so",
            ),
          ),
        ),
      ),
    ),
  );
}

function content(index) {
  if (index.status === "rejected") {
    if (!(index.reason instanceof Problem)) throw index.reason;
    return h("p", { class: "problem" }, index.reason.message);
  }
  const { chunks, kinds, sources, model } = index.value;
  return h(
    "section",
    { class: "block" },
    h("h2", {}, "What you can find"),
    h(
      "p",
      {},
      h("span", { class: "big" }, chunks.toLocaleString("en-US")),
      " passages · encoded by ",
      h("code", {}, model),
    ),
    h("div", { class: "pair" }, counts("By kind", kinds), counts("By source", sources)),
  );
}

function counts(title, of) {
  const most = Math.max(...Object.values(of), 1);
  const rows = Object.entries(of).sort((one, other) => other[1] - one[1]);
  return h(
    "table",
    { class: "counts" },
    h("caption", {}, title),
    h(
      "tbody",
      {},
      rows.map(([name, count]) => {
        const fill = h("span", { class: "fill" });
        fill.style.width = `${(count / most) * 100}%`;
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, name),
          h("td", { class: "figure" }, count.toLocaleString("en-US")),
          h("td", { class: "wide", "aria-hidden": "true" }, h("span", { class: "bar" }, fill)),
        );
      }),
    ),
  );
}
