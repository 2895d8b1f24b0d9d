// The page: an ask box on top, and below it what its address names.

import { ask, askForm, problem, stopAsking } from "./ask.js";
import { getJson, Problem } from "./api.js";
import { briefingView } from "./briefing.js";
import { redrawAll } from "./charts.js";
import { announce, h, show } from "./dom.js";
import { indexView, readiness } from "./index_state.js";
import { reportsView } from "./reports.js";
import { placeOf, reportPlace } from "./routes.js";
import { startView } from "./start.js";
import { storedView } from "./stored.js";

const view = document.getElementById("view");
const form = document.getElementById("ask");
const TITLES = {
  reports: "Past reports",
  briefing: "Briefing",
  index: "Index",
  start: null,
  report: null,
};

let leaving = new AbortController(); // of the view that is shown

const VIEWS = {
  start: (_, signal) => startView(signal, submit),
  reports: (_, signal) => reportsView(signal),
  briefing: ({ id }, signal) => briefingView(id, signal),
  index: (_, signal) => indexView(signal),
  report: async ({ id }, signal) => {
    const stored = await getJson(`/v1/reports/${encodeURIComponent(id)}`, signal);
    document.title = `${stored.question} – Why`;
    return storedView(stored, submit);
  },
};

async function arrive({ focus }) {
  leaving.abort();
  stopAsking();
  const { signal } = (leaving = new AbortController());
  const place = placeOf(location.hash);
  document.body.dataset.view = place.view;
  document.title = TITLES[place.view] ? `${TITLES[place.view]} – Why` : "Why";
  for (const link of document.querySelectorAll("header nav a")) {
    const here =
      placeOf(link.hash).view === place.view ||
      (place.view === "report" && link.hash === "#/reports");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  showReadiness();
  try {
    const made = VIEWS[place.view](place, signal);
    if (made instanceof Promise) show(view, h("p", { class: "note loading" }, "Reading …"));
    const content = await made;
    if (signal.aborted) return;
    show(view, content);
    if (focus) view.querySelector("h1")?.focus();
  } catch (error) {
    if (signal.aborted) return;
    const known = error instanceof Problem;
    const text = known
      ? error.message
      : "This page could not show the answer. That is a fault of the page.";
    show(
      view,
      h(
        "h1",
        { tabindex: "-1" },
        known && error.status === 404 ? "Not there" : "That did not work",
      ),
      problem(text, () => arrive({ focus: true })),
    );
    announce(text);
    if (!known) throw error;
  }
}

/** `asked`: {question, since?, until?, after?}. */
function submit(asked) {
  leaving.abort();
  if (location.hash !== "#/") history.pushState(null, "", "#/");
  form.reset();
  document.body.dataset.view = "asking";
  scrollTo({ top: 0 });
  ask(view, asked, (id) => {
    announce("The answer is there.");
    history.replaceState(null, "", reportPlace(id));
    arrive({ focus: false });
  });
}

async function showReadiness() {
  const { ok, text } = await readiness();
  const light = document.getElementById("ready");
  light.dataset.ok = `${ok}`;
  light.querySelector(".said").textContent = text;
}

askForm(form, submit);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // what stands behind the # is the view
  view.focus();
});
addEventListener("hashchange", () => arrive({ focus: true }));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("#view details:not(.values)"))
    details.open = true;
  document.documentElement.dataset.paper = "";
  redrawAll();
});
addEventListener("afterprint", () => {
  delete document.documentElement.dataset.paper;
  redrawAll();
});
arrive({ focus: false });
