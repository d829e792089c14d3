// The columns min/<tag> and max/<tag>, over the points of a trial's curve: offered for every tag, read when one is wanted.

/** Both columns of a tag. */
export const extremesOf = (tag) => [`min/${tag}`, `max/${tag}`];

/** Columns that can be had besides those that are there. */
export function offered({ detail, trials }) {
  return detail.metrics.flatMap(extremesOf).filter((name) => !trials.has(name));
}

/** Tags with such a column in the view, the filters or the expression, that are not read yet. */
export function wanted({ detail, trials, view, filters }) {
  const { shown, axes, sort, scatterX, scatterY, colour, expression } = view;
  const used = new Set([...(shown ?? []), ...(axes ?? []), sort?.column, scatterX, scatterY, colour, ...filters.keys()]);
  const isUsed = (name) => !trials.has(name) && (used.has(name) || expression.includes(name));
  return detail.metrics.filter((tag) => extremesOf(tag).some(isUsed));
}
