// What is shown: an expression, the active filters as chips, how many trials are left, what the colours mean.
import { choose, el, fill, setChoices } from "./dom.js";
import { colours } from "./colours.js";
import { words } from "./filters.js";
import { heading, number } from "./format.js";
import { plottable } from "./scatter.js";

export class FilterBar {
  constructor(store) {
    this.store = store;
    this.input = el("input", {
      type: "search",
      class: "expression",
      spellcheck: "false",
      autocomplete: "off",
      id: "expression",
      "aria-label": "Filter expression",
      "aria-describedby": "expression-error",
      placeholder: "lr < 0.01 and state == COMPLETE",
      oninput: () => store.set({ expression: this.input.value }),
    });
    this.error = el("div", { class: "expression-error", id: "expression-error", role: "status" });
    this.chips = el("div", { class: "chips", role: "group", "aria-label": "Active filters" });
    this.count = el("output", { class: "count", "aria-live": "polite" });
    this.colour = choose("Colour", [], "", (colour) =>
      store.set({ colour: colour === store.valueColumn ? null : colour }),
    );
    this.legend = el("div", { class: "legend" });
    this.element = el(
      "div",
      { class: "filter-bar" },
      el("div", { class: "expression-box" }, this.input, this.error),
      this.count,
      this.chips,
      el("div", { class: "colour-box" }, this.colour, this.legend),
    );
  }

  update(topics) {
    const { store } = this;
    if (!store.trials || !store.detail) return;
    if (topics.has("filters") || topics.has("picks") || topics.has("trials") || topics.has("view"))
      this.#fill();
    if (topics.has("colour") || topics.has("trials") || topics.has("detail")) this.#showColours();
  }

  #fill() {
    const { store } = this;
    if (document.activeElement !== this.input) this.input.value = store.view.expression;
    this.error.textContent = store.wrong;
    this.input.setAttribute("aria-invalid", String(Boolean(store.wrong)));
    this.count.textContent =
      store.numPassing === store.trials.size
        ? `${store.trials.size} ${store.trials.size === 1 ? "trial" : "trials"}`
        : `${store.numPassing} of ${store.trials.size} trials`;
    const { picks } = store;
    const picked =
      picks.length &&
      chip(
        `picked: ${picks.length > 4 ? `${picks.length} trials` : picks.join(", ")}`,
        () => store.setPicks([]),
        "pick",
      );
    const chips = [...store.filters.values()].map((filter) =>
      chip(words(filter), () => store.dropFilter(filter.column)),
    );
    const isAny = chips.length || picked || store.view.expression;
    const wanted = JSON.stringify([[...store.filters.values()].map(words), picks, Boolean(isAny)]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    fill(
      this.chips,
      chips,
      picked || null,
      isAny
        ? el(
            "button",
            { type: "button", class: "clear", title: "Escape", onclick: () => store.clear() },
            "Clear all",
          )
        : null,
    );
  }

  #showColours() {
    const { store } = this;
    setChoices(
      this.colour,
      plottable(store).map((name) => [name, `colour: ${heading(name)}`]),
      store.colourColumn,
    );
    const { legend } = store;
    if (!legend) return fill(this.legend);
    if (legend.labels) {
      return fill(
        this.legend,
        legend.labels.slice(0, 8).map((label, index) => {
          const swatch = el("span", { class: "swatch" });
          swatch.style.background = colours().categories[index];
          return el("span", { class: "key" }, swatch, label);
        }),
      );
    }
    const bar = el("span", {
      class: "ramp",
      role: "img",
      "aria-label": "Colours by rank, from worst to best",
    });
    bar.style.background = `linear-gradient(to right, ${colours()
      .scale.filter((_, bin) => bin % 4 === 0 || bin === 31)
      .join(", ")})`;
    return fill(
      this.legend,
      el("span", {}, number(legend.ends[0], 3)),
      bar,
      el("span", {}, number(legend.ends[2], 3)),
    );
  }
}

function chip(text, drop, kind = "") {
  return el(
    "span",
    { class: `chip ${kind}` },
    el("span", { title: text }, text),
    el(
      "button",
      { type: "button", "aria-label": `Remove filter ${text}`, title: "Remove", onclick: drop },
      "✕",
    ),
  );
}
