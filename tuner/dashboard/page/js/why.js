// Why: which parameters mattered for a metric, and how it depends on one of them, or on two.
import { CellsView } from "./cells.js";
import { dependenceKey } from "./dependence.js";
import { el } from "./dom.js";
import { ImportanceView } from "./importance.js";
import { SliceView } from "./slice.js";
import { choice } from "./why_choice.js";

/** While trials come in; a forest takes seconds. */
const READ_EVERY_MS = 15_000;

export class WhyView {
  constructor(store, api) {
    Object.assign(this, { store, api });
    this.importance = new ImportanceView(store, () => this.#read());
    this.slice = new SliceView(store);
    this.cells = new CellsView(store);
    this.element = el(
      "div",
      { class: "view why" },
      this.importance.element,
      this.slice.element,
      this.cells.element,
    );
  }

  update(topics) {
    if (!this.store.trials || !this.store.detail) return;
    const isOld = topics.has("trials") && performance.now() - this.readAt > READ_EVERY_MS;
    if (this.asked !== this.#question() || isOld) this.#read();
    this.#readDependence();
    this.importance.update(this.isReading);
    this.slice.update(topics);
    this.cells.update(topics);
  }

  #question() {
    return JSON.stringify([choice(this.store).metric, this.store.view.whyMethod]);
  }

  async #read() {
    const { store } = this;
    const asked = (this.asked = this.#question());
    Object.assign(this, { isReading: true, readAt: performance.now() });
    let importance;
    try {
      importance = await this.api.importance(...JSON.parse(asked));
    } catch (error) {
      importance = { importances: [], n: 0, note: error.message, isFailed: true };
    }
    if (asked !== this.asked) return;
    this.isReading = false;
    store.importance = importance;
    store.changed("importance");
  }

  /** What the slices show; again after each reading of the importances, which say what they show at first. */
  #readDependence() {
    const { store } = this;
    if (!store.importance || this.isReading) return;
    if (this.readFor !== store.importance) this.due = new Set();
    this.readFor = store.importance;
    const { parameter, second } = choice(store);
    for (const names of [[parameter], [parameter, second]]) {
      const key = dependenceKey(store, names);
      if (names.includes(null) || this.due.has(key)) continue;
      this.due.add(key);
      this.#ask(key, choice(store).metric, names);
    }
  }

  async #ask(key, metric, names) {
    const short = names.map((name) => name.slice("param/".length));
    let told;
    try {
      told = await this.api.dependence(metric, short);
    } catch (error) {
      told = { mean: [], note: error.message };
    }
    this.store.dependence.set(key, told);
    this.store.changed("dependence");
  }
}
