// A drawing context whose marks become elements of SVG: of a canvas's as much as the views use, so that what paints one
// paints the other.
import { colours } from "./colours.js";
import { el, shape } from "./dom.js";

const BEGIN = {
  fillStyle: "black",
  strokeStyle: "black",
  globalAlpha: 1,
  lineWidth: 1,
  font: "10px sans-serif",
  textAlign: "left",
  textBaseline: "alphabetic",
  transform: "",
};
const ANCHORS = { center: "middle", right: "end" };

/** Letters that no XML may have. */
const NO_XML = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g;

const pen = el("canvas").getContext("2d");
let numClips = 0;

export class SvgContext {
  constructor() {
    this.element = shape("g", { "stroke-linejoin": "bevel" });
    Object.assign(this, BEGIN, { group: this.element, path: "", saved: [] });
  }

  save() {
    this.saved.push(Object.fromEntries([...Object.keys(BEGIN), "group"].map((name) => [name, this[name]])));
  }

  restore() {
    Object.assign(this, this.saved.pop());
  }

  translate(x, y) {
    this.transform += ` translate(${places(x, y)})`;
  }

  rotate(angle) {
    this.transform += ` rotate(${places((180 * angle) / Math.PI)})`;
  }

  /** What is drawn until `restore` is seen inside the path only. */
  clip() {
    numClips += 1;
    const id = `clip-${numClips}`;
    const inside = shape("g", { "clip-path": `url(#${id})` });
    this.group.append(shape("clipPath", { id }, shape("path", { d: this.path })), inside);
    this.group = inside;
  }

  beginPath() {
    this.path = "";
  }

  moveTo(x, y) {
    if (Number.isFinite(x + y)) this.path += `M${places(x, y)}`;
  }

  lineTo(x, y) {
    if (Number.isFinite(x + y)) this.path += `${this.path ? "L" : "M"}${places(x, y)}`;
  }

  rect(x, y, width, height) {
    this.path += rectangle(x, y, width, height);
  }

  /** A whole circle, whatever the angles. */
  arc(x, y, radius) {
    if (!Number.isFinite(x + y)) return;
    const half = `a${places(radius, radius)} 0 1 0`;
    this.path += `M${places(x - radius, y)}${half} ${places(2 * radius, 0)}${half} ${places(-2 * radius, 0)}Z`;
  }

  fill() {
    this.#mark(this.path, { fill: this.fillStyle });
  }

  stroke() {
    this.#mark(this.path, this.#outline());
  }

  fillRect(...box) {
    this.#mark(rectangle(...box), { fill: this.fillStyle });
  }

  strokeRect(...box) {
    this.#mark(rectangle(...box), this.#outline());
  }

  /** `address` holds the image itself, as `data:`: a file asks for nothing. */
  drawImage(address, x, y, width, height) {
    this.#put("image", { href: address, x, y, width, height, "image-rendering": "pixelated" });
  }

  fillText(text, x, y) {
    this.#write(text, x, y, { fill: this.fillStyle });
  }

  strokeText(text, x, y) {
    this.#write(text, x, y, this.#outline());
  }

  measureText(text) {
    pen.font = this.font;
    return pen.measureText(text);
  }

  #outline() {
    return { fill: "none", stroke: this.strokeStyle, "stroke-width": places(this.lineWidth) };
  }

  #mark(path, look) {
    if (path) this.#put("path", { d: path, ...look });
  }

  #write(text, x, y, look) {
    const [, weight, size, family] = this.font.match(/^(bold )?(\d+)px (.*)$/);
    const letters = { "font-size": size, "font-family": family, "font-weight": weight && "bold" };
    const place = {
      x: places(x),
      y: places(y),
      dy: this.textBaseline === "middle" ? "0.35em" : null,
      "text-anchor": ANCHORS[this.textAlign],
    };
    if (Number.isFinite(x + y)) this.#put("text", { ...place, ...letters, ...look }, String(text).replace(NO_XML, "\ufffd"));
  }

  #put(tag, attributes, ...children) {
    const opacity = this.globalAlpha === 1 ? null : this.globalAlpha;
    const transform = this.transform.trim() || null;
    this.group.append(shape(tag, { ...attributes, opacity, transform }, ...children));
  }
}

/** Elements on the card's ground, as a file. */
export function svgFile(width, height, ...elements) {
  const size = { width: Math.ceil(width), height: Math.ceil(height) };
  const ground = shape("rect", { ...size, fill: colours().card });
  const viewBox = `0 0 ${size.width} ${size.height}`;
  const image = shape("svg", { ...size, viewBox }, ground, elements);
  return new Blob([new XMLSerializer().serializeToString(image)], { type: "image/svg+xml" });
}

function places(...values) {
  return values.map((value) => Number(value.toFixed(2))).join(" ");
}

function rectangle(x, y, width, height) {
  if (!Number.isFinite(x + y + width + height)) return "";
  return `M${places(x, y)}h${places(width)}v${places(height)}h${places(-width)}Z`;
}
