// Small helpers for the document. Text goes in as text nodes only, so no datum can become markup.

/** An element with attributes; "on..." attributes are listeners; null and false attributes and children are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An element of SVG; null and false children are left out. */
export function shape(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== false));
  return node;
}

/** Replaces what `node` holds. */
export function fill(node, ...children) {
  node.replaceChildren(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

/** A dotted name that may be broken after its dots. */
export function breakable(name) {
  return name.split(/(?<=\.)/).flatMap((part) => [part, el("wbr")]);
}

/** A labelled <select>; `choices` are [value, text] pairs. */
export function choose(label, choices, value, onchange) {
  const select = el("select", { "aria-label": label, title: label, onchange: () => onchange(select.value) });
  setChoices(select, choices, value);
  return select;
}

export function setChoices(select, known, value) {
  const isKnown = !known.length || (value ?? null) === null || known.some(([each]) => each === value);
  const choices = isKnown ? known : [[value, "–"], ...known]; // A metric that nobody has reported yet.
  const wanted = JSON.stringify(choices);
  if (select.wanted !== wanted) {
    select.wanted = wanted;
    fill(
      select,
      choices.map(([each, text]) => el("option", { value: each }, text)),
    );
  }
  select.value = value;
}

/** A button that stays pressed. */
export function toggle(text, title, pressed, onchange) {
  const button = el(
    "button",
    {
      type: "button",
      class: "toggle",
      title,
      "aria-pressed": String(pressed),
      onclick: () => onchange(button.getAttribute("aria-pressed") !== "true"),
    },
    text,
  );
  button.press = (on) => button.setAttribute("aria-pressed", String(on));
  return button;
}

export function badge(state) {
  return el("span", { class: `badge state-${String(state).toLowerCase()}` }, String(state));
}

/** What the signs of a picture mean: [sign, text] pairs, with the class of the sign where it has one. */
export function signs(pairs) {
  const item = ([sign, text, look]) =>
    el("span", { class: "key" }, el("span", { "aria-hidden": "true", class: look }, sign), ` ${text}`);
  return el("span", { class: "keys" }, pairs.map(item));
}

/** How many of the trials have finished, as a bar and in words. */
export function progress({ finished, trials }) {
  if (finished === null || finished === undefined) return "–";
  const bar = el("progress", {
    max: trials || finished || 1,
    value: finished,
    "aria-label": "finished trials",
  });
  return el(
    "div",
    { class: "progress" },
    bar,
    el("span", {}, trials ? `${finished} / ${trials}` : String(finished)),
  );
}

/** What a view says when it has nothing to show: what is so, and what to do. */
export function notice(title, text, ...actions) {
  return el(
    "div",
    { class: "notice", role: "status" },
    el("strong", {}, title),
    el("p", {}, text),
    ...actions,
  );
}

export function download(name, blob) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Rows of cells as CSV (RFC 4180); null is an empty cell. */
export function csv(rows) {
  const cell = (value) => {
    if (value === null || value === undefined || Number.isNaN(value)) return "";
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return new Blob([rows.map((row) => row.map(cell).join(",") + "\r\n").join("")], { type: "text/csv" });
}

let message;
/** A short message that also a screen reader hears. */
export function say(text) {
  message ??= document.body.appendChild(el("div", { class: "toast", role: "status", "aria-live": "polite" }));
  message.textContent = text;
  message.classList.add("shown");
  clearTimeout(message.timer);
  message.timer = setTimeout(() => message.classList.remove("shown"), 2500);
}

/** Copies `text` and says so; also where the page is not on https and the clipboard's interface is missing. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(el("textarea", { class: "unseen-text", "aria-hidden": "true" }));
    area.value = text;
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(`${what} copied`);
}

let open = null;
/** A popover below `anchor` with `content`; one at a time; Escape and a press outside close it. */
export function popover(anchor, label, content) {
  const again = open?.anchor === anchor;
  closePopover();
  if (again) return;
  const box = el("div", { class: "popover", role: "dialog", "aria-label": label }, content);
  document.body.append(box);
  const at = anchor.getBoundingClientRect();
  box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 8))}px`;
  const below = at.bottom + 4 + box.offsetHeight < innerHeight || at.top < box.offsetHeight;
  box.style.top = `${below ? at.bottom + 4 : at.top - box.offsetHeight - 4}px`;
  open = { box, anchor };
  anchor.setAttribute("aria-expanded", "true");
  box.querySelector("input, select, button")?.focus();
}

/** A button that opens `controls`, for what is wanted seldom. */
export function optionsButton(text, controls) {
  const box = el("div", { class: "menu" }, controls);
  const button = el(
    "button",
    { type: "button", "aria-expanded": "false", onclick: () => popover(button, text, box) },
    `${text} ▾`,
  );
  return button;
}

export function closePopover() {
  if (!open) return false;
  const { box, anchor } = open;
  open = null;
  const inside = box.contains(document.activeElement);
  box.remove();
  anchor.setAttribute("aria-expanded", "false");
  if (inside) anchor.focus();
  return true;
}

document.addEventListener("pointerdown", (event) => {
  if (open && !open.box.contains(event.target) && !open.anchor.contains(event.target)) closePopover();
});
