// The confusion matrix as a file: the page has it as a table of buttons.
import { writing } from "./canvas.js";
import { colours } from "./colours.js";
import { number } from "./format.js";
import { svgFile } from "./svg_context.js";

const HEIGHT = 25;
const EDGE = 12;

/** `names` of the classes, `cells` {truth, predicted, count}; an SVG file. */
export function confusionFile({ names, cells }) {
  const context = writing();
  context.textBaseline = "middle";
  const widest = Math.max(...names.map((name) => context.measureText(name).width));
  const [left, top, width] = [EDGE + widest + 8, 2 * HEIGHT, Math.max(HEIGHT, widest + 8)];
  const x = (predicted) => left + width * predicted;
  const y = (truth) => top + HEIGHT * truth;
  writeHeads(context, names, x, y);
  const totals = rowsOfClasses(names, cells);
  for (const cell of cells) {
    const box = [x(cell.predicted), y(cell.truth), width - 2, HEIGHT - 2];
    drawCell(context, cell, cell.count / totals[cell.truth], box);
  }
  return svgFile(x(names.length) + EDGE, y(names.length) + EDGE, context.element);
}

/** How many rows each class truly has. */
export function rowsOfClasses(names, cells) {
  const totals = names.map(() => 0);
  for (const { truth, count } of cells) totals[truth] += count;
  return totals;
}

function writeHeads(context, names, x, y) {
  context.fillText("true ↓ predicted →", EDGE, HEIGHT / 2);
  names.forEach((name, index) => {
    context.textAlign = "right";
    context.fillText(name, x(0) - 6, y(index) + HEIGHT / 2);
    context.textAlign = "center";
    context.fillText(name, (x(index) + x(index + 1)) / 2 - 1, y(0) - HEIGHT / 2);
  });
}

function drawCell(context, { truth, predicted, count }, share, [left, top, width, height]) {
  const isRight = truth === predicted;
  context.globalAlpha = isRight ? 0.45 * share : 0.15 + 0.3 * share;
  context.fillStyle = isRight ? colours().accent : colours().bad;
  context.fillRect(left, top, width, height);
  context.globalAlpha = 1;
  context.fillStyle = colours().text;
  context.fillText(number(count), left + width / 2, top + height / 2);
}
