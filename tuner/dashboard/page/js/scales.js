// From values to places and back. A scale has at(value) -> 0..1, value(place) and ticks(count) -> [{value, text}].
import { number } from "./format.js";

/** `isWhole`: of whole numbers, so no tick lies between them. */
export function linear(low, high, isWhole = false) {
  if (!(high > low)) [low, high] = spread(low);
  return {
    kind: "linear",
    low,
    high,
    at: (value) => (value - low) / (high - low),
    value: (place) => low + place * (high - low),
    ticks: (count) =>
      linearTicks(low, high, count)
        .filter((value) => !isWhole || Number.isInteger(value))
        .map((value) => ({ value, text: number(value) })),
  };
}

export function log(low, high) {
  if (!(low > 0)) low = high > 0 ? high / 1000 : 0.1;
  if (!(high > low)) [low, high] = [low / 2, low * 2];
  const [from, width] = [Math.log(low), Math.log(high) - Math.log(low)];
  return {
    kind: "log",
    low,
    high,
    at: (value) => (value > 0 ? (Math.log(value) - from) / width : NaN),
    value: (place) => Math.exp(from + place * width),
    ticks: (count) => logTicks(low, high, count).map((value) => ({ value, text: number(value) })),
  };
}

/** Codes 0 .. labels.length - 1 at even distances. */
export function category(labels) {
  const count = Math.max(1, labels.length);
  return {
    kind: "category",
    low: -0.5,
    high: count - 0.5,
    at: (code) => (code + 0.5) / count,
    value: (place) => place * count - 0.5,
    ticks: (most) => {
      const stride = Math.max(1, Math.ceil(count / Math.max(1, most)));
      return labels.map((text, value) => ({ value, text })).filter((_, index) => index % stride === 0);
    },
  };
}

/** The scale of a column: its range widened by `margin`; log where it is so and all values allow it. */
export function scaleOf(column, isLog, margin = 0) {
  if (column.labels) return category(column.labels);
  const [low, high] = isLog ? column.positiveRange() : column.range();
  if (isLog && high > 0) {
    const factor = (high / low) ** margin;
    return log(low / factor, high * factor);
  }
  return linear(low - margin * (high - low), high + margin * (high - low), column.isWhole);
}

function spread(value) {
  if (!Number.isFinite(value)) return [0, 1];
  const half = Math.abs(value) / 10 || 1;
  return [value - half, value + half];
}

function linearTicks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw * 0.999);
  const ticks = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

function logTicks(low, high, count) {
  const decades = Math.log10(high / low);
  if (decades < 1) return linearTicks(low, high, count).filter((value) => value > 0);
  const stride = Math.max(1, Math.ceil(decades / Math.max(1, count)));
  const within = decades * 3 <= count ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    if (power % stride !== 0) continue;
    for (const each of within) ticks.push(Number(`${each}e${power}`));
  }
  return ticks.filter((value) => value >= low * 0.9999 && value <= high * 1.0001);
}
