// What may be told to a search that runs, where the dashboard was started with --control: buttons at the experiment and
// at each trial, and what became of it. Without --control none of it is there.
import { check } from "./column_menu.js";
import { Configuration } from "./configuration.js";
import { openDialog, tell } from "./dialog.js";
import { el } from "./dom.js";

const UNFINISHED = ["QUEUED", "RUNNING", "PAUSED"];

/** Buttons of a trial that has not ended: when, and what is to be said before it is done where it cannot be undone. */
const OF_A_TRIAL = [
  { name: "pause", text: "Pause", isOffered: ({ isHeld }) => isHeld === false },
  { name: "unpause", text: "Unpause", isOffered: ({ isHeld }) => isHeld === true },
  {
    name: "stop",
    text: "Stop",
    isOffered: ({ isFreshRun }) => !isFreshRun,
    sure: "It ends at its next new report and never goes on. The search does.",
  },
];

const ASKED = "asked; the search answers when a trial reports …";

/** Gives the command and says what becomes of it; the answer. */
async function give(api, command, what) {
  tell(`${what}: ${ASKED}`, "waits");
  const answer = await api.command(command).catch(({ message }) => ({ is_done: false, reason: message }));
  const kind = answer.is_done === null ? "waits" : answer.is_done ? "done" : "refused";
  // What is wrong with a value stands at its field.
  tell(answer.fields ? "" : `${what}${kind === "refused" ? " is refused" : ""}: ${answer.reason}`, kind);
  return answer;
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

/** Asks for a configuration and enqueues it, or clones a trial with changes: from its checkpoint while there is one. */
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
  const onward = check("from its checkpoint, not from scratch", false);
  onward.label.hidden = !UNFINISHED.includes(stateOf(store, trial));
  const name = () => (onward.box.checked ? "clone" : "enqueue");
  openDialog({
    title: trial === null ? what : `${what} with changes`,
    content: [
      trial === null ? el("p", { class: "muted" }, "What is left empty is drawn by the search.") : null,
      form.element,
      onward.label,
    ],
    action: "Enqueue",
    submit: (dialog) => send(api, form, dialog, { name: name(), trial }, what),
  });
}

/** Asks how many trials may train at once. */
function chooseGangs(store, api) {
  const states = store.trials.column("state");
  const running = states.raw.filter((state) => state === "RUNNING").length;
  const axis = { name: "gangs", kind: "int", when: {}, hint: "trials at once" };
  const form = new Configuration([axis], { gangs: running || 1 });
  const what = "Number of gangs";
  openDialog({
    title: what,
    content: [el("p", { class: "muted" }, "All trials are saved, and go on with so many gangs."), form.element],
    action: "Change",
    submit: (dialog) => send(api, form, dialog, { name: "gangs" }, what),
  });
}

/** Gives the command with what is in the form, which stays until it is taken. */
async function send(api, form, dialog, command, what) {
  const params = form.params();
  if (!params) return;
  dialog.wait(true);
  dialog.status.textContent = ASKED;
  const { is_done, reason, fields } = await give(api, { ...command, params }, what);
  dialog.wait(false);
  if (is_done !== false) dialog.close();
  dialog.status.textContent = fields ? "" : reason;
  form.complain(fields ?? {});
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
      button("Gangs …", () => chooseGangs(store, api)),
      button("Stop search …", () => confirm(api, { name: "stop" }, "Stop the search", sure)),
    );
  }

  update() {
    this.element.hidden = !isControlled(this.store);
  }
}

/** In the panel of a trial. */
export class TrialControl {
  /** `reread` asks anew for what the server knows of the trial, which `hear` is then told. */
  constructor(store, api, trial, reread) {
    Object.assign(this, { store, api, trial });
    this.buttons = OF_A_TRIAL.map(({ name, text, sure }) => {
      const [command, what] = [{ name, trial }, `${text} trial ${trial}`];
      return sure
        ? button(`${text} …`, () => confirm(api, command, what, sure))
        : button(text, () => give(api, command, what).then(reread));
    });
    this.element = el(
      "div",
      { class: "menu-row control", role: "group", "aria-label": "Tell the search about this trial", hidden: true },
      this.buttons,
      button("Clone with changes …", () => configure(store, api, trial)),
    );
  }

  update() {
    this.state = isControlled(this.store) ? stateOf(this.store, this.trial) : null;
    this.#show();
  }

  /** Whether somebody has paused it: its state does not tell, for the scheduler pauses too. */
  hear(isHeld) {
    this.isHeld = isHeld;
    this.#show();
  }

  #show() {
    const isUnfinished = UNFINISHED.includes(this.state);
    const trial = { isHeld: this.isHeld, isFreshRun: isFreshRun(this.store, this.trial) };
    const focused = document.activeElement;
    OF_A_TRIAL.forEach(({ isOffered }, index) => (this.buttons[index].hidden = !isUnfinished || !isOffered(trial)));
    if (focused.hidden && this.buttons.includes(focused)) this.buttons.find((each) => !each.hidden)?.focus();
    this.element.hidden = this.state === null;
  }
}

function isFreshRun({ trials }, number) {
  return (trials.column("confirms")?.raw[trials.rowOf.get(number)] ?? null) !== null;
}

function stateOf({ trials }, number) {
  const row = trials.rowOf.get(number);
  return row === undefined ? null : trials.column("state").text(row);
}

function isControlled(store) {
  return Boolean(store.detail.control) && store.detail.state === "running";
}
