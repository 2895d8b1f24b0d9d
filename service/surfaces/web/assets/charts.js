// Charts by uPlot: a canvas for those who see it, the same in words and as a table for everyone.
// Times are in the zone of the sentences around it. Every chart of a view shares its cursor and its span.

import { h, prose } from "./dom.js";
import { clock, dateTime, formatValue } from "./format.js";

const HEIGHT = 132; // px
const LINES = [
  "--line-1",
  "--line-2",
  "--line-3",
  "--line-4",
  "--line-5",
  "--line-6",
  "--line-7",
  "--line-8",
];
const drawn = new Set();

/**
 * A figure. `series`: [{name, points: [{at, value}]}]; `span`: {start, end}; `marks`:
 * [{at: milliseconds, kind: "onset" | "change", text}]; `words`: the chart's story, as nodes;
 * `after`: what stands behind the title.
 */
export function figure({
  title,
  unit,
  series,
  span,
  marks = [],
  words,
  after = null,
  height = HEIGHT,
  zone = "UTC",
}) {
  const reading = h("span", { class: "reading", "aria-hidden": "true" });
  const canvas = h("div", { class: "plot", "aria-hidden": "true" });
  const element = h(
    "figure",
    { class: "plotted" },
    h("figcaption", {}, h("span", { class: "name" }, prose(title), " ", after), reading),
    canvas,
    series.length > 1 ? legend(series) : null,
    h("p", { class: "words" }, words),
    table(title, unit, series, zone),
  );
  const data = aligned(series);
  whenShown(canvas, (width) =>
    plot(canvas, reading, { unit, series, span, marks, data, width, height, zone }),
  );
  return element;
}

/** A series in words: where it starts, how far it goes, where it ends. */
export function course({ points, unit }, zone = "UTC") {
  if (!points.length) return "No samples.";
  const most = points.reduce((one, point) =>
    Math.abs(point.value) > Math.abs(one.value) ? point : one,
  );
  const [start, peak, end] = [points[0], most, points.at(-1)].map(
    ({ at, value }) => `${formatValue(value, unit)} at ${clock(at, zone)}`,
  );
  return `${start}, at most ${peak}, ${end}.`;
}

/** Series on one time axis, as uPlot takes them: [seconds, values, values, …]. */
function aligned(series) {
  const byLine = series.map(
    ({ points }) => new Map(points.map((point) => [Date.parse(point.at) / 1000, point.value])),
  );
  const times = [...new Set(byLine.flatMap((line) => [...line.keys()]))].sort(
    (one, other) => one - other,
  );
  // Undefined joins the samples on both sides: a thinned series has no sample at most moments.
  return [times, ...byLine.map((line) => times.map((at) => line.get(at)))];
}

function plot(canvas, reading, { unit, series, span, marks, data, width, height, zone }) {
  const ink = colour("--ink-3");
  const values = data
    .slice(1)
    .flat()
    .filter((value) => value !== undefined);
  const axis = { stroke: ink, font: "11px system-ui, sans-serif", ticks: { show: false }, gap: 4 };
  return new uPlot(
    {
      width,
      height,
      padding: [6, 10, 0, 0],
      tzDate: (seconds) =>
        uPlot.tzDate(new Date(seconds * 1000), zone === "UTC" ? "Etc/UTC" : zone),
      legend: { show: false },
      cursor: { sync: { key: "why" }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: {
          time: true,
          range: () => [Date.parse(span.start) / 1000, Date.parse(span.end) / 1000],
        },
        y: {
          range: (_, low, high) => [
            Math.min(0, low ?? 0),
            (high ?? 0) > 0 ? high * 1.06 : (high ?? 0) + 1,
          ],
        },
      },
      axes: [
        {
          ...axis,
          size: 22,
          space: 64,
          grid: { show: false },
          values: (_, at) => at.map((seconds) => clock(seconds * 1000, zone)),
        },
        {
          ...axis,
          size: widthOf(unit, values),
          space: 34,
          grid: { stroke: colour("--line"), width: 1 },
          values: (_, at) =>
            at.map((value) =>
              value === 0 ? "0" : formatValue(Number(value.toPrecision(12)), unit),
            ),
        },
      ],
      series: [
        {},
        ...series.map((one, index) => ({
          label: one.name,
          stroke: colour(LINES[index % LINES.length]),
          width: 1.5,
          points: { show: false },
        })),
      ],
      hooks: {
        drawClear: [(chart) => drawMarks(chart, marks)],
        setCursor: [(chart) => (reading.textContent = readingAt(chart, series, unit, zone))],
      },
    },
    data,
    canvas,
  );
}

/** Enough room for the longest number of the axis. */
function widthOf(unit, values) {
  const longest = formatValue(Math.max(0, ...values.map(Math.abs)) * 1.06, unit).length;
  return Math.min(76, 16 + longest * 6.2);
}

function readingAt(chart, series, unit, zone) {
  const { idx } = chart.cursor;
  if (idx === null || idx === undefined) return "";
  const at = clock(chart.data[0][idx] * 1000, zone);
  const said = series
    .map((one, index) => [one.name, chart.data[index + 1][idx]])
    .filter(([, value]) => value !== undefined);
  if (series.length > 1)
    return [
      at,
      ...said.slice(0, 2).map(([name, value]) => `${name} ${formatValue(value, unit)}`),
    ].join("  ");
  return said.length ? `${at}  ${formatValue(said[0][1], unit)}` : "";
}

function drawMarks(chart, marks) {
  const { ctx, bbox } = chart;
  ctx.save();
  for (const { at, kind } of marks) {
    const x = Math.round(chart.valToPos(at / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = colour(kind === "onset" ? "--hot" : "--change");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(kind === "onset" ? [] : [4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (kind === "onset") {
      const size = 4 * devicePixelRatio;
      ctx.fillStyle = ctx.strokeStyle;
      ctx.beginPath();
      ctx.moveTo(x - size, bbox.top);
      ctx.lineTo(x + size, bbox.top);
      ctx.lineTo(x, bbox.top + size * 1.5);
      ctx.fill();
    }
  }
  ctx.restore();
}

function legend(series) {
  return h(
    "ul",
    { class: "legend" },
    series.map(({ name }, index) =>
      h("li", { "data-line": `${(index % LINES.length) + 1}` }, name),
    ),
  );
}

function table(title, unit, series, zone) {
  const details = h("details", { class: "values" }, h("summary", {}, "Values"));
  // Hundreds of rows, that few ask for: made when they do.
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("table")) return;
    const data = aligned(series);
    details.append(
      h(
        "div",
        {
          class: "scroll",
          tabindex: "0",
          role: "region",
          "aria-label": `Values of ${title.replaceAll("`", "")}`,
        },
        h(
          "table",
          { class: "samples" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "col" }, zone),
              series.map(({ name }) => h("th", { scope: "col" }, name)),
            ),
          ),
          h(
            "tbody",
            {},
            data[0].map((at, row) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, dateTime(at * 1000, zone)),
                series.map((_, index) => {
                  const value = data[index + 1][row];
                  return h("td", {}, value === undefined ? "" : formatValue(value, unit));
                }),
              ),
            ),
          ),
        ),
      ),
    );
  });
  return details;
}

/** A colour of the style sheet, as a canvas takes it. */
function colour(name) {
  const probe = document.getElementById("probe");
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

/** Draws once the place has a width, and again when width or colours change. */
function whenShown(canvas, draw) {
  const one = { canvas, draw, chart: null, width: 0 };
  const observer = new ResizeObserver(() => {
    if (!canvas.isConnected) {
      forget(one, observer);
      return;
    }
    const width = Math.floor(canvas.clientWidth);
    if (width === 0 || width === one.width) return;
    one.width = width;
    redraw(one);
  });
  observer.observe(canvas);
  drawn.add(one);
}

function forget(one, observer) {
  observer.disconnect();
  one.chart?.destroy();
  drawn.delete(one);
}

function redraw(one) {
  one.chart?.destroy();
  one.chart = one.draw(one.width);
}

export function redrawAll() {
  for (const one of drawn) if (one.width && one.canvas.isConnected) redraw(one);
}
