// What the server knows. Every failure is an ApiError with a sentence for people.
import { Curves } from "./curve_data.js";

export class ApiError extends Error {}

function get(path) {
  return answered(taken(path) ?? fetch(path));
}

/** `content` is a file, or a tree that is sent as JSON. */
async function post(path, content) {
  const isFile = content instanceof Blob;
  const headers = { "Content-Type": isFile ? "application/octet-stream" : "application/json" };
  const body = isFile ? content : JSON.stringify(content);
  const answer = await answered(fetch(path, { method: "POST", headers, body }));
  return answer.json();
}

async function answered(asked) {
  let answer;
  try {
    answer = await asked;
  } catch {
    throw new ApiError("The server does not answer. Is `tuner dashboard` still running?");
  }
  if (!answer.ok) throw new ApiError(await reason(answer));
  return answer;
}

/** What `early.js` has asked for already; each answer is taken once. */
function taken(path) {
  const answer = window.asked?.get(path);
  window.asked?.delete(path);
  return answer;
}

async function reason(answer) {
  try {
    const { error } = await answer.json();
    if (typeof error === "string") return error;
  } catch {
    // No JSON: the status alone has to do.
  }
  return `The server answered ${answer.status} ${answer.statusText}.`;
}

async function json(path) {
  return (await get(path)).json();
}

export const experiments = () => json("/api/experiments");

async function read(asked) {
  return Curves.read(await (await answered(asked)).arrayBuffer());
}

/** A columnar table as one object a row. */
function records({ columns, data }) {
  return (data[columns[0]] ?? []).map((_, index) =>
    Object.fromEntries(columns.map((name) => [name, data[name][index]])),
  );
}

/** All of one experiment. */
export class Api {
  constructor(name) {
    this.base = `/api/experiments/${encodeURIComponent(name)}`;
  }

  detail() {
    return json(this.base);
  }

  trials() {
    return json(`${this.base}/trials`);
  }

  /** Curves of a tag; of some trials only, where `numbers` are given. */
  async curves(tag, numbers = null) {
    const early = numbers ? null : taken(`${this.base}/curves`);
    const first = early && (await read(early).catch(() => null));
    if (first?.tag === tag) return first;
    const query = new URLSearchParams({ tag, ...(numbers ? { trials: numbers.join(",") } : {}) });
    return read(fetch(`${this.base}/curves?${query}`));
  }

  /** The lowest and the highest point of each trial's curve of a tag: a table of number, min, max. */
  extremes(tag) {
    return json(`${this.base}/extremes?${new URLSearchParams({ tag })}`);
  }

  /** All decisions, an object each. */
  async decisions() {
    return records(await json(`${this.base}/decisions`));
  }

  /** Laps of the gangs, an object each. */
  async timeline() {
    return records(await json(`${this.base}/timeline`));
  }

  /** Importances of the parameters for a metric; without one, for the experiment's. */
  importance(metric, method) {
    return json(`${this.base}/importance?${new URLSearchParams({ ...(metric ? { metric } : {}), method })}`);
  }

  /** How a metric depends on one parameter or on two; without a metric, the experiment's. */
  dependence(metric, names) {
    const query = new URLSearchParams([
      ...(metric ? [["metric", metric]] : []),
      ...names.map((name) => ["parameter", name]),
    ]);
    return json(`${this.base}/dependence?${query}`);
  }

  async trial(number) {
    const found = await json(`${this.base}/trials/${number}`);
    return { ...found, decisions: records(found.decisions) };
  }

  log(number, offset = null) {
    return json(`${this.base}/trials/${number}/log${offset === null ? "" : `?offset=${offset}`}`);
  }

  /** The report of the data; it may take long when it is made for the first time. */
  data() {
    return json(`${this.base}/data`);
  }

  /** Label, values and text of rows of a split, counted from 1; `store` is the name of the prepared data. */
  rows(store, split, numbers) {
    return json(`${this.base}/data/rows?${new URLSearchParams({ store, split, numbers: numbers.join(",") })}`);
  }

  pictureAddress(store, split, row) {
    return `${this.base}/data/picture?${new URLSearchParams({ store, split, row })}`;
  }

  soundAddress(store, split, row) {
    return `${this.base}/data/sound?${new URLSearchParams({ store, split, row })}`;
  }

  /** {report, best, is_current, is_function}: what was told of the best model before. */
  model() {
    return json(`${this.base}/model`);
  }

  /** The same, with a report of the best model as it is now, made where it is not known. */
  lookAtModel() {
    return post(`${this.base}/model`, {});
  }

  /** What the best model says to {texts} or {row}, or to a file. */
  ask(content) {
    const query = content instanceof File ? `?${new URLSearchParams({ file: content.name.slice(-200) })}` : "";
    return post(`${this.base}/answer${query}`, content);
  }

  /** Gives a command to the search; what became of it, as docs/dashboard.md has it. */
  command(command) {
    return post(`${this.base}/commands`, command);
  }

  /** Notes {text, tags} about a trial. */
  note(number, note) {
    return post(`${this.base}/trials/${number}/note`, note);
  }

  /** Server-sent events since `version`: `on` has trials, curves and state, and connected(whether). Returns what ends it. */
  live(tags, version, on) {
    const query = new URLSearchParams([
      ...tags.map((tag) => ["tags", tag]),
      ...(version ? [["since", version]] : []),
    ]);
    const source = new EventSource(`${this.base}/live?${query}`);
    for (const name of ["trials", "curves", "state"]) {
      source.addEventListener(name, (event) => on[name](JSON.parse(event.data)));
    }
    source.addEventListener("open", () => on.connected(true));
    source.addEventListener("error", () => on.connected(false));
    return () => source.close();
  }
}
