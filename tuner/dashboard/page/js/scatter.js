// Scatter and history: a point a trial.
import { Card } from "./card.js";
import { colours } from "./colours.js";
import { choose, csv, optionsButton, setChoices, toggle } from "./dom.js";
import { caughtFilter } from "./filters.js";
import { heading, shortNames, value } from "./format.js";
import { Plot, nearest, usualRange } from "./plot.js";
import { linear, scaleOf } from "./scales.js";
import { without } from "./curves.js";

export class PointsPlot extends Plot {
  constructor(store, key, label) {
    super(store, key, label, ["select", "lasso", "zoom"]);
  }

  scales() {
    const [xName, yName] = this.columns();
    const [x, y] = [this.store.trials.column(xName), this.store.trials.column(yName)];
    if (!x || !y || ![...x.values.keys()].some((row) => hasPoint(x, y, row))) return null;
    this.isCut = false;
    return { x: this.#scale(x, xName), y: this.#scale(y, yName) };
  }

  #scale(column, name) {
    if (column.labels) return scaleOf(column, false);
    if (this.isLog(name)) return scaleOf(column, true, 0.04);
    if (!/^(best|last|objective)\//.test(name)) return scaleOf(column, false, 0.03);
    const [low, high, isCut] = usualRange(column.values);
    this.isCut ||= isCut;
    return linear(low - 0.03 * (high - low), high + 0.03 * (high - low));
  }

  isLog(name) {
    return this.store.trials.isLog(name) !== this.store.view.flipped.includes(name);
  }

  everything() {
    if (!this.isCut) return null;
    return this.columns().flatMap((name) => {
      const column = this.store.trials.column(name);
      return column.labels ? [0, 1] : column.range();
    });
  }

  names() {
    const [x, y] = this.columns().map(heading);
    return { x, y };
  }

  nothing() {
    return [
      "No points",
      "No trial has a value on both axes yet. Choose other axes, or wait for the first reports.",
    ];
  }

  #place() {
    const { trials } = this.store;
    const [x, y] = this.columns().map((name) => trials.column(name));
    this.xs = new Float32Array(trials.size);
    this.ys = new Float32Array(trials.size);
    for (let row = 0; row < trials.size; row += 1) {
      this.xs[row] = x.values[row] < Infinity || x.labels ? this.px(x.values[row] + jitter(x, row)) : NaN;
      this.ys[row] = this.py(y.values[row] + jitter(y, row));
    }
  }

  isPlaced(row) {
    return !Number.isNaN(this.xs[row]) && !Number.isNaN(this.ys[row]);
  }

  paintBack(context) {
    this.#place();
    context.fillStyle = colours().faint;
    for (const row of this.store.order) {
      if (this.isPlaced(row)) context.fillRect(this.xs[row] - 1.5, this.ys[row] - 1.5, 3, 3);
    }
  }

  *paintMain(context) {
    const { store } = this;
    const isMany = store.numPassing > 2000;
    const size = isMany ? 1.5 : store.numPassing > 300 ? 2.6 : 3.6;
    context.globalAlpha = store.picks.length ? 0.4 : 0.9;
    let count = 0;
    let last = null;
    for (const row of store.order) {
      if (!store.passes[row] || !this.isPlaced(row)) continue;
      const colour = store.colourOf(row);
      if (colour !== last) {
        if (last !== null) context.fill();
        context.beginPath();
        context.fillStyle = last = colour;
      }
      if (isMany) context.rect(this.xs[row] - size, this.ys[row] - size, 2 * size, 2 * size);
      else {
        context.moveTo(this.xs[row] + size, this.ys[row]);
        context.arc(this.xs[row], this.ys[row], size, 0, 7);
      }
      count += 1;
      if (count % 1000 === 0) {
        context.fill();
        context.beginPath();
        yield;
      }
    }
    if (last !== null) context.fill();
  }

  paintOver(context) {
    const { store } = this;
    store.picks
      .slice(0, 500)
      .forEach((number, index) => this.#strong(context, number, store.pickColour(index), 5));
    if (store.hover !== null) this.#strong(context, store.hover, colours().text, 6);
  }

  #strong(context, number, colour, size) {
    const row = this.store.trials.rowOf.get(number);
    if (row === undefined || !this.isPlaced(row)) return;
    context.beginPath();
    context.arc(this.xs[row], this.ys[row], size, 0, 7);
    context.fillStyle = colour;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = colours().card;
    context.stroke();
  }

  drawn() {
    return this.store.order.filter((row) => this.store.passes[row] && this.isPlaced(row));
  }

  hit(x, y) {
    return this.xs ? nearest(this.drawn(), this.xs, this.ys, x, y) : null;
  }

  along() {
    return this.drawn().sort((a, b) => this.xs[a] - this.xs[b]);
  }

  placeOf(row) {
    return [this.xs[row], this.ys[row]];
  }

  describe(row) {
    const { trials } = this.store;
    return [
      ...super.describe(row),
      ...this.columns().map((name) => `${heading(name)} ${value(trials.column(name).raw[row])}`),
    ];
  }

  rowsInside(test) {
    return this.drawn().filter((row) => test(this.xs[row], this.ys[row]));
  }

  caught(rows) {
    this.store.setFilter(caughtFilter(rows.map((row) => this.store.trials.number(row))));
  }

  csv() {
    const { trials, colourColumn } = this.store;
    const names = [...new Set(["number", "state", ...this.columns(), colourColumn])];
    const rows = this.drawn().sort((a, b) => trials.number(a) - trials.number(b));
    return csv([names, ...rows.map((row) => names.map((name) => trials.column(name).raw[row]))]);
  }
}

function hasPoint(x, y, row) {
  return Number.isFinite(x.values[row]) && Number.isFinite(y.values[row]);
}

/** Points of one category lie side by side instead of one upon the other; the same for a trial at every drawing. */
function jitter(column, row) {
  return column.labels ? (((row * 0.618034) % 1) - 0.5) * 0.6 : 0;
}

function wantsPoints(topics) {
  return ["view", "trials", "detail", "colour", "size", "importance", "dependence"].some((topic) => topics.has(topic));
}

export function updatePoints(plot, topics) {
  if (wantsPoints(topics)) plot.redraw();
  else if (topics.has("filters") || topics.has("picks")) plot.redrawMain();
  else if (topics.has("hover")) plot.redrawOver();
}

class ScatterPlot extends PointsPlot {
  columns() {
    const { store } = this;
    const { scatterX, scatterY } = store.view;
    const { trials } = store;
    const x = trials.has(scatterX) ? scatterX : firstParameter(store);
    return [x, trials.has(scatterY) ? scatterY : store.valueColumn];
  }
}

/** The parameter that a first look is owed: the first one on a log range, else the first. */
function firstParameter(store) {
  const names = (store.detail?.axes ?? [])
    .map((axis) => `param/${axis.name}`)
    .filter((name) => store.trials.has(name));
  return names.find((name) => store.trials.isLog(name)) ?? names[0] ?? "number";
}

export class ScatterView {
  constructor(store) {
    this.store = store;
    this.plot = new ScatterPlot(store, "scatter", "Scatter");
    const changed = (changes) => store.set({ ...changes, zoom: without(store.view.zoom, "scatter") });
    this.x = choose("x axis of the scatter", [], "", (scatterX) => changed({ scatterX }));
    this.y = choose("y axis of the scatter", [], "", (scatterY) => changed({ scatterY }));
    this.logX = toggle("log x", "Logarithmic x axis", false, () => this.#flip(0));
    this.logY = toggle("log y", "Logarithmic y axis", false, () => this.#flip(1));
    this.card = new Card(
      "scatter",
      "Scatter",
      store,
      [this.x, this.y, optionsButton("Log", [this.logX, this.logY]), this.plot.toolButtons()],
      {
        svg: () => this.plot.file(),
        csv: () => this.plot.csv(),
      },
    );
    this.card.body.append(this.plot.element);
    this.element = this.card.element;
  }

  #flip(index) {
    flip(this.store, this.plot.columns()[index], { zoom: without(this.store.view.zoom, "scatter") });
  }

  update(topics) {
    const { store, plot } = this;
    if (store.trials && wantsPoints(topics)) {
      const short = shortNames(plottable(store));
      const choices = plottable(store).map((name) => [name, short.get(name)]);
      const [x, y] = plot.columns();
      setChoices(
        this.x,
        choices.map(([name, text]) => [name, `x: ${text}`]),
        x,
      );
      setChoices(
        this.y,
        choices.map(([name, text]) => [name, `y: ${text}`]),
        y,
      );
      this.logX.press(plot.isLog(x));
      this.logY.press(plot.isLog(y));
    }
    updatePoints(plot, topics);
    this.card.note.textContent =
      plot.isCut && !store.view.zoom.scatter ? "outliers cut, double-click for all" : "";
  }
}

/** Turns the log of a column's axis on or off. */
export function flip(store, name, more = {}) {
  const { flipped } = store.view;
  store.set({
    flipped: flipped.includes(name) ? flipped.filter((each) => each !== name) : [...flipped, name],
    ...more,
  });
}

/** Columns that can be an axis. */
export function plottable(store) {
  return store.trials.names.filter((name) => !["reason", "nodes", "note"].includes(name));
}

class HistoryPlot extends PointsPlot {
  columns() {
    const { historyX } = this.store.view;
    return [this.store.trials.has(historyX) ? historyX : "number", this.store.valueColumn];
  }

  *paintMain(context) {
    yield* super.paintMain(context);
    this.#paintBest(context);
  }

  /** The best value so far, as a stair. */
  #paintBest(context) {
    const { store } = this;
    const [xName, yName] = this.columns();
    const [x, y] = [store.trials.column(xName).values, store.trials.column(yName).values];
    const rows = store.ranked(true).sort((a, b) => x[a] - x[b]);
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeStyle = colours().accent;
    context.beginPath();
    let best = null;
    for (const row of rows) {
      if (best !== null && (store.isMin ? y[row] >= best : y[row] <= best)) continue;
      if (best === null) context.moveTo(this.px(x[row]), this.py(y[row]));
      else context.lineTo(this.px(x[row]), this.py(best));
      context.lineTo(this.px(x[row]), this.py(y[row]));
      best = y[row];
    }
    if (best !== null) context.lineTo(this.inset.left + this.innerWidth, this.py(best));
    context.stroke();
  }
}

export class HistoryView {
  constructor(store) {
    this.store = store;
    this.plot = new HistoryPlot(store, "history", "Optimisation history");
    const changed = (changes) => store.set({ ...changes, zoom: without(store.view.zoom, "history") });
    this.x = choose("x axis of the history", [], "", (historyX) => changed({ historyX }));
    this.logY = toggle("log y", "Logarithmic y axis", false, () => flip(store, store.valueColumn));
    this.card = new Card(
      "history",
      "Best so far",
      store,
      [this.x, optionsButton("Log", [this.logY]), this.plot.toolButtons()],
      {
        svg: () => this.plot.file(),
        csv: () => this.plot.csv(),
      },
    );
    this.card.body.append(this.plot.element);
    this.element = this.card.element;
  }

  update(topics) {
    const { store, plot } = this;
    if (store.trials && wantsPoints(topics)) {
      const costs = [
        ["number", "over trials"],
        ["spent/seconds", "over time"],
        ["spent/gpu_seconds", "over GPU time"],
      ];
      const present = costs.filter(([name]) => {
        const column = store.trials.column(name);
        return column && !column.labels && column.range()[1] > 0;
      });
      setChoices(this.x, present, plot.columns()[0]);
      this.logY.press(plot.isLog(store.valueColumn));
    }
    updatePoints(plot, topics);
  }
}
