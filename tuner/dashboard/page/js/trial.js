// One trial, in a panel beside the views: values, curves, what it took of its machine, parameters beside the best one's,
// decisions, checkpoints, log.
import { saveButton } from "./card.js";
import { TrialControl } from "./control.js";
import { badge, breakable, copy, csv, el, fill, notice } from "./dom.js";
import { bytes, duration, heading, number, value } from "./format.js";
import { NoteSection } from "./notes.js";
import { sparkline, sparksFile } from "./sparkline.js";
import { linkTo } from "./url.js";

const READ_EVERY_MS = 3000;

export class TrialPanel {
  constructor(store, api) {
    this.store = store;
    this.api = api;
    this.body = el("div", { class: "panel-body" });
    this.title = el("h2", { tabindex: "-1" });
    const button = (text, label, onclick) =>
      el("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick }, text);
    const save = saveButton(
      "the trial",
      () => `${store.name}_trial_${this.shown}`,
      () => this.#files(),
      () => linkTo(store, {}),
    );
    this.element = el(
      "aside",
      { class: "panel", "aria-label": "Trial", hidden: true },
      el(
        "header",
        { class: "panel-head" },
        this.title,
        button("‹", "Previous trial by rank", () => this.#go(-1)),
        button("›", "Next trial by rank", () => this.#go(1)),
        save,
        button("✕", "Close", () => this.close()),
      ),
      this.body,
    );
    this.drawn = [];
    this.shown = null;
    this.detail = null;
  }

  close() {
    this.store.open(null);
  }

  #files() {
    return this.drawn.length ? { svg: () => sparksFile(this.drawn), csv: () => this.#csv() } : {};
  }

  #csv() {
    const points = this.drawn.flatMap(([tag, { step, time, value: values }]) =>
      Array.from(step, (each, index) => [this.shown, tag, each, time[index], values[index]]),
    );
    return csv([["trial", "metric", "step", "time_s", "value"], ...points]);
  }

  #go(step) {
    const rows = this.store.ranked();
    const at = rows.indexOf(this.store.trials.rowOf.get(this.shown));
    const next = rows[at < 0 ? 0 : at + step];
    if (next !== undefined) this.store.open(this.store.trials.number(next));
  }

  update(topics) {
    const { trial } = this.store.view;
    if (!this.store.trials || !this.store.detail) return;
    const was = this.shown;
    const isNew = !this.parts && this.store.trials.rowOf.has(trial);
    if (trial !== was || isNew) this.#show(trial);
    else if (trial !== null && (topics.has("trials") || topics.has("detail"))) this.#refresh();
    if (trial === was && this.parts && this.news !== this.store.news.get(trial)) this.#renew(trial);
  }

  /** After there was news of the trial: what its row does not tell. */
  #renew(trial) {
    this.news = this.store.news.get(trial);
    this.#details(trial);
    this.reading ??= setTimeout(() => {
      this.reading = null;
      this.#curves(trial);
      this.parts.log.renew();
    }, READ_EVERY_MS);
  }

  async #show(trial) {
    Object.assign(this, { shown: trial, parts: null, drawn: [], detail: null, news: this.store.news.get(trial) });
    clearTimeout(this.reading);
    this.reading = null;
    const isOpen = trial !== null;
    if (!isOpen && this.element.contains(document.activeElement)) this.back?.focus?.();
    if (isOpen && this.element.hidden) this.back = document.activeElement;
    this.element.hidden = !isOpen;
    document.body.classList.toggle("has-panel", isOpen);
    if (!isOpen) return;
    this.title.textContent = `Trial ${trial}`;
    this.title.focus({ preventScroll: true });
    const row = this.store.trials.rowOf.get(trial);
    if (row === undefined) {
      fill(
        this.body,
        notice(
          `There is no trial ${trial}`,
          "The table lists those that there are.",
          el("button", { type: "button", onclick: () => this.close() }, "Close"),
        ),
      );
      return;
    }
    this.parts = {
      facts: el("div"),
      control: new TrialControl(this.store, this.api, trial, () => this.#details(trial)),
      note: new NoteSection(this.store, this.api, trial),
      curves: el("div", { class: "sparks" }, "Reading curves …"),
      system: el("div", { class: "sparks" }),
      params: el("div"),
      more: el("div"),
      log: this.#log(trial, row),
    };
    const { facts, control, note, curves, system, params, more, log } = this.parts;
    this.system = section("System", system);
    this.system.hidden = true;
    fill(
      this.body,
      facts,
      control.element,
      note.element,
      section("Parameters", params),
      section("Curves", curves),
      this.system,
      more,
      log,
    );
    this.#refresh();
    await Promise.all([this.#details(trial), this.#curves(trial)]);
  }

  #refresh() {
    const row = this.store.trials.rowOf.get(this.shown);
    if (row === undefined) return;
    this.#fillFacts(row);
    fill(this.parts.params, this.#params(row));
    this.parts.control.update();
    this.parts.note.update();
  }

  /** What had the focus has it again. */
  #fillFacts(row) {
    const { facts } = this.parts;
    const at = [...facts.querySelectorAll("button")].indexOf(document.activeElement);
    fill(facts, this.#facts(row));
    facts.querySelectorAll("button")[at]?.focus();
  }

  #facts(row) {
    const { store } = this;
    const { trials } = store;
    const raw = (name) => trials.column(name)?.raw[row] ?? null;
    const rank = store.ranked(true).indexOf(row);
    const last = `last/${store.metric}`;
    const facts = [
      [heading(store.valueColumn), number(raw(store.valueColumn))],
      ["rank", rank < 0 ? "–" : `${rank + 1} of ${store.ranked(true).length}`],
      [heading(last), number(raw(last))],
      ["reports", value(raw("reports"))],
      ["time", duration(raw("seconds"))],
      ["GPU time", duration(raw("gpu_seconds"))],
      ["steps", value(raw("steps"))],
      ["retries", raw("retries") ? value(raw("retries")) : null],
      ["repeats trial", raw("confirms") === null ? null : value(raw("confirms"))],
      ["begins from trial", (raw("donor") ?? null) === null ? null : value(raw("donor"))],
      ["nodes", raw("nodes") || null],
    ].filter(([, text]) => text !== null && text !== "–");
    const isPicked = store.picks.includes(this.shown);
    return [
      el(
        "p",
        { class: "reason" },
        raw("state") && badge(raw("state")),
        " ",
        raw("reason") || "no reason yet",
      ),
      this.detail?.is_held ? el("p", { class: "reason" }, heldWords(raw("state"))) : null,
      el(
        "dl",
        { class: "facts" },
        facts.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
      ),
      el(
        "div",
        { class: "menu-row" },
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(isPicked),
            onclick: () => (store.pick(this.shown, true), this.#refresh()),
          },
          isPicked ? "Picked ✓" : "Pick",
        ),
        el("button", { type: "button", onclick: () => this.#compare() }, "Compare with the best"),
      ),
    ];
  }

  #compare() {
    const { store } = this;
    const best = store.best === null ? [] : [store.trials.number(store.best)];
    store.setPicks([...new Set([...best, ...store.picks, this.shown])].slice(0, 8));
    store.set({ tab: "compare", trial: null });
  }

  #params(row) {
    const { store } = this;
    const names = store.trials.names.filter((name) => name.startsWith("param/"));
    const best = store.best;
    const rows = names
      .filter((name) => store.trials.column(name).raw[row] !== null)
      .map((name) => {
        const column = store.trials.column(name);
        const [mine, theirs] = [column.raw[row], best === null ? null : column.raw[best]];
        const differs = JSON.stringify(mine) !== JSON.stringify(theirs);
        return el(
          "tr",
          { class: differs && best !== row ? "differs" : "" },
          el("th", { scope: "row" }, breakable(heading(name))),
          el("td", {}, value(mine)),
          best === row ? null : el("td", {}, differs ? value(theirs) : "same"),
        );
      });
    const head = best === row || best === null ? "best trial" : `best (${store.trials.number(best)})`;
    return el(
      "table",
      { class: "plain" },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("th", { scope: "col" }, "parameter"),
          el("th", { scope: "col" }, best === row ? head : "this"),
          best === row ? null : el("th", { scope: "col" }, head),
        ),
      ),
      el("tbody", {}, rows),
    );
  }

  async #curves(trial) {
    const { metrics, system } = this.store.detail;
    const tags = [...metrics, ...system];
    const found = await Promise.all(tags.map((tag) => this.api.curves(tag, [trial]).catch(() => null)));
    if (this.shown !== trial) return;
    const known = tags
      .map((tag, index) => [tag, found[index]?.of(trial)])
      .filter(([, curve]) => curve?.value.length);
    const [curves, ofSystem] = [false, true].map((is) => known.filter(([tag]) => isOfSystem(tag) === is));
    this.drawn = [...curves, ...ofSystem];
    const figures = (some) => some.map(([tag, curve]) => sparkline(tag, curve));
    fill(this.parts.curves, curves.length ? figures(curves) : "It has not reported yet.");
    fill(this.parts.system, figures(ofSystem));
    this.system.hidden = !ofSystem.length;
  }

  async #details(trial) {
    let detail;
    try {
      detail = await this.api.trial(trial);
    } catch (error) {
      if (this.shown !== trial) return;
      fill(
        this.parts.more,
        notice(
          "Its details cannot be read",
          error.message,
          el("button", { type: "button", onclick: () => this.#details(trial) }, "Try again"),
        ),
      );
      return;
    }
    if (this.shown !== trial) return;
    this.detail = detail;
    this.parts.control.hear(detail.is_held);
    this.#refresh();
    const { more } = this.parts;
    if (more.contains(document.activeElement)) return; // Whoever reads there goes on.
    const isOpen = more.querySelector("details")?.open;
    fill(
      more,
      faults(detail.faults ?? []),
      decisions(detail.decisions ?? [], isOpen),
      detail.checkpoints && checkpoints(detail.checkpoints),
    );
  }

  #log(trial, row) {
    const text = el("pre", { class: "log", tabindex: "0", "aria-label": "Log" });
    const read = async () => {
      try {
        const { text: tail, size } = await this.api.log(trial);
        const isAtEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 8;
        text.textContent = tail || "The log is empty.";
        if (isAtEnd) text.scrollTop = text.scrollHeight;
        if (size > tail.length) note.textContent = `the end of ${bytes(size)}`;
      } catch (error) {
        text.textContent = error.message;
      }
    };
    const note = el("span", { class: "note" });
    const details = el(
      "details",
      { class: "section" },
      el("summary", {}, "Log ", note),
      el(
        "div",
        { class: "menu-row" },
        el("button", { type: "button", onclick: read }, "Read again"),
        el("button", { type: "button", onclick: () => copy(text.textContent, "Log") }, "Copy"),
      ),
      text,
    );
    details.renew = () => details.open && read();
    details.addEventListener("toggle", details.renew);
    if (this.store.trials.column("state")?.text(row) === "FAILED") details.open = true;
    return details;
  }
}

/** What it took of its machine, and how fast it was. */
function isOfSystem(tag) {
  return /^system\/|_per_s$|step_seconds$/.test(tag);
}

/** Of a trial that somebody paused and that has not ended. */
function heldWords(state) {
  if (state === "PAUSED") return "Somebody has paused it: it goes on when it is told to (unpause).";
  return "Somebody has told it to pause, which it does at its next new report.";
}

function section(title, ...children) {
  return el("section", { class: "section" }, el("h3", {}, title), children);
}

function faults(list) {
  if (!list.length) return null;
  return section(
    "Faults",
    el(
      "ol",
      { class: "list" },
      list.map((fault) =>
        el(
          "li",
          {},
          typeof fault === "string" ? fault : (fault.reason ?? fault.fault ?? JSON.stringify(fault)),
        ),
      ),
    ),
  );
}

function decisions(list, isOpen) {
  const said = list.filter((line) => line.reason || line.action);
  if (!said.length) return null;
  const lines = said.map((line) =>
    el(
      "li",
      {},
      el("b", {}, line.action),
      line.report ? ` at report ${line.report}` : "",
      el("div", { class: "muted" }, line.reason ?? ""),
    ),
  );
  return el(
    "details",
    { class: "section", open: isOpen ?? said.length <= 6 },
    el("summary", {}, `Decisions (${said.length})`),
    el("ol", { class: "list" }, lines),
  );
}

function checkpoints(list) {
  if (!list.length) return section("Checkpoints", el("p", { class: "muted" }, "None is kept."));
  return section(
    "Checkpoints",
    el(
      "table",
      { class: "plain" },
      el(
        "tbody",
        {},
        list.map((each) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, each.name),
            el("td", {}, each.report === null || each.report === undefined ? "" : `report ${each.report}`),
            el("td", {}, bytes(each.bytes)),
          ),
        ),
      ),
    ),
  );
}
