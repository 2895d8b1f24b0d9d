// The places of the page, as they stand behind the # of its address.

/** {view, id?}: what an address shows. Unknown ones show the start. */
export function placeOf(hash) {
  const [view = "", id = ""] = hash.replace(/^#\/?/, "").split("/", 2);
  const text = decoded(id);
  if (view === "reports") return text ? { view: "report", id: text } : { view: "reports" };
  if (view === "briefing") return { view: "briefing", id: text || "today" };
  if (view === "index") return { view: "index" };
  return { view: "start" };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export const reportPlace = (id) => `#/reports/${encodeURIComponent(id)}`;
export const briefingPlace = (date) => `#/briefing/${encodeURIComponent(date)}`;
