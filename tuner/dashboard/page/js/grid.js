// A table of any length of which only the visible rows are in the document, with keys as in the ARIA grid pattern.
import { el, fill } from "./dom.js";

const ROW = 26;
const BEYOND = 6;

export class Grid {
  /**
   * `columns`: [{key, title, width, align, sortable, cell(item) -> text or element}]; `items`: anything, with key(item).
   * `on`: {sort(key), activate(item), choose(item, event), point(item or null), head(key, anchor)}, each may be absent.
   */
  constructor(label, on) {
    this.on = on;
    this.columns = [];
    this.items = [];
    this.keyOf = (item) => item;
    this.chosen = new Set();
    this.pointed = null;
    this.active = 0;
    this.made = new Map();
    this.head = el("div", { class: "grid-head", role: "row", "aria-rowindex": "1" });
    this.rows = el("div", { class: "grid-rows", role: "rowgroup" });
    this.element = el(
      "div",
      { class: "grid", role: "grid", "aria-label": label, "aria-multiselectable": on.choose ? "true" : null },
      el("div", { role: "rowgroup", class: "grid-top" }, this.head),
      this.rows,
    );
    this.element.addEventListener("scroll", () => this.#show(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.rows.addEventListener("pointerover", (event) => this.#point(event.target.closest(".grid-row")));
    this.rows.addEventListener("pointerleave", () => this.#point(null));
    this.rows.addEventListener("click", (event) => this.#click(event));
    this.rows.addEventListener("dblclick", (event) => this.#activate(event.target.closest(".grid-row")));
    new ResizeObserver(() => this.#show()).observe(this.element);
  }

  setColumns(columns, sort) {
    const wanted = JSON.stringify([columns.map(({ key, title, width }) => [key, title, width]), sort]);
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    this.columns = columns;
    this.element.setAttribute("aria-colcount", columns.length);
    const template = columns
      .map(({ width, grows }) => (grows ? `minmax(${width}px, 1fr)` : `${width}px`))
      .join(" ");
    this.element.style.setProperty("--columns", template);
    this.element.style.setProperty("--width", `${columns.reduce((sum, { width }) => sum + width, 0) + 16}px`);
    fill(
      this.head,
      columns.map((column) => this.#heading(column, sort)),
    );
    this.#clear();
  }

  #heading(column, sort) {
    const isSorted = sort?.column === column.key;
    const direction = isSorted
      ? sort.descending
        ? "descending"
        : "ascending"
      : column.sortable
        ? "none"
        : null;
    const content = column.sortable
      ? el(
          "button",
          {
            type: "button",
            class: "sort",
            title: `${column.full ?? column.title}: sort`,
            onclick: () => this.on.sort(column.key),
          },
          column.title,
          el(
            "span",
            { class: "arrow", "aria-hidden": "true" },
            isSorted ? (sort.descending ? " ↓" : " ↑") : "",
          ),
        )
      : column.title;
    const menu =
      this.on.head && column.sortable
        ? el(
            "button",
            {
              type: "button",
              class: "column-menu",
              "aria-label": `Filter ${column.title}`,
              title: `Filter ${column.title}`,
              "aria-expanded": "false",
              onclick: (event) => this.on.head(column.key, event.currentTarget),
            },
            "▾",
          )
        : null;
    return el(
      "div",
      { class: `grid-cell ${column.align ?? ""}`, role: "columnheader", "aria-sort": direction },
      content,
      menu,
    );
  }

  setItems(items, keyOf) {
    this.items = items;
    this.keyOf = keyOf;
    this.active = Math.max(0, Math.min(this.active, items.length - 1));
    this.element.setAttribute("aria-rowcount", items.length + 1);
    this.rows.style.height = `${items.length * ROW}px`;
    this.#clear();
  }

  setChosen(keys) {
    this.chosen = keys;
    this.#mark();
  }

  setPointed(key) {
    this.pointed = key;
    this.#mark();
  }

  #mark() {
    for (const [index, row] of this.made) {
      const key = this.keyOf(this.items[index]);
      const isChosen = this.chosen.has(key);
      row.classList.toggle("chosen", isChosen);
      row.classList.toggle("pointed", key === this.pointed);
      if (this.on.choose) row.setAttribute("aria-selected", String(isChosen));
    }
  }

  #clear() {
    this.hadFocus = this.rows.contains(document.activeElement);
    this.made.clear();
    this.rows.replaceChildren();
    this.#show();
  }

  #show() {
    const from = Math.max(0, Math.floor(this.element.scrollTop / ROW) - BEYOND);
    const to = Math.min(
      this.items.length,
      Math.ceil((this.element.scrollTop + this.element.clientHeight) / ROW) + BEYOND,
    );
    for (const [index, row] of this.made) {
      if ((index < from || index >= to) && row !== document.activeElement) {
        row.remove();
        this.made.delete(index);
      }
    }
    for (let index = from; index < to; index += 1) if (!this.made.has(index)) this.#make(index);
    this.#mark();
    this.#rove();
    if (this.hadFocus) this.made.get(this.active)?.focus({ preventScroll: true });
    this.hadFocus = false;
  }

  #make(index) {
    const item = this.items[index];
    const cells = this.columns.map(({ cell, align, key }) =>
      el(
        "div",
        { class: `grid-cell ${align ?? ""} cell-${key.split("/")[0]}`, role: "gridcell" },
        cell(item),
      ),
    );
    const row = el(
      "div",
      { class: "grid-row", role: "row", "aria-rowindex": index + 2, tabindex: "-1" },
      cells,
    );
    row.index = index;
    row.style.transform = `translateY(${index * ROW}px)`;
    this.made.set(index, row);
    this.rows.append(row);
  }

  /** One row can be reached by Tab: the active one, or the first that is visible. */
  #rove() {
    const reachable = this.made.has(this.active) ? this.active : Math.min(...this.made.keys());
    for (const [index, row] of this.made) row.tabIndex = index === reachable ? 0 : -1;
  }

  /** Scrolls to the item with `key`, if it is there. */
  reveal(key) {
    const index = this.items.findIndex((item) => this.keyOf(item) === key);
    if (index >= 0) this.#scrollTo(index);
  }

  #scrollTo(index) {
    const { element } = this;
    const room = element.clientHeight - this.head.offsetHeight;
    if (index * ROW < element.scrollTop) element.scrollTop = index * ROW;
    else if ((index + 1) * ROW > element.scrollTop + room) element.scrollTop = (index + 1) * ROW - room;
  }

  #point(row) {
    this.on.point?.(row ? this.items[row.index] : null);
  }

  #click(event) {
    const row = event.target.closest(".grid-row");
    if (!row) return;
    this.#focus(row.index);
    this.on.choose?.(this.items[row.index], event);
  }

  #activate(row) {
    if (row) this.on.activate?.(this.items[row.index]);
  }

  #focus(index) {
    this.active = Math.max(0, Math.min(this.items.length - 1, index));
    this.#scrollTo(this.active);
    this.#show();
    this.made.get(this.active)?.focus({ preventScroll: true });
    this.on.point?.(this.items[this.active] ?? null);
  }

  #key(event) {
    const row = event.target.closest(".grid-row");
    if (!row) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[
      event.key
    ];
    const item = this.items[row.index];
    if (step !== undefined) {
      this.#focus(Math.max(0, Math.min(this.items.length - 1, row.index + step)));
      if (event.shiftKey) this.on.choose?.(this.items[this.active], { ctrlKey: true });
    } else if (event.key === " ") this.on.choose?.(item, { ctrlKey: true });
    else if (event.key === "Enter") this.on.activate?.(item);
    else return;
    event.preventDefault();
  }
}
