// The answer to "show me …": the query, where it comes from, its chart.

import { banner } from "./banner.js";
import { figure } from "./charts.js";
import { copyButton, external, h, heading, prose, webAddress } from "./dom.js";
import { formatValue, plural } from "./format.js";
import { about, notSeen } from "./report.js";

export function chartView(answer) {
  return [
    heading(answer.question),
    about(answer.window, answer.window_reason),
    answer.query === null ? none(answer) : answer.series.length ? drawing(answer) : empty(answer),
    answer.query === null ? null : origin(answer),
    considered(answer.considered),
    notSeen(answer.missing, null),
  ].filter((part) => part);
}

function none(answer) {
  const nearest = answer.nearest.map((name) => [h("code", {}, name), " "]);
  return banner(
    "unsupported",
    "No query answers this",
    h("p", {}, answer.reason),
    nearest.length ? h("p", {}, "Nearest metrics: ", nearest) : null,
  );
}

function empty(answer) {
  return answer.asked
    ? banner("unsupported", "No samples in this window", h("p", {}, answer.reason))
    : banner("blind", "I can't see the metrics", h("p", {}, "The query could not be asked."));
}

function drawing(answer) {
  const series = answer.series.map(({ labels, points }) => ({
    name: nameOf(labels) || answer.title || "value",
    points,
  }));
  const lasts = series
    .slice(0, 8)
    .map(({ name, points }) => `${name} ${formatValue(points.at(-1).value, answer.unit)}`);
  const more =
    answer.series_found > series.length
      ? ` The highest ${series.length} of ${answer.series_found} series.`
      : "";
  return h(
    "section",
    { class: "block wide" },
    figure({
      title: answer.title ?? answer.query,
      unit: answer.unit,
      series,
      span: answer.window,
      words: `At the end: ${lasts.join(", ")}.${more}`,
      height: 280,
    }),
  );
}

const nameOf = (labels) =>
  Object.keys(labels)
    .sort()
    .map((name) => `${name}=${labels[name]}`)
    .join(", ");

function origin(answer) {
  const lines = [
    answer.document
      ? h(
          "p",
          {},
          h("span", { class: "tag" }, answer.origin ?? "from"),
          " ",
          external(answer.url, answer.document),
        )
      : null,
    ...answer.assumed.map((line) =>
      h("p", {}, h("span", { class: "tag" }, "Assumed"), " ", prose(line)),
    ),
    ...answer.unmet.map((line) =>
      h("p", {}, h("span", { class: "tag warn" }, "Not answered"), " ", prose(line)),
    ),
    webAddress(answer.link) ? h("p", {}, external(answer.link, "Open in Grafana")) : null,
  ];
  return h(
    "section",
    { class: "block" },
    h("h2", {}, "The query"),
    h(
      "div",
      { class: "query" },
      h("code", {}, answer.query),
      copyButton(answer.query, "Copy the query"),
    ),
    lines.filter((line) => line),
  );
}

function considered(others) {
  if (!others.length) return null;
  return h(
    "details",
    { class: "block" },
    h(
      "summary",
      {},
      h("h2", {}, `${plural(others.length, "other query", "other queries")} considered`),
    ),
    h(
      "ul",
      { class: "plain related" },
      others.map((other) =>
        h(
          "li",
          {},
          h(
            "p",
            {},
            external(other.url, other.title),
            other.refused ? h("span", { class: "note" }, ` ${other.refused}`) : null,
          ),
          h("code", { class: "long" }, other.query),
        ),
      ),
    ),
  );
}
