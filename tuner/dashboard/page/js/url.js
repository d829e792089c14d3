// The state of the view as the address's fragment, and back: a link shows what its sender saw.
import { decode, encode, runs, unrun } from "./filters.js";
import { DEFAULTS } from "./store.js";

const TEXTS = {
  tab: "tab",
  expression: "q",
  tag: "tag",
  x: "x",
  which: "curves",
  scatterX: "sx",
  scatterY: "sy",
  colour: "colour",
  historyX: "hx",
  whyMetric: "why",
  whyMethod: "method",
  whyParameter: "by",
  whySecond: "and",
  whyPlane: "plane",
  part: "part",
  cell: "cell",
  large: "large",
};
const NUMBERS = { trial: "trial", smoothing: "smooth", top: "top", price: "price" };
const FLAGS = { curvesLogX: "logx", curvesLogY: "logy", allDecisions: "every", onlyDifferences: "differences" };
const LISTS = { shown: "col", axes: "axis", flipped: "log" };

export function write(store) {
  const query = new URLSearchParams();
  const { view } = store;
  const each = (names, put) => {
    for (const [key, name] of Object.entries(names)) {
      if (JSON.stringify(view[key]) !== JSON.stringify(DEFAULTS[key])) put(name, view[key]);
    }
  };
  each({ ...TEXTS, ...NUMBERS }, (name, value) => query.set(name, value));
  each(FLAGS, (name, value) => query.set(name, value ? "1" : "0"));
  each(LISTS, (name, list) => list.forEach((item) => query.append(name, item)));
  if (view.sort) query.set("sort", `${view.sort.descending ? "-" : "+"}${view.sort.column}`);
  for (const [plot, ends] of Object.entries(view.zoom)) query.append("zoom", [plot, ...ends].join(","));
  for (const filter of store.filters.values()) query.append("f", encode(filter));
  if (store.picks.length)
    query.set("sel", store.picks.length > 8 ? runs(store.picks) : store.picks.join(","));
  return query.toString();
}

/** The address of what is shown, with `changes` to the view. */
export function linkTo({ view, filters, picks }, changes) {
  const shown = { view: { ...view, ...changes }, filters, picks };
  return `${location.href.split(/[?#]/)[0]}#${write(shown)}`;
}

const parse = (fragment) => new URLSearchParams(fragment.replace(/^#/, ""));

export const tabOf = (fragment) => parse(fragment).get("tab") ?? DEFAULTS.tab;

export function read(store, fragment) {
  const query = parse(fragment);
  const view = structuredClone(DEFAULTS);
  const each = (names, take) => {
    for (const [key, name] of Object.entries(names)) if (query.has(name)) view[key] = take(name);
  };
  each(TEXTS, (name) => query.get(name));
  each(NUMBERS, (name) => Number(query.get(name)) || 0);
  each(FLAGS, (name) => query.get(name) === "1");
  each(LISTS, (name) => query.getAll(name));
  if (query.has("sort"))
    view.sort = { column: query.get("sort").slice(1), descending: query.get("sort")[0] === "-" };
  for (const zoom of query.getAll("zoom")) {
    const [plot, ...ends] = zoom.split(",");
    if (ends.length === 4 && ends.every((end) => Number.isFinite(Number(end))))
      view.zoom[plot] = ends.map(Number);
  }
  store.view = view;
  store.filters = new Map(
    query
      .getAll("f")
      .map(decode)
      .filter(Boolean)
      .map((filter) => [filter.column, filter]),
  );
  store.picks = query.has("sel") ? unrun(query.get("sel")) : [];
}
