// Up to eight picked trials side by side: their curves in colours of their own, and what differs between them.
import { Card, tableFiles } from "./card.js";
import { check } from "./column_menu.js";
import { CurvesPlot, without } from "./curves.js";
import { badge, breakable, choose, el, fill, notice, setChoices } from "./dom.js";
import { duration, heading, value } from "./format.js";

const MOST = 8;

class ComparePlot extends CurvesPlot {
  constructor(store) {
    super(store, "compare");
  }

  chosen() {
    return compared(this.store);
  }

  paintBack() {}

  *paintMain() {}
}

/** Rows of the first eight picked trials. */
function compared(store) {
  return store.picks
    .map((number) => store.trials.rowOf.get(number))
    .filter((row) => row !== undefined)
    .slice(0, MOST);
}

export class CompareView {
  constructor(store) {
    this.store = store;
    this.plot = new ComparePlot(store);
    this.tag = choose("Metric of the curves", [], "", (tag) =>
      store.set({ tag, zoom: without(store.view.zoom, "compare") }),
    );
    this.curves = new Card("compare-curves", "Curves", store, [this.tag, this.plot.toolButtons()], {
      svg: () => this.plot.file(),
      csv: () => this.plot.csv(),
    });
    this.curves.body.append(this.plot.element);
    this.only = check("differences only", true);
    this.only.box.addEventListener("change", () => store.set({ onlyDifferences: this.only.box.checked }));
    const files = tableFiles(`${store.name}: trials side by side`, () => this.rows());
    this.table = new Card("compare", "Side by side", store, [this.only.label], files);
    this.empty = el("div");
    this.element = el("div", { class: "view compare" }, this.empty, this.curves.element, this.table.element);
  }

  update(topics) {
    const { store } = this;
    if (!store.trials || !store.detail) return;
    const isEmpty = !compared(store).length;
    this.empty.hidden = !isEmpty;
    this.curves.element.hidden = this.table.element.hidden = isEmpty;
    if (isEmpty) return this.#offer();
    setChoices(
      this.tag,
      store.detail.metrics.map((tag) => [tag, tag]),
      store.tag,
    );
    if (topics.size === 1 && topics.has("hover")) return this.plot.redrawOver();
    this.only.box.checked = store.view.onlyDifferences;
    this.plot.redraw();
    this.#fill();
  }

  #offer() {
    const best = (count) =>
      el(
        "button",
        {
          type: "button",
          class: "primary",
          onclick: () =>
            this.store.setPicks(
              this.store
                .ranked()
                .slice(0, count)
                .map((row) => this.store.trials.number(row)),
            ),
        },
        `Compare the best ${count}`,
      );
    fill(
      this.empty,
      notice(
        "No trial is picked",
        "Pick up to eight in the Search tab: click a row, a line or a point; Ctrl and click picks more.",
        best(4),
        best(8),
      ),
    );
  }

  /** The names that the comparison has, with whether its trials differ there. */
  #lines() {
    const { trials } = this.store;
    const rows = compared(this.store);
    const groups = ["param/", "objective/", "best/", "last/"];
    const names = [
      ...groups.flatMap((group) => trials.names.filter((name) => name.startsWith(group))),
      "reports",
      "steps",
      "seconds",
      "gpu_seconds",
      "retries",
    ];
    return names
      .filter((name) => trials.has(name))
      .map((name) => {
        const raws = rows.map((row) => trials.column(name).raw[row]);
        return { name, raws, differs: new Set(raws.map((raw) => JSON.stringify(raw))).size > 1 };
      })
      .filter(({ raws }) => raws.some((raw) => raw !== null && raw !== undefined));
  }

  rows() {
    const rows = compared(this.store);
    const { trials } = this.store;
    return [
      ["trial", ...rows.map((row) => trials.number(row))],
      ...this.#lines().map(({ name, raws }) => [heading(name), ...raws]),
    ];
  }

  #fill() {
    const { store } = this;
    const { trials } = store;
    const rows = compared(store);
    const lines = this.#lines().filter(
      ({ differs }) => differs || !this.only.box.checked || rows.length === 1,
    );
    const head = rows.map((row, index) => {
      const swatch = el("span", { class: "swatch" });
      swatch.style.background = store.pickColour(index);
      const number = trials.number(row);
      const drop = el(
        "button",
        {
          type: "button",
          class: "icon",
          "aria-label": `Compare no longer trial ${number}`,
          onclick: () => store.pick(number, true),
        },
        "✕",
      );
      return el(
        "th",
        { scope: "col" },
        swatch,
        el("button", { type: "button", class: "link", onclick: () => store.open(number) }, `Trial ${number}`),
        drop,
      );
    });
    const states = el(
      "tr",
      {},
      el("th", { scope: "row" }, "state"),
      rows.map((row) => el("td", {}, badge(trials.column("state")?.text(row) ?? "–"))),
    );
    const reasons = el(
      "tr",
      {},
      el("th", { scope: "row" }, "reason"),
      rows.map((row) => el("td", { class: "reason-cell" }, trials.column("reason")?.text(row) ?? "")),
    );
    const body = lines.map(({ name, raws, differs }) =>
      el(
        "tr",
        { class: differs && !this.only.box.checked ? "differs" : "" },
        el("th", { scope: "row" }, breakable(heading(name))),
        raws.map((raw) =>
          el("td", {}, /seconds$/.test(name) && !name.includes("/") ? duration(raw) : value(raw)),
        ),
      ),
    );
    fill(
      this.table.body,
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trials side by side" },
        el(
          "table",
          { class: "plain wide" },
          el("thead", {}, el("tr", {}, el("td"), head)),
          el("tbody", {}, states, body, reasons),
        ),
      ),
    );
    this.table.note.textContent =
      store.picks.length > MOST
        ? `the first ${MOST} of ${store.picks.length} picked`
        : `${rows.length} trials`;
  }
}
