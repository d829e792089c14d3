// All experiments: state, best value, progress, time, age of the last event.
import { experiments } from "./api.js";
import { saveButton, tableFiles } from "./card.js";
import { badge, el, fill, notice, progress } from "./dom.js";
import { duration, number } from "./format.js";
import { mark } from "./frames.js";

const EVERY_MS = 3000;

export class Overview {
  constructor() {
    this.list = el("div", { class: "overview-list" });
    this.search = el("input", {
      type: "search",
      placeholder: "Filter by name or task",
      "aria-label": "Filter experiments",
      oninput: () => this.#filter(),
      value: new URLSearchParams(location.hash.slice(1)).get("q") ?? "",
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
      el("div", { class: "overview-head" }, el("h1", {}, "Experiments"), this.count, this.search, save),
      this.list,
    );
  }

  async start() {
    fill(this.list, notice("Reading …", "The first look at large experiments takes some seconds."));
    await this.#read();
    mark("first");
    setInterval(() => document.hidden || this.#read(), EVERY_MS);
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

  #filter() {
    history.replaceState(null, "", this.#address());
    if (this.found) this.#fill();
  }

  #address() {
    const wanted = this.search.value.trim();
    const query = wanted ? `#${new URLSearchParams({ q: wanted })}` : "";
    return location.href.split(/[?#]/)[0] + query;
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
      "GPU time",
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
        el("tbody", {}, shown.map(line)),
      ),
    );
  }

  #rows() {
    const names = Object.keys(this.found?.[0] ?? {});
    return [names, ...this.#shown.map((each) => names.map((name) => each[name]))];
  }
}

function line(each) {
  const link = el("a", { href: `/e/${encodeURIComponent(each.name)}` }, each.name);
  const cell = (label, ...children) => el("td", { "data-label": label }, children);
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
    cell("GPU time", duration(each.gpu_seconds)),
    cell("last event", each.event_age_s === null ? "–" : `${duration(each.event_age_s)} ago`),
  );
}
