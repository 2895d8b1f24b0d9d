// Citations: the chips behind a sentence, and what a chip shows: the quoted span in its passage, the
// samples of a query, an alert, a change.

import { getJson } from "./api.js";
import { copyButton, external, h, prose, webAddress } from "./dom.js";
import { around, dateTime, day, formatValue } from "./format.js";
import { opensCard } from "./popover.js";
import { sparkline } from "./sparkline.js";

/**
 * The citations of one answer by number, with the charts that show some of them whole, and the zone
 * in which its sentences tell times.
 */
export function sourcesOf(answer) {
  return {
    citations: new Map(answer.citations.map((citation) => [citation.number, citation])),
    charts: new Map((answer.charts ?? []).map((chart) => [chart.citation, chart])),
    zone: answer.zone ?? "UTC",
  };
}

/** A sentence with its chips. */
export function sentence(claim, sources) {
  const [, start, word] = /^(.*\s)?([^\s`]+)$/s.exec(claim.text) ?? [null, claim.text, ""];
  // The last word keeps the chips, so that none begins a line on its own.
  return [
    ...prose(start ?? ""),
    h("span", { class: "end" }, word, word ? " " : null, chips(claim.citations, sources)),
  ];
}

export function chips(numbers, sources) {
  return h(
    "span",
    { class: "chips" },
    numbers.map((number) => chip(number, sources)),
  );
}

function chip(number, sources) {
  const citation = sources.citations.get(number);
  if (!citation) return h("span", { class: "chip" }, `${number}`);
  const name = `Source ${number}, ${nameOf(citation)}`;
  const button = h(
    "button",
    { type: "button", class: `chip ${citation.type}`, "aria-label": name },
    `${number}`,
  );
  opensCard(button, name, (changed) => cardOf(citation, sources, changed));
  return button;
}

/** What a citation is called where there is no room for more. */
function nameOf(citation) {
  switch (citation.type) {
    case "passage":
      return `${citation.kind}: ${citation.title}`;
    case "metric":
      return `metric: ${citation.title}`;
    case "alert":
      return `alert: ${citation.name}`;
    default:
      return `change: ${citation.text}`;
  }
}

function cardOf(citation, sources, changed) {
  switch (citation.type) {
    case "passage":
      return passageCard(citation, changed);
    case "metric":
      return metricCard(citation, sources);
    case "alert":
      return alertCard(citation, sources.zone);
    default:
      return changeCard(citation, sources.zone);
  }
}

const kind = (citation, text) =>
  h("p", { class: `kind ${citation.type}` }, `${citation.number} · ${text}`);

// -- passages --

const passages = new Map();

/** The passage that a citation quotes from, asked for once. */
function passageOf(citation) {
  const document = citation.document_id.split("/").map(encodeURIComponent).join("/");
  const path = `/v1/documents/${document}/passages/${encodeURIComponent(citation.chunk_id)}`;
  if (!passages.has(path)) {
    const asked = getJson(path);
    passages.set(path, asked);
    asked.catch(() => passages.delete(path));
  }
  return passages.get(path);
}

function passageCard(citation, changed) {
  const text = h(
    "div",
    { class: "excerpt", tabindex: "0", role: "region", "aria-label": "Passage" },
    h("mark", {}, citation.quote),
  );
  const note = h("p", { class: "note" }, "Reading the passage…");
  passageOf(citation).then(
    (passage) => {
      const [before, quoted, after] = around(
        passage.text,
        citation.start - passage.start,
        citation.end - passage.start,
      );
      if (quoted === citation.quote) {
        const mark = h("mark", {}, quoted);
        text.replaceChildren(before, mark, after);
        text.scrollTop = mark.offsetTop - text.offsetTop - 48;
        note.remove();
      } else {
        note.textContent = "The document has changed since: this is what it said.";
      }
      changed();
    },
    () => {
      note.textContent = "The passage around it can't be read now; this is what was quoted.";
      changed();
    },
  );
  return [
    kind(citation, citation.kind),
    h("p", { class: "title" }, external(citation.url, citation.title)),
    h("p", { class: "note" }, placeOf(citation)),
    text,
    note,
  ];
}

/** Where in the document, and when it was written. */
function placeOf(citation) {
  return [
    citation.headings.join(" › "),
    citation.written_at && `written ${day(citation.written_at)}`,
  ]
    .filter((part) => part)
    .join(" · ");
}

// -- metrics, alerts, changes --

function metricCard(citation, sources) {
  const whole = sources.charts.get(citation.number);
  return [
    kind(citation, "metric"),
    h("p", { class: "title" }, prose(whole?.title ?? citation.title)),
    sparkline((whole ?? { points: citation.samples }).points, citation.samples),
    h(
      "table",
      { class: "samples" },
      h("caption", {}, `Cited samples, ${sources.zone}`),
      h(
        "tbody",
        {},
        citation.samples.map((sample) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, dateTime(sample.at, sources.zone)),
            h("td", {}, formatValue(sample.value, citation.unit)),
          ),
        ),
      ),
    ),
    h(
      "div",
      { class: "query" },
      h("code", {}, citation.query),
      copyButton(citation.query, "Copy the query"),
    ),
    labelsOf(citation.labels),
    linkTo(citation.url, "Open in Grafana"),
  ];
}

function alertCard(citation, zone) {
  return [
    kind(citation, "alert"),
    h("p", { class: "title" }, citation.name),
    h("p", { class: "note" }, lasted(citation, zone)),
    labelsOf(citation.labels),
    linkTo(citation.url, "Open the alert"),
  ];
}

/** From when until when an alert fired. */
function lasted({ started, ended }, zone) {
  const until = ended ? dateTime(ended, zone) : "still firing";
  return `${dateTime(started, zone)} – ${until} ${zone}`;
}

function changeCard(citation, zone) {
  const until = citation.until ? ` – ${dateTime(citation.until, zone)}` : "";
  return [
    kind(citation, "change"),
    h("p", { class: "title" }, citation.text),
    h("p", { class: "note" }, `${dateTime(citation.at, zone)}${until} ${zone}`),
    citation.tags.length
      ? h(
          "p",
          { class: "labels" },
          citation.tags.map((tag) => h("code", {}, tag)),
        )
      : null,
    linkTo(citation.url, "Open the change"),
  ];
}

function labelsOf(labels) {
  const names = Object.keys(labels).sort();
  return names.length
    ? h(
        "p",
        { class: "labels" },
        names.map((name) => h("code", {}, `${name}=${labels[name]}`)),
      )
    : null;
}

const linkTo = (address, text) =>
  webAddress(address) ? h("p", {}, external(address, text)) : null;

// -- the list at the end --

/** All sources of an answer, to be read in one go or on paper. */
export function sourceList(answer) {
  const zone = answer.zone ?? "UTC";
  if (!answer.citations.length) return null;
  return h(
    "details",
    { class: "block sources" },
    h("summary", {}, h("h2", {}, `Sources (${answer.citations.length})`)),
    h(
      "ol",
      { class: "plain" },
      answer.citations.map((citation) =>
        h(
          "li",
          {},
          h("span", { class: `chip ${citation.type}` }, `${citation.number}`),
          h("div", {}, lineOf(citation, zone)),
        ),
      ),
    ),
  );
}

function lineOf(citation, zone) {
  switch (citation.type) {
    case "passage":
      return [
        h("span", { class: "tag" }, citation.kind),
        " ",
        external(citation.url, citation.title),
        " ",
        h("span", { class: "note" }, placeOf(citation)),
        h("blockquote", {}, citation.quote),
      ];
    case "metric":
      return [
        h("span", { class: "tag" }, "metric"),
        " ",
        external(citation.url, citation.title),
        h("code", { class: "long" }, citation.query),
      ];
    case "alert":
      return [
        h("span", { class: "tag" }, "alert"),
        " ",
        external(citation.url, citation.name),
        " ",
        h("span", { class: "note" }, lasted(citation, zone)),
      ];
    default:
      return [
        h("span", { class: "tag" }, "change"),
        " ",
        external(citation.url, citation.text),
        " ",
        h("span", { class: "note" }, `${dateTime(citation.at, zone)} ${zone}`),
      ];
  }
}
