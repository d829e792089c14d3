// Try it: a text, a row or a file, and what the best model says to it.
import { Card, tableFiles } from "./card.js";
import { el, fill } from "./dom.js";
import { number, percent, value } from "./format.js";
import { htmlTable, scroll } from "./data_part.js";

const MOST_FIELDS = 60;
const MOST_BYTES = 20_000_000;

export class TryPart {
  constructor(store, api) {
    Object.assign(this, { store, api });
    this.answered = null;
    this.input = new Card("try-input", "Ask the model", store, [], {});
    const files = tableFiles("What the model answers", () => this.#table());
    this.output = new Card("try-output", "Its answer", store, [], files);
    this.status = el("p", { class: "muted", role: "status", "aria-live": "polite" });
    this.element = el("div", { class: "part try-part" }, this.input.element, this.output.element);
    fill(this.output.body, scroll(this.output, this.status));
  }

  /** `inputs` says what a new row is given as; `data` is the report of the data. */
  show({ inputs, trial }, data) {
    Object.assign(this, { inputs, data });
    this.input.note.textContent = `trial ${trial}`;
    const forms = [
      inputs.texts.length ? this.#texts() : inputs.is_row && data?.columns ? this.#row() : null,
      this.#file(),
    ];
    fill(this.input.body, scroll(this.input, forms));
    this.status.textContent = "Nothing was asked yet.";
  }

  #texts() {
    const areas = this.inputs.texts.map((name) =>
      el("textarea", { name, rows: 4, "aria-label": name, placeholder: `${name} …` }),
    );
    return this.#form(areas, () => ({ texts: areas.map((area) => area.value) }));
  }

  #row() {
    const columns = this.data.columns.slice(0, MOST_FIELDS);
    const fields = columns.map((column) => [column, this.#field(column)]);
    const cells = fields.map(([{ name }, field]) => el("label", {}, el("span", {}, name), field));
    const content = () => ({
      row: Object.fromEntries(fields.map(([column, field]) => [column.name, cellOf(column, field.value)])),
    });
    return this.#form(el("div", { class: "fields" }, cells), content);
  }

  /** Filled in with what is usual. */
  #field({ name, numbers, categories }) {
    if (numbers) return el("input", { type: "text", inputmode: "decimal", name, value: String(numbers.quantiles[3]) });
    const id = `values-${name}`;
    const list = el("datalist", { id }, categories.map((each) => el("option", { value: each.name })));
    const field = el("input", { type: "text", name, list: id, value: categories[0]?.name ?? "" });
    field.append(list);
    this.element.append(list);
    return field;
  }

  #form(inside, content) {
    const send = el("button", { type: "submit", class: "primary" }, "Ask");
    const onsubmit = (event) => {
      event.preventDefault();
      this.#ask(content(), send);
    };
    return el("form", { class: "try-form", onsubmit }, inside, el("p", {}, send));
  }

  #file() {
    const { suffixes } = this.inputs;
    const input = el("input", {
      type: "file",
      accept: suffixes.join(","),
      "aria-label": `A file: ${suffixes.join(", ")}`,
      onchange: () => input.files[0] && this.#askFile(input.files[0]),
    });
    const box = el(
      "div",
      {
        class: "drop",
        ondragover: (event) => (event.preventDefault(), box.classList.add("over")),
        ondragleave: () => box.classList.remove("over"),
        ondrop: (event) => {
          event.preventDefault();
          box.classList.remove("over");
          const [file] = event.dataTransfer.files;
          if (file) this.#askFile(file);
        },
      },
      el("p", {}, `Drop a file here, or choose one: ${suffixes.join(", ")}`),
      input,
    );
    return box;
  }

  #askFile(file) {
    if (file.size > MOST_BYTES) {
      this.#say(`A file to try has at most ${MOST_BYTES / 1e6} MB; ${file.name} has ${number(file.size / 1e6, 3)}.`, true);
      return;
    }
    this.#ask(file, null, file);
  }

  async #ask(content, button, file = null) {
    if (button) button.disabled = true;
    this.#say("Asking … the first answer takes some seconds, for the model has to be loaded.");
    try {
      this.answered = await this.api.ask(content);
      this.#show(file);
    } catch (error) {
      this.#say(error.message, true);
    } finally {
      if (button) button.disabled = false;
    }
  }

  #say(text, isBad = false) {
    this.status.textContent = text;
    this.status.className = isBad ? "bad" : "muted";
    fill(this.output.body, scroll(this.output, this.status));
  }

  #show(file) {
    const { predictions, rows, trial } = this.answered;
    const more = rows > predictions.length ? `the first ${predictions.length} of ${number(rows)} rows` : "";
    this.#say([`Trial ${trial} says`, more].filter(Boolean).join(", "));
    this.output.body.firstChild.append(
      file ? preview(file) : "",
      predictions.length === 1 ? this.#one(predictions[0]) : htmlTable(this.#table(true)),
    );
  }

  #one(prediction) {
    const { classes, ...told } = prediction;
    if (!classes)
      return el(
        "dl",
        { class: "text-sample" },
        Object.entries(told).flatMap(([name, each]) => [
          el("dt", {}, name),
          el("dd", { class: "sample-text answer-value" }, value(each)),
        ]),
      );
    const [best] = classes;
    return el(
      "div",
      {},
      el("p", { class: "answer-value" }, best.label),
      htmlTable([
        ["class", "probability"],
        ...classes.map(({ label, probability }) => [label, withMeter(probability)]),
      ]),
    );
  }

  #table(short = false) {
    const predictions = this.answered?.predictions ?? [];
    const names = Object.keys(predictions[0] ?? {}).filter((name) => name !== "classes");
    const cell = (each) => (short && typeof each === "number" ? number(each) : each);
    return [["row", ...names], ...predictions.map((each, index) => [index + 1, ...names.map((name) => cell(each[name]))])];
  }
}

/** Empty is missing; a column of numbers has numbers where they are such. */
function cellOf({ numbers }, text) {
  if (text.trim() === "") return null;
  const found = Number(text);
  return numbers && Number.isFinite(found) ? found : text;
}

function withMeter(share) {
  const meter = el("span", { class: "meter", "aria-hidden": "true" });
  meter.style.setProperty("--share", String(share));
  return el("span", { class: "with-meter" }, meter, percent(share));
}

/** What was given, as the browser has it. */
function preview(file) {
  const kind = file.type.split("/")[0];
  if (kind !== "image" && kind !== "audio") return el("p", { class: "muted" }, file.name);
  const src = URL.createObjectURL(file);
  const forget = () => URL.revokeObjectURL(src);
  return kind === "image"
    ? el("img", { class: "preview", src, alt: file.name, onload: forget })
    : el("p", { class: "muted" }, file.name);
}
