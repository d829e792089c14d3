// A plane of two axes: ticks, zoom, hover, picks, rectangle and lasso, keys, tooltip. What lies on it is its subclasses'.
import { Layers, fitted } from "./canvas.js";
import { colours } from "./colours.js";
import { closePopover, el, fill, toggle } from "./dom.js";
import { labelFilter, rangeFilter } from "./filters.js";
import { finish, paint } from "./frames.js";
import { linear, log } from "./scales.js";

const NEAR = 9;

export class Plot {
  /** `tools`: which of "select", "lasso", "zoom" a drag may be; the first at the start. */
  constructor(store, key, label, tools = ["select", "zoom"]) {
    Object.assign(this, { store, key, tools, tool: tools[0] });
    this.inset = { left: 48, right: 12, top: 10, bottom: 36 };
    this.empty = el("div", { class: "plot-empty", hidden: true });
    this.tip = el("div", { class: "tip", hidden: true });
    this.surface = el("div", {
      class: "plot-surface",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "plot",
      "aria-label": `${label}. Arrow keys go from trial to trial, Enter picks, O opens.`,
    });
    this.element = el("div", { class: "plot" }, this.surface, this.empty, this.tip);
    this.layers = new Layers(this.surface, ["back", "main", "over"], () => this.redraw());
    this.#listen();
  }

  // What a subclass supplies ------------------------------------------------------------------------------------

  /** {x, y} scales of the whole picture, or null where there is nothing to show. */
  scales() {
    return null;
  }

  /** Names of the axes. */
  names() {
    return { x: "", y: "" };
  }

  /** [title, text] of what to say when there is nothing to show. */
  nothing() {
    return ["Nothing to show yet", "Trials appear here with their first report."];
  }

  /** Width in pixels that a label of the y axis may have. */
  get mostLabel() {
    return 90;
  }

  xTicks(count) {
    return this.x.ticks(count);
  }

  paintBack() {}

  *paintMain() {}

  paintOver() {}

  /** The row at or near a place in pixels, or null. */
  hit() {
    return null;
  }

  /** Rows from left to right, for the arrow keys. */
  along() {
    return [];
  }

  /** Where the tooltip of `row` is anchored, in pixels. */
  placeOf() {
    return null;
  }

  /** Lines of the tooltip of a row. */
  describe(row) {
    const { store } = this;
    return [`Trial ${store.trials.number(row)} · ${store.trials.column("state")?.text(row) ?? ""}`];
  }

  /** Rows inside: test(x, y) in pixels. */
  rowsInside() {
    return [];
  }

  // Drawing -----------------------------------------------------------------------------------------------------

  redraw() {
    if (!this.layers.width || !this.store.trials) return;
    const whole = this.scales();
    this.empty.hidden = Boolean(whole);
    this.surface.classList.toggle("unseen", !whole);
    if (!whole) {
      this.x = null;
      const [title, text] = this.nothing();
      fill(this.empty, el("strong", {}, title), el("p", {}, text));
      return;
    }
    this.#zoom(whole);
    this.#measure();
    const back = this.layers.clear("back");
    this.#axes(back);
    back.save();
    this.#clip(back);
    this.paintBack(back);
    back.restore();
    this.redrawMain();
  }

  redrawMain() {
    if (!this.x) return;
    const context = this.layers.clear("main");
    context.save();
    this.#clip(context);
    const painting = this.paintMain(context);
    paint(this, this.#until(painting, context));
    this.redrawOver();
  }

  *#until(painting, context) {
    yield* painting;
    context.restore();
  }

  redrawOver() {
    if (!this.x) return;
    const context = this.layers.clear("over");
    context.save();
    this.#clip(context);
    this.paintOver(context);
    this.#paintDrag(context);
    context.restore();
  }

  #clip(context) {
    const { left, top } = this.inset;
    context.beginPath();
    context.rect(left - 4, top - 4, this.innerWidth + 8, this.innerHeight + 8);
    context.clip();
  }

  #zoom({ x, y }) {
    const [x0, x1, y0, y1] = this.store.view.zoom[this.key] ?? [];
    this.whole = { x, y };
    this.x = zoomed(x, x0, x1);
    this.y = zoomed(y, y0, y1);
  }

  #measure() {
    const context = this.layers.contexts.get("back");
    context.font = colours().font;
    this.yTicks = this.y.ticks(Math.max(2, Math.floor(this.layers.height / 36)));
    const widest = Math.max(
      20,
      ...this.yTicks.map(({ text }) => Math.min(this.mostLabel, context.measureText(text).width)),
    );
    this.inset.left = Math.ceil(widest) + 26;
    this.innerWidth = Math.max(10, this.layers.width - this.inset.left - this.inset.right);
    this.innerHeight = Math.max(10, this.layers.height - this.inset.top - this.inset.bottom);
  }

  /** As an SVG file. */
  file() {
    return this.layers.file(() => {
      this.redraw();
      finish(this);
    });
  }

  px(value) {
    return this.inset.left + this.x.at(value) * this.innerWidth;
  }

  py(value) {
    return this.inset.top + (1 - this.y.at(value)) * this.innerHeight;
  }

  valueAt(px, py) {
    const x = this.x.value((px - this.inset.left) / this.innerWidth);
    return [x, this.y.value(1 - (py - this.inset.top) / this.innerHeight)];
  }

  #axes(context) {
    const { left, top } = this.inset;
    const [right, bottom] = [left + this.innerWidth, top + this.innerHeight];
    const names = this.names();
    context.strokeStyle = colours().line;
    context.lineWidth = 1;
    context.beginPath();
    for (const { value } of this.yTicks) line(context, left, this.py(value), right, this.py(value));
    const xTicks = this.xTicks(Math.max(2, Math.floor(this.innerWidth / 64)));
    for (const { value } of xTicks) line(context, this.px(value), top, this.px(value), bottom);
    context.stroke();
    context.fillStyle = colours().muted;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const { value, text } of this.yTicks)
      context.fillText(fitted(context, text, this.mostLabel), left - 6, this.py(value));
    context.textAlign = "center";
    for (const { value, text } of xTicks) this.#xTick(context, value, text, bottom + 10, xTicks.length);
    context.fillStyle = colours().text;
    context.fillText(fitted(context, names.x, this.innerWidth), left + this.innerWidth / 2, bottom + 26);
    context.save();
    context.translate(9, top + this.innerHeight / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(fitted(context, names.y, this.innerHeight), 0, 0);
    context.restore();
  }

  #xTick(context, value, text, y, count) {
    const shown = fitted(context, text, this.innerWidth / Math.max(1, count) - 4 || 60);
    const half = context.measureText(shown).width / 2;
    const x = Math.min(this.px(value), this.layers.width - half - 1);
    context.fillText(shown, x, y);
  }

  #paintDrag(context) {
    const drag = this.drag;
    if (!drag?.moved) return;
    context.strokeStyle = colours().accent;
    context.fillStyle = colours().accent;
    context.lineWidth = 1.5;
    context.beginPath();
    if (this.#dragTool() === "lasso")
      drag.path.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    else context.rect(drag.x0, drag.y0, drag.x - drag.x0, drag.y - drag.y0);
    context.stroke();
    context.globalAlpha = 0.1;
    context.fill();
    context.globalAlpha = 1;
  }

  // Pointer -----------------------------------------------------------------------------------------------------

  #listen() {
    const { surface } = this;
    surface.addEventListener("pointerdown", (event) => this.#down(event));
    surface.addEventListener("pointermove", (event) => this.#move(event));
    surface.addEventListener("pointerup", (event) => this.#up(event));
    surface.addEventListener("pointercancel", () => this.#end());
    surface.addEventListener("pointerleave", () => this.#leave());
    surface.addEventListener("dblclick", () => this.#resetZoom());
    surface.addEventListener("keydown", (event) => this.#key(event));
    surface.addEventListener("blur", () => this.#leave());
  }

  #at(event) {
    const box = this.surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    if (event.button !== 0 || !this.x) return;
    closePopover();
    const [x, y] = this.#at(event);
    this.drag = {
      x0: x,
      y0: y,
      x,
      y,
      path: [[x, y]],
      moved: false,
      shift: event.shiftKey,
      pointer: event.pointerId,
    };
  }

  #move(event) {
    const [x, y] = this.#at(event);
    const { drag } = this;
    if (!drag) {
      this.point(this.x ? this.hit(x, y) : null, x, y);
      return;
    }
    if (!drag.moved && Math.hypot(x - drag.x0, y - drag.y0) < 5) return;
    if (!drag.moved) this.surface.setPointerCapture(drag.pointer);
    Object.assign(drag, { x, y, moved: true });
    drag.path.push([x, y]);
    this.redrawOver();
  }

  #up(event) {
    const { drag } = this;
    if (!drag) return;
    if (drag.moved) this.#finish(drag);
    else this.#click(event, drag);
    this.#end();
  }

  #end() {
    this.drag = null;
    this.redrawOver();
  }

  #click(event, { x0, y0 }) {
    const row = this.hit(x0, y0);
    if (row === null) return;
    this.store.pick(this.store.trials.number(row), event.ctrlKey || event.metaKey || event.shiftKey);
  }

  #dragTool() {
    return this.drag.shift && this.tools.includes("zoom") ? "zoom" : this.tool;
  }

  #finish(drag) {
    const tool = this.#dragTool();
    if (tool === "lasso") return this.caught(this.rowsInside((x, y) => isInside(drag.path, x, y)));
    const [left, right] = [drag.x0, drag.x].sort((a, b) => a - b);
    const [top, bottom] = [drag.y0, drag.y].sort((a, b) => a - b);
    if (tool === "zoom") return this.#zoomTo(left, right, top, bottom);
    return this.select(left, right, top, bottom);
  }

  /** A rectangle in pixels was drawn: ranges on both axes, unless a subclass wants it otherwise. */
  select(left, right, top, bottom) {
    const [x0, y0] = this.valueAt(left, bottom);
    const [x1, y1] = this.valueAt(right, top);
    const [x, y] = this.columns();
    this.store.setFilter(
      ...[rangeOrLabels(this.store, x, x0, x1), rangeOrLabels(this.store, y, y0, y1)].filter(Boolean),
    );
  }

  columns() {
    return [null, null];
  }

  caught() {}

  #zoomTo(left, right, top, bottom) {
    if (right - left < 4 || bottom - top < 4) return;
    const [x0, y0] = this.valueAt(left, bottom);
    const [x1, y1] = this.valueAt(right, top);
    this.setZoom([x0, x1, y0, y1]);
  }

  #resetZoom() {
    const isZoomed = Boolean(this.store.view.zoom[this.key]);
    this.setZoom(isZoomed ? null : this.everything());
  }

  /** The zoom that shows also what the usual picture cuts off. */
  everything() {
    return null;
  }

  setZoom(zoom) {
    const all = { ...this.store.view.zoom };
    if (zoom) all[this.key] = zoom.map((value) => Number(value.toPrecision(5)));
    else delete all[this.key];
    this.store.set({ zoom: all });
  }

  /** Buttons that say what a drag does. */
  toolButtons() {
    const looks = {
      select: ["▭", "Drag selects a rectangle"],
      lasso: ["◌", "Drag selects with a lasso"],
      zoom: ["⌕", "Drag zooms (also Shift and drag); double-click resets"],
    };
    const buttons = this.tools.map((tool) =>
      toggle(...looks[tool], tool === this.tool, () => {
        this.tool = tool;
        buttons.forEach((button, index) => button.press(this.tools[index] === tool));
      }),
    );
    return el("span", { class: "group", role: "group", "aria-label": "What a drag does" }, buttons);
  }

  // Hover and keys ----------------------------------------------------------------------------------------------

  /** The pointer or a key is at `row`. */
  point(row, x, y) {
    this.store.setHover(row === null ? null : this.store.trials.number(row));
    this.surface.classList.toggle("over-trial", row !== null);
    this.tip.hidden = true;
    if (row !== null) this.tell(this.describe(row), x, y);
  }

  /** Shows the tooltip beside a place. */
  tell(lines, x, y) {
    this.tip.hidden = false;
    fill(
      this.tip,
      lines.map((text, index) => el(index ? "div" : "strong", {}, text)),
    );
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    this.tip.style.left = `${Math.max(2, x + 14 + width > this.layers.width ? x - width - 10 : x + 14)}px`;
    this.tip.style.top = `${Math.max(2, Math.min(y - height / 2, this.layers.height - height - 2))}px`;
  }

  #leave() {
    if (this.drag) return;
    this.tip.hidden = true;
    this.store.setHover(null);
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step !== undefined) this.#step(step);
    else if (event.key === "Home" || event.key === "End") this.#goTo(event.key === "Home" ? 0 : -1);
    else if ((event.key === "Enter" || event.key === " ") && this.store.hover !== null)
      this.store.pick(this.store.hover, event.ctrlKey || event.key === " ");
    else if (event.key === "o" && this.store.hover !== null) this.store.open(this.store.hover);
    else return;
    event.preventDefault();
  }

  #step(step) {
    const rows = this.along();
    const now = rows.indexOf(this.store.trials.rowOf.get(this.store.hover));
    this.#goTo(now < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, now + step)));
  }

  #goTo(index) {
    const row = this.along().at(index);
    const place = row === undefined ? null : this.placeOf(row);
    if (place) this.point(row, ...place);
  }
}

function rangeOrLabels(store, name, low, high) {
  const column = store.trials.column(name);
  if (!column) return null;
  if (!column.labels) return rangeFilter(name, Number(low.toPrecision(4)), Number(high.toPrecision(4)));
  return labelFilter(
    name,
    column.labels.filter((_, code) => code >= low && code <= high),
  );
}

function zoomed(scale, low, high) {
  if (low === undefined || scale.kind === "category") return scale;
  return scale.kind === "log" && low > 0 ? log(low, high) : linear(low, high);
}

function line(context, x0, y0, x1, y1) {
  context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
  context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
}

function isInside(path, x, y) {
  let inside = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i, i += 1) {
    const [xi, yi] = path[i];
    const [xj, yj] = path[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** The row of `rows` whose place is nearest to (x, y) in pixels, null where none is near. */
export function nearest(rows, xs, ys, x, y, near = NEAR) {
  let [best, distance] = [null, near * near];
  for (const row of rows) {
    const away = (xs[row] - x) ** 2 + (ys[row] - y) ** 2;
    if (away <= distance) [best, distance] = [row, away];
  }
  return best;
}

/** The range of `values` without far outliers: [low, high, whether some were cut]. */
export function usualRange(values) {
  const finite = values.filter(Number.isFinite).sort();
  if (!finite.length) return [NaN, NaN, false];
  const at = (part) => finite[Math.round(part * (finite.length - 1))];
  const [low, high] = [finite[0], finite[finite.length - 1]];
  const [p2, p98] = [at(0.02), at(0.98)];
  const room = 3 * (p98 - p2);
  const range = [
    low < p2 - room && room > 0 ? p2 - room / 6 : low,
    high > p98 + room && room > 0 ? p98 + room / 6 : high,
  ];
  return [...range, range[0] !== low || range[1] !== high];
}
