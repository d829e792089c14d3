// Scheduling: every decision at its rung with the cut-off, in a picture and in words; what each gang trained, and when.
import { Card, tableFiles } from "./card.js";
import { colours } from "./colours.js";
import { check } from "./column_menu.js";
import { CostCard } from "./cost.js";
import { badge, csv, el, signs } from "./dom.js";
import { caughtFilter } from "./filters.js";
import { duration, number } from "./format.js";
import { Grid } from "./grid.js";
import { Plot, nearest, usualRange } from "./plot.js";
import { category, linear, log } from "./scales.js";

/** What was said of a trial, with its place in the log. */
function reported(store) {
  return (store.decisions ?? [])
    .map((line, index) => ({ ...line, index }))
    .filter(({ trial }) => trial !== null);
}

class RungsPlot extends Plot {
  constructor(store) {
    super(store, "rungs", "Decisions at the rungs", ["select", "zoom"]);
  }

  /** Decisions that compared something: those at a rung, or with a cut-off. */
  lines() {
    return reported(this.store).filter(
      (line) =>
        line.report && line.value !== null && line.value !== undefined && (line.rung || line.cutoff !== null),
    );
  }

  scales() {
    this.all = this.lines();
    if (!this.all.length) return null;
    const [low, high] = usualRange(
      Float64Array.from(this.all.flatMap(({ value, cutoff }) => [value, cutoff ?? value])),
    );
    const margin = 0.04 * (high - low);
    const last = Math.max(...this.all.map(({ report }) => report));
    return {
      x: last > 8 ? log(0.8, last * 1.25) : linear(0.5, last + 0.5),
      y: linear(low - margin, high + margin),
    };
  }

  names() {
    return { x: "report", y: this.store.metric };
  }

  nothing() {
    if (!this.store.decisions) return ["Reading decisions …", "They are on their way."];
    return [
      "Nothing was compared",
      "This search's scheduler has cut no trial against a rung. Its decisions are listed below.",
    ];
  }

  paintBack() {
    this.xs = Float32Array.from(
      this.all,
      ({ report }, index) => this.px(report) + (((index * 0.618034) % 1) - 0.5) * this.#spread(report),
    );
    this.ys = Float32Array.from(this.all, ({ value }) => this.py(value));
  }

  /** The reports at which something was decided. */
  xTicks(count) {
    const reports = [...new Set(this.all.map(({ report }) => report))].sort((a, b) => a - b);
    return reports.length <= count
      ? reports.map((value) => ({ value, text: String(value) }))
      : super.xTicks(count);
  }

  #spread(report) {
    return Math.min(26, Math.abs(this.px(report + 0.5) - this.px(report)));
  }

  *paintMain(context) {
    const { store } = this;
    for (let index = 0; index < this.all.length; index += 1) {
      const row = store.trials.rowOf.get(this.all[index].trial);
      const isShown = row !== undefined && store.passes[row];
      this.#mark(context, index, isShown ? colourOf(this.all[index].action) : colours().faint, 3);
      if (index % 500 === 499) yield;
    }
    this.#cutoffs(context);
  }

  /** The last cut-off of each rung, as a bar. */
  #cutoffs(context) {
    const last = new Map();
    for (const { rung, report, cutoff } of this.all)
      if (cutoff !== null && cutoff !== undefined) last.set(rung ?? report, { report, cutoff });
    context.strokeStyle = colours().text;
    context.lineWidth = 2;
    context.beginPath();
    for (const { report, cutoff } of last.values()) {
      context.moveTo(this.px(report) - 16, this.py(cutoff));
      context.lineTo(this.px(report) + 16, this.py(cutoff));
    }
    context.stroke();
  }

  /** Who goes on is a dot, who is stopped a cross, who is paused a square: told apart without colour. */
  #mark(context, index, colour, size) {
    const [x, y] = [this.xs[index], this.ys[index]];
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 1.6;
    context.beginPath();
    if (this.all[index].action === "STOP") {
      context.moveTo(x - size, y - size);
      context.lineTo(x + size, y + size);
      context.moveTo(x + size, y - size);
      context.lineTo(x - size, y + size);
      context.stroke();
    } else if (this.all[index].action === "PAUSE") context.strokeRect(x - size, y - size, 2 * size, 2 * size);
    else {
      context.arc(x, y, size, 0, 7);
      context.fill();
    }
  }

  paintOver(context) {
    const { store } = this;
    this.all.forEach(({ trial }, index) => {
      if (trial === store.hover) this.#mark(context, index, colours().text, 5);
      else if (store.picks.includes(trial))
        this.#mark(context, index, store.pickColour(store.picks.indexOf(trial)), 5);
    });
  }

  hit(x, y) {
    this.at = nearest(this.all.keys(), this.xs, this.ys, x, y);
    return this.at === null ? null : (this.store.trials.rowOf.get(this.all[this.at].trial) ?? null);
  }

  describe(row) {
    const line = this.all[this.at];
    return line ? [`Trial ${line.trial} · ${line.action}`, line.reason ?? ""] : super.describe(row);
  }

  along() {
    return [
      ...new Set(
        [...this.all]
          .sort((a, b) => a.report - b.report)
          .map(({ trial }) => this.store.trials.rowOf.get(trial)),
      ),
    ];
  }

  placeOf(row) {
    this.at = this.all.findIndex(({ trial }) => trial === this.store.trials.number(row));
    return this.at < 0 ? null : [this.xs[this.at], this.ys[this.at]];
  }

  select(left, right, top, bottom) {
    const inside = this.all.filter(
      (_, index) =>
        this.xs[index] >= left &&
        this.xs[index] <= right &&
        this.ys[index] >= top &&
        this.ys[index] <= bottom,
    );
    this.store.setFilter(caughtFilter(new Set(inside.map(({ trial }) => trial))));
  }
}

function colourOf(action) {
  const [blue, orange, green] = colours().categories;
  return { STOP: orange, PAUSE: blue }[action] ?? green;
}

class TimelinePlot extends Plot {
  constructor(store) {
    super(store, "timeline", "Timeline of the gangs", ["zoom"]);
  }

  get mostLabel() {
    return Math.min(200, 0.35 * this.layers.width);
  }

  scales() {
    const laps = this.store.timeline ?? [];
    if (laps !== this.laps) this.#place(laps);
    if (!laps.length) return null;
    return {
      x: linear(0, Math.max(...this.laps.map(({ to_s: to, from_s: from }) => to ?? from))),
      y: category(this.rows),
    };
  }

  #place(laps) {
    this.laps = laps;
    this.rows = rowsOf(laps);
    this.places = new Map(laps.map((lap) => [lap, this.rows.indexOf(rowOf(lap))]));
  }

  names() {
    return { x: "seconds since the start", y: "" };
  }

  nothing() {
    return [
      "No timeline",
      "It is drawn from the search's log of starts, pauses and ends; this experiment has none.",
    ];
  }

  #box(lap) {
    const { from_s: from, to_s: to, kind } = lap;
    const y = this.py(this.places.get(lap));
    const half = Math.min(14, (0.38 * this.innerHeight) / this.rows.length) * (kind === "pause" ? 0.4 : 1);
    const left = this.px(from);
    return [left, y - half, Math.max(1, this.px(to ?? this.x.high) - left - 0.5), 2 * half];
  }

  *paintMain(context) {
    const { store } = this;
    for (let index = 0; index < this.laps.length; index += 1) {
      const lap = this.laps[index];
      const row = store.trials.rowOf.get(lap.trial);
      context.globalAlpha = row !== undefined && store.passes[row] ? 1 : 0.2;
      context.fillStyle =
        lap.kind === "restart"
          ? colours().state("FAILED")
          : row === undefined
            ? colours().muted
            : store.colourOf(row);
      const box = this.#box(lap);
      context.fillRect(...box);
      this.#label(context, lap, box);
      if (index % 500 === 499) yield;
    }
  }

  #label(context, { trial }, [x, y, width, height]) {
    const text = String(trial);
    if (height < 12 || context.measureText(text).width + 6 > width) return;
    context.fillStyle = colours().card;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillText(text, x + 3, y + height / 2);
  }

  paintOver(context) {
    const { store } = this;
    for (const lap of this.laps) {
      const pick = store.picks.indexOf(lap.trial);
      if (lap.trial !== store.hover && pick < 0) continue;
      context.strokeStyle = lap.trial === store.hover ? colours().text : store.pickColour(pick);
      context.lineWidth = 2.5;
      context.strokeRect(...this.#box(lap));
    }
  }

  hit(px, py) {
    this.lap = this.laps.find((lap) => {
      const [x, y, width, height] = this.#box(lap);
      return px >= x - 1 && px <= x + width + 1 && py >= y && py <= y + height;
    });
    return this.lap ? (this.store.trials.rowOf.get(this.lap.trial) ?? null) : null;
  }

  describe(row) {
    const { lap } = this;
    if (!lap) return super.describe(row);
    return [
      ...super.describe(row),
      `${lap.kind} for ${duration((lap.to_s ?? this.x.high) - lap.from_s)}`,
      lap.devices === null && lap.nodes ? lap.nodes : rowOf(lap),
    ];
  }

  along() {
    return [...new Set(this.laps.map(({ trial }) => this.store.trials.rowOf.get(trial)))].filter(
      (row) => row !== undefined,
    );
  }

  placeOf(row) {
    this.lap = this.laps.find(({ trial }) => trial === this.store.trials.number(row));
    if (!this.lap) return null;
    const [x, y, width, height] = this.#box(this.lap);
    return [x + width / 2, y + height / 2];
  }
}

/** The row of a lap: its gang, and where it is known its nodes and devices. */
function rowOf({ gang, nodes, devices }) {
  if (devices === null) return `gang ${gang}`;
  const gpus = devices ? devices.split(";") : [];
  const places = nodes.split(",").map((node, index) => `${node} ${gpus[index] ? `GPU ${gpus[index]}` : "CPU"}`);
  return `gang ${gang} · ${places.join(" · ")}`;
}

/** From the lowest row to the highest: gang 0 on top; one that was elsewhere in another run is a row of its own. */
function rowsOf(laps) {
  const gangs = new Map(laps.map((lap) => [rowOf(lap), lap.gang]));
  return [...gangs.keys()].reverse().sort((a, b) => gangs.get(b) - gangs.get(a));
}

export class SchedulingView {
  constructor(store) {
    this.store = store;
    this.rungs = new RungsPlot(store);
    this.timeline = new TimelinePlot(store);
    const rungs = new Card("rungs", "Rungs", store, [signs(SIGNS), this.rungs.toolButtons()], {
      svg: () => this.rungs.file(),
      csv: () => csv(this.#table(this.rungs.all ?? [])),
    });
    rungs.body.append(this.rungs.element);
    const timeline = new Card("timeline", "Timeline", store, [signs(LAP_SIGNS)], {
      svg: () => this.timeline.file(),
      csv: () => this.#laps(),
    });
    timeline.body.append(this.timeline.element);
    this.every = check("also without consequence", false);
    this.every.box.addEventListener("change", () => store.set({ allDecisions: this.every.box.checked }));
    const files = tableFiles(`${store.name}: decisions`, () => this.#table(this.shown));
    this.list = new Card("decisions", "Decisions", store, [this.every.label], files);
    this.grid = new Grid("Decisions", {
      choose: (line, event) => store.pick(line.trial, event.ctrlKey || event.metaKey || event.shiftKey),
      activate: (line) => store.open(line.trial),
      point: (line) => store.setHover(line ? line.trial : null),
    });
    this.list.body.append(this.grid.element);
    this.shown = [];
    this.cost = new CostCard(store);
    this.element = el(
      "div",
      { class: "view scheduling" },
      rungs.element,
      timeline.element,
      this.list.element,
      this.cost.element,
    );
  }

  update(topics) {
    if (!this.store.trials || !this.store.detail) return;
    if (topics.size === 1 && topics.has("hover")) {
      this.rungs.redrawOver();
      this.timeline.redrawOver();
      return;
    }
    this.rungs.redraw();
    this.timeline.redraw();
    this.cost.update();
    if (topics.has("picks")) this.grid.setChosen(new Set(this.#keys()));
    if (["decisions", "filters", "trials", "view", "size"].some((topic) => topics.has(topic)))
      this.#fillList();
  }

  #keys() {
    return this.shown.filter(({ trial }) => this.store.picks.includes(trial)).map(({ index }) => index);
  }

  #fillList() {
    const { store } = this;
    this.every.box.checked = store.view.allDecisions;
    this.shown = reported(store)
      .filter(
        (line) =>
          store.passes[store.trials.rowOf.get(line.trial)] && (this.every.box.checked || matters(line)),
      )
      .reverse();
    this.grid.setColumns(LIST, null);
    this.grid.setItems(this.shown, ({ index }) => index);
    this.list.note.textContent = `${this.shown.length}, the last first`;
  }

  #table(lines) {
    const names = Object.keys(this.store.decisions?.[0] ?? {});
    return [names, ...lines.map((line) => names.map((name) => line[name]))];
  }

  #laps() {
    const names = ["gang", "nodes", "devices", "trial", "from_s", "to_s", "kind"];
    return csv([names, ...(this.store.timeline ?? []).map((lap) => names.map((name) => lap[name]))]);
  }
}

/** Whether a line tells of more than that a trial began or went on unjudged. */
function matters({ action, cutoff }) {
  return !["START", "BEGIN", "OPEN"].includes(action) && (action !== "CONTINUE" || cutoff !== null);
}

const SIGNS = [
  ["●", "goes on"],
  ["□", "paused"],
  ["✕", "stopped"],
  ["▬", "cut-off"],
];

const LAP_SIGNS = [
  ["■", "begins again", "state-failed"],
  ["▬", "saved for a pause"],
  ["", "gap: idle"],
];

const LIST = [
  { key: "at_s", title: "at", width: 76, align: "right", cell: ({ at_s: at }) => duration(at) },
  { key: "trial", title: "trial", width: 64, align: "right", cell: ({ trial }) => String(trial) },
  { key: "action", title: "action", width: 100, cell: ({ action }) => badge(action) },
  { key: "report", title: "report", width: 64, align: "right", cell: ({ report }) => number(report) },
  { key: "value", title: "value", width: 90, align: "right", cell: ({ value }) => number(value) },
  { key: "cutoff", title: "cut-off", width: 90, align: "right", cell: ({ cutoff }) => number(cutoff) },
  {
    key: "reason",
    title: "reason",
    width: 420,
    grows: true,
    cell: ({ reason }) => el("span", { title: reason ?? "" }, reason ?? ""),
  },
];
