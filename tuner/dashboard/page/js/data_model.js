// Data and model: what the pipeline did to the data, what the best model predicts, and a place to try it.
import { DataPart } from "./data_part.js";
import { el, fill, notice, toggle } from "./dom.js";
import { number } from "./format.js";
import { ModelPart } from "./model_part.js";
import { TryPart } from "./try_part.js";

const PARTS = [
  ["data", "Data"],
  ["model", "Predictions"],
  ["try", "Try it"],
];

export class DataModelView {
  constructor(store, api) {
    Object.assign(this, { store, api });
    this.parts = { data: new DataPart(store, api), model: new ModelPart(store, api), try: new TryPart(store, api) };
    this.buttons = PARTS.map(([part, text]) => {
      const button = toggle(text, text, false, () => store.set({ part }));
      button.key = part;
      return button;
    });
    this.about = el("span", { class: "note" });
    this.again = el("button", { type: "button", hidden: true, onclick: () => this.#lookAtModel() }, "Compute again");
    this.stage = el("div", { class: "part-stage" });
    this.element = el(
      "div",
      { class: "view data-model" },
      el(
        "div",
        { class: "part-bar" },
        el("div", { class: "group", role: "group", "aria-label": "Parts" }, this.buttons),
        this.about,
        this.again,
      ),
      this.stage,
    );
    this.problems = {};
  }

  update(topics) {
    if (!this.store.detail) return;
    if (!this.asked) this.#read();
    else if (this.bestKey !== bestKey(this.store) && !this.isLooking) this.#readAgain();
    if (topics.has("colour")) this.drawn = {};
    this.#show();
    if (topics.has("view")) this.parts.model.update();
  }

  get #part() {
    return Object.hasOwn(this.parts, this.store.view.part) ? this.store.view.part : "data";
  }

  #read() {
    this.asked = true;
    this.#readData();
    this.#readModel();
  }

  async #readData() {
    delete this.problems.data;
    try {
      this.data = await this.api.data();
    } catch (error) {
      this.problems.data = error.message;
    }
    this.drawn = {};
    this.#show();
  }

  /** A report that was kept is shown; where there is none it is made, unless trainings need the processors. */
  async #readModel() {
    delete this.problems.model;
    this.bestKey = bestKey(this.store);
    try {
      this.#know(await this.api.model());
    } catch (error) {
      this.problems.model = error.message;
    }
    this.#show();
    await this.#lookIfIdle();
  }

  /** After the best trial changed; where that fails, what is known stays. */
  async #readAgain() {
    const key = (this.bestKey = bestKey(this.store));
    const known = await this.api.model().catch(() => null);
    if (!known || this.isLooking || key !== this.bestKey) return; // Or newer things are on their way.
    this.#know(known);
    this.#show();
    await this.#lookIfIdle();
  }

  async #lookIfIdle() {
    const { report, best, is_function: isFunction } = this.known ?? {};
    if (this.known && !report && best !== null && !isFunction && this.store.detail.state !== "running")
      await this.#lookAtModel();
  }

  async #lookAtModel() {
    delete this.problems.model;
    this.isLooking = true;
    this.#show();
    try {
      this.#know(await this.api.lookAtModel());
    } catch (error) {
      this.problems.model = error.message;
    }
    this.isLooking = false;
    this.#show();
  }

  #know(known) {
    if (JSON.stringify(known.report) !== JSON.stringify(this.known?.report)) this.drawn = {};
    this.known = known;
  }

  #show() {
    const part = this.#part;
    for (const button of this.buttons) button.press(button.key === part);
    const report = this.known?.report;
    this.about.textContent = part === "data" || !report ? "" : aboutModel(report, this.known);
    this.again.hidden = part === "data" || !report || this.known.is_current || this.isLooking;
    const missing = part === "data" ? this.#noData() : this.#noModel();
    this.#put(missing ?? this.parts[part].element);
    if (!missing) this.#draw(part);
  }

  /** A notice that says the same stays, with the focus on its button. */
  #put(element) {
    const shown = this.stage.firstChild;
    const isSame = shown === element || (shown?.matches(".notice") && shown.isEqualNode(element));
    if (!isSame) fill(this.stage, element);
  }

  /** Each part once for what is known. */
  #draw(part) {
    this.drawn ??= {};
    if (this.drawn[part]) return;
    this.drawn[part] = true;
    if (part === "data") this.parts.data.show(this.data);
    else this.parts[part].show(this.known.report, this.data ?? null);
  }

  #noData() {
    if (this.problems.data) return failed("The data cannot be shown", this.problems.data, () => this.#readData());
    if (!this.data) return notice("Reading the data …", "The first time all rows are read; what is found is kept.");
    return null;
  }

  #noModel() {
    if (this.problems.model)
      return failed("The model cannot be shown", this.problems.model, () =>
        this.known ? this.#lookAtModel() : this.#readModel(),
      );
    if (!this.known) return notice("Reading …", "What the model predicts is on its way.");
    if (this.isLooking)
      return notice("The model predicts …", "It runs over the validation split once; what it says is kept.");
    const { report, best, is_function: isFunction } = this.known;
    if (isFunction)
      return notice(
        "No model of ours",
        "This experiment trains by a function of one's own, whose model only that knows.",
      );
    if (report) return null;
    if (best === null) return notice("No model yet", "No trial has reported a value yet. Wait for the first one.");
    const look = el("button", { type: "button", class: "primary", onclick: () => this.#lookAtModel() }, "Compute");
    return notice(
      "Not computed yet",
      `The search still runs. Trial ${best} is the best so far: its predictions take some of this machine's time.`,
      look,
    );
  }
}

/** Another one: the best model may be another. */
function bestKey({ best, trials, valueColumn, detail }) {
  const told = best === null ? [] : [trials.number(best), trials.value(valueColumn, best), trials.value("reports", best)];
  return JSON.stringify([...told, detail.state]);
}

function failed(title, text, again) {
  return notice(title, text, el("button", { type: "button", class: "primary", onclick: again }, "Try again"));
}

function aboutModel(report, { is_current: isCurrent, best }) {
  const rows =
    report.looked_at === report.rows
      ? `all ${number(report.rows)} rows`
      : `${number(report.looked_at)} of ${number(report.rows)} rows, evenly spaced,`;
  const newer = best === report.trial ? "; it has other weights now" : `; trial ${best} is the best one now`;
  return `trial ${report.trial}, on ${rows} of ${report.split}${isCurrent ? "" : newer}`;
}
