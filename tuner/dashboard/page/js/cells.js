// Two parameters and the metric over both: contours in a forest of all trials, or the mean of the shown trials in cells.
// A cell has the colour that a trial of its mean would have; those of contours run from the worst to the best of them.
import { binsOf, mean } from "./bins.js";
import { Card } from "./card.js";
import { BINS, colours } from "./colours.js";
import { dependenceOf, inWords, meaning, ofWhom, paintContours, squareAt, squaresOf } from "./dependence.js";
import { choose, csv, setChoices } from "./dom.js";
import { heading, number, shortNames } from "./format.js";
import { PointsPlot, updatePoints } from "./scatter.js";
import { isBetterSmall } from "./store.js";
import { choice, pickSecond } from "./why_choice.js";

class CellsPlot extends PointsPlot {
  columns() {
    const { parameter, second } = choice(this.store);
    return [parameter, second];
  }

  nothing() {
    return ["No cells", "No trial has both parameters. Choose another second one."];
  }

  /** What is told of both parameters, where contours are to be shown and can be. */
  get told() {
    const told = dependenceOf(this.store, this.columns());
    return this.store.view.whyPlane === "contours" && told?.mean.length ? told : null;
  }

  *paintMain(context) {
    const { trials } = this.store;
    this.#fillCells();
    const columns = this.columns().map((name) => trials.column(name));
    this.squares = this.told ? squaresOf(this, columns, this.told) : [];
    if (this.told) paintContours(context, this.squares, isBetterSmall(choice(this.store).value, this.store));
    else for (const cell of this.cells.values()) this.#paintCell(context, cell);
    context.fillStyle = colours().text;
    context.globalAlpha = 0.5;
    for (const row of this.drawn()) context.fillRect(this.xs[row] - 1, this.ys[row] - 1, 2, 2);
    yield;
  }

  /** Place of a cell -> its columns' bins and the metric's values of the shown trials in it. */
  #fillCells() {
    const { trials } = this.store;
    const [x, y] = this.columns().map((name) => trials.column(name));
    const values = trials.column(choice(this.store).value)?.values ?? [];
    this.bins = [binsOf(x, this.whole.x), binsOf(y, this.whole.y)];
    this.cells = new Map();
    for (const row of this.drawn()) {
      if (!Number.isFinite(values[row])) continue;
      const [i, j] = [this.bins[0].of(x.values[row]), this.bins[1].of(y.values[row])];
      const key = `${i},${j}`;
      if (!this.cells.has(key)) this.cells.set(key, { i, j, values: [] });
      this.cells.get(key).values.push(values[row]);
    }
    this.sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  }

  #paintCell(context, { i, j, values }) {
    const [left, right] = this.bins[0].ends(i).map((end) => Math.round(this.px(end)));
    const [bottom, top] = this.bins[1].ends(j).map((end) => Math.round(this.py(end)));
    context.fillStyle = this.#colourOf(mean(values));
    context.fillRect(left, top, right - left - 1, bottom - top - 1);
  }

  #colourOf(value) {
    const below = this.sorted.findIndex((each) => each > value);
    const place = (below < 0 ? this.sorted.length : below) / this.sorted.length;
    const good = isBetterSmall(choice(this.store).value, this.store) ? 1 - place : place;
    return colours().scale[Math.min(BINS - 1, Math.floor(good * BINS))];
  }

  #cellAt(px, py) {
    const [x, y] = this.valueAt(px, py);
    return this.cells?.get(`${this.bins[0].of(x)},${this.bins[1].of(y)}`);
  }

  #words({ i, j, values }) {
    const { value } = choice(this.store);
    const [x, y] = this.columns().map(heading);
    return [
      `mean ${heading(value)} ${number(mean(values))}`,
      `of ${values.length} trial${values.length === 1 ? "" : "s"}`,
      `${x} ${this.bins[0].text(i)}`,
      `${y} ${this.bins[1].text(j)}`,
    ];
  }

  /** What is said of a place in pixels: the mean, of whom, and where. */
  #wordsAt(px, py) {
    const cell = this.told ? null : this.#cellAt(px, py);
    if (cell) return this.#words(cell);
    const found = squareAt(this.squares ?? [], px, py);
    if (!found) return [];
    const [x, y] = this.columns();
    const { trials } = this.store;
    const place = (name, at) => trials.column(name).labels?.[Math.round(at)] ?? number(at, 3);
    const [atX, atY] = this.valueAt(px, py);
    return [
      `mean ${heading(choice(this.store).value)} ${inWords(found.mean, found.spread)}`,
      "in the forest",
      `${heading(x)} ${place(x, atX)}`,
      `${heading(y)} ${place(y, atY)}`,
    ];
  }

  /** Where no trial is under the pointer, the plane is told of. */
  point(row, x, y) {
    super.point(row, x, y);
    const words = row === null && this.x ? this.#wordsAt(x, y) : [];
    if (words.length) this.tell(words, x, y);
  }

  describe(row) {
    const words = this.#wordsAt(...this.placeOf(row));
    const { value } = choice(this.store);
    const own = `${heading(value)} ${number(this.store.trials.value(value, row))}`;
    return [...super.describe(row), own, ...(words.length ? [words.slice(0, 2).join(" ")] : [])];
  }

  csv() {
    return this.told ? this.#csvOfContours(this.told) : this.#csvOfCells();
  }

  #csvOfContours({ parameters, mean: means, spread }) {
    const lines = parameters[0].values.flatMap((x, i) =>
      parameters[1].values.map((y, j) => [x, y, means[i][j], spread[i][j]]),
    );
    return csv([[...this.columns(), `mean ${choice(this.store).value}`, "spread"], ...lines]);
  }

  #csvOfCells() {
    const [x, y] = this.columns();
    const { value } = choice(this.store);
    const head = [x, y].flatMap((name) => [`${name} from`, `${name} to`]);
    const ends = (bins, index, column) =>
      column.labels ? [column.labels[index], column.labels[index]] : bins.ends(index);
    const lines = [...(this.x ? this.cells.values() : [])].map(({ i, j, values }) => [
      ...ends(this.bins[0], i, this.store.trials.column(x)),
      ...ends(this.bins[1], j, this.store.trials.column(y)),
      values.length,
      mean(values),
    ]);
    return csv([[...head, "trials", `mean ${value}`], ...lines]);
  }
}

export class CellsView {
  constructor(store) {
    this.store = store;
    this.plot = new CellsPlot(store, "cells", "Mean over two parameters");
    this.plane = choose(
      "What the plane shows",
      [
        ["contours", "contours"],
        ["cells", "cells"],
      ],
      "contours",
      (whyPlane) => store.set({ whyPlane }),
    );
    this.second = choose("Second parameter", [], "", (name) => pickSecond(store, name));
    this.card = new Card("cells", "Two parameters", store, [this.second, this.plane, this.plot.toolButtons()], {
      svg: () => this.plot.file(),
      csv: () => this.plot.csv(),
    });
    this.card.body.append(this.plot.element);
    this.element = this.card.element;
  }

  update(topics) {
    const { parameters, parameter, second, value } = choice(this.store);
    const short = shortNames(parameters);
    setChoices(
      this.second,
      parameters.filter((name) => name !== parameter).map((name) => [name, `by ${short.get(name)}`]),
      second,
    );
    updatePoints(this.plot, topics);
    this.plane.value = this.store.view.whyPlane === "cells" ? "cells" : "contours";
    const { told } = this.plot;
    this.card.note.textContent = told ? `mean in a ${ofWhom(told)}` : `mean ${heading(value)} of the shown trials`;
    this.card.note.title = told ? meaning(told) : (dependenceOf(this.store, this.plot.columns())?.note ?? "");
  }
}
