// Past reports, newest first, a page at a time.

import { getJson, Problem } from "./api.js";
import { announce, h, heading } from "./dom.js";
import { dateTime } from "./format.js";
import { reportPlace } from "./routes.js";

const PAGE = 25;

/** A page of what was asked: {reports, next}. */
export function reportsPage(cursor, limit, signal) {
  const query = new URLSearchParams({ limit: `${limit}`, ...(cursor ? { cursor } : {}) });
  return getJson(`/v1/reports?${query}`, signal);
}

export async function reportsView(signal) {
  const first = await reportsPage(null, PAGE, signal);
  const list = reportList(first.reports);
  const more = h("button", { type: "button" }, "Older reports");
  let cursor = first.next;
  more.hidden = !cursor;
  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      const page = await reportsPage(cursor, PAGE, signal);
      const rows = page.reports.map(row);
      list.append(...rows);
      rows[0]?.querySelector("a").focus();
      cursor = page.next;
      more.hidden = !cursor;
      announce(`${page.reports.length} more reports.`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      announce(error.message);
      more.textContent = `${error.message} Try again`;
    } finally {
      more.disabled = false;
    }
  });
  return [
    heading("Past reports"),
    h("p", { class: "about" }, "Newest first, times are UTC."),
    first.reports.length ? list : h("p", { class: "note" }, "Nothing was asked yet."),
    more,
  ];
}

export function reportList(heads) {
  return h("ol", { class: "plain reports" }, heads.map(row));
}

function row(head) {
  return h(
    "li",
    {},
    h("time", { datetime: head.created_at }, dateTime(head.created_at)),
    h("div", {}, h("a", { href: reportPlace(head.id) }, head.question)),
    h(
      "span",
      { class: "note" },
      head.kind === "report" ? head.surface : `${head.kind} · ${head.surface}`,
    ),
  );
}
