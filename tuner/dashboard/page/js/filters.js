// Filters: what is shown. At most one a column, so a brush on an axis and a rectangle in a scatter are the same thing.
//
//   {column, low, high, absent}   a range of numbers; `absent`: trials without a value pass too
//   {column, labels, absent}      some of the values of a choice
//   {column: "trials", numbers}   trials caught by a lasso or by a rectangle over curves
import { heading, number } from "./format.js";

export const CAUGHT = "trials";

export function rangeFilter(column, low, high, absent = false) {
  return { column, low: Math.min(low, high), high: Math.max(low, high), absent };
}

export function labelFilter(column, labels, absent = false) {
  return { column, labels, absent };
}

export function caughtFilter(numbers) {
  return { column: CAUGHT, numbers: [...numbers].sort((a, b) => a - b) };
}

/** (row) -> whether it passes; null where the filter's column is not there. */
export function testOf(filter, trials) {
  if (filter.numbers) {
    const rows = new Set(filter.numbers.map((each) => trials.rowOf.get(each)));
    return (row) => rows.has(row);
  }
  const column = trials.column(filter.column);
  if (!column) return null;
  const { values } = column;
  if (filter.labels) {
    if (column.labels === null) return null;
    const codes = new Set(filter.labels.map((label) => column.labels.indexOf(label)));
    return (row) => (Number.isNaN(values[row]) ? filter.absent : codes.has(values[row]));
  }
  return (row) => {
    const value = values[row];
    return Number.isNaN(value) ? filter.absent : value >= filter.low && value <= filter.high;
  };
}

/** The filter in words, for its chip. */
export function words(filter) {
  if (filter.numbers) return `${filter.numbers.length} caught trial${filter.numbers.length === 1 ? "" : "s"}`;
  const name = heading(filter.column);
  if (filter.labels) {
    const all = filter.absent ? [...filter.labels, "absent"] : filter.labels;
    return `${name}: ${all.join(", ")}`;
  }
  if (filter.low > filter.high) return `${name}: absent`;
  return `${name}: ${number(filter.low, 3)} – ${number(filter.high, 3)}${filter.absent ? " or absent" : ""}`;
}

/** As JSON for the address; and back, null where it is no filter. */
export function encode(filter) {
  if (filter.numbers) return JSON.stringify([CAUGHT, runs(filter.numbers)]);
  const what = filter.labels ? [filter.labels] : [filter.low, filter.high];
  return JSON.stringify([filter.column, ...what, ...(filter.absent ? [1] : [])]);
}

export function decode(text) {
  let parts;
  try {
    parts = JSON.parse(text);
  } catch {
    return null;
  }
  if (!Array.isArray(parts) || typeof parts[0] !== "string") return null;
  const [column, first, second, third] = parts;
  if (column === CAUGHT && typeof first === "string") return caughtFilter(unrun(first));
  if (Array.isArray(first)) return labelFilter(column, first.map(String), second === 1);
  if (typeof first !== "number" || typeof second !== "number") return null;
  return { column, low: first, high: second, absent: third === 1 };
}

/** 1,2,3,7 -> "1-3,7" */
export function runs(numbers) {
  const found = [];
  for (const each of [...numbers].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last && each === last[1] + 1) last[1] = each;
    else found.push([each, each]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

export function unrun(text) {
  const numbers = [];
  for (const part of text.split(",").filter(Boolean)) {
    const [from, to = from] = part.split("-").map(Number);
    if (!Number.isInteger(from) || !Number.isInteger(to) || to - from > 100_000) continue;
    for (let each = from; each <= to; each += 1) numbers.push(each);
  }
  return numbers;
}
