// The form of a configuration: a field for each axis of the space, or of others with a `hint`. A field that is left empty is drawn by the search;
// one that depends on a choice is there while that is made.
import { breakable, el, setChoices } from "./dom.js";
import { number } from "./format.js";

const DRAWN = "drawn";

export class Configuration {
  /** `params`: values to begin with; those that are there must stay. */
  constructor(axes, params = {}) {
    this.fields = axes.map((axis, index) => new Field(axis, params[axis.name], `configuration-${index}`));
    this.element = el(
      "div",
      { class: "fields", oninput: () => this.#show(), onchange: () => this.#show() },
      this.fields.map((field) => field.element),
    );
    this.#show();
  }

  /** The fields that exist, given the choices. */
  get active() {
    const values = new Map();
    for (const field of this.fields) {
      const { name, when } = field.axis;
      const is = Object.entries(when).every(([choice, label]) => values.get(choice) === label);
      if (is) values.set(name, field.value);
    }
    return this.fields.filter(({ axis }) => values.has(axis.name));
  }

  #show() {
    const active = new Set(this.active);
    for (const field of this.fields) field.element.hidden = !active.has(field);
  }

  /** Parameter to value, without what is to be drawn; null where a value is missing, which its field says. */
  params() {
    this.complain({});
    const { active } = this;
    const missing = active.filter((field) => field.isNeeded && field.value === undefined);
    for (const field of missing) field.complain("Write a value.");
    missing[0]?.input.focus();
    if (missing.length) return null;
    const given = active.filter((field) => field.value !== undefined);
    return Object.fromEntries(given.map((field) => [field.axis.name, field.value]));
  }

  /** Shows what is wrong at each field: parameter to sentence. */
  complain(wrong) {
    for (const field of this.fields) field.complain(wrong[field.axis.name] ?? "");
    this.fields.find(({ axis }) => wrong[axis.name])?.input.focus();
  }
}

class Field {
  constructor(axis, value, id) {
    this.axis = axis;
    this.isNeeded = value !== undefined;
    this.input = axis.kind === "choice" ? this.#select(value) : this.#text(value);
    this.error = el("p", { class: "bad", id: `${id}-error` });
    this.input.id = id;
    this.input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
    this.element = el(
      "div",
      { class: "field" },
      el("label", { for: id }, breakable(axis.name)),
      this.input,
      el("span", { class: "note", id: `${id}-hint` }, axis.hint ?? hint(axis)),
      this.error,
    );
  }

  #select(value) {
    const select = el("select");
    const choices = this.axis.choices.map((choice, index) => [String(index), String(choice)]);
    const at = this.axis.choices.indexOf(value);
    setChoices(select, this.isNeeded ? choices : [["", DRAWN], ...choices], at < 0 ? "" : String(at));
    return select;
  }

  #text(value) {
    return el("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      placeholder: this.isNeeded ? null : DRAWN,
      value: value ?? "",
    });
  }

  /** As the server takes it, what is no number as text; undefined where it is to be drawn. */
  get value() {
    const text = this.input.value.trim();
    if (text === "") return undefined;
    if (this.axis.kind === "choice") return this.axis.choices[Number(text)];
    return Number.isFinite(Number(text)) ? Number(text) : text;
  }

  complain(text) {
    this.error.textContent = text;
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
  }
}

function hint({ kind, low, high, log, step, choices }) {
  if (kind === "choice") return `one of ${choices.length}`;
  const more = [kind === "int" ? "whole" : null, log ? "log" : null, step ? `step ${number(step)}` : null];
  return [`${number(low)} to ${number(high)}`, ...more.filter(Boolean)].join(", ");
}
