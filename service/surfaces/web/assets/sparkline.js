// A line of samples, small enough to stand in a card; the cited ones are dots.

import { svg } from "./dom.js";

const [WIDTH, HEIGHT, MARGIN] = [400, 56, 4];

/** `points` and `cited`: samples {at, value}, in time order; no points, no picture. */
export function sparkline(points, cited) {
  if (points.length < 2) return null;
  const times = points.map((point) => Date.parse(point.at));
  const values = points.map((point) => point.value);
  const [first, last] = [times[0], times.at(-1)];
  const [low, high] = [Math.min(0, ...values), Math.max(...values)];
  const place = (at, value) => [
    MARGIN + ((at - first) / (last - first || 1)) * (WIDTH - 2 * MARGIN),
    HEIGHT - MARGIN - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * MARGIN),
  ];
  const line = times
    .map((at, index) =>
      place(at, values[index])
        .map((number) => number.toFixed(1))
        .join(","),
    )
    .join(" ");
  return svg(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    svg("polyline", { points: line }),
    ...cited.map((sample) => {
      const [x, y] = place(Date.parse(sample.at), sample.value);
      return svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 3 });
    }),
  );
}
