// Building the page. Text goes in as text, links lead to http(s) or into this page, and nothing here
// parses HTML: what a document, a label or a model says can't become markup.

/** An element. `attributes`: `class`, `data-…`, `aria-…`; `on`: {event: listener}. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value))
        element.addEventListener(event, listener);
    } else if (name === "href" && !value.startsWith("#")) {
      throw new Error(`not a place in this page: ${value}`);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined),
  );
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The address, where it is one that a person may be sent to; else null. */
export function webAddress(address) {
  if (!address) return null;
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** A link to another page, or the plain text where the address is none. */
export function external(address, text, attributes = {}) {
  const href = webAddress(address);
  if (href === null) return h("span", attributes, text);
  const link = h("a", { ...attributes, target: "_blank", rel: "noopener noreferrer" }, text);
  link.setAttribute("href", href);
  return link;
}

/** A sentence: what stands in backticks is code, the rest is text. */
export function prose(text) {
  return text
    .split(/(`[^`\n]+`)/)
    .filter((part) => part)
    .map((part) =>
      part.length > 2 && part.startsWith("`") && part.endsWith("`")
        ? h("code", {}, part.slice(1, -1))
        : document.createTextNode(part),
    );
}

/** Tells people who can't see the page what has happened. */
export function announce(text) {
  document.getElementById("status").textContent = text;
}

export function show(place, ...content) {
  place.replaceChildren(
    ...content.flat(Infinity).filter((child) => child !== null && child !== undefined),
  );
}

/** A heading, for the top of a view: it takes the focus when the view changes. */
export function heading(...text) {
  return h("h1", { tabindex: "-1" }, ...text);
}

/** A button that copies; null where the browser lets nobody copy. */
export function copyButton(text, label) {
  if (!navigator.clipboard) return null;
  const button = h("button", { type: "button", class: "quiet", "aria-label": label }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return button;
}
