// Figures of rows as a file: pictures, texts and cells in a grid, each above its caption. The file holds the pictures.
import { wrapped, writing } from "./canvas.js";
import { colours } from "./colours.js";
import { el } from "./dom.js";
import { svgFile } from "./svg_context.js";

const WHOLE = 960;
const WIDTHS = { picture: 116, recording: 216, words: 304, sample: 936 };
const [EDGE, HEAD, GAP, PAD, LINE] = [12, 30, 10, 8, 15];
const MOST_LINES = 14;
const MOST_PICTURE = 160;

/** Of the figures in `box`, made by samples.js or model_part.js; null where there are none. */
export async function figuresFile(title, box) {
  const figures = await Promise.all([...box.querySelectorAll(".sample, .text-sample")].map(read));
  if (!figures.length) return null;
  const context = writing();
  const plain = context.font;
  context.font = `bold ${plain}`;
  context.fillText(title, EDGE, 18);
  const least = context.measureText(title).width;
  context.font = plain;
  const width = Math.max(...figures.map((figure) => WIDTHS[figure.kind]));
  const across = Math.max(1, Math.floor((WHOLE - 2 * EDGE + GAP) / (width + GAP)));
  let top = HEAD;
  for (let first = 0; first < figures.length; first += across) {
    const row = figures.slice(first, first + across).map((figure) => laidOut(context, figure, width));
    const height = Math.max(...row.map((each) => each.height));
    row.forEach((each, index) => draw(context, each, EDGE + index * (width + GAP), top, width, height));
    top += height + GAP;
  }
  const drawn = Math.min(across, figures.length) * (width + GAP) - GAP;
  return svgFile(2 * EDGE + Math.max(drawn, least), top - GAP + EDGE, context.element);
}

/** What a figure shows: `parts` are its texts, from top to bottom. */
async function read(figure) {
  const image = figure.querySelector("img");
  const kind = kindOf(figure, image);
  const parts = kind === "sample" ? told(figure, "dt, dd") : [...told(figure, "p"), ...cells(figure)];
  const caption = figure.querySelector("figcaption")?.textContent;
  if (caption) parts.push({ text: caption, isMuted: true });
  return { kind, parts, isWrong: figure.matches(".wrong"), picture: image && (await copied(image)) };
}

function kindOf(figure, image) {
  if (figure.matches(".text-sample")) return "sample";
  if (!image) return "words";
  return figure.querySelector(".recording") ? "recording" : "picture";
}

function told(figure, selector) {
  return [...figure.querySelectorAll(selector)].map((node) => ({
    text: node.textContent,
    isMuted: node.matches("dt"),
  }));
}

/** A line each. */
function cells(figure) {
  return [...figure.querySelectorAll(".cells dt")].map((name) => ({
    text: `${name.textContent}: ${name.nextSibling.textContent}`,
    isMuted: false,
  }));
}

/** A picture of the page as what it holds; null where it cannot be read. */
async function copied(image) {
  image.loading = "eager";
  try {
    await image.decode();
  } catch {
    return null;
  }
  const canvas = el("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return { address: canvas.toDataURL("image/png"), width: canvas.width, height: canvas.height };
}

/** With the size of its picture, its lines, and the height that it needs. */
function laidOut(context, figure, width) {
  const room = width - 2 * PAD;
  const { picture } = figure;
  const scale = picture ? Math.min(room / picture.width, MOST_PICTURE / picture.height) : 0;
  const size = picture ? { width: picture.width * scale, height: picture.height * scale } : { width: 0, height: 0 };
  const lines = figure.parts.flatMap(({ text, isMuted }) =>
    wrapped(context, text, room, MOST_LINES).map((line) => ({ text: line, isMuted })),
  );
  return { ...figure, size, lines, height: size.height + LINE * lines.length + 2 * PAD + (picture ? 4 : 0) };
}

function draw(context, { picture, size, lines, isWrong }, left, top, width, height) {
  context.strokeStyle = isWrong ? colours().bad : colours().line;
  context.strokeRect(left, top, width, height);
  if (picture) context.drawImage(picture.address, left + (width - size.width) / 2, top + PAD, size.width, size.height);
  const begin = top + PAD + size.height + (picture ? 4 : 0);
  lines.forEach(({ text, isMuted }, index) => {
    context.fillStyle = isMuted ? colours().muted : colours().text;
    context.fillText(text, left + PAD, begin + LINE * index + 11);
  });
  context.fillStyle = colours().text;
}
