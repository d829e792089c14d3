// Numbers, times and names as people read them.

/** A number in at most `digits` significant digits; a dash where there is none. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return shortExponent(value.toExponential(Math.max(0, digits - 2)));
  if (Number.isInteger(value)) return grouped(value);
  return String(Number(value.toPrecision(digits)));
}

function shortExponent(text) {
  const [mantissa, exponent] = text.split("e");
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return `${short}e${exponent.replace("+", "")}`;
}

const GROUPS = new Intl.NumberFormat("en");

function grouped(value) {
  return Math.abs(value) < 10_000 ? String(value) : GROUPS.format(value);
}

/** A value of any kind. */
export function value(any) {
  if (any === null || any === undefined) return "–";
  if (typeof any === "number") return number(any);
  return typeof any === "object" ? JSON.stringify(any) : String(any);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 10) return `${number(seconds, 2)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${number(seconds / 3600, 3)} h`;
  return `${number(seconds / 86_400, 3)} days`;
}

export function bytes(count) {
  if (count === null || count === undefined || Number.isNaN(count)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = count < 1 ? 0 : Math.min(4, Math.floor(Math.log10(count) / 3));
  return `${number(count / 1000 ** power, 3)} ${units[power]}`;
}

/** A metric's value, in its unit where the name has one. */
export function measured(name, value) {
  if (name.endsWith("_bytes")) return bytes(value);
  return name.endsWith("_percent") ? `${number(value, 3)} %` : number(value);
}

export function percent(part) {
  return `${number(100 * part, 3)} %`;
}

/** A column's name as a heading: "best/val/loss" -> "best val/loss", "param/model.depth" -> "model.depth". */
export function heading(column) {
  if (column.startsWith("param/")) return column.slice(6);
  if (column === "spent/seconds") return "time of all trials so far (s)";
  if (column === "spent/gpu_seconds") return "GPU time of all trials so far (s)";
  if (column === "number") return "trial";
  if (column === "gpu_seconds") return "GPU time (s)";
  if (column === "seconds") return "time (s)";
  return column.replace(/^(best|last|min|max|objective|confirmed)\//, "$1 ");
}

/** The shortest endings that still tell the names apart: "train.optimizer.sgd.lr" -> "sgd.lr". */
export function shortNames(names) {
  const short = new Map();
  for (const name of names) {
    const parts = heading(name).split(".");
    let taken = 1;
    const ending = () => parts.slice(-taken).join(".");
    const clashes = () => names.some((other) => other !== name && endsWith(heading(other), ending()));
    while (taken < parts.length && clashes()) taken += 1;
    short.set(name, ending());
  }
  return short;
}

function endsWith(name, ending) {
  return name === ending || name.endsWith(`.${ending}`);
}
