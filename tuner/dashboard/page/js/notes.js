// What people say of a trial: a text and tags; a form where the dashboard was started with --control.
import { tell } from "./dialog.js";
import { el, fill } from "./dom.js";

/** Trial to what was written and not saved. */
const drafts = new Map();

export class NoteSection {
  constructor(store, api, trial) {
    this.store = store;
    this.api = api;
    this.trial = trial;
    this.body = el("div");
    this.element = el(
      "details",
      { class: "section", hidden: true },
      el("summary", {}, "Note and tags"),
      this.body,
    );
    if (store.detail.control) this.#makeForm();
    const { text, tags } = drafts.get(trial) ?? this.#noted;
    this.element.open = Boolean(text || tags);
  }

  get #noted() {
    const { trials } = this.store;
    const row = trials.rowOf.get(this.trial);
    const text = (name) => trials.column(name)?.text(row) ?? "";
    return { text: text("note"), tags: text("tags") };
  }

  update() {
    const noted = this.#noted;
    if (isSame(drafts.get(this.trial), noted)) drafts.delete(this.trial);
    this.element.hidden = !this.form && !noted.text && !noted.tags;
    if (this.form) this.#fillForm(drafts.get(this.trial) ?? noted);
    else fill(this.body, el("p", { class: "note-text" }, noted.text), tagList(noted.tags));
  }

  #makeForm() {
    this.text = el("textarea", { id: "note-text", rows: "3", maxlength: "10000" });
    this.tags = el("input", { type: "text", id: "note-tags", autocomplete: "off", placeholder: "words" });
    this.error = el("p", { class: "bad", role: "alert" });
    this.form = el(
      "form",
      {
        class: "note-form",
        onsubmit: (event) => (event.preventDefault(), this.#save()),
        oninput: () => drafts.set(this.trial, { text: this.text.value, tags: this.tags.value }),
        onkeydown: (event) => this.#key(event),
      },
      el("label", { for: "note-text" }, "Note"),
      this.text,
      el("label", { for: "note-tags" }, "Tags"),
      this.tags,
      el("div", { class: "menu-row" }, el("button", { type: "submit" }, "Save")),
      this.error,
    );
    this.body.append(this.form);
  }

  /** Escape leaves the field, and not the trial with what was written. */
  #key(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    event.target.blur();
  }

  #fillForm({ text, tags }) {
    if (this.text.value !== text) this.text.value = text;
    if (this.tags.value !== tags) this.tags.value = tags;
  }

  async #save() {
    const text = this.text.value.trim();
    const tags = [...new Set(this.tags.value.split(/[\s,]+/).filter(Boolean))];
    this.error.textContent = "";
    // Until it comes back with the other news it is still a draft.
    drafts.set(this.trial, { text, tags: tags.join(" ") });
    try {
      const { reason } = await this.api.note(this.trial, { text, tags });
      tell(`Trial ${this.trial}: ${reason}`, "done");
    } catch (error) {
      this.error.textContent = error.message;
    }
  }
}

function isSame(draft, noted) {
  return draft && draft.text === noted.text && draft.tags === noted.tags;
}

/** Tags with spaces between, as words of their own. */
export function tagList(tags) {
  return el(
    "span",
    { class: "tags" },
    (tags ?? "")
      .split(" ")
      .filter(Boolean)
      .map((tag) => el("span", { class: "tag" }, tag)),
  );
}
