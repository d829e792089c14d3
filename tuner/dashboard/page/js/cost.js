// What the search took: how busy the gangs were, time and money spent, and what whole trainings would have taken.
import { Card, tableFiles } from "./card.js";
import { FINISHED } from "./columns.js";
import { el, fill } from "./dom.js";
import { duration, percent } from "./format.js";
import { money, priceInput, priceOf, remember, unitOf } from "./prices.js";

/**
 * `unit`: "GPU" where trials held any, else "gang"; `spent_s` of all trials, `whole_s` what those of the search that
 * have ended would have taken at their own pace for all their reports, `ended_s` what they took; `busy`: the share of
 * the gangs' time in which a trial was on them. What cannot be told is null.
 */
export function costOf(trials, laps, maxReports) {
  const sum = (name) => trials.column(name)?.values.reduce((total, each) => total + (each || 0), 0) ?? 0;
  const unit = unitOf(sum("gpu_seconds"));
  const name = unit === "GPU" ? "gpu_seconds" : "seconds";
  const states = trials.column("state");
  let [ended, whole] = [0, 0];
  for (let row = 0; row < trials.size; row += 1) {
    const [seconds, reports] = [trials.value(name, row), trials.value("reports", row)];
    const isOfSearch = !trials.has("confirms") || trials.data.confirms[row] === null;
    if (!isOfSearch || !FINISHED.has(states.labels[states.values[row]]) || !(seconds >= 0 && reports > 0)) continue;
    ended += seconds;
    whole += (seconds / reports) * maxReports;
  }
  const isKnown = maxReports && whole > 0;
  return { unit, spent_s: sum(name), ended_s: isKnown ? ended : null, whole_s: isKnown ? whole : null, busy: busy(laps) };
}

function busy(laps) {
  const end = laps.reduce((latest, { from_s: from, to_s: to }) => Math.max(latest, to ?? from), 0);
  const begin = laps.reduce((first, { from_s: from }) => Math.min(first, from), end);
  const taken = laps.reduce((total, { from_s: from, to_s: to }) => total + (to ?? end) - from, 0);
  const gangs = new Set(laps.map(({ gang }) => gang)).size;
  return end > begin ? taken / (gangs * (end - begin)) : null;
}

export class CostCard {
  constructor(store) {
    this.store = store;
    this.price = priceInput((price) => (remember(this.unit, price), store.set({ price })));
    this.label = el("span", {});
    const price = el("label", { class: "price" }, this.label, this.price);
    const files = tableFiles(`${store.name}: cost`, () => [["what", "value"], ...this.lines]);
    this.card = new Card("cost", "Cost", store, [price], files);
    this.list = el("dl", { class: "facts" });
    this.card.body.append(this.list);
    this.element = this.card.element;
    this.lines = [];
  }

  update() {
    const { store } = this;
    const cost = costOf(store.trials, store.timeline ?? [], store.detail.max_reports ?? null);
    this.unit = cost.unit;
    this.label.textContent = `an hour of a ${cost.unit} costs `;
    this.#adopt(cost);
    if (document.activeElement !== this.price) this.price.value = store.view.price || "";
    const saved = cost.whole_s === null ? null : cost.whole_s - cost.ended_s;
    const { price } = store.view;
    this.lines = [
      [`${cost.unit} time`, duration(cost.spent_s || null)],
      ["saved by early stopping", saved === null ? null : `${duration(saved)} (${percent(saved / cost.whole_s)})`],
      ["gangs were busy", cost.busy === null ? null : percent(cost.busy)],
      ["spent", price ? money(price, cost.spent_s) : null],
      ["saved", price && saved !== null ? money(price, saved) : null],
    ].filter(([, text]) => text !== null);
    fill(
      this.list,
      this.lines.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
    );
  }

  /** Where the address has no price, the one that was given last. */
  #adopt({ unit, spent_s: spent }) {
    const price = priceOf(unit);
    if (!this.store.view.price && price && spent) this.store.set({ price });
  }
}
