// The box below the heading that says which kind of answer this is, at a glance.

import { h } from "./dom.js";

const SIGNS = {
  causes: "▲",
  quiet: "✓",
  unsupported: "?",
  blind: "∅",
  wrong: "!",
};

/** `kind`: a key of SIGNS; `content`: what stands below the title. */
export function banner(kind, title, ...content) {
  return h(
    "div",
    { class: `banner ${kind}` },
    h("span", { class: "sign", "aria-hidden": "true" }, SIGNS[kind]),
    h("div", {}, h("p", { class: "title" }, title), content),
  );
}
