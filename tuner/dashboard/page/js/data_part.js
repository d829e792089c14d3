// What the pipeline did to the data: rows of each split, what was dropped, distributions before and after, samples, leakage.
import { Card, tableFiles } from "./card.js";
import { colours } from "./colours.js";
import { el, fill } from "./dom.js";
import { figuresFile } from "./figures_file.js";
import { number, percent } from "./format.js";
import { figures } from "./samples.js";
import { linear } from "./scales.js";
import { bars, chart, chartsFile, sparkBars } from "./svg.js";

const MOST_COLUMNS = 60;
const MOST_CLASSES = 30;
const REASONS = {
  file_empty: "an empty file",
  file_unreadable: "a file that cannot be read",
  image_invalid: "a file that is no image",
  recording_empty: "a recording without samples",
  label_missing: "no label",
  text_missing: "no text",
  label_invalid: "a label that is no number",
  label_unseen: "a label that training does not have",
  value_invalid: "a value that does not fit its column",
  value_missing: "a missing value",
  duplicate: "the same row stands in the split before",
  in_another_split: "the same row stands in another split",
  outlier: "a number far from the others",
};

export class DataPart {
  constructor(store, api) {
    Object.assign(this, { store, api });
    this.cards = {
      findings: this.#card("findings", "Look at this", () => [
        ["finding"],
        ...this.report.findings.map((sentence) => [sentence]),
      ]),
      rows: this.#card("rows", "Rows and classes", () => this.#rowsTable()),
      dropped: this.#card("dropped", "Dropped rows", () => this.#droppedTable()),
      content: this.#card("content", "Before and after", () => this.#contentTable()),
      samples: this.#card("samples", "Training rows", () => [
        ["split", "row", "label", "text", "file"],
        ...this.report.samples.map(({ split, row, label, text, file }) => [split, row, label, text, file]),
      ]),
      leakage: this.#card("leakage", "Equal rows", () => this.#leakageTable()),
    };
    withFigures(this.cards.samples);
    this.element = el("div", { class: "part data-part" }, Object.values(this.cards).map(({ element }) => element));
  }

  #card(key, title, table) {
    return new Card(`data-${key}`, title, this.store, [], tableFiles(title, table));
  }

  show(report) {
    this.report = report;
    const { cards } = this;
    const put = (card, ...inside) => fill(card.body, scroll(card, inside.flat(2)));
    put(cards.findings, this.#findings());
    put(cards.rows, htmlTable(this.#rowsTable(true)), this.#targets());
    put(cards.dropped, this.#dropped());
    put(cards.content, this.#content());
    const charts = cards.content.body.querySelectorAll(".chart");
    if (charts.length) cards.content.files.svg = () => chartsFile(...charts);
    put(cards.samples, figures(this.api, report, report.samples.map(sampleItem)));
    put(cards.leakage, this.#leakage());
    cards.content.note.textContent = lookedAt(report);
    cards.leakage.note.textContent = `${number(report.leakage.compared)} rows were compared, as the model sees them`;
    cards.rows.note.textContent = `${number(sum(report.splits.map(({ rows }) => rows)))} rows`;
    cards.dropped.note.textContent = `${number(sum(Object.values(report.dropped).map(({ count }) => count)))} rows`;
  }

  #findings() {
    const { findings, task, input_shape: shape, class_names: classes, source, searched } = this.report;
    const facts = [
      ["task", task.replaceAll("_", " ")],
      ["source", source.name ?? source.type],
      ["a row", shape.join(" × ")],
      ["classes", classes ? classes.length : null],
    ].filter(([, text]) => text !== null);
    return [
      findings.length
        ? el("ul", { class: "findings" }, findings.map((sentence) => el("li", {}, sentence)))
        : el("p", {}, "Nothing stands out."),
      el("dl", { class: "facts" }, facts.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)))),
      Object.entries(searched).map(([name, each]) => el("p", {}, `${name} is searched; shown with ${short(each)}`)),
      el("p", { class: "muted path" }, "prepared in ", el("code", {}, this.report.store)),
    ];
  }

  /** `short`: of very many classes those with the most training rows. */
  #rowsTable(short = false) {
    const { splits, class_names: names } = this.report;
    const head = ["", ...splits.map(({ name }) => name)];
    const all = ["all", ...splits.map(({ rows }) => rows)];
    if (!names) return [head, all];
    const order = names.map((_, place) => place).sort((a, b) => splits[0].classes[b] - splits[0].classes[a]);
    const shown = short && names.length > MOST_CLASSES ? order.slice(0, MOST_CLASSES) : names.map((_, place) => place);
    const share = (count, rows) => (short ? bar(count, rows) : count);
    const lines = shown.map((place) => [names[place], ...splits.map(({ classes, rows }) => share(classes[place], rows))]);
    const more = names.length - shown.length;
    return [head, all, ...lines, ...(more ? [[`and ${more} more classes`, ...splits.map(() => "")]] : [])];
  }

  /** Of a regression. */
  #targets() {
    return this.report.splits
      .filter(({ targets }) => targets)
      .map(({ name, targets }) => histogram(targets, `target in ${name}`, "target"));
  }

  #droppedTable() {
    const lines = Object.entries(this.report.dropped).map(([reason, { count, examples }]) => [
      REASONS[reason] ?? reason,
      count,
      examples.map(origin).join(", "),
    ]);
    return [["reason", "rows", "for example"], ...lines];
  }

  #dropped() {
    const table = this.#droppedTable();
    if (table.length > 1) return htmlTable(table);
    return el("p", { class: "muted" }, "No row was dropped: all that the source has is in a split.");
  }

  #content() {
    const { columns, images, tokens } = this.report;
    if (columns) return this.#columns(columns);
    if (images) return this.#images(images);
    return this.#tokens(tokens);
  }

  #columns(columns) {
    const shown = [...columns].sort((a, b) => b.association - a.association).slice(0, MOST_COLUMNS);
    const ordered = columns.length > MOST_COLUMNS ? shown : columns;
    const head = ["column", "in the source", "after cleaning", "tells", "missing", "what was done"];
    const lines = ordered.map((column) => [
      column.name,
      column.before ? spread(column.before, `${column.name} in the source`) : el("span", { class: "muted" }, "not read"),
      spread(column, `${column.name} after cleaning`),
      percent(column.association),
      column.missing === null ? "–" : sum(Object.values(column.missing)),
      done(column),
    ]);
    const hidden = columns.length - ordered.length;
    return [
      htmlTable([head, ...lines]),
      hidden ? el("p", { class: "muted" }, `and ${hidden} more columns, which tell less of the target`) : null,
    ];
  }

  #images({ channels, are_spectrograms: areSounds }) {
    const { mean, std } = this.report;
    return channels.flatMap((numbers, place) => {
      const what = areSounds ? "loudness (log of the power)" : `pixels of channel ${place}`;
      const before = histogram(numbers, `${what}, as they are`, areSounds ? "loudness" : "pixel");
      if (mean === null || areSounds) return [before];
      const scaled = (each) => (each - mean[place]) / std[place];
      const after = { ...numbers, quantiles: numbers.quantiles.map(scaled) };
      return [before, histogram(after, `${what}, as the model sees them`, "standardised pixel")];
    });
  }

  #tokens({ vocabulary, used, frequent, lengths, full }) {
    return [
      el("p", {}, `${number(used)} of ${number(vocabulary)} tokens are used in training.`),
      Object.entries(lengths).map(([split, numbers]) => histogram(numbers, `tokens a row of ${split}`, "tokens")),
      htmlTable([
        ["split", "rows that fill all tokens, so that longer texts were cut"],
        ...Object.entries(full).map(([split, count]) => [split, count]),
      ]),
      htmlTable([["most frequent tokens", "times"], ...frequent.map(({ name, count }) => [JSON.stringify(name), count])]),
    ];
  }

  #contentTable() {
    const { columns, images, tokens } = this.report;
    if (columns) {
      const head = ["column", "association", "missing", "fill", "mean", "std", "min", "median", "max"];
      return [
        head,
        ...columns.map(({ name, association, missing, fill: filled, numbers }) => [
          ...[name, association, missing && sum(Object.values(missing)), filled],
          ...(numbers ? [numbers.mean, numbers.std, ...[0, 3, 6].map((at) => numbers.quantiles[at])] : []),
        ]),
      ];
    }
    const named = images
      ? images.channels.map((numbers, place) => [`channel ${place}`, numbers])
      : Object.entries(tokens.lengths);
    const head = ["of", "mean", "std", "min", "5%", "25%", "50%", "75%", "95%", "max"];
    return [head, ...named.map(([name, { mean, std, quantiles }]) => [name, mean, std, ...quantiles])];
  }

  #leakageTable() {
    const { leakage } = this.report;
    return [
      ["", "rows"],
      ...leakage.shared.map(({ split, also_in: other, pairs }) => [`rows of ${split} that stand in ${other} too`, pairs.count]),
      ...(leakage.contradictions
        ? [["rows with the features of another row and another label", leakage.contradictions.count]]
        : []),
      ...Object.entries(leakage.repeated).map(([split, count]) => [`rows of ${split} that stand earlier in it`, count]),
    ];
  }

  #leakage() {
    const { shared, contradictions } = this.report.leakage;
    const pairs = [...shared.map(({ pairs }) => pairs), ...(contradictions ? [contradictions] : [])];
    const items = pairs.flatMap(({ examples }) => examples.flat()).map(sampleItem);
    return [
      htmlTable(this.#leakageTable()),
      items.length ? el("h3", {}, "For example, always two of a kind") : null,
      items.length ? figures(this.api, this.report, items) : null,
    ];
  }
}

/** The card's picture is that of its figures, where it has some. */
export function withFigures(card) {
  const table = card.files.svg;
  const title = () => card.element.querySelector("h2").textContent;
  card.files.svg = async () => (await figuresFile(title(), card.body)) ?? table();
}

/** What a card holds, which may be longer than the card. */
export function scroll(card, inside) {
  const label = card.element.getAttribute("aria-label");
  return el("div", { class: "scroll padded", tabindex: "0", role: "group", "aria-label": label }, inside);
}

function lookedAt({ looked_at: some, splits }) {
  const [{ rows }] = splits;
  return some === rows
    ? `of all ${number(rows)} training rows`
    : `of ${number(some)} of ${number(rows)} training rows, evenly spaced`;
}

function sampleItem({ split, row, label, file }) {
  const name = label === null ? "" : `${typeof label === "number" ? number(label) : label} · `;
  return { split, row, caption: `${name}${split} ${row}${file ? ` · ${file}` : ""}` };
}

function origin({ file, row }) {
  if (row === null) return String(file);
  return `row ${row}${file ? ` of ${file.split("/").at(-1)}` : ""}`;
}

function done({ done: { low, high, mean, std }, fill: filled, missing }) {
  const gaps = missing && sum(Object.values(missing)) > 0;
  return [
    gaps ? (filled === null ? "rows without it dropped" : `gaps filled with ${short(filled)}`) : null,
    low !== null && low !== undefined ? `clipped to ${number(low)} … ${number(high)}` : null,
    mean !== null && mean !== undefined ? `minus ${number(mean)}, divided by ${number(std)}` : null,
  ]
    .filter(Boolean)
    .join("; ");
}

function short(value) {
  return typeof value === "number" ? number(value) : value;
}

/** Of numbers their histogram and ends, of text its most frequent values. */
function spread({ numbers, categories, num_categories: count }, label) {
  if (numbers) {
    const [least, , , , , , greatest] = numbers.quantiles;
    const ends = `${number(least, 3)} … ${number(greatest, 3)}`;
    return el("div", { class: "spread" }, sparkBars(numbers.counts, `${label}: ${ends}`), el("span", {}, ends));
  }
  if (!categories) return "–";
  const shown = categories.slice(0, 4).map(({ name, count: times }) => `${name} ${number(times)}`);
  const more = (count ?? categories.length) - shown.length;
  return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function histogram({ counts, quantiles }, label, name) {
  const [low, high] = [quantiles[0], quantiles.at(-1)];
  const width = (high - low || 1) / counts.length;
  const ends = counts.map((_, index) => [low + index * width, low + (index + 1) * width]);
  const words = (index) => `${ends[index].map((end) => number(end, 3)).join(" – ")}: ${number(counts[index])}`;
  const drawn = chart({
    label: `Histogram of ${label}`,
    x: linear(low, low + width * counts.length),
    y: linear(0, Math.max(...counts)),
    xName: name,
    yName: "how often",
    marks: (place) => bars(place, ends, counts, colours().accent, words),
  });
  return el("figure", { class: "histogram" }, drawn, el("figcaption", {}, label));
}

function bar(count, whole) {
  const share = whole ? count / whole : 0;
  const meter = el("span", { class: "meter", "aria-hidden": "true" });
  meter.style.setProperty("--share", String(share));
  return el("span", { class: "with-meter" }, meter, `${number(count)} (${percent(share)})`);
}

/** Rows of cells, the first is the head; a cell is text, a number or an element. */
export function htmlTable([head, ...lines]) {
  const cell = (tag, each) => el(tag, {}, typeof each === "number" ? number(each) : each);
  return el(
    "table",
    { class: "plain" },
    el("thead", {}, el("tr", {}, head.map((each) => (each === "" ? el("td") : el("th", { scope: "col" }, each))))),
    el(
      "tbody",
      {},
      lines.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), rest.map((each) => cell("td", each)))),
    ),
  );
}

function sum(values) {
  return values.reduce((total, each) => total + each, 0);
}
