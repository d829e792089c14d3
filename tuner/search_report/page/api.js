// What the report holds, by the names of what the dashboard's page asks its server: views know no difference.
import { Curves } from "./curve_data.js";

export class ApiError extends Error {}

const opened = new Map();

/** The bytes of a block of the file. */
function block(name) {
  if (!opened.has(name)) opened.set(name, open(name));
  return opened.get(name);
}

async function open(name) {
  const packed = Uint8Array.from(atob(document.getElementById(`held-${name}`).textContent), (letter) =>
    letter.charCodeAt(0),
  );
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).arrayBuffer();
}

async function json(name) {
  return JSON.parse(new TextDecoder().decode(await block(name)));
}

/** Numbers whose first bytes stand together, then all second ones, as they were. */
function unshuffled(buffer) {
  const begin = 4 + new DataView(buffer).getUint32(0, true);
  const [from, to] = [new Uint8Array(buffer), new Uint8Array(buffer.byteLength)];
  to.set(from.subarray(0, begin));
  const count = (buffer.byteLength - begin) / 8;
  for (let byte = 0; byte < 8; byte += 1)
    for (let index = 0; index < count; index += 1)
      to[begin + 8 * index + byte] = from[begin + byte * count + index];
  return to.buffer;
}

/** A columnar table as one object a row. */
function records({ columns, data }) {
  return data[columns[0]].map((_, index) =>
    Object.fromEntries(columns.map((name) => [name, data[name][index]])),
  );
}

export class Api {
  tabs = ["search", "compare", "why", "scheduling"];
  curvesOf = new Map();

  detail() {
    return json("details");
  }

  trials() {
    return json("trials");
  }

  /** All curves of a tag, also where some would do. */
  curves(tag) {
    if (!this.curvesOf.has(tag)) this.curvesOf.set(tag, this.#curves(tag));
    return this.curvesOf.get(tag);
  }

  async #curves(tag) {
    const index = (await this.detail()).metrics.indexOf(tag);
    if (index < 0) throw new ApiError(`This report holds no curves of ${tag}.`);
    return Curves.read(unshuffled(await block(`curves${index}`)));
  }

  async extremes(tag) {
    return (await json("extremes"))[tag];
  }

  async decisions() {
    return records(await json("decisions"));
  }

  async timeline() {
    return records(await json("timeline"));
  }

  async importance(metric, method) {
    const [found, detail] = await Promise.all([json("importances"), this.detail()]);
    const held = metric === null || metric === detail.metric ? found[method] : null;
    if (held) return held;
    const note = `This report holds importances for ${detail.metric} by ${Object.keys(found).join(", ")}.`;
    return { importances: [], n: 0, note };
  }

  async dependence(metric, names) {
    const [found, detail] = await Promise.all([json("dependences"), this.detail()]);
    const isOf = ({ parameters }) => JSON.stringify(parameters.map(({ name }) => name)) === JSON.stringify(names);
    const held = metric === null || metric === detail.metric ? found.find(isOf) : null;
    if (held) return held;
    const note =
      `This report holds partial dependence of ${detail.metric} only, ` +
      "on each parameter and on pairs of the three most important.";
    return { mean: [], note };
  }

  async trial(number) {
    const decisions = (await this.decisions()).filter(({ trial }) => trial === number);
    const faults = decisions.filter(({ action, state }) => action === "RETRY" || state === "FAILED");
    return { decisions, faults };
  }

  async log(number) {
    const text = `Logs are not in a report: this one is trials/${String(number).padStart(5, "0")}/log.txt.`;
    return { text, size: text.length };
  }

  /** Nothing changes. */
  live() {
    return () => null;
  }
}
