// The morning briefing, for someone who has two minutes before eight.

import { getJson } from "./api.js";
import { banner } from "./banner.js";
import { course, figure } from "./charts.js";
import { external, h, heading, prose } from "./dom.js";
import { clock, dateTime, percent, plural, timeSpan } from "./format.js";
import { claimBlock, namesOf, notSeen } from "./report.js";
import { briefingPlace } from "./routes.js";
import { chips, sentence, sourceList, sourcesOf } from "./sources.js";
import { timeList } from "./timeline.js";

export const briefingOf = (date, signal) =>
  getJson(`/v1/briefings/${encodeURIComponent(date)}`, signal);

const KINDS = {
  incidents: ["causes", (count) => plural(count, "incident")],
  quiet: ["quiet", () => "A quiet night"],
  partly_blind: ["unsupported", () => "Quiet as far as I could see"],
  blind: ["blind", () => "I could not see the metrics"],
};

export async function briefingView(date, signal) {
  return briefing(await briefingOf(date, signal));
}

/** What the night was, at a glance; without `sources` it can't be looked up here. */
export function headline(night, sources) {
  const [kind, title] = KINDS[night.outcome];
  const said = sources ? sentence(night.headline, sources) : prose(night.headline.text);
  return banner(kind, title(night.incidents.length), h("p", {}, said));
}

function briefing(night) {
  const sources = sourcesOf(night);
  return h(
    "article",
    { class: "answer briefing" },
    heading(`Briefing of ${night.date}`),
    h(
      "p",
      { class: "about" },
      timeSpan(night.window.start, night.window.end, night.zone),
      " ",
      otherDay(night.date, -1, "← the day before"),
      " ",
      otherDay(night.date, 1, "the day after →"),
    ),
    headline(night, sources),
    night.lead.length
      ? h(
          "section",
          { class: "block summary", "aria-label": "In short" },
          h(
            "ul",
            { class: "claims" },
            night.lead.map((claim) => h("li", {}, sentence(claim, sources))),
          ),
        )
      : null,
    night.incidents.map((incident) => incidentCard(incident, night, sources)),
    risks(night.risks, sources),
    compared(night.compared, sources),
    claimBlock("Also seen, apparently unrelated", night.also_seen, sources),
    notSeen(night.not_seen, night.dropped_claims),
    sourceList(night),
    h("p", { class: "colophon" }, `asked ${dateTime(night.asked_at)} UTC · times in ${night.zone}`),
  );
}

function otherDay(date, days, text) {
  const moved = new Date(`${date}T00:00:00Z`);
  moved.setUTCDate(moved.getUTCDate() + days);
  return h(
    "a",
    { class: "other-day", href: briefingPlace(moved.toISOString().slice(0, 10)) },
    text,
  );
}

function incidentCard(incident, night, sources) {
  const { started, ended } = incident;
  const until = ended ? `– ${clock(ended, night.zone)}` : "– now";
  const list = (claims) =>
    h(
      "ul",
      { class: "claims" },
      claims.map((claim) => h("li", {}, sentence(claim, sources))),
    );
  const part = (title, claims, ...more) =>
    claims.length || more.length
      ? [h("h3", {}, title), claims.length ? list(claims) : null, more]
      : null;
  const why = [
    part("State now", incident.state_claims),
    incident.cause
      ? [h("h3", {}, "Probable cause"), suspect(incident.cause, sources, true)]
      : part("Probable cause", [], h("p", { class: "note" }, "Nothing supports one.")),
    incident.alternatives.length
      ? h(
          "details",
          {},
          h("summary", {}, plural(incident.alternatives.length, "alternative")),
          incident.alternatives.map((one) => suspect(one, sources, false)),
        )
      : null,
    [
      h("h3", {}, "Who felt it"),
      namesOf(incident),
      incident.impact.length ? list(incident.impact) : null,
    ],
    part("What was done", incident.done),
    incident.recurrence
      ? part("It recurs", [incident.recurrence.claim], linkList(incident.recurrence.records))
      : null,
  ];
  const when = [
    charts(incident.charts, night, sources),
    incident.timeline.length
      ? [h("h3", {}, "Timeline"), timeList(incident.timeline, sources)]
      : null,
  ];
  return h(
    "section",
    { class: "block incident" },
    h(
      "header",
      {},
      h("h2", {}, incident.title),
      h(
        "p",
        { class: "facts" },
        h("span", { class: `standing ${incident.state.replaceAll(" ", "-")}` }, incident.state),
        incident.severity ? h("span", { class: "tag" }, incident.severity) : null,
        h("span", { class: "figure" }, `${clock(started, night.zone)} ${until}`),
        measured("detected after", incident.to_detect, sources),
        measured("resolved after", incident.to_resolve, sources),
        incident.recurrence
          ? h(
              "span",
              { class: "again" },
              `${incident.recurrence.times}× in ${incident.recurrence.days} days`,
            )
          : null,
      ),
    ),
    h("p", { class: "what" }, sentence(incident.what, sources)),
    h(
      "div",
      { class: "columns" },
      h("div", { class: "main" }, why),
      h("div", { class: "side" }, when),
    ),
    h("p", { class: "note" }, seenBy(incident)),
    linkList(incident.links),
  );
}

function seenBy({ seen_by: who, alerts_fired: fired, alerts }) {
  const names = alerts.length ? `: ${alerts.join(", ")}` : "";
  return `Seen by ${who.join(", ")}; ${plural(fired, "alert")} fired${names}.`;
}

function measured(label, value, sources) {
  return value
    ? h(
        "span",
        {},
        `${label} `,
        h("span", { class: "figure" }, `${value.minutes} min`),
        " ",
        chips(value.claim.citations, sources),
      )
    : null;
}

function suspect(one, sources, whole) {
  const likely =
    one.confidence === null ? "likelihood unknown" : `${percent(one.confidence)} likely`;
  const claims = whole ? one.evidence : one.evidence.slice(0, 1);
  return h(
    "div",
    { class: "suspect" },
    h(
      "p",
      {},
      h("strong", {}, one.component),
      one.region ? ` ${one.region}` : "",
      " ",
      h("span", { class: "figure note" }, likely),
    ),
    h(
      "ul",
      { class: "claims" },
      claims.map((claim) => h("li", {}, sentence(claim, sources))),
      one.against.map((claim) =>
        h("li", {}, h("span", { class: "tag" }, "Against"), " ", sentence(claim, sources)),
      ),
    ),
    whole && one.next_check
      ? h(
          "p",
          { class: "next" },
          h("span", { class: "tag" }, "Next check"),
          " ",
          sentence(one.next_check, sources),
        )
      : null,
    whole && one.runbook
      ? h(
          "p",
          { class: "runbook" },
          h("span", { class: "tag" }, "Runbook"),
          " ",
          external(one.runbook.url, one.runbook.title),
        )
      : null,
  );
}

function linkList(links) {
  return links.length
    ? h(
        "p",
        { class: "links" },
        links.map(({ title, url }) => [external(url, title), " "]),
      )
    : null;
}

function charts(found, night, sources) {
  return found.map((chart) =>
    figure({
      title: chart.title,
      unit: chart.unit,
      series: [{ name: chart.title, points: chart.points }],
      span: night.window,
      words: course(chart, night.zone),
      after: chips([chart.citation], sources),
      zone: night.zone,
    }),
  );
}

function risks(found, sources) {
  if (!found.length) return null;
  return h(
    "section",
    { class: "block" },
    h("h2", {}, "Open risks today"),
    h(
      "ul",
      { class: "claims" },
      found.map(({ kind, claim }) =>
        h("li", {}, h("span", { class: "tag" }, kind), " ", sentence(claim, sources)),
      ),
    ),
  );
}

function compared({ date, changes, note }, sources) {
  return h(
    "section",
    { class: "block" },
    h("h2", {}, date ? `Since the briefing of ${date}` : "Since yesterday"),
    changes.length
      ? h(
          "ul",
          { class: "claims" },
          changes.map(({ kind, claim }) =>
            h("li", {}, h("span", { class: "tag" }, kind), " ", sentence(claim, sources)),
          ),
        )
      : h("p", { class: "note" }, note ?? "Nothing changed."),
  );
}
