// A parameter against the metric: a dot a trial, with median and quartiles of the shown ones in bins.
import { binsOf, quartiles } from "./bins.js";
import { Card } from "./card.js";
import { colours } from "./colours.js";
import { choose, setChoices } from "./dom.js";
import { number, shortNames } from "./format.js";
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

  *paintMain(context) {
    yield* super.paintMain(context);
    this.#summarise();
    context.globalAlpha = 1;
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
    if (!summary) return super.describe(row);
    const [lower, median, upper] = summary.quartiles.map((value) => number(value));
    return [
      ...super.describe(row),
      `${this.bins.text(index)}: ${summary.count} trials, median ${median}, half of them ${lower} – ${upper}`,
    ];
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
    this.card.note.textContent = `median and quartiles in bins${isCut ? "; outliers cut, double-click for all" : ""}`;
  }
}
