// Canvases one above the other: what changes seldom lies below and is not drawn again for what changes often.
import { colours } from "./colours.js";
import { el, shape } from "./dom.js";
import { value } from "./format.js";
import { SvgContext, svgFile } from "./svg_context.js";

/** Of a table in a file. */
const MOST_LINES = 200;
const MOST_WIDTH = 260;

export class Layers {
  /** `onresize` is called with the size in CSS pixels, also at first. */
  constructor(holder, names, onresize) {
    this.width = 0;
    this.height = 0;
    this.canvases = names.map(() => el("canvas", { "aria-hidden": "true" }));
    // Drawn by the processor: with software WebGL the default took seconds for a thousand lines.
    this.contexts = new Map(
      names.map((name, index) => [name, this.canvases[index].getContext("2d", { willReadFrequently: true })]),
    );
    this.recorded = null;
    holder.append(...this.canvases);
    this.observer = new ResizeObserver(([entry]) => this.#resize(entry.contentRect, onresize));
    this.observer.observe(holder);
  }

  #resize({ width, height }, onresize) {
    const ratio = devicePixelRatio || 1;
    if (width === this.width && height === this.height && ratio === this.ratio) return;
    Object.assign(this, { width, height, ratio });
    for (const canvas of this.canvases) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    if (width && height) onresize();
  }

  /** The emptied context of a layer, in CSS pixels. */
  clear(name) {
    const context = this.recorded ? this.#recorder(name) : this.#emptied(name);
    context.globalAlpha = 1;
    context.lineWidth = 1 / this.ratio;
    context.lineJoin = "bevel";
    context.font = colours().font;
    return context;
  }

  #emptied(name) {
    const context = this.contexts.get(name);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    return context;
  }

  #recorder(name) {
    const context = new SvgContext();
    this.recorded.set(name, context.element);
    return context;
  }

  /**
   * All layers as an SVG file, below `head` pixels of room in which `title(context)` writes. `draw` draws them all
   * before it returns.
   */
  file(draw, head = 0, title = () => null) {
    this.recorded = new Map();
    draw();
    const drawn = [...this.contexts.keys()].map((name) => this.recorded.get(name) ?? null);
    this.recorded = null;
    draw(); // A painting that was under way was given up for the file.
    const above = writing();
    title(above);
    const below = shape("g", { transform: `translate(0 ${head})` }, drawn);
    return svgFile(this.width, this.height + head, below, above.element);
  }
}

/** How many letters of `text` fit into `width` pixels. */
function lettersIn(context, text, width, ending = "") {
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (context.measureText(text.slice(0, middle) + ending).width <= width) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** `text` cut to `width` pixels. */
export function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  const count = lettersIn(context, text, width, "…");
  return count ? `${text.slice(0, count)}…` : "";
}

/** `text` in lines of `width` pixels, broken at spaces where there are some; of more than `most` lines the first. */
export function wrapped(context, text, width, most) {
  const lines = [];
  let rest = text;
  while (rest && lines.length < most) {
    const [paragraph] = rest.split("\n", 1);
    const count = Math.min(paragraph.length, Math.max(1, lettersIn(context, paragraph, width)));
    const space = paragraph.lastIndexOf(" ", count);
    const end = count === paragraph.length || space < 1 ? count : space;
    lines.push(paragraph.slice(0, end));
    rest = rest.slice(end).replace(/^[ \n]/, "");
  }
  if (rest) lines.push(fitted(context, `${lines.pop()} …`, width));
  return lines;
}

/** A context for texts in a file. */
export function writing() {
  return Object.assign(new SvgContext(), { font: colours().font, fillStyle: colours().text });
}

/** Rows of cells, the first is the head, as an SVG file. */
export function tableFile(rows, title) {
  const texts = rows.slice(0, MOST_LINES + 1).map((row) => row.map(value));
  const context = writing();
  const widths = texts[0].map((_, column) => {
    const each = texts.map((row) => context.measureText(row[column] ?? "").width);
    return Math.min(MOST_WIDTH, 16 + Math.max(...each));
  });
  const bold = `bold ${colours().font}`;
  context.font = bold;
  context.fillText(title, 12, 18);
  texts.forEach((row, index) => {
    context.font = index ? colours().font : bold;
    let x = 12;
    row.forEach((text, column) => {
      context.fillText(fitted(context, text, widths[column] - 10), x, 40 + 20 * index);
      x += widths[column];
    });
  });
  const width = 16 + widths.reduce((sum, each) => sum + each, 0);
  return svgFile(width, 20 * texts.length + 36, context.element);
}
