// Which parameters mattered: a bar a parameter with its spread, as the server computes it from all trials.
import { Layers, fitted } from "./canvas.js";
import { Card } from "./card.js";
import { colours } from "./colours.js";
import { choose, csv, el, fill, notice, setChoices } from "./dom.js";
import { percent, shortNames } from "./format.js";
import { choice, pickMetric, pickParameter } from "./why_choice.js";

const ROW = 28;
const TEXT = 46;
const METHODS = {
  ped_anova: [
    "PED-ANOVA",
    "In which parameters the best tenth of the trials differs from all, in shares of 100 %. A line is one standard " +
      "deviation to either side, over resampled trials. A parameter that only some trials have is compared within those.",
  ],
  fanova: [
    "fANOVA",
    "How much of the metric's variation a parameter explains in trees fitted to all trials, in shares of 100 %. A line " +
      "is one standard deviation to either side, between the trees. Parameters that only some trials have are left out.",
  ],
};

export class ImportanceView {
  /** `again` computes once more. */
  constructor(store, again) {
    Object.assign(this, { store, again });
    this.metric = choose("Metric that parameters mattered for", [], "", (name) => pickMetric(store, name));
    this.method = choose(
      "Method",
      Object.entries(METHODS).map(([key, [text]]) => [key, text]),
      "ped_anova",
      (whyMethod) => store.set({ whyMethod }),
    );
    this.bars = el("div", { class: "bars", role: "group", "aria-label": "Parameters by importance" });
    this.layers = new Layers(this.bars, ["bars"], () => this.#paint());
    this.buttons = el("div");
    this.bars.append(this.buttons);
    this.empty = el("div");
    this.meaning = el("p", { class: "meaning" });
    this.files = {
      svg: () => this.layers.file(() => this.#paint()),
      csv: () => this.#csv(),
    };
    this.card = new Card("importance", "Importance", store, [this.metric, this.method], {});
    this.card.body.append(el("div", { class: "scroll" }, this.bars, this.meaning, this.empty));
    this.element = this.card.element;
  }

  get found() {
    return this.store.importance?.importances ?? [];
  }

  update(isReading) {
    const { store } = this;
    const { metrics, metric } = choice(store);
    setChoices(
      this.metric,
      metrics.map((name) => [name, name]),
      metric,
    );
    const method = Object.hasOwn(METHODS, store.view.whyMethod) ? store.view.whyMethod : "ped_anova";
    this.method.value = method;
    const { importance } = store;
    this.card.note.textContent = isReading ? "computing …" : importance ? `${importance.n} trials` : "";
    this.card.note.title = "All trials, whatever the filters let through";
    this.meaning.textContent = this.found.length ? METHODS[method][1] : "";
    this.bars.hidden = !this.found.length;
    this.card.files = this.found.length ? this.files : {};
    fill(this.empty, this.found.length ? null : this.#nothing(importance, isReading));
    this.#fillButtons();
    this.#paint();
  }

  #nothing(importance, isReading) {
    if (isReading || !importance) return notice("Computing …", "It takes some seconds; the slices do not wait.");
    const { note, isFailed } = importance;
    return notice(
      "No importances",
      note,
      isFailed
        ? el("button", { type: "button", class: "primary", onclick: this.again }, "Try again")
        : "Wait for more trials or choose another metric; the slices need none of it.",
    );
  }

  #fillButtons() {
    const wanted = JSON.stringify(this.found);
    if (wanted !== this.made) {
      this.made = wanted;
      this.bars.style.height = `${ROW * this.found.length}px`;
      fill(this.buttons, this.found.map((each) => this.#button(each)));
    }
    const { parameter } = choice(this.store);
    for (const button of this.buttons.children)
      button.setAttribute("aria-pressed", String(button.name === parameter));
  }

  #button(each) {
    const name = `param/${each.name}`;
    const label = `${each.name}: ${inWords(each)}`;
    const onclick = () => pickParameter(this.store, name);
    return el("button", { type: "button", class: "bar", name, title: label, "aria-label": label, onclick });
  }

  #paint() {
    if (!this.layers.width || !this.found.length) return;
    const context = this.layers.clear("bars");
    const most = Math.max(...this.found.map(({ importance, spread }) => importance + spread));
    const left = Math.min(170, 0.4 * this.layers.width);
    const width = this.layers.width - left - TEXT - 12;
    const short = shortNames(choice(this.store).parameters);
    context.textBaseline = "middle";
    this.found.forEach((each, index) =>
      this.#paintBar(context, each, short.get(`param/${each.name}`), ROW * (index + 0.5), left, width / most),
    );
  }

  /** `scale`: pixels of the importance 1. */
  #paintBar(context, { importance, spread }, name, y, left, scale) {
    context.fillStyle = colours().text;
    context.textAlign = "right";
    context.fillText(fitted(context, name, left - 18), left - 8, y);
    context.fillText(percent(importance), this.layers.width - 10, y);
    context.fillStyle = colours().accent;
    context.fillRect(left, y - 6, Math.max(1, scale * importance), 12);
    const [low, high] = [importance - spread, importance + spread].map((end) => left + scale * Math.max(0, end));
    context.fillStyle = colours().text;
    context.fillRect(low, y - 0.75, high - low, 1.5);
    for (const end of [low, high]) context.fillRect(end - 0.75, y - 4, 1.5, 8);
  }

  #csv() {
    const lines = this.found.map(({ name, importance, spread }) => [name, importance, spread]);
    return csv([["parameter", "importance", "spread"], ...lines]);
  }
}

function inWords({ importance, spread }) {
  return `${percent(importance)} ± ${percent(spread)}`;
}
