// What the Why tab is about: the metric, the parameter and a second one, as the view says or else as they suggest
// themselves.
import { without } from "./curves.js";

/** {metrics, metric, value, parameters, parameter, second}: `value` and the parameters are columns of trials. */
export function choice(store) {
  const { trials, view } = store;
  const metrics = trials.names.filter((name) => name.startsWith("best/")).map((name) => name.slice(5));
  const metric = metrics.includes(view.whyMetric) ? view.whyMetric : store.metric;
  const parameters = byImportance(store);
  const chosen = (name, among) => (among.includes(name) ? name : (among[0] ?? null));
  const parameter = chosen(view.whyParameter, parameters);
  const second = chosen(
    view.whySecond,
    parameters.filter((name) => name !== parameter),
  );
  return { metrics, metric, value: metric ? `best/${metric}` : store.valueColumn, parameters, parameter, second };
}

/** Columns of parameters, the most important one first, then those of which that is not known. */
function byImportance({ trials, detail, importance }) {
  const ranked = (importance?.importances ?? []).map(({ name }) => `param/${name}`);
  const all = detail.axes.map(({ name }) => `param/${name}`);
  return [...new Set([...ranked, ...all])].filter((name) => trials.has(name));
}

export function pickMetric(store, whyMetric) {
  store.set({ whyMetric, zoom: without(without(store.view.zoom, "slice"), "cells") });
}

export function pickParameter(store, whyParameter) {
  store.set({ whyParameter, zoom: without(without(store.view.zoom, "slice"), "cells") });
}

export function pickSecond(store, whySecond) {
  store.set({ whySecond, zoom: without(store.view.zoom, "cells") });
}
