// What may be told to a search that runs, where the dashboard was started with --control: buttons at the experiment and
// at each trial, and what became of it. Without --control none of it is there.
import { Configuration } from "./configuration.js";
import { openDialog, tell } from "./dialog.js";
import { el } from "./dom.js";

/** Buttons of a trial: in which states, and what is to be said before it is done. */
const OF_A_TRIAL = [
  {
    name: "stop",
    text: "Stop",
    states: ["QUEUED", "RUNNING", "PAUSED"],
    sure: "It ends at its next report and never goes on. The search does.",
  },
];

/** Gives the command and says what becomes of it; the answer, null where there is none. */
async function give(api, command, what) {
  tell(`${what}: asked. The search answers when a trial reports …`, "waits");
  try {
    const answer = await api.command(command);
    const kind = answer.is_done === null ? "waits" : answer.is_done ? "done" : "refused";
    tell(`${what}: ${answer.is_done === false ? "refused: " : ""}${answer.reason}`, kind);
    return answer;
  } catch (error) {
    tell(`${what}: ${error.message}`, "refused");
    return null;
  }
}

/** Asks whether it is meant, and gives the command. */
function confirm(api, command, what, sure) {
  openDialog({
    title: `${what}?`,
    content: el("p", {}, sure),
    action: what,
    submit: (dialog) => {
      dialog.close();
      give(api, command, what);
    },
  });
}

/** Asks for a configuration, beginning with that of a trial if there is one, and enqueues it. */
async function configure(store, api, trial = null) {
  const what = trial === null ? "Enqueue a configuration" : `Clone trial ${trial}`;
  let params = {};
  try {
    if (trial !== null) ({ params } = await api.trial(trial));
  } catch (error) {
    tell(`${what}: ${error.message}`, "refused");
    return;
  }
  const form = new Configuration(store.detail.axes, params);
  openDialog({
    title: trial === null ? what : `${what} with changes`,
    content: form.element,
    action: "Enqueue",
    submit: (dialog) => enqueue(api, form, dialog, { name: "enqueue", trial }, what),
  });
}

async function enqueue(api, form, dialog, command, what) {
  const params = form.params();
  if (!params) return;
  dialog.wait(true);
  dialog.status.textContent = "Asked. The search answers when a trial reports …";
  const answer = await give(api, { ...command, params }, what);
  dialog.wait(false);
  if (answer && answer.is_done !== false) dialog.close();
  form.complain(answer?.fields ?? {});
  const isAtFields = Boolean(answer?.fields);
  dialog.status.textContent = isAtFields ? "" : (answer?.reason ?? "It was not taken: see below.");
}

function button(text, onclick) {
  return el("button", { type: "button", onclick }, text);
}

/** In the head of the experiment. */
export class SearchControl {
  constructor(store, api) {
    this.store = store;
    const sure = "What trains is saved and the search ends; tuner resume goes on with it.";
    this.element = el(
      "div",
      { class: "control", role: "group", "aria-label": "Tell the search", hidden: true },
      button("Enqueue a configuration …", () => configure(store, api)),
      button("Stop search …", () => confirm(api, { name: "stop" }, "Stop the search", sure)),
    );
  }

  update() {
    this.element.hidden = !isControlled(this.store);
  }
}

/** In the panel of a trial. */
export class TrialControl {
  constructor(store, api, trial) {
    this.store = store;
    this.trial = trial;
    this.buttons = OF_A_TRIAL.map(({ name, text, sure }) =>
      button(`${text} …`, () => confirm(api, { name, trial }, `${text} trial ${trial}`, sure)),
    );
    this.element = el(
      "div",
      { class: "menu-row control", role: "group", "aria-label": "Tell the search about this trial", hidden: true },
      this.buttons,
      button("Clone with changes …", () => configure(store, api, trial)),
    );
  }

  update() {
    const { trials } = this.store;
    const state = trials.column("state")?.text(trials.rowOf.get(this.trial));
    OF_A_TRIAL.forEach(({ states }, index) => (this.buttons[index].hidden = !states.includes(state)));
    this.element.hidden = !isControlled(this.store);
  }
}

function isControlled(store) {
  return Boolean(store.detail.control) && store.detail.state === "running";
}
