// Small charts as SVG: two axes, and marks between them. Colours stand in the marks, so that a saved file has them.
import { fitted } from "./canvas.js";
import { colours } from "./colours.js";
import { el, shape } from "./dom.js";
import { svgFile } from "./svg_context.js";

const [WIDTH, HEIGHT] = [420, 260];
const EDGE = { left: 62, right: 12, top: 10, bottom: 38 };
const TICKS = { x: 5, y: 5 };
const CAPTION = 22;

/** A text that appears where the pointer rests on `node`. */
export function told(node, text) {
  node.append(shape("title", {}, text));
  return node;
}

/**
 * A chart in words `label`, over scales x and y of scales.js. `marks(place)` makes what is drawn, with
 * place.x(value) and place.y(value) in its units, and place.left, right, top, bottom.
 */
export function chart({ label, x, y, xName, yName, marks }) {
  const place = {
    x: (value) => EDGE.left + x.at(value) * (WIDTH - EDGE.left - EDGE.right),
    y: (value) => HEIGHT - EDGE.bottom - y.at(value) * (HEIGHT - EDGE.top - EDGE.bottom),
    left: EDGE.left,
    right: WIDTH - EDGE.right,
    top: EDGE.top,
    bottom: HEIGHT - EDGE.bottom,
  };
  return shape(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "chart" },
    axes(place, x, y, xName, yName),
    marks(place),
  );
}

function axes(place, x, y, xName, yName) {
  const { muted, line } = colours();
  const text = (content, attributes) =>
    shape("text", { fill: muted, "font-size": 11, "font-family": "sans-serif", ...attributes }, content);
  const middle = (place.top + place.bottom) / 2;
  return [
    x.ticks(TICKS.x).map(({ value, text: content }) => [
      rule(place.x(value), place.top, place.x(value), place.bottom, line),
      text(short(content), { x: place.x(value), y: place.bottom + 14, "text-anchor": "middle" }),
    ]),
    y.ticks(TICKS.y).map(({ value, text: content }) => [
      rule(place.left, place.y(value), place.right, place.y(value), line),
      text(content, { x: place.left - 5, y: place.y(value) + 4, "text-anchor": "end" }),
    ]),
    text(xName, { x: (place.left + place.right) / 2, y: place.bottom + 32, "text-anchor": "middle" }),
    text(yName, { x: 11, y: middle, "text-anchor": "middle", transform: `rotate(-90 11 ${middle})` }),
  ];
}

export function rule(x1, y1, x2, y2, stroke, dashes = null) {
  return shape("line", { x1, y1, x2, y2, stroke, "stroke-dasharray": dashes });
}

const pen = el("canvas").getContext("2d");

function short(text) {
  pen.font = "11px sans-serif";
  return fitted(pen, text, 80);
}

/** A line through points [[x, y], ...]. */
export function line(place, points, stroke) {
  const at = points.map(([x, y]) => `${place.x(x).toFixed(1)},${place.y(y).toFixed(1)}`).join(" ");
  return shape("polyline", { points: at, fill: "none", stroke, "stroke-width": 1.8 });
}

/** Bars from 0 up: `ends` [low, high] of each on x. */
export function bars(place, ends, heights, fill, words) {
  return heights.map((height, index) => {
    const [left, right] = ends[index].map(place.x);
    const top = place.y(height);
    const size = { x: left + 0.5, y: top, width: Math.max(1, right - left - 1), height: place.bottom - top };
    return told(shape("rect", { ...size, fill }), words(index));
  });
}

/** A histogram without axes, for a row of a table: counts of equal bins. */
export function sparkBars(counts, label) {
  const most = Math.max(1, ...counts);
  const fill = colours().accent;
  const width = 96 / counts.length;
  return shape(
    "svg",
    { viewBox: "0 0 96 22", class: "spark-bars", role: "img", "aria-label": label, preserveAspectRatio: "none" },
    counts.map((count, index) => {
      const height = (20 * count) / most;
      return shape("rect", { x: index * width, y: 21 - height, width: Math.max(0.6, width - 0.6), height, fill });
    }),
    rule(0, 21.5, 96, 21.5, colours().edge ?? colours().line),
  );
}

/** Charts as one file, each below its label. */
export function chartsFile(...charts) {
  const height = HEIGHT + CAPTION;
  const words = { x: EDGE.left, y: CAPTION - 6, fill: colours().text, "font-size": 12, "font-family": "sans-serif" };
  const drawn = charts.map((each, index) => [
    shape("text", { ...words, y: words.y + index * height }, each.getAttribute("aria-label")),
    shape("g", { transform: `translate(0 ${CAPTION + index * height})` }, [...each.cloneNode(true).childNodes]),
  ]);
  return svgFile(WIDTH, height * charts.length, drawn);
}
