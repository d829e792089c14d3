// Rows of the data as people see them: a picture, a sound, a text, or cells.
import { el, fill } from "./dom.js";
import { number, value } from "./format.js";

const MOST_CELLS = 12;

/**
 * Figures of rows. `items` are {split, row, caption, tone}; what must be read of them is asked for once and comes later.
 * `report` is that of the data; `store` is the name of the prepared data that has the rows.
 */
export function figures(api, report, items, store = report.store.split("/").at(-1)) {
  const box = el("div", { class: `samples samples-${report.kind}` });
  if (report.kind === "image") {
    fill(box, items.map((item) => figure(item, picture(api, report, store, item))));
    return box;
  }
  const holders = items.map(() => el("div", { class: "muted" }, "…"));
  fill(box, items.map((item, index) => figure(item, holders[index])));
  read(api, store, items).then(
    (rows) => rows.forEach((row, index) => holders[index].replaceWith(content(report, row))),
    (error) => fill(box, el("p", { class: "bad" }, error.message)),
  );
  return box;
}

function figure({ caption, tone }, inside) {
  return el("figure", { class: `sample ${tone ?? ""}` }, inside, el("figcaption", {}, caption));
}

function picture(api, report, store, { split, row }) {
  const what = report.images.are_spectrograms ? "Spectrogram of" : "Picture of";
  const image = el("img", {
    src: api.pictureAddress(store, split, row),
    alt: `${what} row ${row} of ${split}`,
    loading: "lazy",
    decoding: "async",
  });
  if (!report.images.are_spectrograms) return image;
  const sound = el("audio", {
    controls: true,
    preload: "none",
    src: api.soundAddress(store, split, row),
    "aria-label": `Row ${row} of ${split}, as the model hears it`,
  });
  return el("div", { class: "recording" }, image, sound);
}

/** Rows in the order of the items. */
async function read(api, store, items) {
  const splits = [...new Set(items.map(({ split }) => split))];
  const known = new Map();
  for (const split of splits) {
    const numbers = [...new Set(items.filter((item) => item.split === split).map(({ row }) => row))];
    for (const row of await api.rows(store, split, numbers)) known.set(`${split} ${row.row}`, row);
  }
  return items.map(({ split, row }) => known.get(`${split} ${row}`) ?? { text: "", values: null });
}

function content(report, row) {
  if (row.values === null) return el("p", { class: "sample-text" }, row.text ?? "");
  const columns = report.columns.map((column, index) => ({ ...column, index }));
  const chosen = columns.sort((a, b) => b.association - a.association).slice(0, MOST_CELLS);
  return el(
    "dl",
    { class: "cells" },
    chosen.flatMap(({ name, index }) => [el("dt", {}, name), el("dd", {}, value(row.values[index]))]),
  );
}

/** How sure a prediction is. */
export function sure(probability) {
  return probability === null ? "–" : number(probability, 3);
}
