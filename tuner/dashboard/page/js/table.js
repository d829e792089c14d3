// The table of trials: those that pass the filters, sorted, with the columns that one wants.
import { tableFile } from "./canvas.js";
import { Card } from "./card.js";
import { check, columnMenu } from "./column_menu.js";
import { badge, closePopover, csv, el, popover } from "./dom.js";
import { offered } from "./extremes.js";
import { duration, heading, shortNames, value } from "./format.js";
import { Grid } from "./grid.js";
import { tagList } from "./notes.js";

const TIMES = new Set(["seconds", "gpu_seconds"]);
const WIDTHS = { reason: 320, note: 240, tags: 140, state: 112 };

export class TableView {
  constructor(store) {
    this.store = store;
    this.grid = new Grid("Trials", {
      sort: (key) => this.#sort(key),
      head: (key, anchor) => columnMenu(store, key, anchor),
      choose: (row, event) =>
        store.pick(store.trials.number(row), event.ctrlKey || event.metaKey || event.shiftKey),
      activate: (row) => store.open(store.trials.number(row)),
      point: (row) => store.setHover(row === null ? null : store.trials.number(row)),
    });
    const columns = el(
      "button",
      { type: "button", "aria-expanded": "false", onclick: () => this.#chooseColumns(columns) },
      "Columns ▾",
    );
    this.card = new Card("table", "Trials", store, [columns], {
      svg: () => this.file(),
      csv: () => this.csv(),
    });
    this.nothing = el(
      "div",
      { class: "notice", hidden: true },
      el("strong", {}, "No trial passes the filters"),
      el("p", {}, "Remove a filter above, or all of them."),
      el("button", { type: "button", onclick: () => store.clear() }, "Clear all"),
    );
    this.card.body.append(this.grid.element, this.nothing);
    this.element = this.card.element;
  }

  /** Columns shown, from left to right. */
  names() {
    const { store } = this;
    const chosen = store.view.shown?.filter((name) => store.trials.has(name));
    return chosen?.length ? chosen : usualColumns(store);
  }

  #columns() {
    const { store } = this;
    const names = this.names();
    const short = shortNames(names);
    const swatch = { key: "colour", title: "", width: 20, cell: (row) => swatchOf(store, row) };
    const open = {
      key: "open",
      title: "",
      width: 30,
      cell: (row) =>
        el(
          "button",
          {
            type: "button",
            class: "open",
            tabindex: "-1",
            "aria-label": `Open trial ${store.trials.number(row)}`,
            title: "Open",
            onclick: (event) => (event.stopPropagation(), store.open(store.trials.number(row))),
          },
          "›",
        ),
    };
    return [swatch, open, ...names.map((name) => this.#column(name, short.get(name)))];
  }

  #column(name, title) {
    const column = this.store.trials.column(name);
    const isText = Boolean(column.labels);
    const width = WIDTHS[name] ?? Math.max(72, Math.min(170, 38 + 7 * title.length));
    return {
      key: name,
      title,
      full: heading(name),
      width,
      grows: name === "reason",
      sortable: true,
      align: isText ? "" : "right",
      cell: (row) => cellOf(this.store, name, row),
    };
  }

  #sort(key) {
    const { store } = this;
    const now = this.sorting();
    const isGoodSmall = key === store.valueColumn ? store.isMin : true;
    store.set({ sort: { column: key, descending: now.column === key ? !now.descending : !isGoodSmall } });
  }

  sorting() {
    const { store } = this;
    const { sort } = store.view;
    return sort && store.trials.has(sort.column)
      ? sort
      : { column: store.valueColumn, descending: !store.isMin };
  }

  #chooseColumns(anchor) {
    const { store } = this;
    const order = [...store.trials.names, ...offered(store)];
    // Also those that are not read yet.
    const chosen = () => store.view.shown?.filter((name) => order.includes(name)) ?? this.names();
    const boxes = order.map((name) => {
      const each = check(heading(name), chosen().includes(name));
      each.box.addEventListener("change", () => {
        const now = new Set(chosen());
        if (each.box.checked) now.add(name);
        else now.delete(name);
        store.set({ shown: inOrder([...now], usualColumns(store), order) });
      });
      return each.label;
    });
    const reset = el(
      "button",
      { type: "button", onclick: () => (store.set({ shown: null }), closePopover()) },
      "The usual columns",
    );
    popover(anchor, "Columns", el("div", { class: "menu" }, el("div", { class: "menu-list" }, boxes), reset));
  }

  update(topics) {
    const { store } = this;
    if (!store.trials || !store.detail) return;
    const isOther = this.#isOther();
    if (isOther || topics.has("trials")) {
      const { column, descending } = this.sorting();
      this.order = store.trials.sorted(column, descending);
      this.grid.setColumns(this.#columns(), this.sorting());
    }
    if (isOther || ["trials", "filters", "colour"].some((topic) => topics.has(topic))) {
      this.rows = this.order.filter((row) => store.passes[row]);
      this.grid.setItems(this.rows, (row) => store.trials.number(row));
      this.nothing.hidden = this.rows.length > 0 || store.trials.size === 0;
    }
    if (topics.has("picks")) this.#showPicks();
    if (topics.has("hover")) this.grid.setPointed(store.hover);
    this.card.note.textContent = `${this.rows.length} of ${store.trials.size}`;
  }

  /** Whether columns or order are no longer those that are shown. */
  #isOther() {
    const wanted = JSON.stringify([this.names(), this.sorting()]);
    const isOther = wanted !== this.wanted;
    this.wanted = wanted;
    return isOther;
  }

  #showPicks() {
    const { picks } = this.store;
    this.grid.setChosen(new Set(picks));
    if (picks.length && !this.grid.element.contains(document.activeElement)) this.grid.reveal(picks.at(-1));
  }

  csv() {
    const names = this.names();
    const { trials } = this.store;
    return csv([names, ...this.rows.map((row) => names.map((name) => trials.column(name).raw[row]))]);
  }

  file() {
    const names = this.names();
    const { trials } = this.store;
    const rows = this.rows.map((row) => names.map((name) => trials.column(name).raw[row]));
    return tableFile([names.map(heading), ...rows], `${this.store.name}: ${this.card.note.textContent} trials`);
  }
}

function usualColumns(store) {
  const { trials, detail } = store;
  const params = detail.axes.map((axis) => `param/${axis.name}`);
  const objectives = trials.names.filter((name) => name.startsWith("objective/"));
  return [
    "number",
    "state",
    "tags",
    store.valueColumn,
    ...objectives,
    ...params,
    "reports",
    "seconds",
    "reason",
  ].filter((name) => trials.has(name));
}

/** New columns stand after the usual ones of before, "reason" at the end. */
function inOrder(names, usual, all) {
  const place = (name) =>
    name === "reason" ? Infinity : usual.includes(name) ? usual.indexOf(name) : 1000 + all.indexOf(name);
  return names.sort((a, b) => place(a) - place(b));
}

function swatchOf(store, row) {
  const pick = store.picks.indexOf(store.trials.number(row));
  const swatch = el("span", { class: "swatch" });
  swatch.style.background = pick >= 0 ? store.pickColour(pick) : store.colourOf(row);
  return swatch;
}

function cellOf(store, name, row) {
  const raw = store.trials.column(name).raw[row];
  if (raw === null || raw === undefined) return el("span", { class: "absent" }, "–");
  if (name === "state") return badge(raw);
  if (TIMES.has(name)) return duration(raw);
  if (name === "tags") return tagList(raw);
  if (name === "reason" || name === "note") return el("span", { title: raw }, raw);
  return value(raw);
}
