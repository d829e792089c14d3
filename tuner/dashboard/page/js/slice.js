// A parameter against the metric: a dot a trial, with median and quartiles of the shown ones in bins, and how the
// metric depends on it in a forest of all trials.
import { binsOf, quartiles } from "./bins.js";
import { Card } from "./card.js";
import { colours } from "./colours.js";
import { dependenceOf, inWords, lineAt, lineOf, meaning, ofWhom, paintBand, paintLine } from "./dependence.js";
import { choose, csv, setChoices } from "./dom.js";
import { heading, number, shortNames } from "./format.js";
import { PointsPlot, updatePoints } from "./scatter.js";
import { choice, pickParameter } from "./why_choice.js";

/** Of fewer trials nothing is said. */
const FEWEST = 3;

class SlicePlot extends PointsPlot {
  columns() {
    const { parameter, value } = choice(this.store);
    return [parameter, value];
  }

  nothing() {
    return ["No points", "No trial has a value of both yet. Choose another parameter or metric."];
  }

  paintBack(context) {
    super.paintBack(context);
    const [name] = this.columns();
    const told = dependenceOf(this.store, [name]);
    this.line = told?.mean.length ? lineOf(this, this.store.trials.column(name), told) : [];
    paintBand(context, this, this.line);
  }

  *paintMain(context) {
    yield* super.paintMain(context);
    this.#summarise();
    context.globalAlpha = 1;
    paintLine(context, this, this.line);
    this.summaries.forEach((summary) => summary && this.#paintSummary(context, summary));
  }

  #summarise() {
    const [x, y] = this.columns().map((name) => this.store.trials.column(name).values);
    this.bins = binsOf(this.store.trials.column(this.columns()[0]), this.whole.x);
    const inBins = Array.from({ length: this.bins.count }, () => []);
    for (const row of this.drawn()) inBins[this.bins.of(x[row])]?.push(y[row]);
    this.summaries = inBins.map((values, index) =>
      values.length < FEWEST
        ? null
        : { ends: this.bins.ends(index), quartiles: quartiles(values), count: values.length },
    );
  }

  #paintSummary(context, { ends, quartiles: [lower, median, upper] }) {
    const [left, right] = ends.map((end) => Math.round(this.px(end)));
    const [top, middle, bottom] = [upper, median, lower].map((value) => Math.round(this.py(value)));
    context.fillStyle = context.strokeStyle = colours().text;
    context.globalAlpha = 0.09;
    context.fillRect(left + 2, top, right - left - 4, bottom - top);
    context.globalAlpha = 0.55;
    context.lineWidth = 1;
    context.strokeRect(left + 2.5, top + 0.5, right - left - 5, bottom - top);
    context.globalAlpha = 1;
    context.fillRect(left + 2, middle - 1, right - left - 4, 2.5);
  }

  describe(row) {
    const [name] = this.columns();
    const index = this.bins.of(this.store.trials.value(name, row));
    const summary = this.summaries[index];
    const [lower, median, upper] = (summary?.quartiles ?? []).map((value) => number(value));
    const at = this.#lineAt(row);
    return [
      ...super.describe(row),
      ...(summary
        ? [`${this.bins.text(index)}: ${summary.count} trials, median ${median}, half of them ${lower} – ${upper}`]
        : []),
      ...(at ? [`the forest's mean here ${inWords(at.mean, at.spread)}`] : []),
    ];
  }

  #lineAt(row) {
    return lineAt(this.line, this.px(this.store.trials.value(this.columns()[0], row)));
  }

  /** Where no trial is under the pointer, the line is told of. */
  point(row, x, y) {
    super.point(row, x, y);
    const at = row === null && this.x ? lineAt(this.line, x) : null;
    if (!at) return;
    const [name, value] = this.columns();
    const { labels } = this.store.trials.column(name);
    const [place] = this.valueAt(x, y);
    const words = labels ? labels[Math.round(place)] : number(place, 3);
    this.tell([`mean ${heading(value)} ${inWords(at.mean, at.spread)}`, `${heading(name)} ${words}`], x, y);
  }

  csv() {
    const { trials, colourColumn } = this.store;
    const names = [...new Set(["number", "state", ...this.columns(), colourColumn])];
    const rows = this.x ? this.drawn().sort((a, b) => trials.number(a) - trials.number(b)) : [];
    const lines = rows.map((row) => {
      const at = this.#lineAt(row);
      return [...names.map((name) => trials.column(name).raw[row]), at?.mean ?? null, at?.spread ?? null];
    });
    return csv([[...names, "forest mean", "forest spread"], ...lines]);
  }
}

export class SliceView {
  constructor(store) {
    this.store = store;
    this.plot = new SlicePlot(store, "slice", "Slice");
    this.parameter = choose("Parameter of the slice", [], "", (name) => pickParameter(store, name));
    this.card = new Card("slice", "Slice", store, [this.parameter, this.plot.toolButtons()], {
      svg: () => this.plot.file(),
      csv: () => this.plot.csv(),
    });
    this.card.body.append(this.plot.element);
    this.element = this.card.element;
  }

  update(topics) {
    const { parameters, parameter } = choice(this.store);
    const short = shortNames(parameters);
    setChoices(
      this.parameter,
      parameters.map((name) => [name, short.get(name)]),
      parameter,
    );
    updatePoints(this.plot, topics);
    const isCut = this.plot.isCut && !this.store.view.zoom.slice;
    const told = parameter && dependenceOf(this.store, [parameter]);
    this.card.note.textContent = [
      "bins: median and quartiles",
      ...(told ? [told.note ? "no line" : `line: ${ofWhom(told)}`] : []),
      ...(isCut ? ["outliers cut, double-click for all"] : []),
    ].join("; ");
    this.card.note.title = told ? (told.note ?? meaning(told)) : "";
  }
}
