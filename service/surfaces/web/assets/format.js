// Values, times and spans in words. Numbers read as in service/reports/numbers.py, times are UTC where
// no zone is named.

const SCALES = {
  s: [
    [1, "s"],
    [1e-3, "ms"],
    [1e-6, "µs"],
  ],
  ms: [
    [1e3, "s"],
    [1, "ms"],
  ],
  ratio: [[0.01, "%"]],
  B: [
    [1e12, "TB"],
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
    [1, "B"],
  ],
};

/** Three significant digits and a unit; whole counts are written out. */
export function formatValue(value, unit) {
  const scales = SCALES[unit] ?? [];
  for (const [index, [factor, name]] of scales.entries()) {
    if (Math.abs(value) >= factor || index === scales.length - 1)
      return `${digits(value / factor)} ${name}`;
  }
  const text = digits(value);
  if (!unit) return text;
  return unit.startsWith("/") ? text + unit : `${text} ${unit}`;
}

function digits(value) {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toLocaleString("en-US");
  if (Math.abs(value) >= 100) return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
  return Number(value.toPrecision(3)).toLocaleString("en-US", {
    maximumFractionDigits: 20,
    useGrouping: false,
  });
}

export function percent(share) {
  return `${Math.round(share * 100)}%`;
}

const formats = new Map();

/** 2026-11-12 01:37, in a zone of the IANA database. */
export function dateTime(moment, zone = "UTC") {
  if (!formats.has(zone)) {
    // Swedish writes dates as ISO 8601 does.
    formats.set(
      zone,
      new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" }),
    );
  }
  return formats.get(zone).format(new Date(moment));
}

/** 2026-11-12 */
export const day = (moment, zone) => dateTime(moment, zone).slice(0, 10);
/** 01:37 */
export const clock = (moment, zone) => dateTime(moment, zone).slice(11);

/** 2026-11-11 18:00 – 2026-11-12 07:30 UTC; the day once where it is the same. */
export function timeSpan(start, end, zone = "UTC") {
  const until = day(start, zone) === day(end, zone) ? clock(end, zone) : dateTime(end, zone);
  return `${dateTime(start, zone)} – ${until} ${zone}`;
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}

/**
 * A quotation in its passage: what stands before it, the quotation, what stands after it.
 * Positions count code points, as the server does, not JavaScript's UTF-16 units.
 */
export function around(text, from, to) {
  const points = Array.from(text);
  const [start, end] = [Math.max(0, from), Math.min(points.length, to)];
  if (start >= end) return [text, "", ""];
  return [points.slice(0, start), points.slice(start, end), points.slice(end)].map((part) =>
    part.join(""),
  );
}
