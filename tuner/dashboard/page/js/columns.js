// The table of trials, column by column: numbers as Float64Array (absent: NaN), anything else as codes of labels.
import { extremesOf } from "./extremes.js";

/** What the search had spent when a trial was over, trials counted by their number: column to what it sums. */
export const FINISHED = new Set(["COMPLETE", "STOPPED", "DIVERGED", "INFEASIBLE", "FAILED"]);

export const SPENT = { "spent/seconds": "seconds", "spent/gpu_seconds": "gpu_seconds" };
const TEXTS = new Set(["state", "reason", "nodes", "tags", "note"]);
/** Columns that are there while a trial has something in them. */
const PASSING = ["tags", "note"];
const ORDER = ["QUEUED", "RUNNING", "PAUSED", "COMPLETE", "STOPPED", "DIVERGED", "INFEASIBLE", "FAILED"];

/** One column. `labels` is null for numbers; else `values` are codes into it, -1 where absent. */
class Column {
  constructor(name, raw, kind) {
    this.name = name;
    this.raw = raw;
    const isNumber =
      kind === "number" ||
      (kind === null && raw.every((value) => value === null || typeof value === "number"));
    if (isNumber) {
      this.labels = null;
      this.values = Float64Array.from(raw, (value) => (typeof value === "number" ? value : NaN));
    } else {
      this.#code();
    }
  }

  #code() {
    const texts = this.raw.map((value) => (value === null ? null : textOf(value)));
    this.labels = inOrder(
      [...new Set(texts)].filter((text) => text !== null),
      this.name,
    );
    const codes = new Map(this.labels.map((label, code) => [label, code]));
    this.values = Float64Array.from(texts, (text) => (text === null ? NaN : codes.get(text)));
  }

  get isWhole() {
    return (
      this.labels === null && this.values.every((value) => Number.isNaN(value) || Number.isInteger(value))
    );
  }

  get hasAbsent() {
    return this.values.some(Number.isNaN);
  }

  range() {
    return extent(this.values, () => true);
  }

  positiveRange() {
    return extent(this.values, (value) => value > 0);
  }

  text(row) {
    const value = this.raw[row];
    return value === null || value === undefined ? null : textOf(value);
  }
}

export class Trials {
  /** `axes` says which parameters are choices; what the server sent is kept as it came. */
  constructor(columns, data, axes) {
    this.names = columns;
    this.data = data;
    this.axes = new Map(axes.map((axis) => [`param/${axis.name}`, axis]));
    /** Columns of which rows that change say nothing. */
    this.ofCurves = new Set();
    this.#index();
  }

  #index() {
    this.made = new Map();
    this.size = this.data.number?.length ?? 0;
    this.rowOf = new Map(this.data.number?.map((number, row) => [number, row]));
  }

  has(name) {
    return Object.hasOwn(this.data, name) || (name in SPENT && Object.hasOwn(this.data, SPENT[name]));
  }

  column(name) {
    if (!this.has(name)) return null;
    if (!this.made.has(name)) this.made.set(name, new Column(name, this.#raw(name), this.#kind(name)));
    return this.made.get(name);
  }

  #raw(name) {
    if (!(name in SPENT)) return this.data[name];
    const each = this.data[SPENT[name]];
    const sums = new Array(this.size);
    let sum = 0;
    for (const row of this.sorted("number", false)) sums[row] = sum += each[row] ?? 0;
    return sums;
  }

  #kind(name) {
    if (TEXTS.has(name)) return "text";
    const axis = this.axes.get(name);
    if (axis) return axis.kind === "float" || axis.kind === "int" ? "number" : "text";
    return null;
  }

  number(row) {
    return this.data.number[row];
  }

  value(name, row) {
    return this.column(name)?.values[row] ?? NaN;
  }

  /** Rows that changed or are new, whole: what they have no column for they no longer have. */
  patch(columns, data) {
    for (const name of columns) {
      if (!this.has(name)) {
        this.names.push(name);
        this.data[name] = new Array(this.size).fill(null);
      }
    }
    data.number.forEach((number, index) => {
      let row = this.rowOf.get(number);
      const isNew = row === undefined;
      if (isNew) {
        row = this.size;
        this.size += 1;
        this.rowOf.set(number, row);
      }
      for (const name of this.names)
        if (isNew || !this.ofCurves.has(name)) this.data[name][row] = data[name]?.[index] ?? null;
    });
    for (const name of PASSING) if (this.data[name]?.every((value) => value === null)) this.#drop(name);
    this.#index();
  }

  /** The lowest and the highest points of trials' curves; trials that are not known are passed over. */
  setExtremes(tag, { number, min, max }) {
    extremesOf(tag).forEach((name, index) => {
      if (!this.ofCurves.has(name)) {
        this.names.push(name);
        this.data[name] = new Array(this.size).fill(null);
        this.ofCurves.add(name);
      }
      number.forEach((each, at) => {
        const row = this.rowOf.get(each);
        if (row !== undefined) this.data[name][row] = [min, max][index][at];
      });
    });
    this.#index();
  }

  #drop(name) {
    this.names = this.names.filter((other) => other !== name);
    delete this.data[name];
  }

  /** Whether a column reads better on a log axis: its domain is log, or it spans three powers of ten. */
  isLog(name) {
    const axis = this.axes.get(name);
    if (axis) return Boolean(axis.log);
    const column = this.column(name);
    if (!column || column.labels || name === "number") return false;
    const [low, high] = column.range();
    return low > 0 && high / low >= 1000;
  }

  /** Row numbers from the smallest to the largest value of a column, absent ones last. */
  sorted(name, descending) {
    const values = this.column(name)?.values;
    const rows = Array.from({ length: this.size }, (_, row) => row);
    if (!values) return rows;
    const sign = descending ? -1 : 1;
    return rows.sort((a, b) => {
      const [left, right] = [values[a], values[b]];
      if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right) || a - b;
      return sign * (left - right) || a - b;
    });
  }
}

export function textOf(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function inOrder(labels, name) {
  if (name === "state") return labels.sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const numeric = labels.every((label) => label.trim() !== "" && Number.isFinite(Number(label)));
  return numeric ? labels.sort((a, b) => a - b) : labels.sort();
}

function extent(values, counts) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value) || !counts(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return high >= low ? [low, high] : [NaN, NaN];
}
