// One experiment: its head, its tabs, and the wiring between server, store, address and views.
import { Api } from "./api.js";
import { enlarge } from "./card.js";
import { FINISHED, Trials } from "./columns.js";
import { CompareView } from "./compare.js";
import { ConfirmationView } from "./confirmation.js";
import { SearchControl } from "./control.js";
import { CurvesView } from "./curves.js";
import { DataModelView } from "./data_model.js";
import { badge, closePopover, copy, el, fill, notice, progress, say } from "./dom.js";
import { wanted } from "./extremes.js";
import { FilterBar } from "./filter_bar.js";
import { duration, heading, number } from "./format.js";
import { mark } from "./frames.js";
import { ParallelView } from "./parallel.js";
import { HistoryView, ScatterView } from "./scatter.js";
import { SchedulingView } from "./scheduling.js";
import { Store } from "./store.js";
import { TableView } from "./table.js";
import { TrialPanel } from "./trial.js";
import * as url from "./url.js";
import { WhyView } from "./why.js";

const TABS = [
  ["search", "Search"],
  ["compare", "Compare"],
  ["why", "Why"],
  ["scheduling", "Scheduling"],
  ["model", "Data and model"],
];
const ADDRESS_AFTER_MS = 150;
const DECISIONS_EVERY_MS = 5000;
const AGES_EVERY_MS = 5000;

export class Experiment {
  constructor(name) {
    this.name = name;
    this.api = new Api(name);
    this.store = new Store(name);
    url.read(this.store, location.hash);
    this.isConnected = true;
    /** Tags whose lowest and highest points were asked for; and those that came. */
    this.asked = new Set();
    this.extremes = [];
    this.facts = el("div", { class: "head-facts" });
    this.hints = el("div", { class: "hints" });
    this.control = new SearchControl(this.store, this.api);
    const held = TABS.filter(([key]) => this.api.tabs?.includes(key) ?? true); // A report holds some.
    this.tabs = el(
      "div",
      { class: "tabs", role: "tablist", "aria-label": "Views" },
      held.map(([key, text]) => this.#tab(key, text)),
    );
    this.bar = new FilterBar(this.store);
    this.panel = new TrialPanel(this.store, this.api);
    this.views = {
      search: this.#search(),
      compare: new CompareView(this.store),
      why: new WhyView(this.store, this.api),
      scheduling: new SchedulingView(this.store),
      model: new DataModelView(this.store, this.api),
    };
    this.stage = el(
      "main",
      { class: "stage", id: "main", tabindex: "-1" },
      notice("Reading …", `Trials of ${name} are on their way.`),
    );
    this.element = el(
      "div",
      { class: "experiment" },
      el("div", { class: "experiment-head" }, el("h1", {}, name), this.facts, this.control.element, this.tabs),
      this.bar.element,
      el("div", { class: "columns" }, this.stage, this.panel.element),
    );
  }

  #tab(key, text) {
    const tab = el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${key}`,
        "aria-controls": "main",
        onclick: () => this.store.set({ tab: key }),
        onkeydown: (event) => this.#tabKey(event),
      },
      text,
    );
    tab.key = key;
    return tab;
  }

  #tabKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...this.tabs.children];
    const next = all[(all.indexOf(event.currentTarget) + step + all.length) % all.length];
    next.focus();
    this.store.set({ tab: next.key });
  }

  #search() {
    const views = [
      new ParallelView(this.store),
      new CurvesView(this.store),
      new ScatterView(this.store),
      new HistoryView(this.store),
      new TableView(this.store),
      new ConfirmationView(this.store, this.api),
    ];
    return {
      element: el(
        "div",
        { class: "view search" },
        views.map((view) => view.element),
      ),
      update: (topics) => views.forEach((view) => view.update(topics)),
    };
  }

  async start() {
    this.store.listen((topics) => this.#update(topics));
    addEventListener("hashchange", () => this.#follow());
    document.addEventListener("keydown", (event) => this.#key(event));
    try {
      await this.#read();
    } catch (error) {
      fill(
        this.stage,
        notice(
          "This experiment cannot be shown",
          error.message,
          el("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Try again"),
          el("a", { href: "/" }, "All experiments"),
        ),
      );
      return;
    }
    this.#listen();
    setInterval(() => document.hidden || this.#showFacts(), AGES_EVERY_MS);
  }

  async #read() {
    const trials = this.api.trials();
    trials.catch(() => null);
    this.store.setDetail(await this.api.detail());
    const curves = this.#readCurves();
    const { columns, data, version } = await trials;
    this.version = version;
    mark("data");
    this.store.setTrials(new Trials(columns, data, this.store.detail.axes));
    this.store.changed("picks");
    await curves;
    mark("first");
  }

  async #readCurves() {
    const { tag } = this.store;
    if (!tag || this.store.curves.has(tag) || this.reading === tag) return;
    this.reading = tag;
    try {
      this.store.setCurves(tag, await this.api.curves(tag));
      if (this.stop) this.#listen();
    } catch (error) {
      say(error.message);
    } finally {
      this.reading = null;
    }
  }

  /** Of the tags whose lowest or highest points somebody wants to see, once each. */
  async #readExtremes(tag) {
    this.asked.add(tag);
    try {
      const { data } = await this.api.extremes(tag);
      this.store.setExtremes(tag, data);
      this.extremes.push(tag);
      if (this.stop) this.#listen();
    } catch (error) {
      say(error.message);
    }
  }

  /** The search began, was broken off or ended: with that goes what can be done from a terminal. */
  async #readState(state) {
    this.store.setDetail({ ...this.store.detail, state });
    const detail = await this.api.detail().catch(() => null); // Its state is told above.
    if (detail) this.store.setDetail(detail);
  }

  /** Metrics that nobody had reported when the page was opened. */
  async #readMetrics(columns) {
    const { metrics } = this.store.detail;
    const isNew = (column) => column.startsWith("last/") && !metrics.includes(column.slice(5));
    if (!columns.some(isNew)) return;
    const detail = await this.api.detail().catch(() => null); // The next row asks again.
    if (detail) this.store.setDetail({ ...detail, state: this.store.detail.state });
  }

  #listen() {
    this.stop?.();
    const tags = new Set([...this.store.curves.keys(), ...this.extremes]);
    this.stop = this.api.live([...tags], this.version, {
      trials: ({ columns, data }) => {
        this.store.patchTrials(columns, data);
        this.#readMetrics(columns);
        if (this.lastEventMs) this.lastEventMs = Date.now();
      },
      curves: (byTag) => this.store.patchCurves(byTag),
      state: (state) => {
        this.lastEventMs = state.event_age_s === null ? null : Date.now() - 1000 * state.event_age_s;
        const { detail } = this.store;
        if (state.state !== detail.state) this.#readState(state.state);
        else this.store.changed("facts");
      },
      connected: (is) => {
        if (is === this.isConnected) return;
        this.isConnected = is;
        this.store.changed("facts");
      },
    });
  }

  #update(topics) {
    const { store } = this;
    const { view } = store;
    if (!store.trials) return;
    if (topics.has("view") && store.tag && !store.curves.has(store.tag)) this.#readCurves();
    for (const tag of wanted(store)) if (!this.asked.has(tag)) this.#readExtremes(tag);
    this.#showTab(topics);
    if (["trials", "detail", "facts"].some((topic) => topics.has(topic))) this.#showFacts();
    if (topics.has("detail")) this.#showHints();
    if (topics.has("detail")) this.control.update();
    this.bar.update(topics);
    this.panel.update(topics);
    this.views[this.tab].update(topics);
    if (topics.has("view") || topics.has("large")) enlarge(this.stage.querySelectorAll(".card"), view.large);
    if (["view", "large", "filters", "picks"].some((topic) => topics.has(topic))) this.#writeAddress();
    if (view.tab === "scheduling") this.#readScheduling();
  }

  #showTab(topics) {
    const wanted = this.store.view.tab in this.views ? this.store.view.tab : "search";
    if (wanted === this.tab) return;
    this.tab = wanted;
    for (const tab of this.tabs.children) {
      const is = tab.key === wanted;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
    }
    fill(this.stage, this.views[wanted].element);
    for (const topic of [
      "view",
      "trials",
      "detail",
      "filters",
      "colour",
      "picks",
      "curves",
      "decisions",
      "size",
    ])
      topics.add(topic);
  }

  async #readScheduling() {
    const isFresh = this.schedulingAt && performance.now() - this.schedulingAt < DECISIONS_EVERY_MS;
    if (isFresh || (this.store.decisions && this.store.detail.state !== "running")) return;
    this.schedulingAt = performance.now();
    try {
      const [decisions, timeline] = await Promise.all([this.api.decisions(), this.api.timeline()]);
      Object.assign(this.store, { decisions, timeline });
      this.store.changed("decisions");
    } catch (error) {
      say(error.message);
    }
  }

  #showFacts() {
    const { store } = this;
    const { detail, trials } = store;
    if (this.facts.contains(document.activeElement)) return; // Whoever is on the link keeps it.
    const states = trials.column("state");
    const count = (wanted) => states?.values.reduce((sum, code) => sum + wanted(states.labels[code]), 0) ?? 0;
    const sum = (name) => trials.column(name)?.values.reduce((total, each) => total + (each || 0), 0) ?? 0;
    const best = detail.metric === null ? null : store.best;
    const planned = detail.settings?.search?.trials ?? null;
    const facts = [
      [
        "best",
        best === null ? (detail.metric === null ? null : "–") : number(trials.value(store.valueColumn, best)),
        `${heading(store.valueColumn)}, ${detail.mode}`,
      ],
      ["running", detail.state === "interrupted" ? 0 : count((state) => state === "RUNNING")],
      ["failed", count((state) => state === "FAILED") || null],
      ["trial time", duration(sum("seconds") || null), "of all trials together"],
      ["GPU time", sum("gpu_seconds") ? duration(sum("gpu_seconds")) : null],
      ["last event", this.lastEventMs ? `${duration((Date.now() - this.lastEventMs) / 1000)} ago` : null],
    ].filter(([, text]) => text !== null);
    const openBest =
      best === null
        ? null
        : el(
            "button",
            {
              type: "button",
              class: "link",
              title: "Open the best trial",
              onclick: () => store.open(trials.number(best)),
            },
            `trial ${trials.number(best)}`,
          );
    fill(
      this.facts,
      badge(detail.state),
      progress({
        finished: detail.metric === null ? trials.size : count((state) => FINISHED.has(state)),
        trials: planned ? Math.max(planned, trials.size) : trials.size,
      }),
      facts.map(([name, text, title]) =>
        el(
          "span",
          { class: "fact", title: title ?? null },
          el("span", { class: "muted" }, name),
          " ",
          el("b", {}, text),
          name === "best" ? [" ", openBest] : null,
        ),
      ),
      !this.isConnected && detail.state === "running"
        ? el("span", { class: "bad", role: "status" }, "not connected, trying again")
        : null,
    );
  }

  /** What can be done from a terminal: a press copies the command. */
  #showHints() {
    const button = (hint) => {
      const title = `Copy: ${hint}`;
      return el(
        "button",
        { type: "button", class: "hint", title, onclick: () => copy(hint, "Command") },
        el("code", {}, hint),
      );
    };
    fill(this.hints, (this.store.detail.hints ?? []).map(button));
  }

  #writeAddress() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      const fragment = url.write(this.store);
      const isOtherTab = this.store.view.tab !== url.tabOf(location.hash);
      const address = fragment ? `#${fragment}` : location.pathname;
      history[isOtherTab ? "pushState" : "replaceState"](null, "", address);
    }, ADDRESS_AFTER_MS);
  }

  #follow() {
    url.read(this.store, location.hash);
    this.store.changed("view", "filters", "picks", "colour");
  }

  #key(event) {
    const isWriting = event.target.closest?.("input, select, textarea");
    if (event.key === "Escape") this.#escape(isWriting);
    else if (event.key === "/" && !isWriting) {
      this.bar.input.focus();
      event.preventDefault();
    }
  }

  /** Closes what is open, the innermost first; then clears the selection. */
  #escape(input) {
    if (closePopover()) return;
    const large = document.querySelector(".card.large .actions button:last-child");
    if (large) large.click();
    else if (this.store.view.trial !== null) this.panel.close();
    else if (this.store.picks.length) this.store.setPicks([]);
    else this.store.clear();
    if (input) input.blur();
  }

  /** After the theme changed everything is drawn anew. */
  redraw() {
    this.store.changed("colour", "view");
  }
}
