// A small picture of one curve, with its range in words beside it.
import { colours } from "./colours.js";
import { el } from "./dom.js";
import { number } from "./format.js";

const WIDTH = 176;
const HEIGHT = 56;

export function sparkline(tag, curve) {
  const canvas = el("canvas", {
    width: WIDTH * 2,
    height: HEIGHT * 2,
    role: "img",
    "aria-label": `${tag}: ${words(curve)}`,
  });
  draw(canvas.getContext("2d", { willReadFrequently: true }), curve);
  return el(
    "figure",
    { class: "spark" },
    el("figcaption", {}, el("span", {}, tag), el("b", {}, number(curve.value.at(-1)))),
    canvas,
  );
}

function words(curve) {
  return `${number(curve.value[0])} at first, ${number(curve.value.at(-1))} at last, ${curve.value.length} points`;
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
  context.scale(2, 2);
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
