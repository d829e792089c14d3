// What the best model predicts on the validation split: of classes, numbers or texts.
import { Card, tableFiles } from "./card.js";
import { colours } from "./colours.js";
import { confusionFile, rowsOfClasses } from "./confusion.js";
import { el, fill, shape } from "./dom.js";
import { number, percent } from "./format.js";
import { htmlTable, scroll, withFigures } from "./data_part.js";
import { figures, sure } from "./samples.js";
import { linear } from "./scales.js";
import { bars, chart, chartsFile, line, rule, told } from "./svg.js";

/** Of more classes the confusions are listed. */
const MOST_IN_MATRIX = 30;
const MOST_PAIRS = 100;

export class ModelPart {
  constructor(store, api) {
    Object.assign(this, { store, api });
    this.element = el("div", { class: "part model-part" });
  }

  /** `data` is the report of the data, without which rows are told by their number only. */
  show(report, data) {
    Object.assign(this, { report, data });
    const cards = report.classes ? this.#classes() : report.numbers ? this.#numbers() : this.#texts();
    this.element.className = `part model-part of-${report.classes ? "classes" : report.numbers ? "numbers" : "texts"}`;
    fill(
      this.element,
      cards.map(({ element }) => element),
    );
    this.shownKey = null;
    this.update();
  }

  /** After the selection changed. */
  update() {
    if (this.report?.classes) this.#showExamples();
  }

  #card(key, title, note, inside, { table, svg }) {
    const card = new Card(`model-${key}`, title, this.store, [], {
      ...tableFiles(title, table),
      ...(svg ? { svg } : {}),
    });
    if (!svg) withFigures(card);
    card.note.textContent = note;
    fill(card.body, scroll(card, inside));
    return card;
  }

  #figures(items) {
    if (!items.length) return el("p", { class: "muted" }, "There are none.");
    if (this.data) return figures(this.api, this.data, items, this.report.store);
    return el("ul", {}, items.map(({ caption }) => el("li", {}, caption)));
  }

  /* --- classes --- */

  #classes() {
    const { classes } = this.report;
    const drawings = { curves: this.#curves(), calibration: this.#calibration() };
    const isMatrix = classes.names.length <= MOST_IN_MATRIX;
    this.examples = this.#card("examples", "Worst errors", "", [], { table: () => this.#examplesTable() });
    return [
      this.#card(
        "confusion",
        "Confusion",
        `accuracy ${number(classes.accuracy)}, loss ${number(classes.loss)}; a cell shows its rows`,
        isMatrix ? this.#matrix() : this.#pairs(),
        {
          table: () => this.#cellsTable(),
          svg: isMatrix ? () => confusionFile(classes) : null,
        },
      ),
      this.examples,
      this.#card("curves", "Precision and recall", "each class against the others", drawings.curves, {
        table: () => this.#curvesTable(),
        svg: () => chartsFile(drawings.curves.querySelector("svg")),
      }),
      this.#card(
        "calibration",
        "Calibration",
        `expected calibration error ${number(classes.calibration.error, 3)}`,
        drawings.calibration,
        { table: () => this.#calibrationTable(), svg: () => chartsFile(drawings.calibration.querySelector("svg")) },
      ),
    ];
  }

  #matrix() {
    const { names, cells } = this.report.classes;
    const found = new Map(cells.map((cell) => [`${cell.truth},${cell.predicted}`, cell]));
    const totals = rowsOfClasses(names, cells);
    const head = el(
      "tr",
      {},
      el("td", {}, "true ↓ predicted →"),
      names.map((name) => el("th", { scope: "col" }, name)),
    );
    const lines = names.map((name, truth) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, name),
        names.map((_, predicted) => {
          const cell = found.get(`${truth},${predicted}`);
          return el("td", {}, cell ? this.#cellButton(cell, cell.count / totals[truth]) : null);
        }),
      ),
    );
    return el("table", { class: "confusion" }, el("thead", {}, head), el("tbody", {}, lines));
  }

  #cellButton(cell, share) {
    const { names } = this.report.classes;
    const key = `${cell.truth},${cell.predicted}`;
    const words = `true ${names[cell.truth]}, predicted ${names[cell.predicted]}: ${cell.count} rows`;
    const button = el(
      "button",
      {
        type: "button",
        class: cell.truth === cell.predicted ? "right-cell" : "wrong-cell",
        title: words,
        "aria-label": words,
        "aria-pressed": "false",
        "data-cell": key,
        onclick: () => this.store.set({ cell: this.store.view.cell === key ? null : key }),
      },
      number(cell.count),
    );
    button.style.setProperty("--share", String(share));
    return button;
  }

  /** The wrong cells with the most rows. */
  #pairs() {
    const { names, cells } = this.report.classes;
    const wrong = cells.filter(({ truth, predicted }) => truth !== predicted).sort((a, b) => b.count - a.count);
    const lines = wrong
      .slice(0, MOST_PAIRS)
      .map((cell) => [names[cell.truth], names[cell.predicted], this.#cellButton(cell, 0)]);
    return htmlTable([["true", "predicted", "rows"], ...lines]);
  }

  #cellsTable() {
    const { names, cells } = this.report.classes;
    return [
      ["true", "predicted", "rows"],
      ...cells.map(({ truth, predicted, count }) => [names[truth], names[predicted], count]),
    ];
  }

  /** The cell that is chosen, if there is such. */
  get #cell() {
    const [truth, predicted] = (this.store.view.cell ?? "").split(",").map(Number);
    return this.report.classes.cells.find((cell) => cell.truth === truth && cell.predicted === predicted) ?? null;
  }

  get #shown() {
    return this.#cell ? this.#cell.examples : this.report.classes.worst;
  }

  #showExamples() {
    const cell = this.#cell;
    const { names } = this.report.classes;
    const key = cell ? `${cell.truth},${cell.predicted}` : "";
    if (key === this.shownKey) return;
    this.shownKey = key;
    for (const button of this.element.querySelectorAll("[data-cell]"))
      button.setAttribute("aria-pressed", String(button.dataset.cell === key));
    const card = this.examples;
    card.element.querySelector("h2").textContent = cell
      ? `True ${names[cell.truth]}, predicted ${names[cell.predicted]}`
      : "Worst errors";
    card.note.textContent = cell
      ? `${this.#shown.length} of ${number(cell.count)} rows, those with the highest loss`
      : "wrong rows with the highest loss; choose a cell to see its rows";
    const items = this.#shown.map((each) => ({
      split: this.report.split,
      row: each.row,
      tone: each.truth === each.predicted ? "right" : "wrong",
      caption: `${names[each.truth]} → ${names[each.predicted]} (${sure(each.probability)}; true ${sure(each.of_truth)})`,
    }));
    fill(card.body, scroll(card, this.#figures(items)));
  }

  #examplesTable() {
    const { names } = this.report.classes;
    return [
      ["row", "true", "predicted", "probability", "probability of the true class"],
      ...this.#shown.map((each) => [
        each.row,
        names[each.truth],
        names[each.predicted],
        each.probability,
        each.of_truth,
      ]),
    ];
  }

  #curves() {
    const { names, curves } = this.report.classes;
    const palette = colours().categories;
    const stroke = (index) => palette[index % palette.length];
    const drawn = chart({
      label: "Precision against recall, a line a class",
      x: linear(0, 1),
      y: linear(0, 1),
      xName: "recall",
      yName: "precision",
      marks: (place) =>
        curves.slice(0, palette.length).map((curve, index) => {
          const points = [[0, curve.precision[0]], ...curve.recall.map((each, at) => [each, curve.precision[at]])];
          return told(line(place, points, stroke(index)), `${names[curve.class]}: average ${number(curve.average)}`);
        }),
    });
    const lines = curves.map((curve, index) => [
      el("span", { class: "key" }, swatch(index < palette.length ? stroke(index) : null), names[curve.class]),
      number(curve.average),
      number(curve.positives),
    ]);
    const rest = names.length - curves.length;
    return withChart(drawn, [
      htmlTable([["class", "average precision", "rows"], ...lines]),
      rest > 0 ? el("p", { class: "muted" }, `and ${rest} classes with a higher one, or without rows`) : null,
    ]);
  }

  #curvesTable() {
    const { names, curves } = this.report.classes;
    return [
      ["class", "threshold", "recall", "precision"],
      ...curves.flatMap((curve) =>
        curve.recall.map((recall, at) => [names[curve.class], curve.threshold[at], recall, curve.precision[at]]),
      ),
    ];
  }

  #calibration() {
    const { counts, confidence, accuracy, error } = this.report.classes.calibration;
    const bins = counts.length;
    const ends = counts.map((_, index) => [index / bins, (index + 1) / bins]);
    const words = (index) =>
      `confidence ${number(confidence[index], 3)}: ${number(accuracy[index], 3)} right of ${number(counts[index])} rows`;
    const drawn = chart({
      label: `Share of right predictions by confidence; expected calibration error ${number(error, 3)}`,
      x: linear(0, 1),
      y: linear(0, 1),
      xName: "confidence",
      yName: "right",
      marks: (place) => [
        ...bars(
          place,
          ends,
          accuracy.map((each) => each ?? 0),
          colours().accent,
          words,
        ),
        rule(place.x(0), place.y(0), place.x(1), place.y(1), colours().text, "4 3"),
        counts.map((count, index) =>
          count
            ? shape("circle", {
                cx: place.x(confidence[index]),
                cy: place.y(accuracy[index]),
                r: 3,
                fill: colours().text,
              })
            : null,
        ),
      ],
    });
    const lines = ends
      .map(([low, high], index) => [`${number(low)} – ${number(high)}`, counts[index], confidence[index], accuracy[index]])
      .filter(([, count]) => count);
    return withChart(drawn, [
      htmlTable([["confidence", "rows", "mean", "right"], ...lines]),
      el("p", { class: "muted" }, "On the dashed line predictions are as sure as they are right. The error is the mean distance from it, over rows."),
    ]);
  }

  #calibrationTable() {
    const { counts, confidence, accuracy } = this.report.classes.calibration;
    return [
      ["bin", "rows", "mean confidence", "right"],
      ...counts.map((count, index) => [index, count, confidence[index], accuracy[index]]),
    ];
  }

  /* --- numbers --- */

  #numbers() {
    const { numbers, split } = this.report;
    const drawings = { dots: this.#dots(), residuals: this.#residuals() };
    const { worst } = numbers;
    const items = worst.row.map((row, index) => ({
      split,
      row,
      caption: `true ${number(worst.truth[index])}, predicted ${number(worst.value[index])}`,
    }));
    return [
      this.#card("dots", "Predicted against true", `R² ${number(numbers.r2)}`, drawings.dots, {
        table: () => columns(numbers.dots),
        svg: () => chartsFile(drawings.dots),
      }),
      this.#card(
        "residuals",
        "Residuals",
        `RMSE ${number(numbers.rmse)}, MAE ${number(numbers.mae)}, bias ${number(numbers.mean)}`,
        drawings.residuals,
        {
          table: () => [
            ["from", "to", "rows"],
            ...numbers.counts.map((count, index) => [numbers.edges[index], numbers.edges[index + 1], count]),
          ],
          svg: () => chartsFile(drawings.residuals),
        },
      ),
      this.#card("examples", "Worst errors", "the largest residuals", this.#figures(items), {
        table: () => columns(worst),
      }),
    ];
  }

  #dots() {
    const { row, truth, value } = this.report.numbers.dots;
    const all = [...truth, ...value];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const margin = 0.03 * (high - low);
    const scale = linear(low - margin, high + margin);
    return chart({
      label: "Predicted against true values, a dot a row",
      x: scale,
      y: scale,
      xName: "true",
      yName: "predicted",
      marks: (place) => [
        rule(place.x(low), place.y(low), place.x(high), place.y(high), colours().text, "4 3"),
        row.map((each, index) =>
          told(
            shape("circle", {
              cx: place.x(truth[index]).toFixed(1),
              cy: place.y(value[index]).toFixed(1),
              r: 2.5,
              fill: colours().accent,
              "fill-opacity": 0.6,
            }),
            `row ${each}: true ${number(truth[index])}, predicted ${number(value[index])}`,
          ),
        ),
      ],
    });
  }

  #residuals() {
    const { edges, counts } = this.report.numbers;
    const ends = counts.map((_, index) => [edges[index], edges[index + 1]]);
    const words = (index) => `${ends[index].map((end) => number(end, 3)).join(" – ")}: ${number(counts[index])} rows`;
    return chart({
      label: "Histogram of predicted minus true",
      x: linear(edges[0], edges.at(-1)),
      y: linear(0, Math.max(...counts)),
      xName: "predicted minus true",
      yName: "rows",
      marks: (place) => [
        ...bars(place, ends, counts, colours().accent, words),
        edges[0] < 0 && edges.at(-1) > 0
          ? rule(place.x(0), place.top, place.x(0), place.bottom, colours().text, "4 3")
          : null,
      ],
    });
  }

  /* --- texts --- */

  #texts() {
    const { texts, split } = this.report;
    const drawn = this.#losses();
    const items = texts.worst.map(({ row, loss }) => ({ split, row, caption: `${number(loss)} nats a token` }));
    return [
      this.#card(
        "samples",
        "Samples",
        `loss ${number(texts.loss)} nats a token, perplexity ${number(texts.perplexity)}`,
        texts.samples.map((sample) => this.#sample(sample)),
        {
          table: () => [
            ["row", "given", "predicted", "true"],
            ...texts.samples.map(({ row, given, predicted, truth }) => [row, given, predicted, truth]),
          ],
        },
      ),
      this.#card("losses", "Loss of the rows", "nats a token", drawn, {
        table: () => [["nats a token, at", ""], ...texts.quantiles.map((value, index) => [QUANTILES[index], value])],
        svg: () => chartsFile(drawn),
      }),
      this.#card("examples", "Worst rows", "those with the highest loss", this.#figures(items), {
        table: () => [["row", "loss"], ...texts.worst.map(({ row, loss }) => [row, loss])],
      }),
    ];
  }

  #sample({ row, given, predicted, truth }) {
    const part = (name, text) => [el("dt", {}, name), el("dd", { class: "sample-text" }, text)];
    return el(
      "dl",
      { class: "text-sample", "aria-label": `Row ${row}` },
      part("given", given),
      part("the model", predicted),
      part("true", truth),
    );
  }

  #losses() {
    const { quantiles, counts } = this.report.texts;
    const [low, high] = [quantiles[0], quantiles.at(-1)];
    const width = (high - low || 1) / counts.length;
    const ends = counts.map((_, index) => [low + index * width, low + (index + 1) * width]);
    return chart({
      label: "Histogram of the loss of the rows",
      x: linear(low, low + width * counts.length),
      y: linear(0, Math.max(...counts)),
      xName: "nats a token",
      yName: "rows",
      marks: (place) => bars(place, ends, counts, colours().accent, (index) => `${number(counts[index])} rows`),
    });
  }
}

const QUANTILES = ["min", "5%", "25%", "50%", "75%", "95%", "max"];

function columns({ row, truth, value }) {
  return [["row", "true", "predicted"], ...row.map((each, index) => [each, truth[index], value[index]])];
}

function withChart(drawn, beside) {
  return el("div", { class: "with-chart" }, drawn, el("div", {}, beside));
}

function swatch(colour) {
  const node = el("span", { class: "swatch", "aria-hidden": "true" });
  if (colour) node.style.background = colour;
  return node;
}
