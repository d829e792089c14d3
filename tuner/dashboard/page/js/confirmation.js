// The best trials and their fresh runs: what each run reached, its mean, who won; only where the search confirms.
import { Card } from "./card.js";
import { colours } from "./colours.js";
import { csv, el, fill, signs } from "./dom.js";
import { htmlTable } from "./data_part.js";
import { heading, number } from "./format.js";
import { Plot, nearest } from "./plot.js";
import { category, linear } from "./scales.js";

const BAR = 7;
const DOT = 4;
const SIGNS = [
  ["●", "fresh run"],
  ["┃", "their mean"],
  ["◇", "in the search"],
  ["★", "won"],
];
/** Columns that tell of the fresh runs that ended. */
const FIGURES = ["confirmed/runs", "confirmed/failed"];

class ConfirmationPlot extends Plot {
  constructor(store) {
    super(store, "confirmation", "Fresh runs of the best trials", ["zoom"]);
  }

  get confirmation() {
    return this.store.detail.confirmation;
  }

  scales() {
    const { ranking } = this.confirmation;
    const all = ranking.flatMap(({ search_value: seen, values }) => [seen, ...values]);
    if (!all.length) return null;
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const margin = 0.06 * (high - low);
    const labels = ranking.map(({ trial }) => `${this.#hasWon(trial) ? "★ " : ""}trial ${trial}`);
    return { x: linear(low - margin, high + margin), y: category(labels.reverse()) };
  }

  #hasWon(trial) {
    return trial === this.confirmation.winner;
  }

  names() {
    return { x: heading(this.store.valueColumn), y: "" };
  }

  /** The marks: what the search saw of a trial, and what its fresh runs reached. */
  paintBack() {
    const { ranking } = this.confirmation;
    this.marks = ranking.flatMap((each, index) => {
      const y = this.py(ranking.length - 1 - index);
      const mark = (trial, value) => ({ each, trial, value, x: this.px(value), y });
      return [mark(each.trial, each.search_value), ...each.runs.map((run, at) => mark(run, each.values[at]))];
    });
  }

  *paintMain(context) {
    for (const { each, trial, x, y } of this.marks) {
      const row = this.store.trials.rowOf.get(each.trial);
      const colour = this.store.passes[row] ? this.store.colourOf(row) : colours().faint;
      if (trial === each.trial) {
        this.#paintMean(context, each, y, colour);
        this.#paintDiamond(context, x, y, colour);
      } else this.#paintDot(context, x, y, colour);
    }
    yield;
  }

  /** The mean as a bar, one standard error to either side. */
  #paintMean(context, { mean, standard_error: error }, y, colour) {
    if (mean === null) return;
    const [left, middle, right] = [mean - (error ?? 0), mean, mean + (error ?? 0)].map((each) => this.px(each));
    context.fillStyle = colour;
    context.globalAlpha = 0.25;
    context.fillRect(left, y - BAR, right - left, 2 * BAR);
    context.globalAlpha = 1;
    context.fillStyle = colours().text;
    context.fillRect(middle - 1, y - BAR, 2, 2 * BAR);
  }

  #paintDiamond(context, x, y, colour) {
    context.strokeStyle = colour;
    context.lineWidth = 1.6;
    context.beginPath();
    context.moveTo(x - DOT - 1, y);
    context.lineTo(x, y - DOT - 1);
    context.lineTo(x + DOT + 1, y);
    context.lineTo(x, y + DOT + 1);
    context.lineTo(x - DOT - 1, y);
    context.stroke();
  }

  #paintDot(context, x, y, colour) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, DOT, 0, 7);
    context.fill();
  }

  /** A trial is strong with its fresh runs, a fresh run by itself. */
  paintOver(context) {
    const { hover, picks } = this.store;
    for (const { each, trial, x, y } of this.marks) {
      const isOf = (number) => number === trial || number === each.trial;
      const pick = picks.findIndex(isOf);
      if (!isOf(hover) && pick < 0) continue;
      context.strokeStyle = isOf(hover) ? colours().text : this.store.pickColour(pick);
      context.lineWidth = 2.2;
      context.beginPath();
      context.arc(x, y, DOT + 3, 0, 7);
      context.stroke();
    }
  }

  hit(px, py) {
    const [xs, ys] = ["x", "y"].map((side) => this.marks.map((mark) => mark[side]));
    const at = nearest(this.marks.keys(), xs, ys, px, py);
    return at === null ? null : (this.store.trials.rowOf.get(this.marks[at].trial) ?? null);
  }

  #markOf(row) {
    return this.marks.find(({ trial }) => trial === this.store.trials.number(row));
  }

  describe(row) {
    const { each, trial, value } = this.#markOf(row);
    if (trial !== each.trial) return [`Trial ${trial}`, `a fresh run of trial ${each.trial}: ${number(value)}`];
    return [
      `Trial ${trial}${this.#hasWon(trial) ? " · won" : ""}`,
      `fresh runs ${freshText(each)}`,
      `in the search ${number(value)}, too good by ${number(each.optimism, 2)}`,
    ];
  }

  along() {
    return this.marks.map(({ trial }) => this.store.trials.rowOf.get(trial));
  }

  placeOf(row) {
    const { x, y } = this.#markOf(row);
    return [x, y];
  }

  csv() {
    const { ranking } = this.confirmation;
    const head = ["trial", "won", "search_value", "mean", "standard_error", "too_good_by", "failed", "missing"];
    const lines = ranking.flatMap((each) => {
      const { trial, search_value: seen, mean, standard_error: error, optimism, failed, missing, runs, values } = each;
      const told = [trial, this.#hasWon(trial), seen, mean, error, optimism, failed, missing];
      return runs.length ? runs.map((run, at) => [...told, run, values[at]]) : [[...told, null, null]];
    });
    return csv([[...head, "run", "value"], ...lines]);
  }
}

export class ConfirmationView {
  constructor(store, api) {
    Object.assign(this, { store, api });
    this.plot = new ConfirmationPlot(store);
    this.words = el("p", { class: "told", role: "status" });
    this.table = el("div", { class: "padded" });
    this.card = new Card("confirmation", "Confirmation", store, [], {
      svg: () => this.plot.file(),
      csv: () => this.plot.csv(),
    });
    this.card.body.append(el("div", { class: "confirmed" }, this.words, signs(SIGNS), this.plot.element, this.table));
    this.element = this.card.element;
    this.element.hidden = true;
  }

  update(topics) {
    const { store } = this;
    if (!store.trials || !store.detail) return;
    const { confirmation } = store.detail;
    if (confirmation && topics.has("trials")) this.#readNews(confirmation);
    this.element.hidden = !confirmation || !hasFreshRuns(store.trials);
    if (this.element.hidden) return;
    if (topics.size === 1 && topics.has("hover")) {
      this.plot.redrawOver();
      return;
    }
    if (confirmation !== this.shown) this.#show(confirmation);
    this.plot.redraw();
  }

  /** The rows say that a fresh run began or ended; what it means for the ranking is the server's to say. */
  async #readNews(known) {
    const { data } = this.store.trials;
    const figures = data.number.map((trial, row) => [trial, ...FIGURES.map((name) => data[name]?.[row] ?? null)]);
    const there = figures.filter(([, runs]) => runs !== null).sort(([a], [b]) => a - b);
    const shown = known.ranking.map(({ trial, runs, failed }) => [trial, runs.length, failed]);
    shown.sort(([a], [b]) => a - b);
    if (!there.length || JSON.stringify(there) === JSON.stringify(shown)) return;
    const { confirmation } = await this.api.detail().catch(() => this.store.detail); // The next rows ask again.
    this.store.setDetail({ ...this.store.detail, confirmation });
  }

  #show(confirmation) {
    this.shown = confirmation;
    const { ranking, in_words: [first, ...rest], runs_missing: missing, runs_planned: planned } = confirmation;
    this.words.textContent = `${first.toUpperCase()}${rest.join("")}.`;
    this.plot.element.style.setProperty("--rows", String(ranking.length));
    this.card.note.textContent = `${planned - missing} of ${planned} fresh runs`;
    const lines = ranking.map((each) => [
      this.#link(each.trial),
      freshText(each),
      number(each.search_value),
      number(each.optimism, 2),
      runsText(each),
    ]);
    fill(this.table, htmlTable([["trial", "fresh", "in the search", "too good by", "fresh runs"], ...lines]));
  }

  /** The trial's number opens it. */
  #link(trial) {
    const onclick = () => this.store.open(trial);
    const link = el("button", { type: "button", class: "link", "aria-label": `Open trial ${trial}`, onclick }, `${trial}`);
    return el("span", {}, link, trial === this.shown.winner ? " won" : null);
  }
}

function hasFreshRuns(trials) {
  return trials.data.confirms?.some((each) => each !== null) ?? false;
}

function freshText({ mean, standard_error: error }) {
  return mean === null ? "–" : `${number(mean)}${error === null ? "" : ` ± ${number(error, 2)}`}`;
}

function runsText({ values, failed, missing }) {
  const more = [failed ? `${failed} failed` : null, missing ? `${missing} to come` : null];
  return [...values.map((each) => number(each)), ...more].filter(Boolean).join(", ");
}
