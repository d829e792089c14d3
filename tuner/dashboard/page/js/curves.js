// Learning curves: the best, all that pass, or the picked ones; by step, epoch, time or GPU time; smoothed; on log axes.
import { Card } from "./card.js";
import { colours } from "./colours.js";
import { smooth } from "./curve_data.js";
import { choose, csv, el, optionsButton, setChoices, toggle } from "./dom.js";
import { caughtFilter } from "./filters.js";
import { number } from "./format.js";
import { Plot, usualRange } from "./plot.js";
import { linear, log } from "./scales.js";

/** So many points are drawn at most; of more each curve is thinned evenly, but not one that is picked or pointed at. */
const MOST_POINTS = 250_000;
/** Curves behind the chosen ones, faint, at most. */
const MOST_BEHIND = 300;

/** What the x axis can be; `at`: where the points of a row's curve are, in ours one a report. */
const AXES = {
  step: { text: "step", name: "step", isKnown: () => true, at: ({ step }) => step },
  epoch: {
    text: "epoch",
    name: "epoch",
    isKnown: ({ detail }) => Boolean(detail?.settings?.train),
    at: ({ step }, row, store) => {
      const [every, epochs] = [trained(store, row, "validate_every") ?? 1, trained(store, row, "epochs")];
      return step.map((report) => Math.min(report * every, epochs));
    },
  },
  time: {
    text: "time",
    name: "seconds since the trial's first report",
    isKnown: () => true,
    at: ({ time }) => time.map((each) => each - time[0]),
  },
  gpu: {
    text: "GPU-seconds",
    name: "GPU-seconds, the same for each report of a trial",
    isKnown: ({ trials }) => trials?.column("gpu_seconds")?.range()[1] > 0,
    at: ({ step }, row, { trials }) => {
      const each = trials.value("gpu_seconds", row) / trials.value("reports", row);
      return step.map((report) => report * each);
    },
  },
};

/** The axis that the view names, else that of steps. */
function axisOf(store) {
  const wanted = Object.hasOwn(AXES, store.view.x) ? AXES[store.view.x] : AXES.step;
  return wanted.isKnown(store) ? wanted : AXES.step;
}

/** A number of `train` as the trial had it. */
function trained({ detail, trials }, row, name) {
  return trials.column(`param/train.${name}`)?.raw[row] ?? detail.settings.train[name];
}

export class CurvesPlot extends Plot {
  constructor(store, key = "curves") {
    super(store, key, "Learning curves");
  }

  /** Rows whose curves are drawn in colour. */
  chosen() {
    const { store } = this;
    const { which, top } = store.view;
    if (which === "picked")
      return store.picks.map((each) => store.trials.rowOf.get(each)).filter((row) => row !== undefined);
    if (which === "all") return store.order.filter((row) => store.passes[row]);
    return store.ranked().slice(0, top).reverse();
  }

  /** {x, y} of a trial as drawn, null without points. */
  curve(row) {
    const number = this.store.trials.number(row);
    const curve = this.data.of(number);
    if (!curve || !curve.value.length) return null;
    const x = axisOf(this.store).at(curve, row, this.store);
    if (!x.some(Number.isFinite)) return null;
    return { x, y: smooth(curve.value, this.store.view.smoothing) };
  }

  scales() {
    const { store } = this;
    this.data = store.curvesOf(store.tag);
    this.rows = this.chosen();
    let rows = this.rows.filter((row) => this.data.of(store.trials.number(row)));
    if (!rows.length)
      rows = store.order.filter((row) => this.data.of(store.trials.number(row))).slice(-store.view.top);
    if (!rows.length) return null;
    const [xs, ys] = this.#sample(rows);
    const [x0, x1] = ends(xs);
    const isLogY = this.#isLogY(ys);
    const [low, high, isCut] = usualRange(isLogY ? ys.filter((value) => value > 0) : ys);
    this.isCut = isCut;
    this.all = [x0, x1, ...ends(ys)];
    if (!Number.isFinite(low)) return null;
    const margin = 0.03 * (high - low);
    const y = isLogY ? log(low, high) : linear(low - margin, high + margin);
    return {
      x: store.view.curvesLogX
        ? log(...ends(xs.filter((value) => value > 0)))
        : linear(x0, x1 + 0.01 * (x1 - x0)),
      y,
    };
  }

  #sample(rows) {
    const stride = Math.max(1, Math.floor(rows.length / 500));
    const [xs, ys] = [[], []];
    for (let index = rows.length - 1; index >= 0; index -= stride) {
      const curve = this.curve(rows[index]);
      if (!curve) continue;
      xs.push(curve.x[0], curve.x[curve.x.length - 1]);
      for (const value of curve.y) ys.push(value);
    }
    return [Float64Array.from(xs), Float64Array.from(ys)];
  }

  #isLogY(ys) {
    const wanted = this.store.view.curvesLogY;
    const [low, high] = ends(ys);
    if (!(high > 0)) return false;
    return wanted ?? (low > 0 && high / low >= 100);
  }

  names() {
    return {
      x: axisOf(this.store).name,
      y: this.store.tag,
    };
  }

  nothing() {
    if (!this.store.curves.has(this.store.tag))
      return ["Reading curves …", `The curves of ${this.store.tag} are on their way.`];
    if (this.store.view.which === "picked" && !this.store.picks.length)
      return ["No trial is picked", "Click a row, a line or a point; Ctrl and click picks more."];
    return [
      "No curves",
      "No trial that is shown has reported this metric yet. Remove a filter or choose another metric.",
    ];
  }

  everything() {
    return this.isCut && this.all.every(Number.isFinite) ? this.all : null;
  }

  paintBack(context) {
    const { store } = this;
    const inFront = new Set(this.rows);
    const others = store.order.filter((row) => !inFront.has(row));
    const stride = Math.max(1, Math.ceil(others.length / MOST_BEHIND));
    context.strokeStyle = colours().faint;
    for (let index = 0; index < others.length; index += stride) {
      context.beginPath();
      this.trace(context, others[index], 1);
      context.stroke();
    }
  }

  *paintMain(context) {
    const { store } = this;
    this.rows = this.chosen();
    const points = this.rows.reduce(
      (sum, row) => sum + (this.data.of(store.trials.number(row))?.step.length ?? 0),
      0,
    );
    const stride = Math.max(1, Math.ceil(points / MOST_POINTS));
    context.lineWidth = this.rows.length > 60 ? 1 / this.layers.ratio : 1.4;
    context.globalAlpha = store.picks.length ? 0.35 : this.rows.length > 300 ? 0.55 : 0.9;
    for (let index = 0; index < this.rows.length; index += 1) {
      const row = this.rows[index];
      context.strokeStyle = store.colourOf(row);
      context.beginPath();
      this.trace(context, row, stride);
      context.stroke();
      if (index % 100 === 99) yield;
    }
  }

  /** Puts a curve into the path; gaps where values are not finite; a single point as a dash. */
  trace(context, row, stride) {
    const curve = this.curve(row);
    if (!curve) return;
    const { x, y } = curve;
    const last = x.length - 1;
    let isOpen = false;
    for (let index = 0; index <= last; index = index < last ? Math.min(last, index + stride) : last + 1) {
      const [px, py] = [this.px(x[index]), this.py(y[index])];
      if (!Number.isFinite(px) || !Number.isFinite(py)) {
        isOpen = false;
      } else if (isOpen) {
        context.lineTo(px, py);
      } else {
        context.moveTo(px, py);
        if (last === 0 || index === last || !Number.isFinite(y[index + 1])) context.lineTo(px + 3, py);
        isOpen = true;
      }
    }
  }

  paintOver(context) {
    const { store } = this;
    store.picks
      .slice(0, 40)
      .forEach((number, index) => this.#strong(context, number, store.pickColour(index)));
    if (store.hover !== null) this.#strong(context, store.hover, colours().text);
  }

  #strong(context, number, colour) {
    const row = this.store.trials.rowOf.get(number);
    if (row === undefined) return;
    for (const [width, style] of [
      [5, colours().card],
      [2.2, colour],
    ]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.beginPath();
      this.trace(context, row, 1);
      context.stroke();
    }
    this.#end(context, row, colour);
  }

  /** A dot at the last point, so that also a curve of one point is seen. */
  #end(context, row, colour) {
    const place = this.placeOf(row);
    if (!place) return;
    context.fillStyle = colour;
    context.beginPath();
    context.arc(...place, 3.5, 0, 7);
    context.fill();
  }

  hit(px, py) {
    let [best, distance] = [null, 10];
    for (const row of this.rows) {
      const away = this.#distance(row, px, py);
      if (away < distance) [best, distance] = [row, away];
    }
    return best;
  }

  #distance(row, px, py) {
    const curve = this.curve(row);
    if (!curve) return Infinity;
    const [wanted] = this.valueAt(px, py);
    const { x, y } = curve;
    let high = x.findIndex((value) => value >= wanted);
    if (high < 0) high = x.length - 1;
    const low = Math.max(0, high - 1);
    return distanceToSegment(px, py, this.px(x[low]), this.py(y[low]), this.px(x[high]), this.py(y[high]));
  }

  describe(row) {
    const curve = this.curve(row);
    const last = curve ? curve.y[curve.y.length - 1] : NaN;
    return [
      ...super.describe(row),
      `${this.store.tag} ${number(last)} at ${number(curve?.x.at(-1))}`,
      `best ${number(this.store.trials.value(this.store.valueColumn, row))}`,
    ];
  }

  along() {
    return [...this.rows].reverse();
  }

  placeOf(row) {
    const curve = this.curve(row);
    return curve ? [this.px(curve.x.at(-1)), this.py(curve.y.at(-1))] : null;
  }

  csv() {
    const rows = [["trial", "step", "time_s", this.store.tag]];
    for (const row of this.rows ?? []) {
      const trial = this.store.trials.number(row);
      const curve = this.data.of(trial);
      curve?.step.forEach((step, index) => rows.push([trial, step, curve.time[index], curve.value[index]]));
    }
    return csv(rows);
  }

  /** A rectangle catches the drawn trials that have a point in it. */
  select(left, right, top, bottom) {
    const caught = this.rows.filter((row) => {
      const curve = this.curve(row);
      return curve?.x.some(
        (x, index) => within(this.px(x), left, right) && within(this.py(curve.y[index]), top, bottom),
      );
    });
    this.store.setFilter(caughtFilter(caught.map((row) => this.store.trials.number(row))));
  }
}

function within(value, low, high) {
  return value >= low && value <= high;
}

function ends(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high && value !== Infinity) high = value;
  }
  return [low, high];
}

function distanceToSegment(x, y, x0, y0, x1, y1) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const along =
    dx || dy ? Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy))) : 0;
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}

export class CurvesView {
  constructor(store) {
    this.store = store;
    this.plot = new CurvesPlot(store);
    this.tag = choose("Metric of the curves", [], "", (tag) =>
      store.set({ tag, zoom: without(store.view.zoom, "curves") }),
    );
    this.which = choose(
      "Which curves",
      [
        ["top:10", "best 10"],
        ["top:20", "best 20"],
        ["top:100", "best 100"],
        ["all", "all shown"],
        ["picked", "picked"],
      ],
      "top:20",
      (value) =>
        store.set({
          which: value.split(":")[0],
          ...(value.startsWith("top") ? { top: Number(value.slice(4)) } : {}),
        }),
    );
    this.x = choose("x axis", [], "", (x) =>
      store.set({ x, zoom: without(store.view.zoom, "curves") }),
    );
    this.smoothing = el("input", {
      type: "range",
      min: "0",
      max: "0.98",
      step: "0.02",
      "aria-label": "Smoothing",
      title: "Smoothing",
      oninput: () => store.set({ smoothing: Number(this.smoothing.value) }),
    });
    this.logX = toggle("log x", "Logarithmic x axis", false, (on) => store.set({ curvesLogX: on }));
    this.logY = toggle("log y", "Logarithmic y axis", false, (on) => store.set({ curvesLogY: on }));
    this.card = new Card(
      "curves",
      "Curves",
      store,
      [
        this.tag,
        this.which,
        optionsButton("Axes", [
          this.x,
          this.logX,
          this.logY,
          el("label", { class: "check" }, "smoothing ", this.smoothing),
        ]),
        this.plot.toolButtons(),
      ],
      {
        svg: () => this.plot.file(),
        csv: () => this.plot.csv(),
      },
    );
    this.card.body.append(this.plot.element);
    this.element = this.card.element;
  }

  update(topics) {
    const { view } = this.store;
    if (["detail", "view", "trials"].some((topic) => topics.has(topic))) {
      setChoices(
        this.tag,
        (this.store.detail?.metrics ?? []).map((tag) => [tag, tag]),
        this.store.tag,
      );
      this.which.value = view.which === "top" ? `top:${view.top}` : view.which;
      const known = Object.entries(AXES).filter(([, { isKnown }]) => isKnown(this.store));
      setChoices(
        this.x,
        known.map(([key, { text }]) => [key, `x: ${text}`]),
        Object.keys(AXES).find((key) => AXES[key] === axisOf(this.store)),
      );
      this.smoothing.value = view.smoothing;
      this.logX.press(view.curvesLogX);
    }
    if (["view", "curves", "trials", "colour", "size", "filters"].some((topic) => topics.has(topic)))
      this.plot.redraw();
    else if (topics.has("picks"))
      this.store.view.which === "picked" ? this.plot.redraw() : this.plot.redrawMain();
    else if (topics.has("hover")) this.plot.redrawOver();
    this.logY.press(this.plot.y?.kind === "log");
    const thinned = this.plot.data?.thinned ? " · thinned" : "";
    this.card.note.textContent = `${this.plot.rows?.length ?? 0} curves${this.plot.isCut && !view.zoom.curves ? " · outliers cut, double-click for all" : ""}${thinned}`;
  }
}

export function without(record, key) {
  const rest = { ...record };
  delete rest[key];
  return rest;
}
