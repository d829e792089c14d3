// The frame around every view: a title, its controls, and what all views can do: files, a link, grow to the whole page.
import { tableFile } from "./canvas.js";
import { closePopover, copy, csv, download, el, popover, say } from "./dom.js";
import { linkTo } from "./url.js";

export class Card {
  /** `files`: as of `saveButton`; they are named `<experiment>_<key>`. */
  constructor(key, title, store, controls, files) {
    this.note = el("span", { class: "note" });
    this.body = el("div", { class: "card-body" });
    this.files = files;
    const grow = el("button", {
      type: "button",
      class: "icon grow",
      title: `Enlarge ${title}`,
      "aria-label": `Enlarge ${title}`,
      onclick: () => store.enlarge(store.view.large === key ? null : key),
    });
    const save = saveButton(
      title,
      () => `${store.name}_${key}`,
      () => this.files,
      () => linkTo(store, { large: key }),
    );
    this.element = el(
      "section",
      { class: `card card-${key}`, "aria-label": title, "data-key": key },
      el(
        "header",
        { class: "card-head" },
        el("h2", {}, title),
        this.note,
        el("div", { class: "controls" }, controls),
        el("div", { class: "actions" }, save, grow),
      ),
      this.body,
    );
    enlarge([this.element], store.view.large);
  }
}

/** Of the cards, the one with the key fills the page. */
export function enlarge(cards, key) {
  for (const card of cards) card.classList.toggle("large", card.dataset.key === key);
}

/** What a view that is a table can be saved as: `rows()`, the first is the head. */
export function tableFiles(title, rows) {
  return { svg: () => tableFile(rows(), title), csv: () => csv(rows()) };
}

/**
 * A button that offers the files of a view, {svg: () => Blob, csv: () => Blob} where it has them, and its address; `svg` may
 * give the promise of one. `name`, `files` and `link` are asked for when they are needed.
 */
export function saveButton(title, name, files, link) {
  const label = `Save ${title}`;
  const choice = (text, save) =>
    el("button", { type: "button", onclick: () => (closePopover(), save()) }, text);
  const choices = ({ svg, csv: table }) => [
    svg && choice("Picture (PNG)", async () => savePng(`${name()}.png`, await svg())),
    svg && choice("Picture (SVG)", async () => download(`${name()}.svg`, await svg())),
    table && choice("Table (CSV)", () => download(`${name()}.csv`, table())),
    choice("Copy link", () => copy(link(), "Link")),
  ];
  const button = el(
    "button",
    {
      type: "button",
      class: "icon",
      title: label,
      "aria-label": label,
      "aria-expanded": "false",
      onclick: () => popover(button, label, el("div", { class: "menu" }, choices(files()))),
    },
    "↓",
  );
  return button;
}

/** An SVG file, painted. */
async function savePng(name, svg) {
  const image = el("img", { src: URL.createObjectURL(svg) });
  await image.decode();
  const ratio = Math.max(2, devicePixelRatio);
  const canvas = el("canvas", { width: Math.round(ratio * image.width), height: Math.round(ratio * image.height) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((blob) => {
    download(name, blob);
    say(`Saved ${name}`);
  }, "image/png");
}
