// A small picture of one curve, with its range in words beside it.
import { fitted, writing } from "./canvas.js";
import { colours } from "./colours.js";
import { el } from "./dom.js";
import { measured } from "./format.js";
import { svgFile } from "./svg_context.js";

const WIDTH = 176;
const HEIGHT = 56;
const [EDGE, HEAD, GAP] = [12, 20, 16];

export function sparkline(tag, curve) {
  const canvas = el("canvas", {
    width: WIDTH * 2,
    height: HEIGHT * 2,
    role: "img",
    "aria-label": `${tag}: ${words(tag, curve)}`,
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.scale(2, 2);
  draw(context, curve);
  return el(
    "figure",
    { class: "spark" },
    el("figcaption", {}, el("span", { title: tag }, tag), el("b", {}, measured(tag, curve.value.at(-1)))),
    canvas,
  );
}

/** Curves [tag, curve] in two columns, as an SVG file. */
export function sparksFile(curves) {
  const context = writing();
  const [across, down] = [WIDTH + GAP, HEAD + HEIGHT + GAP];
  curves.forEach(([tag, curve], index) => {
    context.save();
    context.translate(EDGE + across * (index % 2), EDGE + down * Math.floor(index / 2));
    context.fillText(fitted(context, tag, WIDTH - 64), 0, HEAD - 6);
    context.textAlign = "right";
    context.fillText(measured(tag, curve.value.at(-1)), WIDTH, HEAD - 6);
    context.translate(0, HEAD);
    draw(context, curve);
    context.restore();
  });
  const lines = Math.ceil(curves.length / 2);
  return svgFile(2 * across - GAP + 2 * EDGE, lines * down - GAP + 2 * EDGE, context.element);
}

function words(tag, { value }) {
  return `${measured(tag, value[0])} at first, ${measured(tag, value.at(-1))} at last, ${value.length} points`;
}

function draw(context, { step, value }) {
  const finite = value.filter(Number.isFinite);
  if (!finite.length) return;
  const low = finite.reduce((a, b) => Math.min(a, b));
  const high = finite.reduce((a, b) => Math.max(a, b));
  const isLog = low > 0 && high / low > 100;
  const scaled = (each) => (isLog ? Math.log(each) : each);
  const [from, to] = [scaled(low), scaled(high)];
  const x = (each) => 4 + ((each - step[0]) / (step.at(-1) - step[0] || 1)) * (WIDTH - 8);
  const y = (each) => HEIGHT - 5 - ((scaled(each) - from) / (to - from || 1)) * (HEIGHT - 10);
  context.strokeStyle = colours().accent;
  context.lineWidth = 1.6;
  context.beginPath();
  let isOpen = false;
  value.forEach((each, index) => {
    if (!Number.isFinite(each)) isOpen = false;
    else {
      if (isOpen) context.lineTo(x(step[index]), y(each));
      else context.moveTo(x(step[index]), y(each));
      isOpen = true;
    }
  });
  if (value.length === 1) context.lineTo(x(step[0]) + 3, y(value[0]));
  context.stroke();
}
