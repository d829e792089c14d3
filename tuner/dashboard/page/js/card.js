// The frame around every view: a title, its controls, and what all views can do: PNG, CSV, grow to the whole page.
import { closePopover, download, el, popover, say } from "./dom.js";

export class Card {
  /** `actions`: {png: () -> canvas, svg: () -> Blob, csv: () -> Blob}; files are named `<experiment>_<key>`. */
  constructor(key, title, store, controls, actions) {
    this.store = store;
    this.key = key;
    this.note = el("span", { class: "note" });
    this.body = el("div", { class: "card-body" });
    this.grow = el(
      "button",
      {
        type: "button",
        class: "icon",
        title: `Enlarge ${title}`,
        "aria-label": `Enlarge ${title}`,
        onclick: () => this.toggleSize(),
      },
      "⤢",
    );
    this.element = el(
      "section",
      { class: `card card-${key}`, "aria-label": title },
      el(
        "header",
        { class: "card-head" },
        el("h2", {}, title),
        this.note,
        el("div", { class: "controls" }, controls),
        el("div", { class: "actions" }, this.#saveButton(title, actions), this.grow),
      ),
      this.body,
    );
  }

  #name(ending) {
    return `${this.store.name}_${this.key}.${ending}`;
  }

  #saveButton(title, actions) {
    const label = `Save ${title}`;
    const button = el(
      "button",
      {
        type: "button",
        class: "icon",
        title: label,
        "aria-label": label,
        "aria-expanded": "false",
        onclick: () => popover(button, label, this.#files(actions)),
      },
      "↓",
    );
    return button;
  }

  #files({ png, svg, csv }) {
    const choice = (text, save) =>
      el("button", { type: "button", onclick: () => (closePopover(), save()) }, text);
    return el(
      "div",
      { class: "menu" },
      png && choice("Picture (PNG)", () => savePicture(this.#name("png"), png())),
      svg && choice("Picture (SVG)", () => download(this.#name("svg"), svg())),
      csv && choice("Table (CSV)", () => download(this.#name("csv"), csv())),
    );
  }

  toggleSize() {
    const isLarge = this.element.classList.toggle("large");
    this.grow.textContent = isLarge ? "⤡" : "⤢";
    document.body.classList.toggle("has-large", isLarge);
  }
}

function savePicture(name, canvas) {
  canvas.toBlob((blob) => {
    download(name, blob);
    say(`Saved ${name}`);
  }, "image/png");
}
