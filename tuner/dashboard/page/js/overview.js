// All experiments: state, best value, progress, time and cost so far, age of the last event.
import { experiments } from "./api.js";
import { saveButton, tableFiles } from "./card.js";
import { badge, closePopover, el, fill, notice, optionsButton, progress } from "./dom.js";
import { duration, number } from "./format.js";
import { mark } from "./frames.js";
import { UNITS, money, priceInput, priceOf, remember, unitOf } from "./prices.js";

const EVERY_MS = 3000;
const HOURS = { GPU: "GPU", gang: "gang without GPUs" };

export class Overview {
  constructor() {
    const asked = new URLSearchParams(location.hash.slice(1));
    this.prices = Object.fromEntries(UNITS.map((unit) => [unit, Number(asked.get(unit)) || priceOf(unit)]));
    this.list = el("div", { class: "overview-list" });
    this.search = el("input", {
      type: "search",
      placeholder: "Filter by name or task",
      "aria-label": "Filter experiments",
      oninput: () => this.#show(),
      value: asked.get("q") ?? "",
    });
    this.count = el("span", { class: "note" });
    this.found = null;
    const save = saveButton(
      "the experiments",
      () => "experiments",
      () => tableFiles("Experiments", () => this.#rows()),
      () => this.#address(),
    );
    this.element = el(
      "main",
      { class: "overview", id: "main", tabindex: "-1" },
      el(
        "div",
        { class: "overview-head" },
        el("h1", {}, "Experiments"),
        this.count,
        this.search,
        optionsButton("Prices", UNITS.map((unit) => this.#price(unit))),
        save,
      ),
      this.list,
    );
  }

  async start() {
    fill(this.list, notice("Reading …", "The first look at large experiments takes some seconds."));
    await this.#read();
    mark("first");
    setInterval(() => document.hidden || this.#read(), EVERY_MS);
    document.addEventListener("keydown", ({ key }) => key === "Escape" && closePopover());
  }

  async #read() {
    try {
      this.found = await experiments();
      this.#fill();
    } catch (error) {
      if (!this.found)
        fill(
          this.list,
          notice(
            "The experiments cannot be read",
            error.message,
            el("button", { type: "button", onclick: () => this.#read() }, "Try again"),
          ),
        );
      else this.count.textContent = error.message;
    }
  }

  #price(unit) {
    const input = priceInput((price) => {
      remember(unit, price);
      this.prices[unit] = price;
      this.#show();
    });
    input.value = this.prices[unit] || "";
    return el("label", { class: "price" }, `an hour of a ${HOURS[unit]} costs `, input);
  }

  /** What is chosen is in the address. */
  #show() {
    history.replaceState(null, "", this.#address());
    if (this.found) this.#fill();
  }

  #address() {
    const told = { q: this.search.value.trim(), ...this.prices };
    const query = new URLSearchParams(Object.entries(told).filter(([, value]) => value)).toString();
    return location.href.split(/[?#]/)[0] + (query && `#${query}`);
  }

  get #shown() {
    const wanted = this.search.value.trim().toLowerCase();
    return (this.found ?? []).filter(({ name, task }) => `${name} ${task ?? ""}`.toLowerCase().includes(wanted));
  }

  #fill() {
    const shown = this.#shown;
    this.count.textContent = `${shown.length} of ${this.found.length}`;
    if (!this.found.length) {
      fill(
        this.list,
        notice(
          "No experiments here yet",
          "Start one with `tuner run search_spaces/digits_cnn.yaml`, or give the folder of your results: `tuner dashboard DIR`.",
        ),
      );
    } else if (!shown.length) {
      fill(this.list, notice("No experiment has this in its name or task", "Write less of it."));
    } else {
      const focused = document.activeElement?.getAttribute("href");
      fill(this.list, this.#table(shown));
      if (focused)
        [...this.list.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
    }
  }

  #table(shown) {
    const head = [
      "experiment",
      "state",
      "best",
      "progress",
      "running",
      "failed",
      "time",
      "cost so far",
      "last event",
    ];
    return el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Experiments" },
      el(
        "table",
        { class: "experiments" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            head.map((text) => el("th", { scope: "col" }, text)),
          ),
        ),
        el("tbody", {}, shown.map((each) => line(each, this.prices))),
      ),
    );
  }

  #rows() {
    const names = Object.keys(this.found?.[0] ?? {});
    const row = (each) => [...names.map((name) => each[name]), costOf(each, this.prices).spent];
    return [[...names, "spent"], ...this.#shown.map(row)];
  }
}

/** What an experiment took so far: in hours of what, and in money where that has a price. */
function costOf({ trial_seconds: seconds, gpu_seconds: gpuSeconds }, prices) {
  const unit = unitOf(gpuSeconds);
  const taken = gpuSeconds || seconds;
  return { unit, seconds: taken, spent: prices[unit] && taken ? money(prices[unit], taken) : null };
}

function line(each, prices) {
  const link = el("a", { href: `/e/${encodeURIComponent(each.name)}` }, each.name);
  const cell = (label, ...children) => el("td", { "data-label": label }, children);
  const cost = costOf(each, prices);
  const spent = cost.spent === null ? null : el("div", { class: "muted" }, `${cost.spent} spent`);
  const best = each.best === null ? "–" : number(each.best);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, link, el("div", { class: "muted" }, each.error ?? each.task ?? "")),
    cell("state", badge(each.state)),
    cell(
      "best",
      el("b", {}, best),
      el(
        "div",
        { class: "muted" },
        each.metric ? `${each.metric}${each.best_trial === null ? "" : ` · trial ${each.best_trial}`}` : "",
      ),
    ),
    cell("progress", progress(each)),
    cell("running", number(each.running)),
    cell("failed", each.failed ? el("span", { class: "bad" }, number(each.failed)) : number(each.failed)),
    cell("time", duration(each.seconds)),
    cell("cost so far", cost.seconds ? `${duration(cost.seconds)} of ${cost.unit}s` : "–", spent),
    cell("last event", each.event_age_s === null ? "–" : `${duration(each.event_age_s)} ago`),
  );
}
