// Canvases one above the other: what changes seldom lies below and is not drawn again for what changes often.
import { colours } from "./colours.js";
import { el } from "./dom.js";

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
    const context = this.contexts.get(name);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.globalAlpha = 1;
    context.lineWidth = 1 / this.ratio;
    context.lineJoin = "bevel";
    context.font = colours().font;
    return context;
  }

  /** All layers in one, on the card's ground, below `head` pixels of room. */
  picture(head = 0) {
    const canvas = el("canvas");
    canvas.width = this.canvases[0].width;
    canvas.height = this.canvases[0].height + head * this.ratio;
    const context = canvas.getContext("2d");
    context.fillStyle = colours().card;
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const each of this.canvases) context.drawImage(each, 0, head * this.ratio);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.font = colours().font;
    context.fillStyle = colours().text;
    return [canvas, context];
  }
}

/** `text` cut to `width` pixels. */
export function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return low ? `${text.slice(0, low)}…` : "";
}

/** A table as a picture, for the views that are made of text. */
export function tablePicture(rows, title) {
  const canvas = el("canvas");
  const context = canvas.getContext("2d");
  context.font = colours().font;
  const widths = rows[0].map((_, index) =>
    Math.min(260, 16 + Math.max(...rows.map((row) => context.measureText(row[index]).width))),
  );
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(ratio * (16 + widths.reduce((sum, width) => sum + width, 0)));
  canvas.height = Math.round(ratio * (20 * rows.length + 36));
  context.scale(ratio, ratio);
  context.fillStyle = colours().card;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = `bold ${colours().font}`;
  context.fillStyle = colours().text;
  context.fillText(title, 12, 18);
  rows.forEach((row, index) => {
    context.font = index ? colours().font : `bold ${colours().font}`;
    let x = 12;
    row.forEach((text, column) => {
      context.fillText(fitted(context, text, widths[column] - 10), x, 40 + 20 * index);
      x += widths[column];
    });
  });
  return canvas;
}
