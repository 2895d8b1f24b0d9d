// Asking for an API key: one dialog, however many requests wait for it.

import { h } from "./dom.js";

let asking = null;

/** The key, or null where the person gives none. `refused`: the last one was not accepted. */
export function askForKey(refused) {
  asking ??= asked(refused).finally(() => (asking = null));
  return asking;
}

function asked(refused) {
  return new Promise((resolve) => {
    const input = h("input", {
      id: "key",
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
      "aria-describedby": "key-note",
    });
    const dialog = h(
      "dialog",
      { class: "key", "aria-labelledby": "key-title" },
      h("h2", { id: "key-title" }, "API key"),
      h(
        "form",
        { method: "dialog" },
        refused
          ? h("p", { class: "problem", role: "alert" }, "The server did not accept this key.")
          : null,
        h("label", { for: "key" }, "This server answers only to those who have a key."),
        input,
        h(
          "p",
          { id: "key-note", class: "note" },
          "Kept in this tab until it is closed; sent to this server only.",
        ),
        h(
          "div",
          { class: "row" },
          h("button", { type: "submit", class: "primary", value: "use" }, "Use this key"),
          h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "use" && input.value.trim() ? input.value.trim() : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
