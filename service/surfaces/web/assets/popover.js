// What a button shows when it is pointed at, focused or pressed: a card that can be read.
// As WCAG 1.4.13 wants it: Esc sends it away, the pointer may move onto it, and it stays until then.
// Focus only shows it, so that Tab goes on to the next button; Enter goes into it, Esc comes back.

import { h } from "./dom.js";

const OPEN_AFTER = 120; // ms of pointing: passing over a line opens nothing
const CLOSE_AFTER = 220; // ms to get from the button to the card
const GAP = 6; // px
const NARROW = "(max-width: 640px)"; // there the card is a sheet at the bottom, by citations.css

let current = null; // {button, card, pinned}
let timer = 0;
let returning = false; // the focus comes back from a card, and opens none
let cards = 0;

/**
 * `label`: what the card is called; `content(changed)`: the parts that it holds, made when it is
 * opened; it calls `changed` when they have another size.
 */
export function opensCard(button, label, content) {
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse")
      soon(OPEN_AFTER, () => open(button, label, content, { pinned: false }));
  });
  button.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") closeSoon();
  });
  button.addEventListener("focus", () => {
    if (!returning && button.matches(":focus-visible"))
      open(button, label, content, { pinned: false, reachable: false });
  });
  button.addEventListener("click", (event) => {
    if (current?.button === button && current.pinned) {
      close();
      return;
    }
    open(button, label, content, { pinned: true });
    if (event.detail === 0) current.card.focus(); // pressed by keyboard
  });
}

function close({ refocus = false } = {}) {
  clearTimeout(timer);
  if (!current) return;
  const { button, card } = current;
  current = null;
  if (refocus && card.contains(document.activeElement)) {
    returning = true;
    button.focus();
    returning = false;
  }
  button.setAttribute("aria-expanded", "false");
  button.removeAttribute("aria-controls");
  card.remove();
}

function open(button, label, content, { pinned, reachable = true }) {
  clearTimeout(timer);
  if (current?.button === button) {
    current.pinned ||= pinned;
    if (reachable) current.card.inert = false;
    return;
  }
  close();
  const card = h(
    "div",
    {
      class: "card",
      id: `card-${++cards}`,
      role: "group",
      "aria-label": label,
      tabindex: "-1",
      popover: "manual",
    },
    h(
      "button",
      {
        type: "button",
        class: "close",
        "aria-label": "Close",
        on: { click: () => close({ refocus: true }) },
      },
      "×",
    ),
  );
  card.append(...content(() => place(button, card)).filter((part) => part));
  card.addEventListener("pointerenter", () => clearTimeout(timer));
  card.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && closeSoon());
  for (const element of [button, card]) element.addEventListener("focusout", leftByKeyboard);
  card.inert = !reachable;
  button.after(card); // so that Tab goes from the button into the card
  button.setAttribute("aria-expanded", "true");
  button.setAttribute("aria-controls", card.id);
  current = { button, card, pinned };
  card.showPopover();
  place(button, card);
}

function leftByKeyboard(event) {
  if (!current || !event.relatedTarget) return;
  const { button, card } = current;
  if (event.relatedTarget !== button && !card.contains(event.relatedTarget)) close();
}

function soon(delay, action) {
  clearTimeout(timer);
  timer = setTimeout(action, delay);
}

function closeSoon() {
  soon(CLOSE_AFTER, () => {
    if (current && !current.pinned && !current.card.contains(document.activeElement)) close();
  });
}

/** Below the button, or above where there is more room; never over the window's edge. */
function place(button, card) {
  if (matchMedia(NARROW).matches) {
    card.style.left = card.style.top = "";
    return;
  }
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = card;
  const below = at.bottom + GAP;
  const fits = below + height <= innerHeight || at.top < innerHeight - at.bottom;
  const widest = document.documentElement.clientWidth - width - 8;
  card.style.left = `${Math.max(8, Math.min(at.left - 12, widest))}px`;
  card.style.top = `${fits ? below : Math.max(8, at.top - GAP - height)}px`;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && current) {
    event.preventDefault();
    close({ refocus: true });
  }
});
document.addEventListener("pointerdown", (event) => {
  if (current && !current.card.contains(event.target) && !current.button.contains(event.target))
    close();
});
addEventListener("hashchange", () => close());
for (const moved of ["scroll", "resize"]) {
  addEventListener(moved, () => current && place(current.button, current.card), {
    passive: true,
    capture: true,
  });
}
