// Parallel coordinates: a line a trial over one axis a column; brushes on every axis, axes that move.
import { Layers, fitted } from "./canvas.js";
import { Card } from "./card.js";
import { colours } from "./colours.js";
import { check, columnMenu } from "./column_menu.js";
import { closePopover, csv, el, fill, popover, say } from "./dom.js";
import { labelFilter, rangeFilter } from "./filters.js";
import { heading, shortNames, value } from "./format.js";
import { finish, paint } from "./frames.js";
import { scaleOf } from "./scales.js";
import { plottable } from "./scatter.js";

const HEAD = 34;
const REACH = 14;
const EDGE = 5;
const MOST_AXES = 12;

export class ParallelView {
  constructor(store) {
    this.store = store;
    this.axes = [];
    this.heads = el("div", {
      class: "axis-heads",
      role: "toolbar",
      "aria-label":
        "Axes. Arrow keys go to the next axis, Shift and arrow keys move an axis, Enter filters, Delete removes the filter.",
    });
    this.surface = el("div", { class: "plot-surface" });
    this.tip = el("div", { class: "tip", hidden: true });
    this.empty = el(
      "div",
      { class: "plot-empty", hidden: true },
      el("strong", {}, "No trials yet"),
      el("p", {}, "Lines appear here as trials start."),
    );
    this.card = new Card("parallel", "Parallel coordinates", store, [this.#axisChooser()], {
      svg: () => this.file(),
      csv: () => this.csv(),
    });
    this.inner = el("div", { class: "parallel" }, this.heads, this.surface, this.tip, this.empty);
    this.card.body.append(this.inner);
    this.element = this.card.element;
    this.layers = new Layers(this.surface, ["back", "main", "over", "axes"], () => this.redraw());
    this.#listen();
  }

  #axisChooser() {
    const button = el(
      "button",
      { type: "button", "aria-expanded": "false", onclick: () => this.#chooseAxes(button) },
      "Axes ▾",
    );
    return button;
  }

  #chooseAxes(anchor) {
    const { store } = this;
    const boxes = plottable(store).map((name) => {
      const each = check(heading(name), this.names().includes(name));
      each.box.addEventListener("change", () => {
        const now = this.names();
        store.set({
          axes: each.box.checked
            ? [...now.slice(0, -1), name, ...now.slice(-1)]
            : now.filter((other) => other !== name),
        });
      });
      return each.label;
    });
    const reset = el(
      "button",
      { type: "button", onclick: () => (store.set({ axes: null }), closePopover()) },
      "The usual axes",
    );
    popover(anchor, "Axes", el("div", { class: "menu" }, el("div", { class: "menu-list" }, boxes), reset));
  }

  /** Columns of the axes, from left to right. */
  names() {
    const { store } = this;
    const chosen = store.view.axes?.filter((name) => store.trials.has(name));
    if (chosen?.length) return chosen;
    const params = store.detail.axes
      .map((axis) => `param/${axis.name}`)
      .filter((name) => store.trials.has(name));
    const others = store.trials.names.filter(
      (name) => name.startsWith("last/") && name !== store.valueColumn,
    );
    const first = params.length ? params : others;
    return [...first.slice(0, MOST_AXES), store.valueColumn].filter((name) => store.trials.has(name));
  }

  update(topics) {
    if (!this.store.trials || !this.store.detail) return;
    const isAll = ["trials", "detail", "view", "size"].some((topic) => topics.has(topic));
    if (isAll) this.redraw();
    else if (topics.has("filters") || topics.has("colour")) {
      this.#paintAxes();
      this.#paintMain();
      this.#paintOver();
    } else if (topics.has("picks")) {
      this.#paintMain();
      this.#paintOver();
    } else if (topics.has("hover")) this.#paintOver();
  }

  redraw() {
    const { store } = this;
    if (!store.trials || !store.detail) return;
    this.empty.hidden = store.trials.size > 0;
    this.inner.style.setProperty("--axes", this.names().length);
    if (!this.layers.width || !store.trials.size) return;
    this.#place();
    this.#paintBack();
    this.#paintAxes();
    this.#paintMain();
    this.#paintOver();
  }

  // Places ------------------------------------------------------------------------------------------------------

  #place() {
    const { store, layers } = this;
    const names = this.names();
    const columns = names.map((name) => store.trials.column(name));
    this.hasAbsent = columns.some((column) => column.hasAbsent);
    this.top = 8;
    this.bottom = layers.height - (this.hasAbsent ? 30 : 10);
    this.absentY = layers.height - 11;
    const width = layers.width / names.length;
    this.axes = names.map((name, index) => this.#axis(name, columns[index], width * (index + 0.5)));
    this.#makeHeads(width);
  }

  #axis(name, column, x) {
    const { store } = this;
    const isLog = store.trials.isLog(name) !== store.view.flipped.includes(name);
    const scale = scaleOf(column, isLog);
    const ys = new Float32Array(store.trials.size);
    const height = this.bottom - this.top;
    // Many lines through one place look like one: they are spread a little.
    const spread = Math.min(0.5, 0.1 + ys.length / 2000);
    for (let row = 0; row < ys.length; row += 1) {
      const each = column.values[row];
      const place = scale.at(each + (column.labels ? (((row * 0.618034) % 1) - 0.5) * spread : 0));
      ys[row] = Number.isNaN(place) ? this.absentY : this.bottom - Math.max(0, Math.min(1, place)) * height;
    }
    return { name, column, x, scale, ys };
  }

  #y(axis, each) {
    return this.bottom - axis.scale.at(each) * (this.bottom - this.top);
  }

  #valueAt(axis, y) {
    const place = (this.bottom - y) / (this.bottom - this.top);
    return axis.scale.value(Math.max(0, Math.min(1, place)));
  }

  // Heads of the axes -------------------------------------------------------------------------------------------

  #makeHeads(width) {
    const { store } = this;
    const short = shortNames(this.axes.map(({ name }) => name));
    const wanted = JSON.stringify([this.axes.map(({ name }) => name), [...store.filters.keys()]]);
    if (wanted !== this.headsFor) {
      this.headsFor = wanted;
      const focused = document.activeElement?.axisName;
      fill(
        this.heads,
        this.axes.map((axis, index) => this.#head(axis.name, short.get(axis.name), index)),
      );
      [...this.heads.children].find((head) => head.axisName === focused)?.focus();
    }
    [...this.heads.children].forEach((head) => (head.style.width = `${width}px`));
  }

  #head(name, text, index) {
    const isFiltered = this.store.filters.has(name);
    const head = el(
      "button",
      {
        type: "button",
        class: `axis-head${isFiltered ? " filtered" : ""}`,
        title: `${heading(name)}: drag to move, click to filter`,
        "aria-expanded": "false",
        tabindex: index === 0 ? "0" : "-1",
        onkeydown: (event) => this.#headKey(event, name),
        onpointerdown: (event) => this.#grabHead(event, name),
      },
      el("span", { class: "axis-name" }, text),
    );
    head.axisName = name;
    head.addEventListener("click", () => {
      if (!this.moved) columnMenu(this.store, name, head, this.#hideButton(name));
    });
    return head;
  }

  #hideButton(name) {
    const hide = () => {
      closePopover();
      this.store.set({ axes: this.names().filter((other) => other !== name) });
    };
    return el("button", { type: "button", disabled: this.axes.length < 3, onclick: hide }, "Hide axis");
  }

  #headKey(event, name) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") this.store.dropFilter(name);
    else if (step && (event.shiftKey || event.altKey)) this.#move(name, this.names().indexOf(name) + step);
    else if (step) this.#focusHead(event.currentTarget, step);
    else return;
    event.preventDefault();
  }

  #focusHead(head, step) {
    const next = step > 0 ? head.nextElementSibling : head.previousElementSibling;
    if (!next) return;
    head.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  #move(name, to) {
    const names = this.names();
    if (to < 0 || to >= names.length || names[to] === name) return;
    const rest = names.filter((other) => other !== name);
    rest.splice(to, 0, name);
    this.store.set({ axes: rest });
    say(`${heading(name)} is axis ${to + 1} of ${names.length}`);
  }

  #grabHead(event, name) {
    const head = event.currentTarget;
    const start = event.clientX;
    this.moved = false;
    const move = (later) => {
      if (!this.moved && Math.abs(later.clientX - start) < 6) return;
      if (!this.moved) closePopover();
      this.moved = true;
      const box = this.heads.getBoundingClientRect();
      this.#move(
        name,
        Math.max(
          0,
          Math.min(
            this.axes.length - 1,
            Math.floor(((later.clientX - box.left) / box.width) * this.axes.length),
          ),
        ),
      );
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      head.classList.remove("moving");
      setTimeout(() => (this.moved = false));
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
  }

  // Painting ----------------------------------------------------------------------------------------------------

  #trace(context, row) {
    this.axes.forEach(({ x, ys }, index) =>
      index ? context.lineTo(x, ys[row]) : context.moveTo(x, ys[row]),
    );
  }

  #paintBack() {
    const context = this.layers.clear("back");
    context.strokeStyle = colours().faint;
    const { order } = this.store;
    const stride = Math.max(1, Math.ceil(order.length / 1500));
    for (let index = 0; index < order.length; index += stride) {
      context.beginPath();
      this.#trace(context, order[index]);
      context.stroke();
    }
  }

  #paintMain() {
    if (!this.axes.length) return;
    paint(this, this.#lines(this.layers.clear("main")));
  }

  *#lines(context) {
    const { store } = this;
    context.globalAlpha =
      (store.picks.length ? 0.4 : 1) * Math.min(0.85, 9 / Math.sqrt(store.numPassing || 1));
    context.lineWidth = store.numPassing > 100 ? 1 / this.layers.ratio : 1.3;
    let count = 0;
    for (const row of store.order) {
      if (!store.passes[row]) continue;
      context.strokeStyle = store.colourOf(row);
      context.beginPath();
      this.#trace(context, row);
      context.stroke();
      count += 1;
      if (count % 200 === 0) yield;
    }
  }

  #paintAxes() {
    if (!this.axes.length) return;
    this.#makeHeads(this.layers.width / this.axes.length);
    const context = this.layers.clear("axes");
    for (const axis of this.axes) this.#paintAxis(context, axis);
  }

  #paintAxis(context, axis) {
    const { x, scale } = axis;
    context.strokeStyle = colours().muted;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, this.top);
    context.lineTo(x, this.bottom);
    context.stroke();
    context.textBaseline = "middle";
    context.textAlign = "left";
    const room = this.layers.width / this.axes.length - 12;
    for (const { value: each, text } of scale.ticks(Math.max(2, Math.floor((this.bottom - this.top) / 34)))) {
      this.#label(context, fitted(context, text, room), x + 7, this.#y(axis, each));
    }
    if (axis.column.hasAbsent) this.#label(context, "absent", x + 7, this.absentY);
    const filter = this.store.filters.get(axis.name);
    if (filter) this.#paintBrush(context, axis, filter);
  }

  #label(context, text, x, y) {
    context.lineWidth = 3;
    context.strokeStyle = colours().card;
    context.strokeText(text, x, y);
    context.fillStyle = colours().text;
    context.fillText(text, x, y);
  }

  #paintBrush(context, axis, filter) {
    context.strokeStyle = colours().accent;
    context.lineWidth = 1.5;
    for (const [low, high] of this.#brushed(axis, filter)) {
      context.fillStyle = colours().accent;
      context.globalAlpha = 0.25;
      context.fillRect(axis.x - 6, high, 12, Math.max(2, low - high));
      context.globalAlpha = 1;
      context.strokeRect(axis.x - 6, high, 12, Math.max(2, low - high));
    }
  }

  /** Stretches of an axis that its filter keeps, in pixels: [lower end, upper end]. */
  #brushed(axis, filter) {
    const absent = filter.absent ? [[this.absentY + 7, this.absentY - 7]] : [];
    if (filter.labels) {
      const codes = filter.labels
        .map((label) => axis.column.labels?.indexOf(label) ?? -1)
        .filter((code) => code >= 0);
      return [...codes.map((code) => [this.#y(axis, code - 0.42), this.#y(axis, code + 0.42)]), ...absent];
    }
    if (filter.low > filter.high) return absent;
    const inside = (y) => Math.max(this.top, Math.min(this.bottom, y));
    const low = Number.isNaN(axis.scale.at(filter.low)) ? this.bottom : this.#y(axis, filter.low);
    return [[inside(low), inside(this.#y(axis, filter.high))], ...absent];
  }

  #paintOver() {
    if (!this.axes.length) return;
    const { store } = this;
    const context = this.layers.clear("over");
    store.picks
      .slice(0, 40)
      .forEach((number, index) => this.#strong(context, number, store.pickColour(index)));
    if (store.hover !== null) this.#strong(context, store.hover, colours().text);
  }

  #strong(context, number, colour) {
    const row = this.store.trials.rowOf.get(number);
    if (row === undefined || row >= this.axes[0].ys.length) return;
    for (const [width, style] of [
      [5, colours().card],
      [2.4, colour],
    ]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.beginPath();
      this.#trace(context, row);
      context.stroke();
    }
  }

  // Pointer -----------------------------------------------------------------------------------------------------

  #listen() {
    const { surface } = this;
    surface.addEventListener("pointerdown", (event) => this.#down(event));
    surface.addEventListener("pointermove", (event) => this.#drag(event));
    surface.addEventListener("pointerup", (event) => this.#up(event));
    surface.addEventListener("pointercancel", () => (this.brush = null));
    surface.addEventListener("pointerleave", () => !this.brush && this.#point(null));
  }

  #at(event) {
    const box = this.surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #axisNear(x) {
    return this.axes.find((axis) => Math.abs(axis.x - x) <= REACH) ?? null;
  }

  #down(event) {
    if (event.button !== 0) return;
    closePopover();
    const [x, y] = this.#at(event);
    const axis = this.#axisNear(x);
    this.surface.setPointerCapture(event.pointerId);
    this.brush = { axis, x, y, moved: false, ...(axis ? this.#grab(axis, y) : {}) };
  }

  /** What a press at `y` takes hold of: an end of a brush, the whole brush, or nothing: then a new brush begins. */
  #grab(axis, y) {
    const filter = this.store.filters.get(axis.name);
    if (!filter || filter.labels || filter.low > filter.high) return { from: y };
    const [low, high] = this.#brushed(axis, filter)[0];
    if (Math.abs(y - low) <= EDGE) return { from: high };
    if (Math.abs(y - high) <= EDGE) return { from: low };
    return y < low && y > high ? { held: [low, high] } : { from: y };
  }

  #drag(event) {
    const [x, y] = this.#at(event);
    const { brush } = this;
    if (!brush) return this.#hover(x, y);
    if (!brush.axis || (!brush.moved && Math.abs(y - brush.y) < 3)) return;
    brush.moved = true;
    const axis = this.axes.find(({ name }) => name === brush.axis.name);
    const [low, high] = brush.held
      ? brush.held.map((end) => end + y - brush.y)
      : [Math.max(brush.from, y), Math.min(brush.from, y)];
    this.store.setFilter(this.#filterOf(axis, low, high));
  }

  /** The filter that keeps what lies between two heights in pixels. */
  #filterOf(axis, low, high) {
    const absent = axis.column.hasAbsent && low >= this.absentY - 6;
    if (axis.column.labels) {
      const kept = axis.column.labels.filter(
        (_, code) => this.#y(axis, code) <= low + 1 && this.#y(axis, code) >= high - 1,
      );
      const nearest =
        axis.column.labels[
          Math.max(
            0,
            Math.min(axis.column.labels.length - 1, Math.round(this.#valueAt(axis, (low + high) / 2))),
          )
        ];
      return labelFilter(axis.name, kept.length || absent ? kept : [nearest], absent);
    }
    if (high > this.bottom) return { column: axis.name, low: 1, high: 0, absent: true };
    const ends = [low, high].map((y) => Number(this.#valueAt(axis, y).toPrecision(4)));
    const [column] = [axis.column.range()];
    if (low >= this.bottom - 1) ends[0] = column[0];
    if (high <= this.top + 1) ends[1] = column[1];
    return rangeFilter(axis.name, ...ends, absent);
  }

  #up(event) {
    const { brush } = this;
    this.brush = null;
    if (!brush || brush.moved) return;
    if (brush.axis && this.store.filters.has(brush.axis.name)) return this.store.dropFilter(brush.axis.name);
    const row = this.#hit(brush.x, brush.y);
    if (row !== null)
      this.store.pick(this.store.trials.number(row), event.ctrlKey || event.metaKey || event.shiftKey);
  }

  #hover(x, y) {
    const axis = this.#axisNear(x);
    this.surface.classList.toggle("over-axis", Boolean(axis));
    this.#point(this.#hit(x, y), x, y);
  }

  /** The shown trial whose line is nearest, within some pixels. */
  #hit(x, y) {
    const { axes, store } = this;
    if (axes.length < 2) return null;
    let right = axes.findIndex((axis) => axis.x >= x);
    right = right < 0 ? axes.length - 1 : Math.max(1, right);
    const [from, to] = [axes[right - 1], axes[right]];
    const along = Math.max(0, Math.min(1, (x - from.x) / (to.x - from.x)));
    let [best, distance] = [null, 7];
    for (const row of store.order) {
      const away = Math.abs(from.ys[row] + along * (to.ys[row] - from.ys[row]) - y);
      if (away <= distance && store.passes[row]) [best, distance] = [row, away];
    }
    return best;
  }

  #point(row, x, y) {
    const { store, tip } = this;
    store.setHover(row === null ? null : store.trials.number(row));
    tip.hidden = row === null;
    if (row === null) return;
    const { trials } = store;
    const metric = store.valueColumn;
    fill(
      tip,
      el("strong", {}, `Trial ${trials.number(row)} · ${trials.column("state")?.text(row) ?? ""}`),
      el("div", {}, `${heading(metric)} ${value(trials.column(metric)?.raw[row])}`),
    );
    tip.style.left = `${x + 14 + tip.offsetWidth > this.layers.width ? x - tip.offsetWidth - 10 : x + 14}px`;
    tip.style.top = `${Math.min(y + HEAD - tip.offsetHeight / 2, this.layers.height + HEAD - tip.offsetHeight)}px`;
  }

  // Files -------------------------------------------------------------------------------------------------------

  file() {
    const draw = () => {
      this.redraw();
      finish(this);
    };
    return this.layers.file(draw, HEAD, (context) => this.#writeHeads(context));
  }

  #writeHeads(context) {
    const short = shortNames(this.axes.map(({ name }) => name));
    const room = this.layers.width / this.axes.length - 6;
    context.textAlign = "center";
    context.font = `bold ${colours().font}`;
    for (const { name, x } of this.axes) context.fillText(fitted(context, short.get(name), room), x, 22);
  }

  csv() {
    const { store } = this;
    const names = ["number", "state", ...this.names()];
    const rows = store.order
      .filter((row) => store.passes[row])
      .sort((a, b) => store.trials.number(a) - store.trials.number(b));
    return csv([names, ...rows.map((row) => names.map((name) => store.trials.column(name).raw[row]))]);
  }
}
