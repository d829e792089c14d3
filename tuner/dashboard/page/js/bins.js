// Values in bins along an axis, and what is said of a bin: quartiles, a mean.
import { number } from "./format.js";

const MOST = 10;

/**
 * Bins of a column: each category or each of a few numbers has its own, more numbers share bins that are equally wide
 * on `scale`. {count, of(value) -> index or -1, ends(index) -> [low, high], text(index)}
 */
export function binsOf(column, scale, most = MOST) {
  const places = [...new Set(column.values)].map(scale.at).filter(Number.isFinite);
  places.sort((a, b) => a - b);
  const isEach = column.labels !== null || places.length <= most;
  const edges = isEach ? between(places) : even(places[0], places.at(-1), most);
  const ends = (index) => [scale.value(edges[index]), scale.value(edges[index + 1])];
  return {
    count: edges.length - 1,
    of: (value) => indexOf(edges, scale.at(value)),
    ends,
    text: (index) => {
      if (column.labels) return column.labels[index];
      if (isEach) return number(scale.value(places[index]));
      return ends(index)
        .map((end) => number(end, 3))
        .join(" – ");
    },
  };
}

/** Edges in the middle between neighbours; the outer ones are those of the axis. */
function between(places) {
  return [0, ...places.slice(1).map((place, index) => (place + places[index]) / 2), 1];
}

function even(low, high, count) {
  return Array.from({ length: count + 1 }, (_, index) => low + (index * (high - low)) / count);
}

/** The last edge belongs to the last bin. */
function indexOf(edges, place) {
  const count = edges.length - 1;
  if (!(place >= edges[0] && place <= edges[count])) return -1;
  const next = edges.findIndex((edge) => edge > place);
  return next < 0 ? count - 1 : next - 1;
}

/** [lower quartile, median, upper quartile], between neighbours in proportion. */
export function quartiles(values) {
  const sorted = Float64Array.from(values).sort();
  return [0.25, 0.5, 0.75].map((part) => {
    const at = part * (sorted.length - 1);
    const low = Math.floor(at);
    return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  });
}

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
