// What one can do with a column, as a popover: keep a range or some values, turn its axis to a log one.
import { closePopover, el, popover } from "./dom.js";
import { labelFilter, rangeFilter } from "./filters.js";
import { heading, number } from "./format.js";
import { flip } from "./scatter.js";

/** `more`: further elements at the end. */
export function columnMenu(store, name, anchor, ...more) {
  const column = store.trials.column(name);
  const content = column.labels ? labels(store, name, column) : range(store, name, column);
  const log = column.labels || name === "number" ? null : logBox(store, name);
  popover(
    anchor,
    `Filter ${heading(name)}`,
    el(
      "form",
      { class: "menu", onsubmit: (event) => event.preventDefault() },
      el("h3", {}, heading(name)),
      content,
      log,
      more,
    ),
  );
}

function range(store, name, column) {
  const [low, high] = column.range();
  const now = store.filters.get(name);
  const field = (label, value, hint) =>
    el("input", {
      type: "text",
      inputmode: "decimal",
      "aria-label": label,
      placeholder: number(hint),
      value: value ?? "",
      class: "number",
    });
  const from = field("From", now?.low, low);
  const to = field("To", now?.high, high);
  const absent = column.hasAbsent ? check("also trials without a value", now?.absent ?? false) : null;
  const apply = () => {
    const [least, most] = [from, to].map((each, index) =>
      each.value.trim() ? Number(each.value) : [low, high][index],
    );
    const isBad = Number.isNaN(least) || Number.isNaN(most);
    for (const each of [from, to])
      each.setAttribute("aria-invalid", String(Number.isNaN(Number(each.value))));
    if (isBad) return;
    store.setFilter(rangeFilter(name, least, most, absent?.box.checked ?? false));
    closePopover();
  };
  return el(
    "div",
    {},
    el("div", { class: "menu-row" }, from, "–", to),
    absent?.label,
    el(
      "div",
      { class: "menu-row" },
      el("button", { type: "submit", class: "primary", onclick: apply }, "Keep range"),
      dropButton(store, name),
    ),
  );
}

function labels(store, name, column) {
  const now = store.filters.get(name);
  const boxes = column.labels.map((label) => check(label, now ? now.labels.includes(label) : true));
  const absent = column.hasAbsent ? check("absent", now ? now.absent : true) : null;
  const apply = () => {
    const kept = column.labels.filter((_, index) => boxes[index].box.checked);
    const isAll = kept.length === column.labels.length && (absent?.box.checked ?? true);
    if (isAll) store.dropFilter(name);
    else store.setFilter(labelFilter(name, kept, absent?.box.checked ?? false));
  };
  for (const each of [...boxes, absent]) each?.box.addEventListener("change", apply);
  return el(
    "div",
    {},
    el(
      "div",
      { class: "menu-list" },
      boxes.map((each) => each.label),
      absent?.label,
    ),
    dropButton(store, name),
  );
}

function dropButton(store, name) {
  const drop = () => {
    store.dropFilter(name);
    closePopover();
  };
  return el("button", { type: "button", disabled: !store.filters.has(name), onclick: drop }, "Remove filter");
}

function logBox(store, name) {
  const isLog = store.trials.isLog(name) !== store.view.flipped.includes(name);
  const each = check("log axis", isLog);
  each.box.addEventListener("change", () => flip(store, name));
  return each.label;
}

export function check(text, checked) {
  const box = el("input", { type: "checkbox" });
  box.checked = checked;
  return { box, label: el("label", { class: "check" }, box, text) };
}
