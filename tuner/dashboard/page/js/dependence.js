// Partial dependence, as the server computes it of all trials, on a plane: a line with its band, or contours of two.
import { BINS, colours } from "./colours.js";
import { textOf } from "./columns.js";
import { number } from "./format.js";
import { linear } from "./scales.js";
import { choice } from "./why_choice.js";

const LEVELS = 8;
/** Between labels of contours, in pixels. */
const APART = 46;

export function dependenceKey(store, names) {
  return JSON.stringify([choice(store).metric, ...names]);
}

/** What was told of these columns of parameters; null until it is known, without means where nothing can be told. */
export function dependenceOf(store, names) {
  return store.dependence.get(dependenceKey(store, names)) ?? null;
}

/** Who the line or the contours are of. */
export function ofWhom({ n, having }) {
  return `forest of all ${n} trials${having < n ? `, over ${having} that have it` : ""}`;
}

export function meaning(told) {
  return (
    `A forest fitted to all ${told.n} trials, whatever the filters let through (of more than 2,000 to evenly spaced ones): ` +
    "its mean over the trials' other parameters, ± one standard deviation between its trees. A parameter that only " +
    "some trials have is averaged over those, an option on which others depend over the trials that took it; where a " +
    "trial lacks a parameter, the trees see that it is absent."
  );
}

export function inWords(mean, spread) {
  return `${number(mean)} ± ${number(spread, 2)}`;
}

/**
 * Values of a parameter along its axis, [{place, index}] from low to high: a range is one run, each option one of its
 * own that reaches `half` to both sides.
 */
function runsOf(column, values, half) {
  if (!column.labels) return [values.map((place, index) => ({ place, index }))];
  return values
    .map((value, index) => ({ code: column.labels.indexOf(textOf(value)), index }))
    .filter(({ code }) => code >= 0)
    .map(({ code, index }) => [code - half, code + half].map((place) => ({ place, index })));
}

/** Runs of {x, mean, spread}, x in pixels. */
export function lineOf(plot, column, told) {
  return runsOf(column, told.parameters[0].values, 0.38).map((run) =>
    run.map(({ place, index }) => ({ x: plot.px(place), mean: told.mean[index], spread: told.spread[index] })),
  );
}

/** {mean, spread} at `x` pixels, between neighbours in proportion; null beside the line. */
export function lineAt(runs, x) {
  for (const run of runs) {
    const next = run.findIndex((point, index) => index && x >= run[index - 1].x && x <= point.x);
    if (next < 0) continue;
    const [from, to] = [run[next - 1], run[next]];
    const part = (x - from.x) / (to.x - from.x);
    const between = (name) => from[name] + part * (to[name] - from[name]);
    return { mean: between("mean"), spread: between("spread") };
  }
  return null;
}

export function paintBand(context, plot, runs) {
  context.fillStyle = colours().accent;
  context.globalAlpha = 0.2;
  for (const run of runs) {
    context.beginPath();
    for (const { x, mean, spread } of run) context.lineTo(x, plot.py(mean + spread));
    for (const { x, mean, spread } of run.toReversed()) context.lineTo(x, plot.py(mean - spread));
    context.fill();
  }
  context.globalAlpha = 1;
}

export function paintLine(context, plot, runs) {
  context.strokeStyle = colours().accent;
  context.lineWidth = 2;
  for (const run of runs) {
    context.beginPath();
    for (const { x, mean } of run) context.lineTo(x, plot.py(mean));
    context.stroke();
  }
}

/** Four corners {x, y, value} of each square between neighbours, in pixels. */
export function squaresOf(plot, columns, told) {
  const [across, up] = columns.map((column, axis) => runsOf(column, told.parameters[axis].values, 0.5));
  const sides = (runs) => runs.flatMap((run) => run.slice(1).map((to, index) => [run[index], to]));
  const corner = (a, b) => ({
    x: plot.px(a.place),
    y: plot.py(b.place),
    value: told.mean[a.index][b.index],
    spread: told.spread[a.index][b.index],
  });
  return sides(across).flatMap(([left, right]) =>
    sides(up)
      .map(([low, high]) => [corner(left, low), corner(right, low), corner(right, high), corner(left, high)])
      .filter((corners) => corners.every(({ value }) => value !== null)),
  );
}

/** {mean, spread} of the corner next to a place in pixels that lies in a square; null where none does. */
export function squareAt(squares, x, y) {
  const lies = ([a, , c]) => x >= a.x && x <= c.x && y <= a.y && y >= c.y;
  const corners = squares.find(lies);
  if (!corners) return null;
  const away = (corner) => Math.hypot(corner.x - x, corner.y - y);
  const { value, spread } = corners.reduce((near, corner) => (away(corner) < away(near) ? corner : near));
  return { mean: value, spread };
}

/** Areas between levels in the colours from the worst to the best, with lines and their values between them. */
export function paintContours(context, squares, isBetterSmall) {
  const values = squares.flatMap((corners) => corners.map(({ value }) => value));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const levels = linear(low, high).ticks(LEVELS).filter(({ value }) => value > low && value < high);
  const floors = [low, ...levels.map(({ value }) => value)];
  floors.forEach((floor, index) => {
    const place = (index + 0.5) / floors.length;
    const good = isBetterSmall ? 1 - place : place;
    paintArea(context, squares, floor, colours().scale[Math.floor(good * BINS)]);
  });
  const taken = [];
  for (const { value, text } of levels) paintLevel(context, squares, value, text, taken);
}

/** All that is at least `level`. */
function paintArea(context, squares, level, colour) {
  context.beginPath();
  for (const corners of squares)
    above(corners, level).forEach(({ x, y }, index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.fillStyle = context.strokeStyle = colour;
  context.lineWidth = 1;
  context.fill();
  context.stroke(); // Between neighbours no ground shines through.
}

function paintLevel(context, squares, level, text, taken) {
  const ends = squares.flatMap((corners) => crossings(corners, level));
  context.beginPath();
  ends.forEach(({ x, y }, index) => (index % 2 ? context.lineTo(x, y) : context.moveTo(x, y)));
  Object.assign(context, { strokeStyle: colours().card, lineWidth: 1, globalAlpha: 0.8 });
  context.stroke();
  context.globalAlpha = 1;
  const isFree = ({ x, y }) => taken.every((other) => Math.hypot(other.x - x, other.y - y) > APART);
  const free = inside(squares, ends).find(isFree);
  if (!free) return;
  taken.push(free);
  Object.assign(context, { textAlign: "center", textBaseline: "middle", lineWidth: 3, strokeStyle: colours().card });
  context.strokeText(text, free.x, free.y);
  context.fillStyle = colours().text;
  context.fillText(text, free.x, free.y);
}

/** The places that are not at the edge, where a label would be cut. */
function inside(squares, places) {
  const [left, right] = [squares[0][0].x, squares.at(-1)[2].x];
  const [bottom, top] = [squares[0][0].y, squares.at(-1)[2].y];
  return places.filter(
    ({ x, y }) => x > left + APART / 2 && x < right - APART / 2 && y < bottom - 8 && y > top + 8,
  );
}

/** The part of a square that is at least `level`, as a polygon. */
function above(corners, level) {
  return corners.flatMap((corner, index) => {
    const crossing = between(corner, corners[(index + 1) % 4], level);
    return [...(corner.value >= level ? [corner] : []), ...(crossing ? [crossing] : [])];
  });
}

/** Where the sides of a square cross `level`: none, two places or four. */
function crossings(corners, level) {
  return corners
    .map((corner, index) => between(corner, corners[(index + 1) % 4], level))
    .filter((crossing) => crossing !== null);
}

function between(from, to, level) {
  if (from.value >= level === to.value >= level) return null;
  const part = (level - from.value) / (to.value - from.value);
  return { x: from.x + part * (to.x - from.x), y: from.y + part * (to.y - from.y) };
}
