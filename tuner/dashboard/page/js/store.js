// The one state of the page. Views read it and change it through its methods; each change names what changed, and
// views hear of all changes together, once a frame.
import { BINS, colours } from "./colours.js";
import { Curves } from "./curve_data.js";
import { compile } from "./expression.js";
import { extremesOf } from "./extremes.js";
import { testOf } from "./filters.js";
import { mark, onFrame } from "./frames.js";

/** How the view stands; what differs from this is in the address. */
export const DEFAULTS = {
  tab: "search",
  trial: null,
  expression: "",
  sort: null,
  shown: null,
  axes: null,
  flipped: [],
  tag: null,
  x: "step",
  curvesLogX: false,
  curvesLogY: null,
  smoothing: 0,
  which: "top",
  top: 20,
  scatterX: null,
  scatterY: null,
  colour: null,
  historyX: "number",
  whyMetric: null,
  whyMethod: "ped_anova",
  whyParameter: null,
  whySecond: null,
  whyPlane: "contours",
  part: "data",
  cell: null,
  allDecisions: false,
  onlyDifferences: true,
  price: 0,
  large: null,
  zoom: {},
};

const UNSOUND = ["FAILED", "DIVERGED", "INFEASIBLE"];

export class Store {
  constructor(name) {
    this.name = name;
    this.detail = null;
    this.trials = null;
    this.curves = new Map();
    this.decisions = null;
    this.timeline = null;
    this.importance = null;
    this.dependence = new Map();
    /** Trial to how often something new was told of it. */
    this.news = new Map();
    this.view = structuredClone(DEFAULTS);
    this.filters = new Map();
    this.picks = [];
    this.hover = null;
    this.wrong = "";
    this.passes = new Uint8Array(0);
    this.numPassing = 0;
    this.listeners = new Set();
    this.pending = new Set();
  }

  /** `listener(topics)` is called in the frame after a change; returns what ends that. */
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed(...topics) {
    if (!this.pending.size) {
      mark("changed");
      onFrame(() => this.#tell());
    }
    for (const topic of topics) this.pending.add(topic);
  }

  #tell() {
    const topics = this.pending;
    this.pending = new Set();
    if (topics.has("trials") || topics.has("filters")) this.#filter();
    if (topics.has("trials") || topics.has("colour")) this.#rank();
    for (const listener of [...this.listeners]) listener(topics);
  }

  setDetail(detail) {
    this.detail = detail;
    this.changed("detail");
  }

  setTrials(trials) {
    this.trials = trials;
    this.changed("trials");
  }

  patchTrials(columns, data) {
    this.trials.patch(columns, data);
    for (const number of data.number) this.news.set(number, (this.news.get(number) ?? 0) + 1);
    this.changed("trials");
  }

  setCurves(tag, curves) {
    this.curves.set(tag, curves);
    this.changed("curves");
  }

  /** A table of number, min, max: of the curves of a tag. */
  setExtremes(tag, data) {
    this.trials.setExtremes(tag, data);
    this.changed("trials");
  }

  /** New points: tag -> trial -> {from_step, step, time_s, value, min, max}. */
  patchCurves(byTag) {
    for (const [tag, byTrial] of Object.entries(byTag)) {
      if (this.trials.ofCurves.has(extremesOf(tag)[0])) this.#patchExtremes(tag, byTrial);
      if (!this.curves.has(tag)) continue;
      for (const [trial, points] of Object.entries(byTrial))
        this.curves.get(tag).append(Number(trial), points);
    }
    this.changed("curves");
  }

  #patchExtremes(tag, byTrial) {
    const told = Object.values(byTrial);
    const of = (name) => told.map((each) => each[name]);
    this.setExtremes(tag, { number: Object.keys(byTrial).map(Number), min: of("min"), max: of("max") });
  }

  set(changes) {
    Object.assign(this.view, changes);
    this.changed("view");
    if ("expression" in changes) this.changed("filters");
    // Where nothing was searched the tag says how good a trial is.
    if ("colour" in changes || ("tag" in changes && !this.metric)) this.changed("colour");
  }

  /** The card with `key` fills the page; null: none does. */
  enlarge(key) {
    this.view.large = key;
    this.changed("large");
  }

  setFilter(...filters) {
    for (const filter of filters) this.filters.set(filter.column, filter);
    this.changed("filters");
  }

  dropFilter(...columns) {
    for (const column of columns) this.filters.delete(column);
    this.changed("filters");
  }

  clear() {
    this.filters.clear();
    this.picks = [];
    this.view.expression = "";
    this.changed("filters", "picks", "view");
  }

  /** Picks trial `number`; `more`: beside those that are, or no longer if it is one. */
  pick(number, more = false) {
    const was = this.picks.includes(number);
    if (more) this.picks = was ? this.picks.filter((each) => each !== number) : [...this.picks, number];
    else this.picks = was && this.picks.length === 1 ? [] : [number];
    this.changed("picks");
  }

  setPicks(numbers) {
    this.picks = [...numbers];
    this.changed("picks");
  }

  setHover(number) {
    if (this.hover === number) return;
    this.hover = number;
    this.changed("hover");
  }

  open(number) {
    this.set({ trial: number });
  }

  get metric() {
    return this.detail?.metric ?? null;
  }

  get isMin() {
    return this.detail?.mode !== "max";
  }

  /** The column that says how good a trial is; of logs in which nothing was searched the last value of a tag. */
  get valueColumn() {
    return this.metric ? `best/${this.metric}` : `last/${this.tag}`;
  }

  get colourColumn() {
    const { colour } = this.view;
    return colour && this.trials?.has(colour) ? colour : this.valueColumn;
  }

  get tag() {
    const tags = this.detail?.metrics ?? [];
    if (tags.includes(this.view.tag)) return this.view.tag;
    return this.metric ? (tags[0] ?? this.metric) : (tags.find((tag) => /^val|loss/.test(tag)) ?? tags[0]);
  }

  #filter() {
    const { trials } = this;
    if (!trials) return;
    const tests = [...this.filters.values()].map((filter) => testOf(filter, trials)).filter(Boolean);
    const expression = this.#expression();
    if (expression) tests.push(expression);
    const passes = new Uint8Array(trials.size);
    let count = 0;
    for (let row = 0; row < trials.size; row += 1) {
      const pass = tests.every((test) => test(row));
      passes[row] = pass;
      count += pass;
    }
    this.passes = passes;
    this.numPassing = count;
  }

  #expression() {
    this.wrong = "";
    const text = this.view.expression.trim();
    if (!text) return null;
    try {
      return compile(text, this.trials);
    } catch (error) {
      this.wrong = error.message;
      return null;
    }
  }

  /** Colours: each row's bin, from the worst or lowest (0) to the best or highest; -1 without a value. */
  #rank() {
    const { trials } = this;
    if (!trials) return;
    const name = this.colourColumn;
    const column = trials.column(name);
    this.bins = new Int8Array(trials.size).fill(-1);
    this.legend = null;
    if (column?.labels) this.#colourByLabel(column);
    else if (column) this.#colourByRank(name, column);
    this.order = this.#drawingOrder();
  }

  #colourByLabel(column) {
    column.values.forEach((code, row) => {
      if (!Number.isNaN(code)) this.bins[row] = code % colours().categories.length;
    });
    this.legend = { labels: column.labels };
  }

  #colourByRank(name, column) {
    const rows = trialsWithValue(column);
    const sign = isBetterSmall(name, this) ? -1 : 1;
    rows.sort((a, b) => sign * (column.values[a] - column.values[b]) || b - a);
    rows.forEach((row, rank) => (this.bins[row] = Math.floor((rank * BINS) / rows.length)));
    const at = (part) => column.values[rows[Math.round(part * (rows.length - 1))]];
    this.legend = rows.length ? { ends: [at(0), at(0.5), at(1)] } : null;
  }

  /** Rows in the order to draw them: the best last, so that they lie on top. */
  #drawingOrder() {
    const rows = Array.from({ length: this.trials.size }, (_, row) => row);
    if (this.legend?.labels) return rows;
    return rows.sort((a, b) => this.bins[a] - this.bins[b] || b - a);
  }

  colourOf(row) {
    const bin = this.bins[row];
    if (bin < 0) return colours().muted;
    return this.legend?.labels ? colours().categories[bin] : colours().scale[bin];
  }

  /** The colour of the n-th picked trial where trials are compared. */
  pickColour(index) {
    return colours().categories[index % colours().categories.length];
  }

  /** Sound rows with a value, the best first; of those that pass the filters unless `all`. */
  ranked(all = false) {
    const { trials } = this;
    const rows = trials.sorted(this.valueColumn, !this.isMin);
    const state = trials.column("state");
    const unsound = new Set(UNSOUND.map((name) => state?.labels?.indexOf(name)));
    const values = trials.column(this.valueColumn)?.values;
    const again = trials.column("confirms")?.values;
    return rows.filter(
      (row) =>
        values &&
        !Number.isNaN(values[row]) &&
        (all || this.passes[row]) &&
        !(state && unsound.has(state.values[row])) &&
        (!again || Number.isNaN(again[row])),
    );
  }

  get best() {
    return this.trials ? (this.ranked(true)[0] ?? null) : null;
  }

  /** The curves of `tag`; empty while they are on their way. */
  curvesOf(tag) {
    return this.curves.get(tag) ?? Curves.none();
  }
}

function trialsWithValue(column) {
  const rows = [];
  column.values.forEach((value, row) => {
    if (Number.isFinite(value)) rows.push(row);
  });
  return rows;
}

export function isBetterSmall(name, store) {
  if (name.endsWith(`/${store.metric}`)) return store.isMin;
  const mode = store.detail?.objectives[name.replace(/^\w+\//, "")];
  if (mode) return mode === "min";
  return /loss|error|perplexity|seconds|bytes/.test(name);
}
