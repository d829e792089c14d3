// A modal window, and the line that says what became of a command.
import { el, fill } from "./dom.js";

/**
 * Opens a window with a form; `submit` is called when it is sent. Escape and Cancel close it, and the focus goes back.
 * `status` is the line in which it answers.
 */
export function openDialog({ title, content, action, submit }) {
  const status = el("p", { class: "dialog-status", role: "alert" });
  const send = el("button", { type: "submit", class: "primary" }, action);
  const form = el(
    "form",
    {
      novalidate: true,
      onsubmit: (event) => (event.preventDefault(), submit(dialog)),
    },
    el("h2", { id: "dialog-title" }, title),
    content,
    status,
    el(
      "div",
      { class: "dialog-actions" },
      el("button", { type: "button", onclick: () => box.close() }, "Cancel"),
      send,
    ),
  );
  const box = el(
    "dialog",
    {
      class: "dialog",
      "aria-labelledby": "dialog-title",
      // The page has keys of its own.
      onkeydown: (event) => event.stopPropagation(),
      onclose: () => box.remove(),
    },
    form,
  );
  const dialog = {
    status,
    wait: (is) => (send.disabled = is),
    close: () => box.close(),
  };
  document.body.append(box);
  box.showModal();
  return dialog;
}

let line;
/** Says what became of a command, until the next one or a press on ✕; nothing: no more. `kind`: waits, done, refused. */
export function tell(text, kind) {
  line ??= document.body.appendChild(el("div", { class: "answer" }));
  line.said ??= line.appendChild(el("p", { role: "status", "aria-live": "polite" }));
  line.shut ??= line.appendChild(
    el(
      "button",
      { type: "button", class: "icon", "aria-label": "Close the answer", onclick: () => (line.hidden = true) },
      "✕",
    ),
  );
  line.hidden = !text;
  line.dataset.kind = kind;
  fill(line.said, text);
}
