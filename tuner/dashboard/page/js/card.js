// The frame around every view: a title, its controls, and what all views can do: PNG, CSV, grow to the whole page.
import { download, el, say } from "./dom.js";

export class Card {
  /** `actions`: {png: () -> canvas, csv: () -> Blob}; files are named `<experiment>_<key>`. */
  constructor(key, title, store, controls, actions) {
    this.store = store;
    this.key = key;
    this.note = el("span", { class: "note" });
    this.body = el("div", { class: "card-body" });
    this.grow = el("button", { type: "button", class: "icon", title: `Enlarge ${title}`, "aria-label": `Enlarge ${title}`, onclick: () => this.toggleSize() }, "⤢");
    this.element = el(
      "section",
      { class: `card card-${key}`, "aria-label": title },
      el(
        "header",
        { class: "card-head" },
        el("h2", {}, title),
        this.note,
        el("div", { class: "controls" }, controls),
        el(
          "div",
          { class: "actions" },
          actions.png && this.#file("PNG", `${title} as a picture`, () => savePicture(this.#name("png"), actions.png(), title)),
          actions.csv && this.#file("CSV", `${title} as a table`, () => download(this.#name("csv"), actions.csv())),
          this.grow,
        ),
      ),
      this.body,
    );
  }

  #name(ending) {
    return `${this.store.name}_${this.key}.${ending}`;
  }

  #file(text, label, onclick) {
    return el("button", { type: "button", class: "icon", title: label, "aria-label": label, onclick }, text);
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
