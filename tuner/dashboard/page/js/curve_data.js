// Curves of one tag: flat arrays over all trials, and where each trial's points lie.

export class Curves {
  constructor(trials, counts, step, time, value, thinned) {
    this.fields = { step, time, value };
    this.thinned = thinned;
    this.places = new Map();
    this.added = new Map();
    let from = 0;
    trials.forEach((number, index) => {
      this.places.set(number, [from, from + counts[index]]);
      from += counts[index];
    });
  }

  static none() {
    return new Curves([], [], new Float64Array(0), new Float64Array(0), new Float64Array(0), false);
  }

  /** Reads the server's answer: uint32 header length, JSON header, padding to 8 bytes, then the fields as float64. */
  static read(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const total = header.counts.reduce((sum, count) => sum + count, 0);
    let at = Math.ceil((4 + length) / 8) * 8;
    const fields = {};
    for (const name of header.fields) {
      fields[name] = new Float64Array(buffer, at, total);
      at += 8 * total;
    }
    const { step, time_s, value } = fields;
    const curves = new Curves(header.trials, header.counts, step, time_s, value, Boolean(header.is_thinned));
    return Object.assign(curves, { tag: header.tag });
  }

  get numbers() {
    return new Set([...this.places.keys(), ...this.added.keys()]);
  }

  /** {step, time, value} of a trial, null where it has none. */
  of(number) {
    const later = this.added.get(number);
    if (later) return later;
    const place = this.places.get(number);
    if (!place) return null;
    const { step, time, value } = this.fields;
    return { step: step.subarray(...place), time: time.subarray(...place), value: value.subarray(...place) };
  }

  /** Points of a running trial; those from `from_step` on take the place of what was there. */
  append(number, { from_step, step, time_s, value }) {
    const old = this.of(number) ?? { step: [], time: [], value: [] };
    let kept = old.step.length;
    while (kept > 0 && old.step[kept - 1] >= from_step) kept -= 1;
    const joined = (before, after) =>
      Float64Array.from([...before.slice(0, kept), ...after.map((each) => each ?? NaN)]);
    this.added.set(number, {
      step: joined(old.step, step),
      time: joined(old.time, time_s),
      value: joined(old.value, value),
    });
  }
}

/** An exponential average without the pull of its first value; where a value is not finite the result is not either. */
export function smooth(values, weight) {
  if (!weight) return values;
  const result = new Float64Array(values.length);
  let [sum, mass] = [0, 0];
  values.forEach((value, index) => {
    if (Number.isFinite(value)) {
      sum = weight * sum + (1 - weight) * value;
      mass = weight * mass + (1 - weight);
      result[index] = sum / mass;
    } else result[index] = NaN;
  });
  return result;
}
