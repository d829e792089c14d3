// What an hour costs, of a GPU or of a gang without any: the browser remembers it, for all experiments.
import { el } from "./dom.js";
import { number } from "./format.js";

export const UNITS = ["GPU", "gang"];

/** In what it is counted what an experiment took. */
export function unitOf(gpuSeconds) {
  return gpuSeconds ? "GPU" : "gang";
}

/** 0 where none was given. */
export function priceOf(unit) {
  try {
    return Number(localStorage.getItem(`price of a ${unit}`)) || 0;
  } catch {
    return 0; // Storage may be forbidden.
  }
}

export function remember(unit, price) {
  try {
    localStorage.setItem(`price of a ${unit}`, String(price));
  } catch {
    // Then the address alone has it.
  }
}

export function money(price, seconds) {
  return number((price * seconds) / 3600, 4);
}

/** A field for a price; `onchange` is told it. */
export function priceInput(onchange) {
  const input = el("input", {
    type: "number",
    min: "0",
    step: "any",
    placeholder: "price",
    onchange: () => onchange(Math.max(0, Number(input.value) || 0)),
  });
  return input;
}
